"""Projections: what the log amounts to, kept beside it so that questions are answered without reading it.

They are written in the transaction of the append, from the event alone, and can be made again from the log.
"""

import sqlite3
from functools import cache
from typing import Final

from pydantic import ValidationError

from pev.errors import RunUnknown, TrailCorrupt
from pev.events import Event, Kind
from pev.models import Digest, RunId, hash_json, run_of_stream
from pev.run import TERMINAL, Approval, RunState, apply_event
from pev.trail.facets import Sighting, findings_of, tags_of
from pev.trail.log import all_events

_REPO: Final = "repo:"
_KEPT_STATES: Final = 1_000
REVISION: Final = 1
"""Raise it when `facets` or the projector read events in another way: projections are then made anew."""
_EMPTY: Final = (
    "DELETE FROM runs",
    "DELETE FROM tags",
    "DELETE FROM findings",
    "DELETE FROM approvals",
    "DELETE FROM shape",
)
REBUILD: Final = "Run `pev trail rebuild` to make the projections anew from the log."


class Projector:
    """Writes what events amount to into the projections of one open transaction.

    Events come in the log's order. Nothing of the runs is on the disk before `flush`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._states: dict[RunId, tuple[int, RunState]] = {}
        self._erased: set[RunId] = set()

    def apply(self, event: Event) -> None:
        """Take one event in. Raises TrailCorrupt if its run cannot take it."""
        run = run_of_stream(event.stream)
        repo = event.stream.removeprefix(_REPO) if event.stream.startswith(_REPO) else None
        if run is not None:
            repo = self._advance(run, event)
        self._connection.executemany(
            "INSERT INTO tags VALUES (?, ?)", [(tag, event.seq) for tag in tags_of(event, repo)]
        )
        self._connection.executemany(
            "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?)",
            [
                (event.seq, nth, run, one.path, one.fingerprint, one.model_dump_json())
                for nth, one in enumerate(findings_of(event.payload))
            ],
        )

    def flush(self) -> None:
        """Write the states of the runs that moved."""
        self._connection.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET"
            " repo = excluded.repo, opened = excluded.opened, is_over = excluded.is_over,"
            " state = excluded.state",
            [
                (run, state.repo, opened, int(state.status in TERMINAL), state.model_dump_json())
                for run, (opened, state) in self._states.items()
            ],
        )
        self._states.clear()

    def _advance(self, run: RunId, event: Event) -> str | None:
        if event.kind is Kind.RUN_OPENED and event.payload is None:
            self._erased.add(run)
        if run in self._erased:  # its payloads are gone, and with them its state
            return None
        opened, state = self._state(run, event.seq)
        try:
            after = apply_event(state, event)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as exc:
            raise TrailCorrupt(
                f"event {event.seq} ({event.kind}) cannot follow in run {run}: {_fault(exc)}",
                hint="Its payload has another form than the run's state needs.",
            ) from exc
        if len(self._states) >= _KEPT_STATES:
            self.flush()
        self._states[run] = opened, after
        if event.kind is Kind.DECISION_ANSWERED:
            approval = after.approvals[-1]
            self._connection.execute(
                "INSERT INTO approvals VALUES (?, ?, ?, ?)",
                (event.seq, run, approval.principal, approval.model_dump_json()),
            )
        return after.repo

    def _state(self, run: RunId, seq: int) -> tuple[int, RunState | None]:
        if run in self._states:
            return self._states[run]
        row = self._connection.execute("SELECT opened, state FROM runs WHERE run = ?", (run,)).fetchone()
        return (row[0], parse_state(run, row[1])) if row else (seq, None)


def parse_state(run: RunId, text: str | bytes) -> RunState:
    """Read a stored state. Raises TrailCorrupt if it does not validate, or is another run's."""
    try:
        state = RunState.model_validate_json(text)
    except ValidationError as exc:
        raise unreadable_state(run) from exc
    if state.id != run:
        raise unreadable_state(run)
    return state


def unreadable_state(run: RunId) -> TrailCorrupt:
    """Say that what is stored of a run is no state of it."""
    return TrailCorrupt(f"stored state of run {run} cannot be read", hint=REBUILD)


def unknown_run(run: RunId) -> RunUnknown:
    """Say that there is no such run, or none that may be seen: nobody can tell the two apart."""
    return RunUnknown(f"no run {run!r} in the trail", hint="See `pev runs` or the resource pev://runs.")


def read_state(connection: sqlite3.Connection, run: RunId) -> RunState:
    """Give the state of a run. Raises RunUnknown."""
    row = connection.execute("SELECT state FROM runs WHERE run = ?", (run,)).fetchone()
    if row is None:
        raise unknown_run(run)
    return parse_state(run, row[0])


@cache
def shape() -> Digest:
    """Give a name to the rules by which this PEV makes projections: its models, and `REVISION`."""
    models = (RunState, Sighting, Approval)
    return hash_json([REVISION, *(model.model_json_schema(mode="serialization") for model in models)])


def is_current(connection: sqlite3.Connection) -> bool:
    """Say whether the projections were made by the rules of this PEV."""
    return connection.execute("SELECT hash FROM shape").fetchall() == [(shape(),)]


def rebuild(connection: sqlite3.Connection) -> int:
    """Empty the projections and fill them from the log; give the number of events read.

    Raises TrailCorrupt if the log cannot be folded.
    """
    for statement in _EMPTY:
        connection.execute(statement)
    projector, count = Projector(connection), 0
    for event in all_events(connection):
        projector.apply(event)
        count += 1
    projector.flush()
    connection.execute("INSERT INTO shape VALUES (?)", (shape(),))
    return count


def _fault(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exc.errors()[:3])
    return f"{type(exc).__name__} {exc}"
