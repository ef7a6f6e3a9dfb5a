"""Shows installed packages to a checkout: a `node_modules` of links into the folders of our cache.

The folder is the checkout's own, so that tools may keep caches in it; what the links lead to is read-only.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pev.errors import ProjectUnsupported
from pev.gate.javascript.wanted import Wanted

MODULES: Final = "node_modules"
_MARK: Final = ".pev"
_KINDS: Final = r"eslint|typescript-eslint|prettier|vitest|jest|babel|swc|tsconfig|biomejs|istanbuljs"
_TOOLS: Final = re.compile(
    rf"@?(?:{_KINDS})(?:[-/].*)?|@[\w.-]+/(?:{_KINDS})(?:-.*)?|.*-(?:eslint|prettier|vitest|jest)-.*"
    r"|typescript|mocha|c8|nyc|tsx|ts-node|ts-jest|vite|globals"
)
"""Packages that judge, and what their configuration brings in: these come from the trusted lock file."""


def plant(checkout: Path, wanted: Wanted, own: Path, tools: Path) -> None:
    """Make the `node_modules` of a checkout: of the lock file's folder, and of each workspace's.

    Raises ProjectUnsupported if the tree brings such a folder: it is not used, and hides ours.
    """
    home = checkout / wanted.root if wanted.root != "." else checkout
    for place in ("", *wanted.members):
        target = home / place / MODULES
        if not (home / place).is_dir():
            continue
        if (target / _MARK).is_file():
            continue
        if target.exists() or target.is_symlink():
            raise ProjectUnsupported(
                f"{target.relative_to(checkout).as_posix()} is part of the tree, and is not used",
                hint="Take it out of the repository: packages come from the lock file.",
            )
        _make(target, own / place / MODULES, tools / place / MODULES)
    for place, name in wanted.members.items():
        _link_member(home / MODULES, name, home / place)


def _make(target: Path, own: Path, tools: Path) -> None:
    """Fill a folder of links beside its place, and move it there at once."""
    fresh = Path(tempfile.mkdtemp(prefix=".pev-", dir=target.parent))
    places = dict(_packages(own))
    for name, path in _packages(tools):
        if name not in places or _TOOLS.fullmatch(name):
            places[name] = path
    for name, path in places.items():
        link = fresh / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    (fresh / _MARK).write_text("", encoding="utf-8")
    fresh.chmod(0o755)
    try:
        fresh.rename(target)
    except OSError:
        if not (target / _MARK).is_file():  # somebody else made it meanwhile
            raise


def _packages(folder: Path) -> Iterator[tuple[str, Path]]:
    """List the packages in a `node_modules`, scopes opened, links between workspaces left out."""
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.name.startswith("@"):
            for inner in sorted(os.scandir(entry.path), key=lambda one: one.name):
                if not inner.is_symlink():
                    yield f"{entry.name}/{inner.name}", Path(inner.path)
        elif entry.name == ".bin" or not (entry.is_symlink() or entry.name.startswith(".")):
            yield entry.name, Path(entry.path)


def _link_member(modules: Path, name: str, place: Path) -> None:
    """Let a workspace be found by its name, where the checkout has it."""
    link = modules / name
    if not name or ".." in Path(name).parts or Path(name).is_absolute() or link.is_symlink():
        return
    if link.parent.resolve().is_relative_to(modules.resolve()) or not link.parent.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(place)
