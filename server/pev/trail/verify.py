"""Says whether the record is intact, and if not, what was done to it.

Everything is read in one transaction, so that other processes may go on appending. Nothing here trusts what
the database says about itself: order, tree, payloads, blobs and projections are each worked out again.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pydantic import Field

from pev.errors import TrailCorrupt
from pev.events import Event, Kind
from pev.models import Model, digest_of
from pev.trail.blobs import unpack
from pev.trail.faults import Fault, FaultKind
from pev.trail.log import event_of, payload_digest
from pev.trail.merkle import Frontier, TreeHead, leaf_hash, node_hash
from pev.trail.order import Leaf, order_faults
from pev.trail.projections import Projector, differences
from pev.trail.schema import make_projections, schema_faults

MAX_FAULTS: Final = 100
_ROWS: Final = (
    "SELECT e.seq, CAST(e.stream AS BLOB), e.version, CAST(e.kind AS BLOB), CAST(e.at AS BLOB),"
    " CAST(e.envelope AS BLOB), CAST(e.salt AS BLOB), CAST(e.payload AS BLOB), CAST(n.hash AS BLOB)"
    " FROM events e LEFT JOIN nodes n ON n.level = 0 AND n.place = e.seq ORDER BY e.seq"
)
_LEAVES: Final = "SELECT place, CAST(hash AS BLOB) FROM nodes WHERE level = 0 ORDER BY place"
_ENVELOPES: Final = "SELECT seq, CAST(envelope AS BLOB) FROM events ORDER BY seq"
_INNER: Final = (
    "SELECT p.level, p.place, CAST(p.hash AS BLOB), CAST(l.hash AS BLOB), CAST(r.hash AS BLOB) FROM nodes p"
    " LEFT JOIN nodes l ON l.level = p.level - 1 AND l.place = 2 * p.place"
    " LEFT JOIN nodes r ON r.level = p.level - 1 AND r.place = 2 * p.place + 1"
    " WHERE p.level <> 0 ORDER BY p.level, p.place"
)
_BLOBS: Final = "SELECT CAST(digest AS BLOB), size, CAST(packed AS BLOB) FROM blobs ORDER BY digest"
_EVIDENCE: Final = {
    Kind.MODEL_ANSWERED: ("answer",),
    Kind.COMMAND_RAN: ("log",),
    Kind.CHECK_RAN: ("log",),
    Kind.GATE_FINISHED: ("report",),
    Kind.PR_OPENED: ("body",),
}
"""Which fields of which events name blobs. Not those of tool calls: there a caller could name anything."""


class VerifyReport(Model):
    """What the record was found to be.

    `head` is worked out from the events that are there. `faults` holds the first 100 of `fault_count`.
    `expected` is the head kept elsewhere that the log was held against; without one, a log that was rolled
    back or forked as a whole looks like any other.
    """

    intact: bool
    summary: str
    head: TreeHead
    expected: TreeHead | None = None
    fault_count: int = Field(ge=0)
    faults: tuple[Fault, ...] = ()


def verify_trail(connection: sqlite3.Connection, expected: TreeHead | None) -> VerifyReport:
    """Examine everything in the transaction that `connection` is in."""
    exam = _Examination(connection, expected)
    try:
        exam.run()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
        exam.add(FaultKind.FILE_DAMAGED, f"reading stopped: {exc}")
    return VerifyReport(
        intact=exam.count == 0,
        summary=summary_of(exam.faults, exam.count, expected),
        head=exam.frontier.head(),
        expected=expected,
        fault_count=exam.count,
        faults=tuple(exam.faults),
    )


def summary_of(faults: Sequence[Fault], count: int, expected: TreeHead | None) -> str:
    """Say in one line what was found: never more than was checked."""
    if count:
        kinds = dict.fromkeys(fault.kind.value for fault in faults)
        return f"not intact: {', '.join(kinds)} ({count} in all)"
    if expected is None:
        return "consistent; roll-back not excluded"
    return f"consistent; extends the checkpoint of {expected.size} events"


class _Row(NamedTuple):
    """One event as it lies in the file, and the leaf that the tree has at its number."""

    seq: int
    stream: bytes
    version: int
    kind: bytes
    at: bytes
    envelope: bytes
    salt: bytes
    payload: bytes | None
    leaf: bytes | None


class _Examination:
    """One reading of the whole record."""

    def __init__(self, connection: sqlite3.Connection, expected: TreeHead | None) -> None:
        self.faults: list[Fault] = []
        self.count = 0
        self.frontier = Frontier()
        self._connection = connection
        self._expected = expected
        self._versions: dict[str, int] = {}
        self._last_at = ""
        self._suspects: list[Fault] = []
        self._evidence: dict[str, int] = {}

    def add(self, kind: FaultKind, detail: str, seq: int | None = None) -> None:
        """Note a fault."""
        self._note(Fault(kind=kind, seq=seq, detail=detail))

    def _note(self, fault: Fault) -> None:
        self.count += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def run(self) -> None:
        """Examine the file, the log, the tree, the blobs, and then the projections."""
        for detail in schema_faults(self._connection):
            self.add(FaultKind.SCHEMA_CHANGED, detail)
        for (detail,) in self._connection.execute("PRAGMA integrity_check(20)"):
            if detail != "ok":
                self.add(FaultKind.FILE_DAMAGED, str(detail))
        fresh = sqlite3.connect("")  # a temporary file that goes with its connection
        try:
            make_projections(fresh)
            self._check_log(Projector(fresh))
            log_is_intact = self.count == 0
            self._check_blobs()
            if log_is_intact:  # those of a log that is not would only say so again
                for detail in differences(self._connection, fresh):
                    self.add(FaultKind.PROJECTION_CHANGED, detail)
        finally:
            fresh.close()

    def _check_log(self, projector: Projector) -> None:
        then = self.frontier.head()
        in_order = 0
        for raw in self._connection.execute(_ROWS):
            row = _Row(*raw)
            leaf = leaf_hash(row.envelope)
            self.frontier.add(leaf)
            if self._expected and self.frontier.size == self._expected.size:
                then = self.frontier.head()
            if leaf == row.leaf:
                in_order += 1
                self._check_row(row, projector)
        projector.flush()
        (leaves,) = self._connection.execute("SELECT count(*) FROM nodes WHERE level = 0").fetchone()
        if in_order == leaves == self.frontier.size:
            self._check_inner_nodes()
            for fault in self._suspects:
                self._note(fault)
        else:
            self._explain_order()
        self._check_expected(then)

    def _check_row(self, row: _Row, projector: Projector) -> None:
        """Hold a row against its envelope, and the envelope against what came before it."""
        try:
            event = event_of(row.envelope, None)
        except TrailCorrupt as exc:
            self.add(FaultKind.CHANGED, exc.message, row.seq)
            return
        columns = (row.seq, row.stream, row.version, row.kind, row.at)
        says = (event.seq, event.stream.encode(), event.version, event.kind.encode(), event.at.encode())
        if columns != says:
            self.add(FaultKind.CHANGED, f"its columns {columns} are not its envelope's {says}", row.seq)
        before = self._versions.get(event.stream, 0)
        if event.version != before + 1 or event.at < self._last_at:
            detail = f"version {event.version} of {event.stream} at {event.at} cannot follow {before}"
            self._suspect(detail, row.seq)
        self._versions[event.stream] = event.version
        self._last_at = event.at
        self._check_payload(row, event, projector)

    def _check_payload(self, row: _Row, event: Event, projector: Projector) -> None:
        if row.payload is None:
            self.add(FaultKind.PAYLOAD_MISSING, "no event says that it was erased", row.seq)
        elif payload_digest(row.salt, row.payload) != event.payload_digest:
            self.add(FaultKind.PAYLOAD_CHANGED, "it is not what its envelope binds", row.seq)
        else:
            self._take_in(event_of(row.envelope, row.payload), projector)

    def _take_in(self, event: Event, projector: Projector) -> None:
        """Project an event that is whole, and note which blobs it names."""
        for digest in _evidence_in(event):
            self._evidence.setdefault(digest, event.seq)
        if self.count == 0 and not self._suspects:
            try:
                projector.apply(event)
            except TrailCorrupt as exc:
                self._suspect(exc.message, event.seq)

    def _suspect(self, detail: str, seq: int) -> None:
        """Note an event that cannot follow: its own fault only if nothing else is wrong with the order."""
        if len(self._suspects) < MAX_FAULTS:
            self._suspects.append(Fault(kind=FaultKind.CHANGED, seq=seq, detail=detail))

    def _check_inner_nodes(self) -> None:
        have: dict[int, int] = {}
        for level, place, value, left, right in self._connection.execute(_INNER):
            have[level] = have.get(level, 0) + 1
            if left is None or right is None:
                self.add(FaultKind.REMOVED, f"node {place} of level {level} covers events that are not there")
            elif node_hash(left, right) != value:
                self.add(FaultKind.TREE_CHANGED, f"node {place} of level {level} is not what its events give")
        for level in range(1, self.frontier.size.bit_length()):
            if have.get(level, 0) < self.frontier.size >> level:
                self.add(FaultKind.TREE_CHANGED, f"level {level} lacks nodes")

    def _explain_order(self) -> None:
        remembered = [Leaf(*row) for row in self._connection.execute(_LEAVES)]
        present = [Leaf(seq, leaf_hash(envelope)) for seq, envelope in self._connection.execute(_ENVELOPES)]
        for fault in order_faults(remembered, present):
            self._note(fault)

    def _check_expected(self, then: TreeHead) -> None:
        if self._expected is None or then == self._expected:
            return
        size = self.frontier.size
        if self._expected.size > size:
            detail = f"the checkpoint covers {self._expected.size} events, the log has {size}"
            self.add(FaultKind.ROLLED_BACK, detail)
        else:
            detail = f"the first {then.size} events have root {then.root}, the checkpoint has another"
            self.add(FaultKind.FORKED, detail)

    def _check_blobs(self) -> None:
        missing = dict(self._evidence)
        for name, size, packed in self._connection.execute(_BLOBS):
            digest = name.decode("utf-8", "replace")
            missing.pop(digest, None)
            data = unpack(packed, size)
            if data is None or digest_of(data) != digest:
                self.add(FaultKind.BLOB_CHANGED, f"content of blob {digest} is not what its digest says")
        for digest, seq in missing.items():
            self.add(FaultKind.BLOB_MISSING, f"blob {digest} is named here and not stored", seq)


def _evidence_in(event: Event) -> Iterator[str]:
    """Give the digests of the blobs that an event of ours names."""
    for field in _EVIDENCE.get(event.kind, ()):
        value = (event.payload or {}).get(field)
        if isinstance(value, str) and _is_digest(value):
            yield value


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")
