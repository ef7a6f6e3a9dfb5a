"""Finds the packages and workspaces of a repository that are written in Rust."""

import tomllib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from pev.gate.demands import BuiltIn, Language
from pev.gate.detected import DetectedProject
from pev.gate.interface import Depot
from pev.models import ObjectId

_NOT_OURS: Final = {"vendor", "testdata", "node_modules", "third_party", "examples", "fixtures", "templates"}


async def find_crates(depot: Depot, tree: ObjectId, paths: Sequence[str]) -> list[DetectedProject]:
    """List workspaces, and packages that no workspace above them holds."""
    manifests = sorted(path for path in paths if PurePosixPath(path).name == "Cargo.toml")
    out: list[DetectedProject] = []
    workspaces: list[PurePosixPath] = []
    for path in sorted(manifests, key=lambda one: one.count("/")):
        folder = PurePosixPath(path).parent
        if _NOT_OURS.intersection(folder.parts) or any(folder.is_relative_to(one) for one in workspaces):
            continue
        table = _load(await depot.read_blob(tree, path))
        if "workspace" not in table and "package" not in table:
            continue
        if not any(one.endswith(".rs") and PurePosixPath(one).is_relative_to(folder) for one in paths):
            continue
        if "workspace" in table:
            workspaces.append(folder)
        package = table.get("package")
        name = package.get("name", "") if isinstance(package, dict) else ""
        out.append(
            DetectedProject(
                root=folder.as_posix(), language=Language.RUST, checks=tuple(BuiltIn), name=str(name)
            )
        )
    return out


def _load(raw: bytes | None) -> dict[str, Any]:
    try:
        return tomllib.loads((raw or b"").decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return {}
