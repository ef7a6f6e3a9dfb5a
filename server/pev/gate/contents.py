"""Looks at what a change writes, whatever kind of file it is: credentials, and letters that deceive the eye.

Only text that the base does not have counts. A message never repeats a credential.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from pev.findings import Effect
from pev.gate.coding import strange_coding
from pev.gate.faces import belongs_to_tests
from pev.gate.hooks import find_hooks
from pev.trail.shapes import ASSIGNED, ASSIGNMENT, SHAPES, looks_secret

_LOOSE: Final = {"url-credentials", "authorization", "bearer-token", "jwt"}
_EXAMPLE: Final = re.compile(r"(?i)example|dummy|fake|xxxx|1234567890|placeholder|changeme|\.invalid")
_PYTHON: Final = {".py", ".pyi", ".pyw"}
_CONFTEST: Final = "Put it into a conftest.py, which a plan can name; a person can also allow it here."
_PROSE: Final = {".md", ".rst", ".txt", ".adoc", ".po", ".pot", ".html", ".svg"}
# writing direction is overridden, embedded or isolated by these (UAX #9)
_TURNING: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# without width, or tags; the joiner and the variation selectors stand in honest emoji and scripts
_UNSEEN: Final = "\u200b\u2060\u2061\u2062\u2063\u2064\u180e\u00ad"
_ODD: Final = re.compile(f"[{_TURNING}{_UNSEEN}\U000e0000-\U000e007f]|(?<!^)\ufeff")
_WORD: Final = re.compile(r"[^\W\d]\w*")
# letters of other scripts that look like Latin ones (after UTS #39)
_TWINS: Final = str.maketrans(
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421"
    "\u0422\u0425\u0423\u0430\u0435\u043e\u0440\u0456\u0458\u0441\u0443\u0445"
    "\u0455\u0501\u051b\u051d\u04bb\u0391\u0392\u0395\u0396\u0397\u0399\u039a"
    "\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03bd\u1d0f\u0251\u0261",
    "ABESIJKMHOPCTXYaeopijcyxsdqwhABEZHIKMNOPTYXovoag",
)


class Seen(NamedTuple):
    """Something in a file that a person should know of."""

    rule: str
    line: int
    what: str
    effect: Effect
    help: str


def look_into(path: str, old: str, new: str) -> Iterator[Seen]:
    """List what is new in a file of the change."""
    yield from find_credentials(path, old, new)
    yield from _odd_characters(path, old, new)
    if PurePosixPath(path).suffix not in _PROSE:
        yield from _twins(old, new)
    if PurePosixPath(path).suffix in _PYTHON:
        yield from _in_python(path, old, new)


def _in_python(path: str, old: str, new: str) -> Iterator[Seen]:
    coding = strange_coding(new)
    if coding and coding != strange_coding(old):
        what = f"the source is written in {coding}, so that what runs is not what one reads"
        yield Seen("strange-coding", 1, what, Effect.HOLDS, "Write it in UTF-8.")
    for hook in find_hooks(path, old, new):
        what = f"this module steers pytest: {hook.what}"
        yield Seen("steers-pytest", hook.line, what, Effect.HOLDS, _CONFTEST)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def find_credentials(path: str, old: str, new: str) -> Iterator[Seen]:
    """List what looks like a credential and is new; a file may be binary."""
    in_tests = belongs_to_tests(path)
    lowered = new.lower()
    for kind, form in SHAPES.items():
        if not form.may_match(lowered):
            continue
        for match in form.pattern.finditer(new):
            if match[0] not in old and not _EXAMPLE.search(match[0]):
                held = in_tests or kind in _LOOSE or PurePosixPath(path).suffix in _PROSE
                yield _secret(kind, _line(new, match.start()), Effect.HOLDS if held else Effect.BLOCKS)
    if in_tests or PurePosixPath(path).suffix in _PROSE or not ASSIGNMENT.may_match(lowered):
        return
    for match in ASSIGNMENT.pattern.finditer(new):
        value = match["quoted"]
        if value and value not in old and looks_secret(value, quoted=True) and not _EXAMPLE.search(match[0]):
            yield _secret(ASSIGNED, _line(new, match.start()), Effect.HOLDS)


def _secret(kind: str, line: int, effect: Effect) -> Seen:
    help_text = "Take it out, revoke it, and read it from the environment; a person can allow this one."
    return Seen("secret", line, f"what looks like a credential ({kind}) is written down", effect, help_text)


def _odd_characters(path: str, old: str, new: str) -> Iterator[Seen]:
    """List characters that turn or hide text; a file that is prose may write from right to left."""
    known = Counter(_ODD.findall(old))
    prose = PurePosixPath(path).suffix in _PROSE
    for match in _ODD.finditer(new):
        char = match[0]
        if known[char] > 0:
            known[char] -= 1
            continue
        name = unicodedata.name(char, f"U+{ord(char):04X}")
        certain = char in _TURNING and not prose
        yield Seen(
            "hidden-character",
            _line(new, match.start()),
            f"a character that {'turns' if char in _TURNING else 'hides in'} the text: {name}",
            Effect.BLOCKS if certain else Effect.HOLDS,
            "Write it as an escape, or leave it out.",
        )


def _twins(old: str, new: str) -> Iterator[Seen]:
    """List words that mix scripts, or that are another word of the file to the eye."""
    if new.isascii():
        return
    words = set(_WORD.findall(new))
    known = set(_WORD.findall(old))
    for match in _WORD.finditer(new):
        word = match[0]
        plain = word.translate(_TWINS)
        if word.isascii() or plain == word or word in known:
            continue
        known.add(word)
        if plain.isascii() and (plain in words or any(letter.isascii() for letter in word if letter != "_")):
            yield Seen(
                "look-alike",
                _line(new, match.start()),
                f"the name {word!a} looks like {plain!r} and is another",
                Effect.HOLDS,
                "Write it in one script.",
            )
