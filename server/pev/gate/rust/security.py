"""The check `security` of Rust: unsafe code and risky calls, by its syntax trees, inside macros too."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pev.gate.demands import Language
from pev.gate.patterns import Patterns, Rule
from pev.gate.rules import rust


class RustSecurity(Patterns):
    """Rules for Rust, on all its files."""

    language: ClassVar[Language | None] = Language.RUST
    suffix: ClassVar[str] = ".rs"
    rules: ClassVar[tuple[Rule, ...]] = rust.RULES
    grammars: ClassVar[Mapping[str, tuple[str, ...]]] = {".rs": ("rust",)}
    tests: ClassVar[tuple[Mapping[str, Any], ...]] = rust.TESTS
    planted: ClassVar[str] = rust.PLANTED
