"""The check `security` of Go: risky calls and packages, by its syntax trees."""

from collections.abc import Mapping
from typing import ClassVar

from pev.gate.demands import Language
from pev.gate.patterns import Patterns, Rule
from pev.gate.rules import go


class GoSecurity(Patterns):
    """Rules for Go, on all its files."""

    language: ClassVar[Language | None] = Language.GO
    suffix: ClassVar[str] = ".go"
    rules: ClassVar[tuple[Rule, ...]] = go.RULES
    grammars: ClassVar[Mapping[str, tuple[str, ...]]] = {".go": ("go",)}
    planted: ClassVar[str] = go.PLANTED
