"""Reads both sides of every changed file, once, for all that look at them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pev.gate.interface import CheckJob
from pev.models import ObjectId
from pev.repos.objects import GITLINK, Change, Status

MAX_BYTES: Final = 16 * 2**20
"""As much of a file is looked at as text."""
_BATCH_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed file before and after; None where it does not exist, `old_path` too where it is new."""

    change: Change
    old_path: str | None
    old: bytes | None
    new: bytes | None

    @property
    def path(self) -> str:
        """Where it stands now, or stood if it is gone."""
        return self.change.path

    @property
    def old_text(self) -> str | None:
        """What stood there, as text, cut to MAX_BYTES."""
        return _text(self.old)

    @property
    def new_text(self) -> str | None:
        """What stands there, as text, cut to MAX_BYTES."""
        return _text(self.new)


async def changed_files(job: CheckJob, base: ObjectId) -> AsyncIterator[Changed]:
    """Give every changed file of a job, sub-modules aside, in order; read in batches of about 64 MiB."""
    depot, snapshot = job.request.depot, job.request.snapshot
    sizes = {entry.path: entry.size or 0 for entry in await depot.entries(snapshot)}
    for batch in _batches([one for one in job.changes if GITLINK not in (one.old_mode, one.new_mode)], sizes):
        old = await depot.read_blobs(base, [one.old_path for one in batch if _was(one)])
        new = await depot.read_blobs(snapshot, [one.path for one in batch if _is(one)])
        for one in batch:
            was = _was(one)
            yield Changed(
                change=one,
                old_path=one.old_path if was else None,
                old=old.get(one.old_path) if was else None,
                new=new.get(one.path) if _is(one) else None,
            )


def _batches(changes: list[Change], sizes: dict[str, int]) -> list[list[Change]]:
    """Part changes so that no batch is much larger than is read at once."""
    out: list[list[Change]] = []
    room = 0
    for change in changes:
        need = 2 * sizes.get(change.path, 0)
        if not out or need > room:
            out.append([])
            room = _BATCH_BYTES
        out[-1].append(change)
        room -= need
    return out


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw[:MAX_BYTES].decode("utf-8", "replace")


def _was(change: Change) -> bool:
    return change.status is not Status.ADDED


def _is(change: Change) -> bool:
    return change.status is not Status.DELETED
