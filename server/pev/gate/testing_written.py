"""Holds the report of a run against the tests that are written down in the files of the tree.

A program that ends early, and well, leaves tests out of its report; nothing else tells.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pev.gate.testing_room import Room
from pev.repos.objects import GITLINK


@dataclass(frozen=True, slots=True)
class Unrun:
    """Ids of tests that were not reported; `old` are those that are written on the base too."""

    names: frozenset[str] = frozenset()
    old: frozenset[str] = frozenset()
    paths: Mapping[str, str] = field(default_factory=dict)

    def names_path(self, own: str) -> str | None:
        """Give the file in which a test is written, relative to the repository."""
        return self.paths.get(own)


async def unrun(room: Room) -> Unrun:
    """Find the tests of this side that are written down and were not reported.

    Only tests whose names stand there as plain text can be looked for. Tests that the policy's paths leave
    out are not.
    """
    job = room.job
    written = await _written(room, job.tree)
    reported = room.run.results.keys() | room.run.failed_ids
    names = {own for own in written if own not in reported}
    if not names:
        return Unrun()
    old = set(written)
    if job.base_tree is not None and job.base_tree != job.tree:
        old = set(await _written(room, job.base_tree))
    return Unrun(frozenset(names), frozenset(names & old), {own: written[own] for own in names})


async def _written(room: Room, tree: str) -> dict[str, str]:
    """Give the tests that are written down in a tree, and their files."""
    job, face = room.job, room.runner.face
    paths = [
        entry.path
        for entry in await job.request.depot.entries(tree)
        if entry.mode != GITLINK
        and face.is_test_file(entry.path)
        and job.in_project(entry.path)
        and _is_wanted(room.inside(entry.path), job.settings.paths)
    ]
    found: dict[str, str] = {}
    for path, raw in (await job.request.depot.read_blobs(tree, paths)).items():
        tests = face.inventory((raw or b"").decode("utf-8", "replace")) or {}
        found |= {own: path for name in tests if (own := room.runner.id_of(room.inside(path), name))}
    return found


def _is_wanted(path: str, wanted: Collection[str]) -> bool:
    return not wanted or any(path == one or path.startswith(f"{one}/") or one == "." for one in wanted)
