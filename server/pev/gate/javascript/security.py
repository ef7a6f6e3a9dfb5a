"""The check `security` of JavaScript and TypeScript: risky calls, by their syntax trees."""

from collections.abc import Mapping
from typing import ClassVar

from pev.gate.demands import Language
from pev.gate.javascript.face import SUFFIXES
from pev.gate.patterns import Patterns, Rule
from pev.gate.rules import javascript


class NodeSecurity(Patterns):
    """Rules for JavaScript and TypeScript, on all files of a project."""

    language: ClassVar[Language | None] = Language.JAVASCRIPT
    suffix: ClassVar[str] = ".js"
    rules: ClassVar[tuple[Rule, ...]] = javascript.RULES
    grammars: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(
        SUFFIXES, ("tsx", "typescript", "javascript")
    )
    planted: ClassVar[str] = javascript.PLANTED
