"""Finds out which tests of the base are lost: their names are gone, and nobody else runs their code."""

from pathlib import PurePosixPath

from pev.gate.interface import CheckJob
from pev.gate.rust.report import id_of_path
from pev.gate.rust.source import inventory
from pev.gate.subjects import Test
from pev.models import ObjectId
from pev.repos.objects import GITLINK


async def lost_tests(job: CheckJob, gone: set[str], ran: frozenset[str]) -> dict[str, str | None]:
    """Give those of `gone` that are lost, with the files that held them on the base, None if nobody can tell.

    A test has only moved if its code stands under a name of `ran` that the base did not have. Tests in
    comments are not looked for: they come and go with what they describe.
    """
    before = await _written(job, str(job.base_tree))
    after = await _written(job, job.tree)
    fresh = [test.body for own, (_, test) in after.items() if own in ran and own not in before]
    lost: dict[str, str | None] = {}
    for own in sorted(one for one in gone if not one.startswith("doc ")):
        path, test = before.get(own, (None, None))
        if test is not None and test.body in fresh:
            fresh.remove(test.body)
        else:
            lost[own] = path
    return lost


async def _written(job: CheckJob, tree: ObjectId | str) -> dict[str, tuple[str, Test]]:
    """Give the tests that are written down in a tree, by their ids, with their files."""
    entries = await job.request.depot.entries(tree)
    paths = [
        one.path
        for one in entries
        if one.mode != GITLINK and one.path.endswith(".rs") and job.in_project(one.path)
    ]
    out: dict[str, tuple[str, Test]] = {}
    for path, raw in (await job.request.depot.read_blobs(tree, paths)).items():
        inner = path if job.root == "." else PurePosixPath(path).relative_to(job.root).as_posix()
        for name, test in (inventory((raw or b"").decode("utf-8", "replace")) or {}).items():
            if own := id_of_path(inner, name):
                out[own] = (path, test)
    return out
