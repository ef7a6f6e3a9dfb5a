"""Reads single files of a tree, and asks git only for those that are there."""

from pev.gate.interface import Depot
from pev.gate.requirements import ReadFile


async def reader_of(depot: Depot, tree: str) -> ReadFile:
    """Give a function that reads files of a tree: content, or None where there is no such file."""
    present = {entry.path for entry in await depot.entries(tree)}

    async def read(path: str) -> bytes | None:
        return await depot.read_blob(tree, path) if path in present else None

    return read
