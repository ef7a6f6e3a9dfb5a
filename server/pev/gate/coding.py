"""Reads the coding line of a Python source (PEP 263): may readers and scanners take it for plain text?"""

import codecs
import re
from typing import Final

_LINE: Final = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_BLANK: Final = re.compile(r"^[ \t\f]*(?:#|$)")
# in these each ASCII byte is the letter that it seems to be, and nothing else is one
_PLAIN: Final = re.compile(r"utf-8(-sig)?|ascii|iso8859-\d+|cp125\d|koi8-[ru]")


def strange_coding(source: str) -> str:
    """Give the encoding that a source names if what one reads in it may not be what runs, else ""."""
    for line in re.split(r"\r\n|\r|\n", source.removeprefix("\ufeff")[:10_000], maxsplit=2)[:2]:
        if found := _LINE.match(line):
            try:
                known = codecs.lookup(found[1]).name
            except (LookupError, ValueError):
                return found[1]
            return "" if _PLAIN.fullmatch(known) else known
        if not _BLANK.match(line):
            break
    return ""
