"""The check `format`: is every file as `ruff format` would write it?"""

from typing import ClassVar

from pev.gate.ruff import Ruff


class Format(Ruff):
    """`ruff format --check`, with the trusted configuration."""

    name = "format"
    weight: ClassVar[int] = 10
    words: ClassVar[tuple[str, ...]] = ("format", "--check")
    defects: ClassVar[tuple[str, ...]] = ("syntax", "invalid-syntax")
    remedy: ClassVar[str] = "Run `ruff format` on this file."
    own_rules: ClassVar[tuple[str, ...]] = ("unformatted",)
    planted: ClassVar[str] = "planted = {  'a':1 ,\n       'b' :2}\n\n\n\n\nif planted :\n  pass\n"
