"""Which names and links a tree of ours may hold, and what tools leave that never belongs to a change."""

import unicodedata
from collections.abc import Iterable
from itertools import takewhile
from typing import Final

from pev.errors import SnapshotRefused

MAX_FILE_BYTES: Final = 100 * 2**20
MAX_PATH_BYTES: Final = 4_000

TOOL_FOLDERS: Final = frozenset(
    {
        "__pycache__",
        ".hypothesis",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "node_modules",
    }
)
"""Folders that tools make and that hide themselves from git with an ignore file of their own.

That ignore file does not count for us, so without this list a cache would become part of a change. What is
left out is neither judged nor shipped; what the base tracks is never left out.
"""

_HELP: Final = "Remove or rename it, or let the trusted ref's .gitignore name it."
_INVISIBLE: Final = frozenset(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with the name of one file or folder, or None."""
    if name.isascii() and name.isprintable():
        return "is git's own" if name.lower() == ".git" else None
    if any(unicodedata.category(char) == "Cs" for char in name):
        return "is not UTF-8"
    if any(unicodedata.category(char) == "Cc" or char in _INVISIBLE for char in name):
        return "holds control or invisible characters"
    return None


def fold(name: str) -> str:
    """Give the form under which two names are one file where case or composition does not count."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def check_paths(paths: Iterable[str]) -> None:
    """Raise SnapshotRefused if a path of a tree has a faulty part, or collides with another but for case."""
    faults: dict[str, str | None] = {}
    seen: dict[str, str] = {}
    known: set[str] = set()
    for whole in paths:
        path = whole
        while path and path not in known:
            known.add(path)
            folder, _, name = path.rpartition("/")
            fault = faults[name] if name in faults else faults.setdefault(name, fault_of_name(name))
            if fault:
                raise refused(path, fault)
            twin = seen.setdefault(fold(path), path)
            if twin != path:
                raise refused(path, f"differs from {twin!r} only in case or composition")
            path = folder


def check_link(path: str, target: str) -> None:
    """Raise SnapshotRefused if a symbolic link at `path` leads out of the tree, or into git's directory."""
    if "\0" in target or not target:
        raise refused(path, "is a symbolic link to nothing")
    steps = [step for step in target.split("/") if step not in ("", ".")]
    ups = len(list(takewhile(lambda step: step == "..", steps)))
    if target.startswith("/") or ups > path.count("/"):
        raise refused(path, f"is a symbolic link that leads out, to {target!r}")
    if ".." in steps[ups:]:
        # through another link this could leave the tree, although it does not look so
        raise refused(path, f"is a symbolic link with .. after a name, to {target!r}")
    if any(fold(step) == ".git" for step in steps):
        raise refused(path, f"is a symbolic link into git's directory, {target!r}")


def refused(path: str, fault: str, hint: str = _HELP) -> SnapshotRefused:
    """Make the error for a path that a tree of ours may not hold."""
    return SnapshotRefused(f"{shown(path)} {fault}", hint=hint)


def shown(path: str) -> str:
    """Give a path as an error shows it."""
    return repr(path.encode("utf-8", "backslashreplace").decode())
