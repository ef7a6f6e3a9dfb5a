"""Reads single files of a tree, and asks git only for those that are there."""

from pathlib import PurePosixPath
from typing import Final

from pev.gate.interface import Depot
from pev.gate.locks import OTHERS
from pev.gate.requirements import REQUIREMENT_FILES, ReadFile

_TOGETHER: Final = frozenset(
    {"pyproject.toml", "setup.cfg", "setup.py", "uv.lock", *OTHERS}
    | {PurePosixPath(name).name for name in REQUIREMENT_FILES}
)
_MOST: Final = 40


async def reader_of(depot: Depot, tree: str) -> ReadFile:
    """Give a function that reads files of a tree: content, or None where there is no such file.

    What declares packages is asked for at once, so that the depot has it at hand.
    """
    present = {entry.path for entry in await depot.entries(tree)}
    declaring = [path for path in present if PurePosixPath(path).name in _TOGETHER]
    if len(declaring) <= _MOST:
        await depot.read_blobs(tree, declaring)

    async def read(path: str) -> bytes | None:
        return await depot.read_blob(tree, path) if path in present else None

    return read
