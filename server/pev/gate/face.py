"""What the gate knows of a language from its texts alone: how it writes tests, suppressions, configuration.

Nothing here runs anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Protocol

from pev.gate.demands import Language
from pev.gate.subjects import Test
from pev.gate.suppressions import Suppression


class Manifest(Protocol):
    """A file that declares a package and configures its tools in one; only the latter is protected."""

    def guarded(self, raw: bytes) -> dict[str, Any] | None:
        """Give the protected part by its keys, or None if it cannot be read."""

    def restored(self, *, trusted: bytes | None, own: bytes) -> bytes | None:
        """Give `own` with the protected part of the trusted version; None if there is to be no file."""


@dataclass(frozen=True, slots=True)
class Face:
    """How a language shows itself in files.

    `configs` are patterns of file names, in lower case, that steer its tools: any change of one is held.
    `manifests` are by file name. `test_files` are patterns of names, or of whole paths where they have a
    slash; `test_folders` hold what belongs to tests without being one. `inline` says that tests stand in
    product files too. `inventory` gives None for a file
    that cannot be parsed. `aware` says in which words product code comes to know of a test runner, with the
    lines.
    """

    language: Language
    suffixes: tuple[str, ...]
    configs: tuple[str, ...]
    test_files: tuple[str, ...]
    inventory: Callable[[str], dict[str, Test] | None]
    suppressions: Callable[[str], tuple[Suppression, ...]]
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    test_folders: frozenset[str] = frozenset({"test", "tests", "testing"})
    aware: Callable[[str], tuple[tuple[int, str], ...]] = lambda _: ()
    inline: bool = False

    def reads(self, path: str) -> bool:
        """Say whether a file is source of this language."""
        return path.lower().endswith(self.suffixes)

    def is_test_file(self, path: str) -> bool:
        """Say whether the test runner would collect a file by its name."""
        pure = PurePosixPath(path)
        return self.reads(path) and any(
            pure.match(pattern) if "/" in pattern else fnmatchcase(pure.name, pattern)
            for pattern in self.test_files
        )

    def is_test_ground(self, path: str) -> bool:
        """Say whether a file belongs to the tests: one itself, or one in a test folder."""
        return self.is_test_file(path) or bool(self.test_folders & set(PurePosixPath(path).parts[:-1]))

    def is_config(self, path: str) -> bool:
        """Say whether a file steers the tools of this language."""
        name = PurePosixPath(path).name.lower()
        whole = path.lower()
        return any(
            fnmatchcase(whole, pattern) or fnmatchcase(whole, f"*/{pattern}")
            if "/" in pattern
            else fnmatchcase(name, pattern)
            for pattern in self.configs
        )
