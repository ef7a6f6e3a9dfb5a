"""The order of a line is turned."""

import re
import sys

from kit import texts_of_answer

texts = texts_of_answer()
harmed = any(re.search("[\u202a-\u202e\u2066-\u2069]", text) for text in texts)
sys.exit(not harmed)
