"""Finds out which projects a repository is made of, by its files alone. Nothing is run."""

import tomllib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from pev.gate.demands import joined
from pev.gate.detected import Detected, DetectedProject
from pev.gate.golang.finder import find_modules
from pev.gate.interface import Depot
from pev.gate.javascript.finder import find_projects
from pev.gate.rust.finder import find_crates
from pev.models import ObjectId

_TEST_FOLDERS: Final = ("tests", "test", "testing")
_MARKS: Final = ("pyproject.toml", "setup.py", "setup.cfg")
_CONFIGS: Final[dict[str, tuple[str, ...]]] = {
    "ruff": ("ruff.toml", ".ruff.toml"),
    "mypy": ("mypy.ini", ".mypy.ini"),
    "pytest": ("pytest.ini", "pytest.toml", ".pytest.toml", ".pytest.ini"),
    "coverage": (".coveragerc", ".coveragerc.toml"),
    "bandit": (".bandit",),
}
_TABLES: Final = ("black", "ruff", "mypy", "pytest", "coverage", "bandit")
_NOT_OURS: Final = {
    "node_modules",
    "vendor",
    "third_party",
    "examples",
    "fixtures",
    "templates",
    ".venv",
    "venv",
}


Finder = Callable[[Depot, ObjectId, Sequence[str]], Awaitable[list[DetectedProject]]]
"""Lists the projects of one language in a tree whose paths are given."""

FINDERS: Final[tuple[Finder, ...]] = (find_modules, find_crates, find_projects)


async def detect(depot: Depot, commit: ObjectId) -> Detected:
    """Look through a commit's files for projects, their tests and their tools."""
    tree = await depot.tree_of(commit)
    paths = [entry.path for entry in await depot.entries(tree)]
    python = [path for path in paths if path.endswith((".py", ".pyi"))]
    found = [await _project(depot, tree, root, paths) for root in await _roots(depot, tree, paths)]
    for finder in FINDERS:
        found += await finder(depot, tree, paths)
    return Detected(projects=tuple(found), python_files=len(python))


async def _roots(depot: Depot, tree: ObjectId, paths: Sequence[str]) -> list[str]:
    """Give the roots of projects: the repository if it is one itself, else the folders that declare one."""
    marks = [PurePosixPath(path) for path in paths if PurePosixPath(path).name in _MARKS]
    inner = sorted({path.parent.as_posix() for path in marks if not _NOT_OURS.intersection(path.parts)})
    if "." in inner:
        table = await _pyproject(depot, tree, ".")
        if "project" in table or "setup.py" in paths or "poetry" in table.get("tool", {}) or len(inner) == 1:
            return ["."]
        inner.remove(".")
    declared = [root for root in inner if "project" in await _pyproject(depot, tree, root)]
    return declared or (["."] if any(path.endswith(".py") for path in paths) else [])


async def _pyproject(depot: Depot, tree: ObjectId, root: str) -> dict[str, Any]:
    raw = await depot.read_blob(tree, joined(root, "pyproject.toml"))
    try:
        return tomllib.loads(raw.decode("utf-8", "replace")) if raw else {}
    except tomllib.TOMLDecodeError:
        return {}


async def _project(depot: Depot, tree: ObjectId, root: str, paths: Sequence[str]) -> DetectedProject:
    table = await _pyproject(depot, tree, root)
    own = [
        PurePosixPath(path).relative_to(root) for path in paths if PurePosixPath(path).is_relative_to(root)
    ]
    names = {path.as_posix() for path in own}
    tools = {name for name in _TABLES if name in table.get("tool", {})}
    tools |= {tool for tool, files in _CONFIGS.items() if names.intersection(files)}
    tests = {
        path.parts[0]
        for path in own
        if path.suffix == ".py" and len(path.parts) > 1 and path.parts[0] in _TEST_FOLDERS
    }
    project = table.get("project")
    name = project.get("name", "") if isinstance(project, dict) else ""
    return DetectedProject(
        root=root, name=str(name), tests=tuple(sorted(tests)), configured=tuple(sorted(tools))
    )
