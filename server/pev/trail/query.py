"""Questions to the trail: which events, in which order, one page at a time.

A page costs in proportion to its own length, however long the log is: one indexed side leads, the others and
the text filter what it gives, and after a bounded number of events a cursor is handed back.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, StringConstraints

from pev.errors import InvalidInput, TrailCorrupt
from pev.events import Event, Kind
from pev.models import (
    Digest,
    Model,
    RepoId,
    Role,
    RunId,
    StreamId,
    canonical,
    hash_json,
    run_stream,
    to_rfc3339,
)
from pev.run import Approval, RunState
from pev.trail.facets import MAX_SIDE, Sighting, tag
from pev.trail.log import events_of, size_of
from pev.trail.projections import parse_state

MAX_LIMIT: Final = 500
SCAN_LIMIT: Final = 20_000
"""How many events one page looks at, at most, when a side without a leading index or a text narrows it."""
Side = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SIDE)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]

# a state that somebody changed is nobody's, and must not stop the questions about others
_OF_TENANT: Final = "CASE WHEN json_valid(state) THEN json_extract(state, '$.tenant') END = ?"
_OWN: Final = " ".join(["SELECT run FROM runs WHERE", _OF_TENANT])
_RUNS: Final = "SELECT opened, CAST(run AS BLOB), CAST(state AS BLOB) FROM runs WHERE"
_STREAM_TAG: Final = tag("stream", "")
_HAS_TAG: Final = (
    "EXISTS (SELECT 1 FROM tags t WHERE t.tag IN (SELECT value FROM json_each(?)) AND t.seq = e.seq)"
)


class TrailQuery(Model):
    """Which events. Every filter that is given must hold; `kinds` holds for any one of them.

    `repo` means its own stream and those of its runs. `outcome` is the event's own: of a gate, a check, or a
    tool call. `path` is relative to the repository; with a slash at
    its end it means all below a folder. `since` is inclusive, `until` exclusive. `text` is found anywhere in
    the payload, capitals or not (ASCII). `cursor` continues the same question after an earlier page.
    """

    stream: StreamId | None = None
    run: RunId | None = None
    repo: RepoId | None = None
    kinds: tuple[Kind, ...] = ()
    role: Role | None = None
    principal: Side | None = None
    tool: Side | None = None
    check: Side | None = None
    outcome: Side | None = None
    path: Side | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    newest_first: bool = False
    limit: Limit = 50
    cursor: str | None = Field(default=None, max_length=500)

    def shape(self) -> Digest:
        """Give a name to the question without its cursor and limit; a cursor belongs to one shape."""
        return hash_json(self.model_dump(mode="json", exclude={"cursor", "limit"}))


class TrailPage(Model):
    """Events in the order asked for. With a `cursor` there may be more, even if few or none are here."""

    events: tuple[Event, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, the newest first; it can be iterated over. With a `cursor` there are more.

    `unreadable` are those among them whose stored state is none: somebody changed it.
    """

    runs: tuple[RunState, ...]
    cursor: str | None = None
    unreadable: tuple[RunId, ...] = ()

    def __iter__(self) -> Iterator[RunState]:
        """Go through the runs."""
        return iter(self.runs)


class FindingRecord(Model):
    """A finding, and the event and run that it was recorded in."""

    event: int
    run: RunId | None
    finding: Sighting


class ApprovalRecord(Model):
    """A person's decision, and the run that it was about."""

    run: RunId
    approval: Approval


def find_events(connection: sqlite3.Connection, query: TrailQuery, tenant: str | None = None) -> TrailPage:
    """Answer one page, to a `tenant` from the events of its own runs, as if there were no others.

    Not even a cursor tells of others: whether they have an event with some words is what those words say.
    Raises InvalidInput for a cursor of another question.
    """
    low, high = _bounds(connection, query)
    sides = _sides(query)
    if tenant is not None:
        own = _own_streams(connection, tenant)
        named = [side for side in sides if side[0].startswith(_STREAM_TAG)]
        if not own or not all(set(side) <= set(own) for side in named):
            return TrailPage(events=())
        sides = sides if named else [own, *sides]
    lead, *others = sides or [()]
    step = MAX_LIMIT if others or query.text else query.limit + 1
    rows: list[tuple[Any, ...]] = []
    scanned = 0
    while scanned < SCAN_LIMIT:
        places = _walk(connection, lead, low, high, step, newest_first=query.newest_first)
        rows += _rows(connection, places, others, query)
        if len(rows) > query.limit:
            rows = rows[: query.limit]
            return TrailPage(events=tuple(_events(rows)), cursor=_cursor(query.shape(), rows[-1][0]))
        if len(places) < step:
            return TrailPage(events=tuple(_events(rows)))
        scanned += len(places)
        low, high = (low, places[-1]) if query.newest_first else (places[-1] + 1, high)
    last = high if query.newest_first else low - 1
    return TrailPage(events=tuple(_events(rows)), cursor=_cursor(query.shape(), last))


def first_at(connection: sqlite3.Connection, at: str) -> int:
    """Give the number of the first event at or after a time; the size if there is none.

    Times never go backwards in the log, so a bisection finds it.
    """
    low, high = 0, size_of(connection)
    while low < high:
        middle = (low + high) // 2
        row = connection.execute("SELECT at FROM events WHERE seq = ?", (middle,)).fetchone()
        if row is not None and row[0] < at:
            low = middle + 1
        else:
            high = middle
    return low


def find_runs(
    connection: sqlite3.Connection,
    repo: RepoId | None,
    *,
    open_only: bool,
    limit: int,
    before: str | None,
    tenant: str | None = None,
) -> RunPage:
    """Give runs by the time of their opening, the newest first, to a `tenant` its own."""
    check_limit(limit)
    shape = hash_json(["runs", repo, open_only])
    where, values = ["opened < ?"], [_open_cursor(before, shape) if before else size_of(connection)]
    if repo is not None:
        where.append("repo = ?")
    if tenant is not None:
        where.append(_OF_TENANT)
    if open_only:
        where.append("is_over = 0")
    order = "ORDER BY opened DESC LIMIT ?"
    statement = " ".join([_RUNS, " AND ".join(where), order])
    given: list[Any] = [*values, *(one for one in (repo, tenant) if one is not None), limit + 1]
    rows = connection.execute(statement, given).fetchall()
    runs: list[RunState] = []
    unreadable: list[RunId] = []
    for _, name, state in rows[:limit]:
        run = RunId(name.decode("utf-8", "replace"))
        try:
            runs.append(parse_state(run, state))
        except TrailCorrupt:
            unreadable.append(run)
    cursor = _cursor(shape, rows[limit - 1][0]) if len(rows) > limit else None
    return RunPage(runs=tuple(runs), cursor=cursor, unreadable=tuple(unreadable))


def find_findings(
    connection: sqlite3.Connection, sides: dict[str, str | None], *, limit: int, before: int | None
) -> tuple[FindingRecord, ...]:
    """Give recorded findings by columns of their table, the newest first, before an event's number."""
    rows = _newest(connection, "SELECT seq, run, body FROM findings WHERE", sides, "nth", limit, before)
    return tuple(
        FindingRecord(event=seq, run=run, finding=Sighting.model_validate_json(body))
        for seq, run, body in rows
    )


def find_approvals(
    connection: sqlite3.Connection, sides: dict[str, str | None], *, limit: int, before: int | None
) -> tuple[ApprovalRecord, ...]:
    """Give decisions by columns of their table, the newest first, before an event's number."""
    rows = _newest(connection, "SELECT seq, run, body FROM approvals WHERE", sides, "seq", limit, before)
    return tuple(
        ApprovalRecord(run=run, approval=Approval.model_validate_json(body)) for _, run, body in rows
    )


def check_limit(limit: int) -> None:
    """Raise InvalidInput unless 1 <= limit <= 500."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit {limit} is not within 1 and {MAX_LIMIT}", hint="Ask for pages.")


def _bounds(connection: sqlite3.Connection, query: TrailQuery) -> tuple[int, int]:
    """Give the first number that may answer, and the one after the last."""
    low, high = 0, size_of(connection)
    if query.since:
        low = first_at(connection, to_rfc3339(query.since))
    if query.until:
        high = first_at(connection, to_rfc3339(query.until))
    if query.cursor:
        after = _open_cursor(query.cursor, query.shape())
        low, high = (low, min(high, after)) if query.newest_first else (max(low, after + 1), high)
    return low, high


def _sides(query: TrailQuery) -> list[tuple[str, ...]]:
    """Give the tags of which an event must have one each; first those that the fewest events have."""
    run = run_stream(query.run) if query.run else None
    given: list[tuple[str, tuple[str | None, ...]]] = [
        ("path", (query.path,)),
        ("stream", (query.stream,)),
        ("stream", (run,)),
        ("check", (query.check,)),
        ("tool", (query.tool,)),
        ("outcome", (query.outcome,)),
        ("kind", tuple(sorted({kind.value for kind in query.kinds}))),
        ("principal", (query.principal,)),
        ("role", (query.role.value if query.role else None,)),
        ("repo", (query.repo,)),
    ]
    tags = [tuple(tag(side, value) for value in values if value) for side, values in given]
    return [side for side in tags if side]


def _walk(
    connection: sqlite3.Connection,
    lead: tuple[str, ...],
    low: int,
    high: int,
    step: int,
    *,
    newest_first: bool,
) -> list[int]:
    """Give the numbers of the next `step` events that have one of the leading tags, in order."""
    order = "DESC" if newest_first else "ASC"
    end = f"seq >= ? AND seq < ? ORDER BY seq {order} LIMIT ?"
    if not lead:
        rows = connection.execute(" ".join(["SELECT seq FROM events WHERE", end]), (low, high, step))
        return [seq for (seq,) in rows]
    statement = " ".join(["SELECT seq FROM tags WHERE tag = ? AND", end])
    found = {seq for one in lead for (seq,) in connection.execute(statement, (one, low, high, step))}
    return sorted(found, reverse=newest_first)[:step]


def _own_streams(connection: sqlite3.Connection, tenant: str) -> tuple[str, ...]:
    """Give the tags of the streams of a tenant's runs."""
    return tuple(tag("stream", run_stream(RunId(run))) for (run,) in connection.execute(_OWN, (tenant,)))


def _rows(
    connection: sqlite3.Connection, places: list[int], others: list[tuple[str, ...]], query: TrailQuery
) -> list[tuple[Any, ...]]:
    """Give (seq, envelope, payload) of the places that have the other tags and hold the text, in order."""
    where, values = ["e.seq IN (SELECT value FROM json_each(?))"], [json.dumps(places)]
    for side in others:
        where.append(_HAS_TAG)
        values.append(json.dumps(side))
    if query.text:
        where.append(r"e.payload LIKE ? ESCAPE '\'")
        values.append(f"%{_like(query.text)}%")
    parts = [
        "SELECT e.seq, CAST(e.envelope AS BLOB), CAST(e.payload AS BLOB) FROM events e WHERE",
        " AND ".join(where),
        "ORDER BY e.seq",
        "DESC" if query.newest_first else "ASC",
    ]
    return connection.execute(" ".join(parts), values).fetchall()


def _events(rows: list[tuple[Any, ...]]) -> Iterator[Event]:
    return events_of((envelope, payload) for _, envelope, payload in rows)


def _like(text: str) -> str:
    """Write a text as it stands inside canonical JSON, with the wildcards of LIKE taken literally."""
    quoted = canonical(text.encode("utf-8", "backslashreplace").decode()).decode()[1:-1]
    return quoted.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _newest(
    connection: sqlite3.Connection,
    select: str,
    sides: dict[str, str | None],
    then: str,
    limit: int,
    before: int | None,
) -> list[tuple[Any, ...]]:
    check_limit(limit)
    where = ["seq < ?", *(f"{column} = ?" for column, value in sides.items() if value is not None)]
    values: list[Any] = [size_of(connection) if before is None else before]
    values += [value for value in sides.values() if value is not None]
    parts = [select, " AND ".join(where), "ORDER BY seq DESC,", then, "LIMIT ?"]
    return connection.execute(" ".join(parts), [*values, limit]).fetchall()


def _cursor(shape: Digest, seq: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([shape[:16], seq]).encode()).decode().rstrip("=")


def _open_cursor(cursor: str, shape: Digest) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        named, seq = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if named == shape[:16] and type(seq) is int and 0 <= seq < 2**53:
            return seq
    except (ValueError, TypeError):
        pass
    raise InvalidInput(
        f"cursor {cursor[:40]!r} does not belong to this question",
        hint="Repeat the question without a cursor, or with the filters that gave it.",
    )
