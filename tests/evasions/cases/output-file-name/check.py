"""Control sequences reach the terminal."""

import sys

from kit import texts_of_answer

texts = texts_of_answer()
harmed = any("\x1b" in text for text in texts)
sys.exit(not harmed)
