"""Finds the JavaScript and TypeScript projects of a tree, and which checks fit what each of them has.

A folder with a `package.json` is a project if it brings tests or tools of its own. Nothing is run.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from pev.gate.demands import BuiltIn, Language, joined
from pev.gate.detected import DetectedProject
from pev.gate.interface import Depot
from pev.gate.javascript.face import JAVASCRIPT
from pev.gate.javascript.packages import (
    LOCK,
    MANIFEST,
    OTHER_LOCKS,
    SHRINKWRAP,
    declared,
    read_json,
    table_of,
)
from pev.gate.javascript.runners import runner_of
from pev.models import ObjectId

_NOT_OURS: Final = {
    "node_modules",
    "vendor",
    "third_party",
    "examples",
    "example",
    "fixtures",
    "__fixtures__",
    "templates",
    "template",
    "testdata",
    "dist",
    "build",
}
_CONFIGURES: Final = {
    "prettier": re.compile(r"\.prettierrc.*|prettier\.config\..*"),
    "biome": re.compile(r"biome\.jsonc?"),
    "eslint": re.compile(r"eslint\.config\..*|\.eslintrc.*"),
    "typescript": re.compile(r"tsconfig\.json"),
}
_KEYS: Final = {"prettier": "prettier", "eslint": "eslintConfig"}


async def find_projects(depot: Depot, tree: ObjectId, paths: Sequence[str]) -> list[DetectedProject]:
    """List the projects of a tree whose paths are given."""
    roots = [
        path.parent.as_posix()
        for path in map(PurePosixPath, paths)
        if path.name == MANIFEST and not _NOT_OURS.intersection(path.parts) and not _is_test_data(path)
    ]
    found: list[DetectedProject] = []
    for root in sorted(roots, key=lambda one: (one.count("/"), one)):
        manifest = read_json(await depot.read_blob(tree, joined(root, MANIFEST))) or {}
        inner = [one for one in roots if one != root and (root == "." or one.startswith(f"{root}/"))]
        project = _project(root, manifest, _own(root, inner, paths), is_top=not found)
        if project is not None:
            found.append(project)
    return found


def _is_test_data(path: PurePosixPath) -> bool:
    return len(path.parts) > 1 and bool(JAVASCRIPT.test_folders.intersection(path.parts[:-1]))


def _own(root: str, inner: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Give the paths of a project's own files, relative to it: not those of projects inside."""
    start = "" if root == "." else f"{root}/"
    others = tuple(f"{one}/" for one in inner)
    own = [path for path in paths if path.startswith(start) and not path.startswith(others)]
    return [one for path in own if not _NOT_OURS.intersection(PurePosixPath(one := path[len(start) :]).parts)]


def _project(
    root: str, manifest: Mapping[str, Any], own: Sequence[str], *, is_top: bool
) -> DetectedProject | None:
    tools = _tools(manifest, own)
    sources = [path for path in own if JAVASCRIPT.reads(path)]
    checks = [
        check
        for check, fits in (
            (BuiltIn.FORMAT, bool(tools & {"prettier", "biome"})),
            (BuiltIn.LINT, bool(tools & {"eslint", "biome"})),
            (BuiltIn.TYPES, "typescript" in tools),
            (BuiltIn.TESTS, _has_tests(manifest, own)),
            (BuiltIn.SECURITY, bool(sources)),
            (
                BuiltIn.DEPS,
                bool(declared(manifest)) or any(name in own for name in (LOCK, SHRINKWRAP, *OTHER_LOCKS)),
            ),
        )
        if fits
    ]
    if not checks or not (is_top or sources or table_of(manifest.get("scripts"))):
        return None
    tests = {PurePosixPath(path).parts[0] for path in own if JAVASCRIPT.is_test_file(path) and "/" in path}
    return DetectedProject(
        root=root,
        language=Language.JAVASCRIPT,
        checks=tuple(checks),
        name=str(manifest.get("name") or ""),
        tests=tuple(sorted(tests)),
        configured=tuple(sorted(tools)),
    )


def _tools(manifest: Mapping[str, Any], own: Sequence[str]) -> set[str]:
    """Name the tools that a project configures; one that is only declared must be told what to look at."""
    top = [path for path in own if "/" not in path]
    wanted = declared(manifest)
    names = {name for name, files in _CONFIGURES.items() if any(files.fullmatch(path) for path in top)}
    names |= {name for name, key in _KEYS.items() if key in manifest}
    if "prettier" in wanted:
        names.add("prettier")
    return names


def _has_tests(manifest: Mapping[str, Any], own: Sequence[str]) -> bool:
    return runner_of(manifest) is not None and any(JAVASCRIPT.is_test_file(path) for path in own)
