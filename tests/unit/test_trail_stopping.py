"""Stopping a look at the record: it ends at once, wherever it is, and is never taken for a result."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.faults import FaultKind
from pev.trail.monitor import Monitor
from pev.trail.stopping import Stop, Stopped
from pev.trail.store import Trail
from pev.trail.watch import Watch
from support.tampering import opened_raw, small_trail
from support.trail_events import event


@dataclass
class After:
    """Says stop from some question on."""

    left: float
    asked: int = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self.left


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite ask too, though this record is small."""
    monkeypatch.setattr("pev.trail.stopping._STEPS", 100)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return small_trail(tmp_path)


@pytest.fixture
def trail(file: Path) -> Iterator[Trail]:
    with Trail.open(file) as one:
        yield one


def questions(trail: Trail) -> int:
    """Give how often a whole verification asks; its reading beside may add a few."""
    never = After(float("inf"))
    trail.verify(stop=never)
    return never.asked


def is_stopped(trail: Trail, left: int) -> bool:
    """Whether a verification that is stopped after some questions is; or had it ended before them?"""
    stop = After(left)
    try:
        trail.verify(stop=stop)
    except Stopped:
        return stop.asked > left
    return stop.asked <= left


def test_it_is_asked_for_every_event_and_within_sqlite(trail: Trail) -> None:
    assert questions(trail) > 29 * 2


def test_a_verification_that_is_stopped_anywhere_gives_no_report(trail: Trail) -> None:
    for left in range(questions(trail)):
        assert is_stopped(trail, left)
    assert trail.verify().intact, "and the next one is as if there had been none"


def test_what_was_found_before_it_was_stopped_is_no_report_either(trail: Trail, file: Path) -> None:
    """Half of the faults would look like all of them; and that SQLite was interrupted, like damage."""
    with opened_raw(file) as raw:
        raw.execute("UPDATE events SET payload = '{}' WHERE seq = 2")
        raw.execute("DELETE FROM events WHERE seq = 20")
    for left in range(0, questions(trail), 3):
        assert is_stopped(trail, left)
    assert FaultKind.FILE_DAMAGED not in {one.kind for one in trail.verify().faults}


def test_a_file_that_is_damaged_is_stopped_too(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where reading ended early by itself: whoever went away gets no result."""

    def damaged(*_: object) -> Iterator[object]:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr("pev.trail.verify.batches", damaged)
    assert [one.kind for one in trail.verify().faults] == [FaultKind.FILE_DAMAGED]
    with pytest.raises(Stopped):
        trail.verify(stop=lambda: True)


def test_what_sqlite_does_beside_is_stopped(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own integrity check of a large file takes longer than all the rest."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    monkeypatch.setattr("pev.trail.verify._aside", lambda beside: ([], beside.execute(endless).fetchall()))
    with pytest.raises(Stopped):
        trail.verify(stop=After(60))
    monkeypatch.undo()
    assert trail.verify().intact


def test_a_step_that_is_stopped_leaves_the_watch_as_it_was(trail: Trail) -> None:
    watch = Watch(trail.examine())
    trail.append(repo_stream(RepoId("b")), [event(Kind.COMMAND_RAN, n=1)] * 9, expected_version=0)
    for left in range(9):
        with pytest.raises(Stopped):
            trail.step(watch, stop=After(left))
        assert watch.head.size == 29
    assert (trail.step(watch).new, watch.head.size) == (9, 38)


@pytest.mark.parametrize("has_looked", [False, True])
def test_a_look_that_is_stopped_claims_nothing_new_and_stays_due(trail: Trail, *, has_looked: bool) -> None:
    monitor = Monitor(trail, lambda: ())
    if has_looked:
        monitor.look()
        monitor._read_next = 0.0
    before = monitor.standing
    asked: list[Stop] = [After(0), After(20), After(60)]
    for stop in asked:
        with pytest.raises(Stopped):
            monitor.look(stop=stop)
        assert monitor.standing.model_copy(update={"at": before.at}) == before
    assert monitor.look().claim == "consistent; roll-back not excluded"
    assert monitor.standing.read_at > before.read_at
