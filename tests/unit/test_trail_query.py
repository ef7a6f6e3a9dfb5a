"""Asking the trail: every filter, stable pages in both directions, and bounded work."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pev.errors import InvalidInput
from pev.events import Event, Kind
from pev.findings import Outcome
from pev.models import SERVER_STREAM, RepoId, Role, RunId, repo_stream, run_stream
from pev.trail import query as query_module
from pev.trail.query import TrailQuery
from pev.trail.store import Trail
from support.trail_events import AUTHOR, FINDING, PERSON, SERVER, event, record_run

RUN = RunId("00000001")
OTHER = RunId("00000002")


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """Two runs of two repositories, and events that belong to no run."""
    with Trail.open(tmp_path_factory.mktemp("trail") / "trail.sqlite3") as filled:
        record_run(filled, RUN, repo="app-1")
        record_run(filled, OTHER, repo="lib-2")
        filled.append(
            repo_stream(RepoId("app-1")),
            [
                event(Kind.CHECK_RAN, check="types", outcome="INCONCLUSIVE"),
                event(Kind.POLICY_TRUSTED, PERSON),
            ],
            expected_version=0,
        )
        filled.append(
            SERVER_STREAM,
            [
                event(Kind.TOOL_CALLED, tool="run_check", outcome="ok", arguments={"path": "docs/ü%_.md"}),
                event(Kind.REPAIRED, SERVER, done=['said "so"\n100% \\o/']),
            ],
            expected_version=0,
        )
        yield filled


@pytest.fixture(scope="module")
def events(trail: Trail) -> list[Event]:
    """The whole log."""
    return [trail.event(seq) for seq in range(trail.head().size)]


def pages(trail: Trail, query: TrailQuery) -> list[Event]:
    """Walk through all pages."""
    out: list[Event] = []
    cursor = None
    while True:
        page = trail.query(query.model_copy(update={"cursor": cursor}))
        out += page.events
        cursor = page.cursor
        if cursor is None:
            return out


def names(payload: dict[str, Any] | None, path: str) -> bool:
    return path in str(payload)


FILTERS: list[tuple[dict[str, Any], Callable[[Event], bool]]] = [
    ({}, lambda one: True),
    ({"stream": SERVER_STREAM}, lambda one: one.stream == SERVER_STREAM),
    ({"run": RUN}, lambda one: one.stream == run_stream(RUN)),
    ({"run": RUN, "stream": SERVER_STREAM}, lambda one: False),
    ({"repo": "app-1"}, lambda one: one.stream in (run_stream(RUN), "repo:app-1")),
    ({"repo": "lib-2"}, lambda one: one.stream == run_stream(OTHER)),
    ({"kinds": [Kind.GATE_FINISHED]}, lambda one: one.kind is Kind.GATE_FINISHED),
    (
        {"kinds": [Kind.GATE_FINISHED, Kind.TOOL_CALLED, Kind.GATE_STARTED]},
        lambda one: one.kind in (Kind.GATE_FINISHED, Kind.GATE_STARTED, Kind.TOOL_CALLED),
    ),
    ({"role": Role.PERSON}, lambda one: one.actor.role is Role.PERSON),
    ({"principal": PERSON.principal}, lambda one: one.actor == PERSON),
    (
        {"principal": AUTHOR.principal, "run": RUN},
        lambda one: one.actor == AUTHOR and one.stream == f"run:{RUN}",
    ),
    ({"tool": "run_check"}, lambda one: (one.payload or {}).get("tool") == "run_check"),
    (
        {"check": "types"},
        lambda one: one.kind is Kind.GATE_FINISHED or (one.payload or {}).get("check") == "types",
    ),
    ({"outcome": Outcome.FAILED}, lambda one: (one.payload or {}).get("outcome") == "FAILED"),
    ({"outcome": "ok"}, lambda one: (one.payload or {}).get("outcome") == "ok"),
    (
        {"path": "src/app/calc.py"},
        lambda one: names(one.payload, "calc.py") and one.kind is not Kind.COMMAND_RAN,
    ),
    ({"path": "src/"}, lambda one: names(one.payload, "src/app") and one.kind is not Kind.COMMAND_RAN),
    ({"path": "src"}, lambda one: False),
    ({"path": "docs/ü%_.md"}, lambda one: names(one.payload, "docs/")),
    (
        {"path": "src/app/", "kinds": [Kind.PLAN_SUBMITTED, Kind.FILE_WRITTEN], "run": OTHER},
        lambda one: one.kind in (Kind.PLAN_SUBMITTED, Kind.FILE_WRITTEN) and one.stream == f"run:{OTHER}",
    ),
    ({"text": "DIVIDE BY zero"}, lambda one: names(one.payload, "divide by zero")),
    ({"text": 'said "so"\n100% \\o/'}, lambda one: one.kind is Kind.REPAIRED),
    ({"text": "%"}, lambda one: names(one.payload, "%")),
    ({"text": "s_id"}, lambda one: False),
    ({"text": "ü%_"}, lambda one: names(one.payload, "ü")),
    (
        {"text": "import os", "role": Role.AUTHOR},
        lambda one: names(one.payload, "import os") and one.actor == AUTHOR,
    ),
]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 500])
@pytest.mark.parametrize(("given_filter", "holds"), FILTERS, ids=[str(one) for one, _ in FILTERS])
def test_a_filter_gives_what_it_says_in_order_and_once(
    trail: Trail,
    events: list[Event],
    given_filter: dict[str, Any],
    holds: Callable[[Event], bool],
    limit: int,
    newest_first: bool,
) -> None:
    """Whatever the size of the pages and the direction."""
    query = TrailQuery(limit=limit, newest_first=newest_first, **given_filter)

    found = pages(trail, query)

    wanted = [one for one in events if holds(one)]
    assert found == (wanted[::-1] if newest_first else wanted)


def test_times_bound_from_the_first_inclusive_to_the_last_exclusive(
    trail: Trail, events: list[Event]
) -> None:
    """Days can be put side by side without an event twice or lost."""
    at = datetime.fromisoformat(events[11].at)

    before = pages(trail, TrailQuery(until=at))
    after = pages(trail, TrailQuery(since=at))

    assert before + after == events
    assert all(one.at < events[11].at for one in before)
    assert after[0].at == events[11].at
    assert pages(trail, TrailQuery(since=at, until=at)) == []
    assert pages(trail, TrailQuery(since=datetime.now(UTC) + timedelta(days=1))) == []
    assert pages(trail, TrailQuery(since=at, run=OTHER)) == [
        one for one in after if one.stream == f"run:{OTHER}"
    ]


def test_a_page_stays_the_same_while_the_log_grows(tmp_path: Path) -> None:
    """A cursor is a place in the order, not a count."""
    stream = repo_stream(RepoId("r"))
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        trail.append(stream, [event(Kind.COMMAND_RAN, n=n) for n in range(5)], expected_version=0)
        first = trail.query(TrailQuery(limit=2, newest_first=True))
        trail.append(stream, [event(Kind.COMMAND_RAN, n=n) for n in range(5, 9)], expected_version=5)
        second = trail.query(TrailQuery(limit=2, newest_first=True, cursor=first.cursor))

    assert [one.seq for one in (*first.events, *second.events)] == [4, 3, 2, 1]


def test_a_cursor_serves_another_page_size_but_no_other_question(trail: Trail) -> None:
    """The order is the question's own."""
    cursor = trail.query(TrailQuery(run=RUN, limit=2)).cursor

    assert trail.query(TrailQuery(run=RUN, limit=3, cursor=cursor)).events[0].seq == 2
    for other in (
        TrailQuery(run=OTHER, cursor=cursor),
        TrailQuery(run=RUN, newest_first=True, cursor=cursor),
    ):
        with pytest.raises(InvalidInput, match="does not belong to this question"):
            trail.query(other)


@pytest.mark.parametrize("cursor", ["", "x", "é", "WyJhIiwgMV0", "bnVsbA", "W10", "//8", "eyJhIjogMX0"])
def test_a_cursor_that_is_none_is_refused(trail: Trail, cursor: str) -> None:
    """Whatever a caller makes up, it gets an error that says what to do."""
    if not cursor:
        assert trail.query(TrailQuery(cursor=cursor, limit=1)).events[0].seq == 0
        return
    with pytest.raises(InvalidInput) as caught:
        trail.query(TrailQuery(cursor=cursor))
    assert "without a cursor" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 501},
        {"text": ""},
        {"text": "x" * 201},
        {"since": "2026-01-01T00:00:00"},
        {"kinds": ["no.such"]},
        {"role": "king"},
        {"order": "x"},
    ],
)
def test_a_question_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    """Limits are bounded, times have a zone, kinds and roles exist."""
    with pytest.raises(ValidationError):
        TrailQuery.model_validate(wrong)


@pytest.mark.long_search
def test_a_search_that_finds_little_looks_at_a_bounded_number_of_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hands back a cursor instead of holding the caller; nothing is skipped."""
    monkeypatch.setattr(query_module, "SCAN_LIMIT", 1_000)
    stream = repo_stream(RepoId("r"))
    needles = (3, 1_499, 2_500)
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        many = [event(Kind.COMMAND_RAN, text="needle" if n in needles else "hay") for n in range(2_600)]
        trail.append(stream, many, expected_version=0)
        for newest_first in (False, True):
            query = TrailQuery(text="needle", newest_first=newest_first, limit=10)
            first = trail.query(query)
            assert first.cursor is not None
            assert len(first.events) == 1
            found = [one.seq for one in pages(trail, query)]
            assert found == (list(needles[::-1]) if newest_first else list(needles))


@pytest.mark.long_search
def test_a_page_of_a_long_log_costs_no_more_than_one_of_a_short_log(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, the cost of an answer must not follow the length of the log."""
    stream = repo_stream(RepoId("r"))
    mine = repo_stream(RepoId("mine"))
    asked: list[Callable[[sqlite3.Connection], object]] = [
        lambda db: query_module.find_events(db, TrailQuery(stream=mine)),
        lambda db: query_module.find_events(db, TrailQuery(repo=RepoId("mine"))),
        lambda db: query_module.find_events(db, TrailQuery(newest_first=True)),
        lambda db: query_module.find_events(db, TrailQuery(path="src/own.py")),
        lambda db: query_module.find_events(db, TrailQuery(kinds=(Kind.FILE_WRITTEN, Kind.CHECK_RAN))),
        lambda db: query_module.find_events(db, TrailQuery(since=datetime(2020, 1, 1, tzinfo=UTC))),
        lambda db: query_module.find_runs(db, None, open_only=False, limit=5, before=None),
        lambda db: query_module.find_runs(db, RepoId("app-1"), open_only=True, limit=5, before=None),
        lambda db: query_module.find_findings(db, {"run": RUN}, limit=5, before=None),
        lambda db: query_module.find_findings(db, {"path": "src/app/calc.py"}, limit=5, before=None),
        lambda db: query_module.find_approvals(db, {"principal": PERSON.principal}, limit=5, before=None),
    ]
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        trail.append(mine, [event(Kind.FILE_WRITTEN, path="src/own.py")] * 60, expected_version=0)
        record_run(trail, RUN)
        short = [steps(trail, ask) for ask in asked]
        other = [{**FINDING, "path": "a.py", "fingerprint": "0" * 64}]
        noise = event(Kind.COMMAND_RAN, path="a.py", findings=other)
        trail.append(stream, [noise] * 5_000, expected_version=None)
        long = [steps(trail, ask) for ask in asked]

    for before, after in zip(short, long, strict=True):
        assert after <= 1.5 * before + 300


def steps(trail: Trail, ask: Callable[[sqlite3.Connection], object]) -> int:
    """Count the steps of SQLite's machine that an answer takes."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    with trail._database.reading() as connection:
        connection.set_progress_handler(tick, 1)
        ask(connection)
        connection.set_progress_handler(None, 0)
    return count


@pytest.mark.long_search
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=20))
def test_any_text_that_was_stored_is_found(tmp_path: Path, text: str) -> None:
    """Quotes, backslashes, wildcards and control characters have no meaning of their own."""
    path = tmp_path / "trail.sqlite3"
    with Trail.open(path) as trail:
        stored = trail.append(
            repo_stream(RepoId("r")), [event(Kind.COMMAND_RAN, said=f"<{text}>")], expected_version=None
        )
        found = trail.query(TrailQuery(text=f"<{text}>", newest_first=True, limit=1)).events

    assert list(found) == stored
