"""The log itself: envelopes, their places in the order, and the tree over them.

An envelope is canonical JSON (RFC 8785) and one leaf of the tree. It binds its payload by a salted digest, so
that the payload can go without changing the log, and its salt hides what was erased from guessing.
"""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from pev.errors import EventUnknown, InvalidInput, TrailCorrupt, VersionConflict
from pev.events import Event, Kind, NewEvent
from pev.models import Digest, StreamId, canonical, digest_of, now, to_rfc3339
from pev.trail.merkle import append_leaf, leaf_hash
from pev.trail.redact import Redactor

ENVELOPE_VERSION: Final = 1
MAX_PAYLOAD_BYTES: Final = 4 * 2**20
MAX_ENVELOPE_BYTES: Final = 2**16 - 1
"""What an entry of a tiled log may have (https://c2sp.org/tlog-tiles)."""
_SALT_BYTES: Final = 16
_STREAM: Final = re.compile(r"server|run:[0-9a-f]{8}|repo:[^\x00-\x1f\x7f]{1,200}")
VERIFY: Final = "Run `pev trail verify` to see what was changed."
# Rows are read as the bytes that they are: a file that was edited from outside may hold other types.
_NODE: Final = "SELECT CAST(hash AS BLOB) FROM nodes WHERE level = ? AND place = ?"
_ONE: Final = "SELECT CAST(envelope AS BLOB), CAST(payload AS BLOB) FROM events WHERE seq = ?"
_STORED: Final = (
    "SELECT CAST(envelope AS BLOB), CAST(salt AS BLOB), CAST(payload AS BLOB) FROM events WHERE seq = ?"
)
_HASHES: Final = (
    "SELECT CAST(hash AS BLOB) FROM nodes WHERE level = ? AND place >= ? AND place < ? ORDER BY place"
)
_ENVELOPES: Final = "SELECT CAST(envelope AS BLOB) FROM events WHERE seq >= ? AND seq < ? ORDER BY seq"
_ALL: Final = "SELECT CAST(envelope AS BLOB), CAST(payload AS BLOB) FROM events ORDER BY seq"
_STREAM_AFTER: Final = (
    "SELECT CAST(envelope AS BLOB), CAST(payload AS BLOB) FROM events"
    " WHERE stream = ? AND version > ? ORDER BY version"
)


class Draft(NamedTuple):
    """An event that is ready to take its place: redacted, canonical, salted."""

    kind: Kind
    actor: Any
    payload: bytes
    salt: bytes
    digest: Digest
    redacted: bool


class Stored(NamedTuple):
    """An event as its bytes: the leaf of the tree, and the salt and payload that it binds."""

    envelope: bytes
    salt: bytes
    payload: bytes | None


class SqlNodes:
    """The tree's complete subtrees, in a transaction of the trail's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._fresh: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Give the hash of one subtree. Raises TrailCorrupt if it is not there."""
        fresh = self._fresh.get((level, index))
        if fresh is not None:
            return fresh
        row = self._connection.execute(_NODE, (level, index)).fetchone()
        if row is None:
            raise TrailCorrupt(f"node {index} of level {level} is missing from the tree", hint=VERIFY)
        value: bytes = row[0]
        return value

    def put(self, level: int, index: int, value: bytes) -> None:
        """Keep the hash of a subtree that became complete."""
        self._connection.execute("INSERT INTO nodes VALUES (?, ?, ?)", (level, index, value))
        self._fresh[level, index] = value


def payload_digest(salt: bytes, payload: bytes) -> Digest:
    """Give the digest by which an envelope binds its payload's canonical bytes."""
    return Digest(hashlib.sha256(salt + payload).hexdigest())


def draft(event: NewEvent, redactor: Redactor) -> Draft:
    """Redact an event and make it canonical.

    Characters that UTF-8 cannot hold (file names that are not text) are stored as `\\udcXX`. Raises
    InvalidInput if the payload is not JSON, is nested deeper than 100, or is larger than 4 MiB.
    """
    payload, kinds = redactor.value(event.payload)
    actor, actor_kinds = redactor.value(event.actor.model_dump(mode="json"))
    try:
        data = canonical(_encodable(payload))
        actor = _encodable(actor)
    except (ValueError, TypeError, RecursionError) as exc:
        raise InvalidInput(
            f"payload of a {event.kind} event is not JSON: {exc}",
            hint="Use objects, lists, text, true, false, null, and numbers within 53 bits.",
        ) from exc
    if len(data) > MAX_PAYLOAD_BYTES:
        raise InvalidInput(
            f"payload of a {event.kind} event has {len(data)} bytes, more than {MAX_PAYLOAD_BYTES}",
            hint="Store it with put_blob and name its digest.",
        )
    salt = os.urandom(_SALT_BYTES)
    return Draft(event.kind, actor, data, salt, payload_digest(salt, data), bool(kinds or actor_kinds))


def check_stream(stream: StreamId) -> None:
    """Raise InvalidInput unless `stream` is that of a run, of a repository, or of the server."""
    if not _STREAM.fullmatch(stream):
        raise InvalidInput(
            f"stream {stream!r} is neither server, nor run:<8 hex digits>, nor repo:<id>",
            hint="Name it with run_stream, repo_stream or SERVER_STREAM.",
        )


def check_version(connection: sqlite3.Connection, stream: StreamId, expected: int | None) -> int:
    """Give the stream's version. Raises VersionConflict if another was `expected`."""
    found = version_of(connection, stream)
    if expected is not None and expected != found:
        raise VersionConflict(
            f"stream {stream} is at version {found}, not {expected}",
            hint="Another process was first: read the run again and repeat the step.",
        )
    return found


def write(
    connection: sqlite3.Connection, stream: StreamId, version: int, drafts: Sequence[Draft]
) -> list[Event]:
    """Put events at the end of the log, after `version` of their stream, with their leaves in the tree.

    Their time is the clock's, but never before that of the event before them. Raises TrailCorrupt if the
    tree does not end where the log ends: going on would bury what was done to it.
    """
    last = connection.execute("SELECT seq, at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, at = (last[0] + 1, max(last[1], to_rfc3339(now()))) if last else (0, to_rfc3339(now()))
    (leaves,) = connection.execute("SELECT max(place) + 1 FROM nodes WHERE level = 0").fetchone()
    if (leaves or 0) != seq:
        raise TrailCorrupt(f"the log has {seq} events, its tree {leaves or 0} leaves", hint=VERIFY)
    nodes = SqlNodes(connection)
    events: list[Event] = []
    for offset, item in enumerate(drafts):
        envelope = canonical(
            {
                "v": ENVELOPE_VERSION,
                "seq": seq + offset,
                "stream": stream,
                "version": version + offset + 1,
                "kind": item.kind.value,
                "at": at,
                "actor": item.actor,
                "payload_digest": item.digest,
                "redacted": item.redacted,
            }
        )
        if len(envelope) > MAX_ENVELOPE_BYTES:
            raise InvalidInput(
                f"envelope of a {item.kind} event has {len(envelope)} bytes, more than {MAX_ENVELOPE_BYTES}",
                hint="Shorten the names of its principal and host.",
            )
        place = (seq + offset, stream, version + offset + 1, item.kind.value, at)
        connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, envelope, item.salt, item.payload.decode()),
        )
        append_leaf(nodes, seq + offset, leaf_hash(envelope))
        events.append(event_of(envelope, item.payload))
    return events


def event_of(envelope: bytes, payload: bytes | None) -> Event:
    """Read an event from its stored form. Raises TrailCorrupt if that cannot be."""
    try:
        fields = json.loads(envelope)
        if fields.pop("v") != ENVELOPE_VERSION:
            raise ValueError("its version is unknown")
        body = None if payload is None else json.loads(payload, parse_int=_number)
        return Event.model_validate({**fields, "payload": body})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        fault = "fields are wrong" if isinstance(exc, ValidationError) else str(exc)
        raise TrailCorrupt(
            f"stored event {digest_of(envelope)[:12]} cannot be read: {fault}", hint=VERIFY
        ) from exc


def events_of(rows: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Event]:
    """Read events from rows of envelope and payload."""
    return (event_of(envelope, payload) for envelope, payload in rows)


def size_of(connection: sqlite3.Connection) -> int:
    """Give the number of events in the log."""
    (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
    return 0 if last is None else int(last) + 1


def version_of(connection: sqlite3.Connection, stream: StreamId) -> int:
    """Give the version of a stream; 0 if it has no event."""
    (last,) = connection.execute("SELECT max(version) FROM events WHERE stream = ?", (stream,)).fetchone()
    return 0 if last is None else int(last)


def read_stream(connection: sqlite3.Connection, stream: StreamId, after: int) -> list[Event]:
    """Give the events of a stream after a version, in order."""
    return list(events_of(connection.execute(_STREAM_AFTER, (stream, after))))


def read_event(connection: sqlite3.Connection, seq: int) -> Event:
    """Give one event. Raises EventUnknown."""
    row = connection.execute(_ONE, (seq,)).fetchone()
    if row is None:
        raise _unknown(connection, seq)
    return event_of(*row)


def read_stored(connection: sqlite3.Connection, seq: int) -> Stored:
    """Give one event as its bytes. Raises EventUnknown."""
    row = connection.execute(_STORED, (seq,)).fetchone()
    if row is None:
        raise _unknown(connection, seq)
    return Stored(*row)


def read_hashes(connection: sqlite3.Connection, level: int, start: int, stop: int) -> list[bytes]:
    """Give the hashes of the subtrees start..stop of a level. Raises TrailCorrupt if one is missing."""
    found = [value for (value,) in connection.execute(_HASHES, (level, start, stop))]
    return _complete(found, stop - start, f"nodes {start} to {stop} of level {level}")


def read_envelopes(connection: sqlite3.Connection, start: int, stop: int) -> list[bytes]:
    """Give the envelopes of the events start..stop. Raises TrailCorrupt if one is missing."""
    found = [value for (value,) in connection.execute(_ENVELOPES, (start, stop))]
    return _complete(found, stop - start, f"events {start} to {stop}")


def all_events(connection: sqlite3.Connection) -> Iterator[Event]:
    """Give every event in the log's order, one at a time."""
    return events_of(connection.execute(_ALL))


def _complete(found: list[bytes], wanted: int, what: str) -> list[bytes]:
    if len(found) != wanted:
        raise TrailCorrupt(f"of {what}, {wanted - len(found)} are missing", hint=VERIFY)
    return found


def _unknown(connection: sqlite3.Connection, seq: int) -> EventUnknown:
    size = size_of(connection)
    return EventUnknown(
        f"event {seq} is not in the trail",
        hint=f"Events are numbered from 0 to {size - 1}." if size else "The trail is empty.",
    )


def _number(text: str) -> int | float:
    """Read a number without a point: beyond 53 bits RFC 8785 only writes floats like that."""
    value = int(text)
    return value if abs(value) < 2**53 else float(text)


def _encodable(value: Any) -> Any:
    """Write what UTF-8 cannot hold as backslash escapes; all else stays as it is."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
