"""Git notes of ours: what is known of a commit travels with it, on a ref of its own for each run.

`refs/notes/pev/<run>` in the user's repository and at the remote; nobody else writes there, so nothing has to
be merged. A note is any text; git shows it with `git notes --ref=pev/<run> show <commit>`.
"""

import os
from typing import Final

from pev.git import Git, personal_env
from pev.models import ObjectId, RunId
from pev.repos import outbound
from pev.repos.depot import Depot
from pev.repos.objects import parse_contents
from pev.repos.pack import NewObject, Node, object_id, tree_content

_KEPT: Final = "refs/pev/notes/{run}"
_SHOWN: Final = "refs/notes/pev/{run}"
_FILE: Final = "100644"


def notes_ref(run_id: RunId) -> str:
    """Name the ref that holds a run's notes outside of the depot."""
    return _SHOWN.format(run=run_id)


async def keep_note(depot: Depot, run_id: RunId, commit: ObjectId, note: bytes) -> None:
    """Put a note on a commit, in the depot; notes on other commits of the run stay."""
    ref = _KEPT.format(run=run_id)
    last = (await depot.refs_under(ref)).get(ref)
    blob = NewObject("blob", object_id("blob", note, depot.object_format), note)
    nodes = {commit: Node(commit, _FILE, blob.oid)}
    if last is not None:
        for entry in await depot.entries(await depot.tree_of(last)):
            nodes.setdefault(ObjectId(entry.path), Node(entry.path, entry.mode, entry.oid))
    content = tree_content(nodes.values())
    tree = NewObject("tree", object_id("tree", content, depot.object_format), content)
    if last is not None and await depot.tree_of(last) == tree.oid:
        return
    await depot.add([blob, tree])
    made = await depot.commit(tree.oid, () if last is None else (last,), f"Evidence of run {run_id}\n")
    await depot.keep(ref, made)


async def publish_note(depot: Depot, run_id: RunId) -> None:
    """Copy a run's notes into the user's repository, if there are any, forward only. Raises ForgeRefused."""
    ref = _KEPT.format(run=run_id)
    if await depot.refs_under(ref):
        await outbound.copy_ref(depot.path, depot.repo, ref, notes_ref(run_id))


async def push_note(depot: Depot, run_id: RunId, url: str) -> None:
    """Push a run's notes to a URL, forward only. Raises ForgeRefused, InvalidInput."""
    ref = _KEPT.format(run=run_id)
    last = (await depot.refs_under(ref)).get(ref)
    if last is not None:
        await outbound.push_ref(depot.git, last, notes_ref(run_id), url, await personal_env())


async def read_note(git: Git, run_id: RunId, commit: ObjectId) -> bytes | None:
    """Give the note of a run on a commit in a user's repository, or None."""
    (found,) = parse_contents(await git.contents([f"{notes_ref(run_id)}:{commit}"]))
    return found.data if found is not None and found.kind == "blob" else None


async def noted_runs(git: Git) -> tuple[RunId, ...]:
    """Give the runs that left notes in a user's repository."""
    prefix = _SHOWN.format(run="")
    listing = os.fsdecode(await git.refs(prefix))
    return tuple(RunId(line.split(" ")[1].removeprefix(prefix)) for line in listing.splitlines())
