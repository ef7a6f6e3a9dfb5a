"""Reads the log's rows and holds each against itself: columns, envelope, payload, order in its stream.

An envelope is canonical JSON, so an intact row gives its envelope back to the byte from its columns and the
digest of its payload; only a row that does not is looked at field by field. Rows come in batches, with the
leaves that the tree remembers for them.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from pev.errors import TrailCorrupt
from pev.events import Actor, Event, Kind
from pev.models import canonical
from pev.trail.faults import FaultKind
from pev.trail.log import event_of, payload_digest
from pev.trail.merkle import leaf_hashes

BATCH: Final = 4_096
_ROWS: Final = (
    "SELECT seq, CAST(stream AS BLOB), version, CAST(kind AS BLOB), CAST(at AS BLOB),"
    " CAST(envelope AS BLOB), CAST(salt AS BLOB), CAST(payload AS BLOB),"
    " typeof(stream) = 'text' AND typeof(version) = 'integer' AND typeof(kind) = 'text'"
    " AND typeof(at) = 'text' AND typeof(envelope) = 'blob' AND typeof(salt) = 'blob'"
    " AND typeof(payload) IN ('text', 'null') FROM events WHERE seq >= ? AND seq < ? ORDER BY seq"
)
_LEAVES: Final = "SELECT place, CAST(hash AS BLOB) FROM nodes WHERE level = 0 AND place >= ? AND place <= ?"
_SUFFIX: Final = (
    b',"at":"%b","kind":"%b","payload_digest":"%b","redacted":%b,"seq":%d,"stream":%b,"v":1,"version":%d}'
)
_PREFIX: Final = b'{"actor":'
_KINDS: Final = frozenset(kind.value.encode() for kind in Kind)
_MAX_CACHED: Final = 100_000
_END: Final = 2**63 - 1

Report = Callable[[FaultKind, str, int | None], None]


class Row(NamedTuple):
    """One event as it lies in the file; `is_typed` says that SQLite holds each column as it was written."""

    seq: int
    stream: bytes
    version: int
    kind: bytes
    at: bytes
    envelope: bytes
    salt: bytes
    payload: bytes | None
    is_typed: int


class Batch(NamedTuple):
    """Rows in order, the leaf hash of each, and the leaves that the tree has at their numbers."""

    rows: list[Row]
    leaves: list[bytes]
    remembered: dict[int, bytes]


class Checked(NamedTuple):
    """An event that is whole: what is projected from it. `payload` is None if it was erased.

    Kinds and times are the bytes that they are stored as; `who` is role and principal.
    """

    seq: int
    stream: str
    version: int
    kind: bytes
    at: bytes
    who: tuple[str, str]
    payload: dict[str, Any] | None
    data: bytes

    def told(self, name: str) -> list[Any]:
        """Give a list of the payload; none for one that is of another form, or was erased."""
        value = (self.payload or {}).get(name)
        return value if isinstance(value, list) else []


def batches(connection: sqlite3.Connection, start: int = 0, stop: int = _END) -> Iterator[Batch]:
    """Give the rows start..stop in order, some thousands at a time."""
    cursor = connection.execute(_ROWS, (start, stop))
    while found := cursor.fetchmany(BATCH):
        rows = [Row._make(one) for one in found]
        remembered = dict(connection.execute(_LEAVES, (rows[0].seq, rows[-1].seq)))
        yield Batch(rows, leaf_hashes([row.envelope for row in rows]), remembered)


class RowCheck:
    """Holds rows, in order, against themselves and against those before them in their stream.

    `report` is told of rows that were changed; `suspect` of those that only cannot follow what is before
    them, which may be because something else is missing there.
    """

    def __init__(
        self,
        report: Report,
        suspect: Report,
        *,
        before: Callable[[bytes, int], int] = lambda _stream, _version: 0,
        last_at: bytes = b"",
    ) -> None:
        """Begin at the log's first row, or after rows that were checked earlier.

        `before` gives the version in a stream below a version, `last_at` is the time of the last row.
        """
        self._report = report
        self._suspect = suspect
        self._before = before
        self._versions: dict[bytes, int] = {}
        self._last_at = last_at
        self._streams: dict[bytes, tuple[str, bytes]] = {}
        self._actors: dict[bytes, tuple[str, str]] = {}
        self.erased: set[int] = set()
        """Events whose payload is gone."""

    def check(self, row: Row) -> Checked | None:
        """Check one row; None if it is not whole, which was reported."""
        who = self._intact(row)
        if who is None:
            event = self._explained(row)
            if event is None:
                return None
            who = event.actor.role.value, event.actor.principal
        elif self._versions.get(row.stream, -2) + 1 == row.version and row.at >= self._last_at:
            self._versions[row.stream] = row.version
            self._last_at = row.at
        else:
            self._follow(row)
        return self._checked(row, who)

    def _follow(self, row: Row) -> None:
        """Hold a row against the one before it, and the one before it in its stream."""
        before = self._versions.get(row.stream)
        if before is None:
            before = self._before(row.stream, row.version)
        if row.version != before + 1:
            detail = f"version {row.version} of {row.stream.decode()} cannot follow {before}"
            self._suspect(FaultKind.CHANGED, detail, row.seq)
        if row.at < self._last_at:
            detail = f"it is of {row.at.decode()}, the one before of {self._last_at.decode()}"
            self._suspect(FaultKind.CLOCK_BACKWARDS, detail, row.seq)
        self._versions[row.stream] = row.version
        self._last_at = row.at

    def _intact(self, row: Row) -> tuple[str, str] | None:
        """Give role and principal if the row's columns and payload make its envelope, to the byte."""
        seq, stream, version, kind, at, envelope, salt, payload, is_typed = row
        if not is_typed or kind not in _KINDS:
            return None
        if payload is not None:
            digest = hashlib.sha256(salt + payload).hexdigest().encode()
        else:
            digest = envelope.partition(b'"payload_digest":"')[2][:64]
        _, quoted = self._streams.get(stream) or self._stream(stream)
        for redacted in (b"false", b"true"):
            suffix = _SUFFIX % (at, kind, digest, redacted, seq, quoted, version)
            if envelope.endswith(suffix) and envelope.startswith(_PREFIX):
                written = envelope[len(_PREFIX) : -len(suffix)]
                return self._actors.get(written) or self._actor(written)
        return None

    def _stream(self, stream: bytes) -> tuple[str, bytes]:
        """Give a stream's name as text, and as JSON writes it."""
        try:
            text = stream.decode()
            named = text, canonical(text)
        except (UnicodeDecodeError, ValueError):
            return "", b"?"
        if len(self._streams) >= _MAX_CACHED:
            self._streams.clear()
        self._streams[stream] = named
        return named

    def _actor(self, written: bytes) -> tuple[str, str] | None:
        try:
            actor = Actor.model_validate(json.loads(written))
        except (ValueError, RecursionError):
            return None
        if len(self._actors) >= _MAX_CACHED:
            self._actors.clear()
        self._actors[written] = who = actor.role.value, actor.principal
        return who

    def _explained(self, row: Row) -> Event | None:
        """Say what is wrong with a row; give its event if that is whole all the same."""
        try:
            event = event_of(row.envelope, None)
        except TrailCorrupt as exc:
            self._report(FaultKind.CHANGED, exc.message, row.seq)
            return None
        columns = (row.seq, row.stream, row.version, row.kind, row.at)
        says = (event.seq, event.stream.encode(), event.version, event.kind.encode(), event.at.encode())
        if columns != says:
            self._report(FaultKind.CHANGED, f"its columns {columns} are not its envelope's {says}", row.seq)
            return None
        self._follow(row)
        if row.payload is not None and payload_digest(row.salt, row.payload) != event.payload_digest:
            self._report(FaultKind.PAYLOAD_CHANGED, "it is not what its envelope binds", row.seq)
            return None
        if not row.is_typed:
            self._report(FaultKind.CHANGED, "SQLite holds a column of it as another type", row.seq)
            return None
        return event

    def _checked(self, row: Row, who: tuple[str, str]) -> Checked | None:
        stream = (self._streams.get(row.stream) or self._stream(row.stream))[0]
        if row.payload is None:
            self.erased.add(row.seq)
            return Checked(row.seq, stream, row.version, row.kind, row.at, who, None, b"")
        try:
            payload = from_json(row.payload)
        except ValueError as exc:
            self._report(FaultKind.CHANGED, f"its payload is not JSON: {exc}", row.seq)
            return None
        if not isinstance(payload, dict):
            self._report(FaultKind.CHANGED, "its payload is no object", row.seq)
            return None
        return Checked(row.seq, stream, row.version, row.kind, row.at, who, payload, row.payload)
