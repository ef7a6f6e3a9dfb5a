"""Verifies the log as it grows: what is new must continue what was verified before, event by event.

It goes on from what a full verification read. The edge of the verified tree is kept in memory, where nobody
who changes the file can reach it. Each step costs in proportion to what is new; an old event whose leaf
stands is looked at by a full verification only.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pev.errors import TrailCorrupt
from pev.events import Kind
from pev.trail import log
from pev.trail.faults import Fault, FaultKind
from pev.trail.merkle import Frontier, TreeHead, consistency_path, proves_consistency, root_of
from pev.trail.rows import Batch, Checked, RowCheck, batches
from pev.trail.stopping import Stop, heed, heeding, never
from pev.trail.verify import MAX_FAULTS, Examined

_ERASED: Final = Kind.PAYLOAD_ERASED.value.encode()
_BEFORE: Final = "SELECT max(version) FROM events WHERE stream = CAST(? AS TEXT) AND version < ?"


@dataclass(frozen=True, slots=True)
class Step:
    """One look at the log: its head, how many events were new, and what is wrong."""

    head: TreeHead
    new: int
    faults: tuple[Fault, ...]


class Watch:
    """Remembers what was verified."""

    def __init__(self, found: Examined) -> None:
        """Begin after what a full verification found. Raises TrailCorrupt if that was not intact."""
        if not found.report.intact:
            raise TrailCorrupt(f"the record is {found.report.summary}", hint=log.VERIFY)
        self._edge = found.edge.copy()
        self._last_at = found.last_at

    @property
    def head(self) -> TreeHead:
        """What was verified so far."""
        return self._edge.head()

    def step(self, connection: sqlite3.Connection, *, stop: Stop = never) -> Step:
        """Verify what is new in the transaction that `connection` is in, and remember it if it holds.

        Raises Stopped soon after `stop` says so, and remembers nothing of it.
        """
        with heeding(connection, stop):
            return self._step(connection, stop)

    def _step(self, connection: sqlite3.Connection, stop: Stop) -> Step:
        before, faults = self.head, _Faults()
        size = log.size_of(connection)
        if size < before.size:
            faults.add(FaultKind.ROLLED_BACK, f"{before.size} events were verified, the log has {size}", None)
            return Step(before, 0, tuple(faults.found))
        grown, last_at = self._edge.copy(), self._last_at
        check = RowCheck(faults.add, faults.add, before=_versions(connection), last_at=last_at)
        for batch in batches(connection, before.size):
            self._take(batch, grown, check, faults, stop)
            last_at = batch.rows[-1].at
        for seq in sorted(check.erased - faults.told):
            faults.add(FaultKind.PAYLOAD_MISSING, "no event says that it was erased", seq)
        if not faults.found:
            _check_tree(connection, before, grown.head(), faults)
        if not faults.found:
            self._edge, self._last_at = grown, last_at
        return Step(grown.head(), grown.size - before.size, tuple(faults.found))

    def _take(self, batch: Batch, grown: Frontier, check: RowCheck, faults: "_Faults", stop: Stop) -> None:
        for at, (row, leaf) in enumerate(zip(batch.rows, batch.leaves, strict=True), grown.size):
            heed(stop)
            if row.seq != at:
                faults.add(FaultKind.REMOVED, f"the next event is {row.seq}", at)
                return
            if batch.remembered.get(row.seq) != leaf:
                faults.add(FaultKind.CHANGED, "its envelope does not match its leaf in the tree", row.seq)
            else:
                self._hear(check.check(row), faults)
        grown.extend(batch.leaves)

    def _hear(self, one: Checked | None, faults: "_Faults") -> None:
        if one is not None and one.kind == _ERASED:
            faults.told.update(seq for seq in one.told("events") if type(seq) is int)


class _Faults:
    """The first of what is wrong, and the events of which a later one tells that they were erased."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.told: set[int] = set()

    def add(self, kind: FaultKind, detail: str, seq: int | None) -> None:
        """Note a fault."""
        if len(self.found) < MAX_FAULTS:
            self.found.append(Fault(kind=kind, seq=seq, detail=detail))


def _check_tree(connection: sqlite3.Connection, before: TreeHead, after: TreeHead, faults: _Faults) -> None:
    """Hold the stored tree against both heads: its root, and its own proof that one extends the other."""
    nodes = log.SqlNodes(connection)
    try:
        stored = root_of(nodes, after.size).hex()
        path = consistency_path(nodes, before.size, after.size)
    except TrailCorrupt as exc:
        faults.add(FaultKind.TREE_CHANGED, exc.message, None)
        return
    if stored != after.root or not proves_consistency(before, after, path):
        faults.add(
            FaultKind.FORKED, f"the tree of {after.size} events does not extend the one verified", None
        )


def _versions(connection: sqlite3.Connection) -> Callable[[bytes, int], int]:
    def before(stream: bytes, version: int) -> int:
        (found,) = connection.execute(_BEFORE, (stream, version)).fetchone()
        return int(found or 0)

    return before
