"""Erases payloads for good, and leaves the log verifiable: the envelopes stay, and an event tells of it.

What an envelope binds is a salted digest; with the payload its salt goes, so that nobody can guess what was
there. Payloads that a run's state is made of go with the whole run, once that is over. Nothing is erased that
no event then tells of: both happen in one transaction.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from pev.errors import InvalidInput
from pev.events import Actor, Event, Kind, NewEvent
from pev.models import Digest, RunId, run_of_stream, run_stream
from pev.run import FOLDED, TERMINAL
from pev.trail.facets import tag, tags_of
from pev.trail.log import read_event, read_stream, size_of
from pev.trail.projections import read_state
from pev.trail.query import first_at

MAX_AT_ONCE: Final = 10_000
_WIPE: Final = "UPDATE events SET payload = NULL, salt = x'' WHERE seq = ?"
_OLD: Final = "SELECT t.seq FROM tags t JOIN events e ON e.seq = t.seq WHERE t.tag = ? AND t.seq < ?"
_LEFT: Final = "SELECT payload FROM events WHERE payload IS NOT NULL"
_DIGEST: Final = re.compile("(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
NEVER: Final = frozenset({*FOLDED, Kind.PAYLOAD_ERASED, Kind.TRAIL_KEY, Kind.POLICY_TRUSTED})
"""Kinds whose payloads are needed as long as the log, or their run, is."""


def erase_events(connection: sqlite3.Connection, seqs: Sequence[int], actor: Actor, reason: str) -> NewEvent:
    """Erase the payloads of single events, and give the event that tells of it.

    Raises EventUnknown, and InvalidInput if one is needed for the state of its run, was erased before, or if
    there are none or more than 10,000.
    """
    if not 0 < len(seqs) <= MAX_AT_ONCE:
        raise InvalidInput(f"{len(seqs)} events cannot be erased at once", hint=f"Name 1 to {MAX_AT_ONCE}.")
    events = [read_event(connection, seq) for seq in sorted(set(seqs))]
    for event in events:
        if event.kind in NEVER:
            raise InvalidInput(
                f"the payload of event {event.seq} ({event.kind}) is needed for what follows it",
                hint="Erase the whole run once it is over: `pev trail erase --run RUN`.",
            )
        if event.payload is None:
            raise InvalidInput(f"the payload of event {event.seq} was erased before", hint="Leave it out.")
    blobs = _wipe(connection, events, forget_repo=False)
    return _told(events, blobs, actor, reason)


def erase_run(connection: sqlite3.Connection, run: RunId, actor: Actor, reason: str) -> NewEvent:
    """Erase all payloads of a run that is over, and its state, and give the event that tells of it.

    Raises RunUnknown, and InvalidInput if the run is not over.
    """
    state = read_state(connection, run)
    if state.status not in TERMINAL:
        raise InvalidInput(
            f"run {run} is {state.status}, and its payloads are its state",
            hint="End it first: merge or close its pull request, or abandon it.",
        )
    events = [one for one in read_stream(connection, run_stream(run), 0) if one.payload is not None]
    blobs = _wipe(connection, events, forget_repo=True)
    connection.execute("DELETE FROM runs WHERE run = ?", (run,))
    told = _told(events, blobs, actor, reason)
    return told.model_copy(update={"payload": {**told.payload, "run": run}})


def older_than(connection: sqlite3.Connection, kind: Kind, at: str) -> list[int]:
    """Give the events of a kind before a time whose payload is there, at most 10,000."""
    end = first_at(connection, at) if size_of(connection) else 0
    statement = f"{_OLD} AND e.payload IS NOT NULL ORDER BY t.seq LIMIT {MAX_AT_ONCE}"
    return [seq for (seq,) in connection.execute(statement, (tag("kind", kind.value), end))]


def _told(events: Sequence[Event], blobs: Sequence[Digest], actor: Actor, reason: str) -> NewEvent:
    body = {"events": [one.seq for one in events], "blobs": list(blobs), "reason": reason}
    return NewEvent(kind=Kind.PAYLOAD_ERASED, actor=actor, payload=body)


def _wipe(connection: sqlite3.Connection, events: Sequence[Event], *, forget_repo: bool) -> list[Digest]:
    """Take out payloads, what was projected from them, and blobs that only they named."""
    connection.execute("PRAGMA secure_delete = ON")
    for event in events:
        bare = event.model_copy(update={"payload": None})
        connection.execute(_WIPE, (event.seq,))
        lost = {*tags_of(event, None)} - {*tags_of(bare, None)}
        connection.executemany(
            "DELETE FROM tags WHERE tag = ? AND seq = ?", [(one, event.seq) for one in lost]
        )
        connection.execute("DELETE FROM findings WHERE seq = ?", (event.seq,))
        connection.execute("DELETE FROM approvals WHERE seq = ?", (event.seq,))
    if forget_repo:
        _forget_repo(connection, events)
    return _wipe_blobs(connection, events)


def _forget_repo(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Take the repository's tag from every event of a run that begins no longer with one."""
    rows = connection.execute("SELECT repo FROM runs WHERE run = ?", (run_of_stream(events[0].stream),))
    for (repo,) in rows.fetchall():
        connection.execute(
            "DELETE FROM tags WHERE tag = ? AND seq IN (SELECT seq FROM events WHERE stream = ?)",
            (tag("repo", repo), events[0].stream),
        )


def _wipe_blobs(connection: sqlite3.Connection, events: Iterable[Event]) -> list[Digest]:
    """Take out the blobs that `events` named and no other event names, in one pass through the log."""
    named = {one for event in events for one in _DIGEST.findall(json.dumps(event.payload))}
    for (payload,) in connection.execute(_LEFT) if named else ():
        named.difference_update(_DIGEST.findall(payload))
    delete = "DELETE FROM blobs WHERE digest = ?"
    return [Digest(one) for one in sorted(named) if connection.execute(delete, (one,)).rowcount]
