"""What became of a commit: whether a branch took it, as it is or squashed, and by whose hand."""

from dataclasses import dataclass
from typing import Final

from pev.models import ObjectId
from pev.repos.store import ObjectStore

_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Past:
    """One commit of the past, as a log shows it."""

    commit: ObjectId
    at: str
    author: str
    subject: str


async def recent(store: ObjectStore, commit: ObjectId, *, limit: int) -> tuple[Past, ...]:
    """Give the newest `limit` commits that lead to `commit`, itself first."""
    listing = (await store.git.history(commit, limit)).decode("utf-8", "replace")
    rows = [row.split("\t", 3) for row in listing.split("\0") if row]
    return tuple(Past(ObjectId(oid), at, author, subject) for oid, at, author, subject in rows)


async def merged_by(store: ObjectStore, commit: ObjectId, target: ObjectId) -> str | None:
    """Give name and address of who took `commit` into the line of commits that ends at `target`.

    That is the committer of the merge; or of the commit that makes the same change (git-patch-id), where it
    was squashed or rebased. Empty after a fast-forward, which leaves no name; None if it was not taken. Only
    the latest thousand commits of the target's own line are looked at.
    """
    git = store.git
    log = (await git.own_line(target, commit, _LOOKED_AT)).decode("utf-8", "replace")
    line = [entry.split("\t", 2) for entry in log.splitlines()]
    if await git.is_ancestor(commit, target):
        first = await _first_with(store, commit, [oid for oid, _, _ in line])
        forwarded = first < 0 or line[first][1].split(" ")[0] == commit
        return "" if forwarded else line[first][2]
    base = await git.merge_base(commit, target)
    wanted = await git.patch_ids(await git.diff("whole", base, commit)) if base else []
    if not wanted:
        return None
    found = await git.patch_ids(await git.own_patches(target, commit, _LOOKED_AT))
    taken = [oid for patch, oid in found if patch == wanted[0][0]]
    return next((who for oid, _, who in line if oid in taken), None)


async def _first_with(store: ObjectStore, commit: ObjectId, line: list[str]) -> int:
    """Give the place of the oldest commit in `line` (newest first) that leads to `commit`, or -1."""
    low, high = 0, len(line)
    while low < high:
        middle = (low + high) // 2
        if await store.git.is_ancestor(commit, line[middle]):
            low = middle + 1
        else:
            high = middle
    return low - 1
