"""Says whether the record is intact, and if not, what was done to it.

Everything is read in one transaction, so that other processes may go on appending. Nothing here trusts what
the database says about itself: order, tree, payloads, blobs and projections are each worked out again.
"""

import gc
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple

from pev.events import Kind
from pev.models import digest_of
from pev.trail.blobs import unpack
from pev.trail.faults import Fault, FaultKind, VerifyReport
from pev.trail.log import size_of
from pev.trail.merkle import Frontier, TreeHead, leaf_hash
from pev.trail.order import Leaf, order_faults
from pev.trail.retold import Retelling, TagRows, grouped_tags
from pev.trail.rows import Batch, Checked, RowCheck, batches
from pev.trail.schema import schema_faults
from pev.trail.stopping import Stop, Stopped, heed, heeding, never, was_interrupted

__all__ = ["Examined", "VerifyReport", "verify_trail"]
MAX_FAULTS: Final = 100
_ASK_S: Final = 0.05
_COLLECT_AFTER: Final = 100_000
_LEAVES: Final = "SELECT place, CAST(hash AS BLOB) FROM nodes WHERE level = 0 ORDER BY place"
_ENVELOPES: Final = "SELECT seq, CAST(envelope AS BLOB) FROM events ORDER BY seq"
_NODES: Final = "SELECT place, CAST(hash AS BLOB) FROM nodes WHERE level = ? AND place >= ? AND place < ?"
_LEVELS: Final = (
    "SELECT level, count(*), min(place), max(place),"
    " sum(typeof(place) <> 'integer' OR typeof(hash) <> 'blob') FROM nodes GROUP BY level ORDER BY level"
)
_BLOBS: Final = "SELECT CAST(digest AS BLOB), size, CAST(packed AS BLOB) FROM blobs ORDER BY digest"
_EVIDENCE: Final = {
    Kind.MODEL_ANSWERED.value.encode(): ("answer",),
    Kind.COMMAND_RAN.value.encode(): ("log",),
    Kind.CHECK_RAN.value.encode(): ("log",),
    Kind.GATE_FINISHED.value.encode(): ("report",),
    Kind.PR_OPENED.value.encode(): ("body", "evidence"),
}
"""Which fields of which events name blobs. Not those of tool calls: there a caller could name anything."""
_ERASED: Final = Kind.PAYLOAD_ERASED.value.encode()


class Examined(NamedTuple):
    """What a full verification found, the edge of the tree that it read, and the time of the last event."""

    report: VerifyReport
    edge: Frontier
    last_at: bytes


def verify_trail(
    connection: sqlite3.Connection,
    expected: TreeHead | None,
    beside: sqlite3.Connection | None = None,
    *,
    stop: Stop = never,
) -> Examined:
    """Examine everything in the transaction that `connection` is in.

    `beside` is another connection at the same moment of the log: what SQLite can do alone runs there, at the
    same time. Raises Stopped, a fraction of a second after `stop` says so, and gives no report then.
    """
    exam = _Examination(connection, expected, stop)
    try:
        with _seldom_collecting(), heeding(connection, stop):
            exam.run(beside or connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
        if isinstance(exc, sqlite3.DatabaseError) and was_interrupted(exc):
            raise Stopped from exc
        exam.add(FaultKind.FILE_DAMAGED, f"reading stopped: {exc}")
    heed(stop)  # an integrity check that is interrupted may give what it has as its result
    report = VerifyReport(
        intact=exam.count == 0,
        summary=summary_of(exam.faults, exam.count, expected),
        head=exam.frontier.head(),
        expected=expected,
        fault_count=exam.count,
        faults=tuple(exam.faults),
    )
    return Examined(report, exam.frontier, exam.last_at)


def same_moment(connection: sqlite3.Connection, other: sqlite3.Connection) -> bool:
    """Say whether two transactions see the log at the same length; not if the file cannot tell."""
    try:
        return size_of(connection) == size_of(other)
    except sqlite3.DatabaseError:
        return False


def summary_of(faults: Sequence[Fault], count: int, expected: TreeHead | None) -> str:
    """Say in one line what was found: never more than was checked."""
    if count:
        kinds = dict.fromkeys(fault.kind.value for fault in faults)
        return f"not intact: {', '.join(kinds)} ({count} in all)"
    if expected is None:
        return "consistent; roll-back not excluded"
    return f"consistent; extends the checkpoint of {expected.size} events"


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Let the garbage collector run less often: it would go through all that is kept, again and again."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


_Aside = tuple[list[str], TagRows | None]


def _aside(connection: sqlite3.Connection) -> _Aside:
    """Do what needs no Python: check the file's own structure, and gather the tags."""
    details = [str(detail) for (detail,) in connection.execute("PRAGMA integrity_check(20)")]
    return [detail for detail in details if detail != "ok"], grouped_tags(connection)


def _await(connection: sqlite3.Connection, work: "Future[_Aside]", stop: Stop) -> None:
    """Wait for what a connection does in another thread; on `stop` interrupt it, question by question."""
    while not wait([work], _ASK_S).done:
        if stop():
            connection.interrupt()


class _Examination:
    """One reading of the whole record."""

    def __init__(self, connection: sqlite3.Connection, expected: TreeHead | None, stop: Stop) -> None:
        self.faults: list[Fault] = []
        self.count = 0
        self.frontier = Frontier()
        self.last_at = b""
        self._stop = stop
        self._connection = connection
        self._expected = expected
        self._then = self.frontier.head()
        self._suspects: list[Fault] = []
        self._tree_faults: list[Fault] = []
        self._evidence: dict[str, int] = {}
        self._told_events: set[int] = set()
        self._told_blobs: set[str] = set()
        self._rows = RowCheck(self.add, self._suspect)

    def add(self, kind: FaultKind, detail: str, seq: int | None = None) -> None:
        """Note a fault."""
        self._note(Fault(kind=kind, seq=seq, detail=detail))

    def _note(self, fault: Fault) -> None:
        self.count += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def _suspect(self, kind: FaultKind, detail: str, seq: int | None) -> None:
        """Note an event that cannot follow: its own fault only if nothing else is wrong with the order."""
        if len(self._suspects) < MAX_FAULTS:
            self._suspects.append(Fault(kind=kind, seq=seq, detail=detail))

    def run(self, beside: sqlite3.Connection) -> None:
        """Examine the file, the log, the tree, the blobs, and then the projections."""
        for detail in schema_faults(self._connection):
            self.add(FaultKind.SCHEMA_CHANGED, detail)
        with closing(Retelling(self._connection, self._stop)) as retelling:
            self._examine(retelling, beside)

    def _examine(self, retelling: Retelling, beside: sqlite3.Connection) -> None:
        with ThreadPoolExecutor(1) as pool:
            aside: Future[_Aside] | None = None
            if beside is not self._connection:
                aside = pool.submit(_aside, beside)
            try:
                self._check_log(retelling)
                log_is_intact = self.count == 0
                self._check_blobs()
            finally:
                if aside is not None:
                    _await(beside, aside, self._stop)
        details, tags = aside.result() if aside is not None else _aside(beside)
        for detail in details:
            self.add(FaultKind.FILE_DAMAGED, detail)
        if log_is_intact:  # those of a log that is not would only say so again
            for detail in retelling.differences(tags):
                self.add(FaultKind.PROJECTION_CHANGED, detail)

    def _check_log(self, retelling: Retelling) -> None:
        in_order = 0
        for batch in batches(self._connection):
            in_order += self._check_batch(batch, retelling)
            self.last_at = batch.rows[-1].at
        for seq in sorted(self._rows.erased - self._told_events):
            self.add(FaultKind.PAYLOAD_MISSING, "no event says that it was erased", seq)
        (leaves,) = self._connection.execute("SELECT count(*) FROM nodes WHERE level = 0").fetchone()
        if in_order == leaves == self.frontier.size:
            for fault in self._tree_faults:
                self._note(fault)
            self._check_levels()
            if self.count == 0 and not self._suspects:
                for seq, detail in retelling.fold():
                    self._suspect(FaultKind.CHANGED, detail, seq)
            for fault in self._suspects:
                self._note(fault)
        else:
            self._explain_order()
        self._check_expected()

    def _check_batch(self, batch: Batch, retelling: Retelling) -> int:
        """Check some rows, and the subtrees that they complete; give how many have their leaf."""
        in_order = 0
        self._mark_expected(batch.leaves)
        for row, leaf in zip(batch.rows, batch.leaves, strict=True):
            heed(self._stop)
            if batch.remembered.get(row.seq) != leaf:
                continue
            in_order += 1
            checked = self._rows.check(row)
            if checked is not None:
                self._take_in(checked, retelling)
        for level, first, values in self.frontier.extend(batch.leaves):
            if level:
                self._compare_nodes(level, first, values)
        return in_order

    def _mark_expected(self, leaves: list[bytes]) -> None:
        """Keep the head at the size of the expected one, if these leaves lead past it."""
        if self._expected and self.frontier.size <= self._expected.size <= self.frontier.size + len(leaves):
            edge = self.frontier.copy()
            edge.extend(leaves[: self._expected.size - self.frontier.size])
            self._then = edge.head()

    def _take_in(self, one: Checked, retelling: Retelling) -> None:
        """Project an event that is whole, and note which blobs it names."""
        if one.kind == _ERASED:
            self._told_events.update(seq for seq in one.told("events") if type(seq) is int)
            self._told_blobs.update(map(str, one.told("blobs")))
        if one.kind in _EVIDENCE and one.payload is not None:
            for digest in _evidence_in(one.kind, one.payload):
                self._evidence.setdefault(digest, one.seq)
        if self.count == 0 and not self._suspects:
            retelling.take(one)

    def _compare_nodes(self, level: int, first: int, values: list[bytes]) -> None:
        stored = dict(self._connection.execute(_NODES, (level, first, first + len(values))))
        for place, value in enumerate(values, first):
            if stored.get(place, value) != value and len(self._tree_faults) < MAX_FAULTS:
                detail = f"node {place} of level {level} is not what its events give"
                self._tree_faults.append(Fault(kind=FaultKind.TREE_CHANGED, detail=detail))

    def _check_levels(self) -> None:
        size = self.frontier.size
        levels = {level: rest for level, *rest in self._connection.execute(_LEVELS)}
        for level, (count, first, last, odd) in levels.items():
            wanted = size >> level if isinstance(level, int) and 0 <= level < 64 else 0
            if odd or (count and (first != 0 or not isinstance(last, int))):
                self.add(FaultKind.TREE_CHANGED, f"level {level} holds what is no node")
            elif last >= wanted:
                self.add(FaultKind.REMOVED, f"node {last} of level {level} covers events that are not there")
        for level in range(size.bit_length()):
            if levels.get(level, [0])[0] < size >> level:
                self.add(FaultKind.TREE_CHANGED, f"level {level} lacks nodes")

    def _explain_order(self) -> None:
        remembered = [Leaf(*row) for row in self._connection.execute(_LEAVES)]
        present = [Leaf(seq, leaf_hash(envelope)) for seq, envelope in self._connection.execute(_ENVELOPES)]
        for fault in order_faults(remembered, present):
            self._note(fault)

    def _check_expected(self) -> None:
        if self._expected is None or self._then == self._expected:
            return
        size = self.frontier.size
        if self._expected.size > size:
            detail = f"the checkpoint covers {self._expected.size} events, the log has {size}"
            self.add(FaultKind.ROLLED_BACK, detail)
        else:
            detail = (
                f"the first {self._then.size} events have root {self._then.root}, the checkpoint has another"
            )
            self.add(FaultKind.FORKED, detail)

    def _check_blobs(self) -> None:
        missing = dict(self._evidence)
        for name, size, packed in self._connection.execute(_BLOBS):
            heed(self._stop)
            digest = name.decode("utf-8", "replace")
            missing.pop(digest, None)
            data = unpack(packed, size)
            if data is None or digest_of(data) != digest:
                self.add(FaultKind.BLOB_CHANGED, f"content of blob {digest} is not what its digest says")
        for digest, seq in missing.items():
            if digest not in self._told_blobs:
                self.add(FaultKind.BLOB_MISSING, f"blob {digest} is named here and not stored", seq)


def _evidence_in(kind: bytes, payload: dict[str, Any]) -> Iterator[str]:
    """Give the digests of the blobs that an event of ours names."""
    for field in _EVIDENCE[kind]:
        value = payload.get(field)
        if isinstance(value, str) and _is_digest(value):
            yield value


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")
