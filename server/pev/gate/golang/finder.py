"""Finds the modules of a repository that are written in Go."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from pev.gate.demands import BuiltIn, Language
from pev.gate.detected import DetectedProject
from pev.gate.golang.modfile import read_mod
from pev.gate.interface import Depot
from pev.models import ObjectId

_NOT_OURS: Final = {"vendor", "testdata", "node_modules", "third_party", "examples", "fixtures", "templates"}


async def find_modules(depot: Depot, tree: ObjectId, paths: Sequence[str]) -> list[DetectedProject]:
    """List the modules of a tree: those that have a go.mod, and sources in Go."""
    sources = [PurePosixPath(path) for path in paths if path.endswith(".go")]
    out = []
    for path in sorted(path for path in paths if PurePosixPath(path).name == "go.mod"):
        folder = PurePosixPath(path).parent
        own = [one for one in sources if one.is_relative_to(folder)]
        if not own or _NOT_OURS.intersection(folder.parts):
            continue
        tested = any(one.name.endswith("_test.go") for one in own)
        checks = tuple(one for one in BuiltIn if tested or one is not BuiltIn.TESTS)
        raw = await depot.read_blob(tree, path)
        name = read_mod(raw or b"").module
        out.append(DetectedProject(root=folder.as_posix(), language=Language.GO, checks=checks, name=name))
    return out
