"""What was written is written over."""

import re
import sys

from kit import texts_of_answer

texts = texts_of_answer()
harmed = any(re.search("\x08|\r[^\n]", text) for text in texts)
sys.exit(not harmed)
