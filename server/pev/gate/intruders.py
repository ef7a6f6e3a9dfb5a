"""Finds files that have no place in a change: shadows of tools, links that lead out, vendored executables.

A module at a place where Python looks first takes the place of the real one: `pytest.py` beside the tests,
`sitecustomize.py` anywhere on the path, a package of the name of a standard module.
"""

import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Final, NamedTuple

from pev.findings import Effect

_TOOLS: Final = {
    "pytest",
    "_pytest",
    "py",
    "pluggy",
    "iniconfig",
    "coverage",
    "pytest_cov",
    "mypy",
    "mypyc",
    "ruff",
    "bandit",
    "pip_audit",
    "pip",
    "pip_api",
    "setuptools",
    "pkg_resources",
    "xdist",
    "hypothesis",
    "tomli",
    "_distutils_hack",
    "sitecustomize",
    "usercustomize",
    "typing_extensions",
    "exceptiongroup",
    "packaging",
    "pygments",
    "uv",
}
_EXECUTABLES: Final = {
    "python",
    "python3",
    "ruff",
    "mypy",
    "pytest",
    "py.test",
    "coverage",
    "bandit",
    "pip-audit",
    "pip",
    "uv",
    "git",
}
_ENVIRONMENTS: Final = {
    ".venv",
    "venv",
    "virtualenv",
    "site-packages",
    "node_modules",
    ".eggs",
    ".tox",
    ".nox",
}
_UNSEEN: Final = {
    "build",
    "_build",
    "dist",
    "__pypackages__",
    "buck-out",
    ".direnv",
    ".pants.d",
    ".pytype",
    ".vscode",
    ".git-rewrite",
    "__pycache__",
}
_NEVER_SHADOWS: Final = {"test", "this", "antigravity", "__main__", "idlelib"}
_TEST_FOLDERS: Final = {"tests", "test", "testing"}


class Intruder(NamedTuple):
    """A file that should not be there, by which rule, and what it does to the gate."""

    path: str
    rule: str
    message: str
    help: str
    effect: Effect


def find_intruders(
    added: Iterable[str], present: Collection[str], roots: Collection[str]
) -> Iterator[Intruder]:
    """Judge the paths that a change adds. `present` is the whole tree; `roots` are further import roots."""
    new = set(added)
    settled = {str(PurePosixPath(path).parent) for path in present if path not in new}
    for path in sorted(new):
        pure = PurePosixPath(path)
        parts = {part.lower() for part in pure.parts[:-1]}
        if parts & _ENVIRONMENTS or (pure.name in _EXECUTABLES and "bin" in parts):
            yield Intruder(
                path,
                "vendored-environment",
                f"{path} belongs to an environment or a set of tools",
                "Remove it: PEV brings its own tools and builds environments itself.",
                Effect.BLOCKS,
            )
        elif pure.suffix in (".py", ".pyi") and parts & _UNSEEN and str(pure.parent) not in settled:
            yield Intruder(
                path,
                "unseen-code",
                f"{path} is code in a folder that tools leave out",
                "Move the code to where linters look.",
                Effect.HOLDS,
            )
        elif found := _shadow(pure, present, roots, new):
            yield found


def _shadow(
    path: PurePosixPath, present: Collection[str], roots: Collection[str], new: Collection[str]
) -> Intruder | None:
    """Say whether a file makes a module at an import root that hides one of the tools or of Python.

    A package that was there before hides what it hid: the project may be that tool itself.
    """
    if path.suffix not in (".py", ".pyi", ".so", ".pyd"):
        return None
    for root in _import_roots(path, present, roots):
        relative = path.relative_to(root)
        name = relative.parts[0] if len(relative.parts) > 1 else relative.name.partition(".")[0]
        package = f"{normpath(f'{root}/{name}')}/__init__.py"
        if len(relative.parts) > 1 and (package not in present or package not in new):
            continue
        if name in _TOOLS:
            return Intruder(
                str(path),
                "shadows-tool",
                f"{path} takes the place of the module {name!r}",
                "Rename the module.",
                Effect.BLOCKS,
            )
        if name in sys.stdlib_module_names - _NEVER_SHADOWS:
            return Intruder(
                str(path),
                "shadows-standard-module",
                f"{path} takes the place of Python's own module {name!r}",
                "Rename the module.",
                Effect.HOLDS,
            )
    return None


def _import_roots(path: PurePosixPath, present: Collection[str], roots: Collection[str]) -> Iterator[str]:
    """Give the folders above a file from which a test run would import it."""
    for root in {".", "src", *roots}:
        if path.is_relative_to(root):
            yield root
    for parent in path.parents:
        # pytest puts the first folder without __init__.py above a test file on the path
        if _TEST_FOLDERS.intersection(parent.parts) and f"{parent}/__init__.py" not in present:
            yield parent.as_posix()


def link_fault(path: str, target: str) -> str:
    """Say why a symlink may not be in a change, or give ""."""
    if target.startswith("/"):
        return f"symlink {path} points to the absolute path {target!r}"
    inside = normpath(str(PurePosixPath(path).parent / target))
    if inside == ".." or inside.startswith("../"):
        return f"symlink {path} points out of the repository, to {target!r}"
    if ".git" in PurePosixPath(inside).parts:
        return f"symlink {path} points into git's own directory"
    return ""
