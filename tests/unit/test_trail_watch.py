"""Watching the log grow: what is new must continue what was verified, and every way not to is told."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.errors import TrailCorrupt, TrailUnavailable
from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.faults import FaultKind
from pev.trail.rows import Batch, batches
from pev.trail.store import Trail
from pev.trail.watch import Watch
from support.tampering import cut, move, opened_raw, plant_tree, small_trail
from support.trail_events import event

STREAM = repo_stream(RepoId("app-1"))


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    with Trail.open(small_trail(tmp_path)) as one:
        yield one


@pytest.fixture
def watch(trail: Trail) -> Watch:
    return Watch(trail.examine())


@pytest.fixture
def file(trail: Trail, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened_raw(tmp_path / "trail.sqlite3") as connection:
        yield connection


def grow(trail: Trail, count: int = 5) -> None:
    trail.append(STREAM, [event(Kind.COMMAND_RAN, n=n) for n in range(count)], expected_version=None)


def found(trail: Trail, watch: Watch) -> dict[FaultKind, list[int | None]]:
    out: dict[FaultKind, list[int | None]] = {}
    for fault in trail.step(watch).faults:
        out.setdefault(fault.kind, []).append(fault.seq)
    return out


def test_a_log_that_grows_is_verified_step_by_step(trail: Trail, watch: Watch) -> None:
    """Each step looks at what is new alone, and ends where the log does."""
    assert trail.step(watch).new == 0
    for count in (1, 7, 300):
        grow(trail, count)
        step = trail.step(watch)
        assert (step.new, step.faults, step.head) == (count, (), trail.head())
    assert watch.head == trail.head()


def test_a_log_that_shrinks_was_rolled_back(trail: Trail, watch: Watch, file: sqlite3.Connection) -> None:
    """No checkpoint is needed: the watcher remembers."""
    cut(file, 20)

    assert found(trail, watch) == {FaultKind.ROLLED_BACK: [None]}
    assert watch.head.size == 29


def test_a_log_that_was_rolled_back_and_grew_again_was_forked(
    trail: Trail, watch: Watch, file: sqlite3.Connection
) -> None:
    """It is longer than before, and fits together; it is not what was verified."""
    cut(file, 20)
    trail.rebuild()
    grow(trail, 40)
    assert trail.verify().intact

    assert FaultKind.FORKED in found(trail, watch)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE events SET payload = replace(payload, '3', '4') WHERE seq = 32", FaultKind.PAYLOAD_CHANGED),
        ("UPDATE events SET payload = NULL WHERE seq = 32", FaultKind.PAYLOAD_MISSING),
        ("UPDATE events SET kind = 'run.opened' WHERE seq = 32", FaultKind.CHANGED),
        ("UPDATE events SET envelope = x'7b7d' WHERE seq = 32", FaultKind.CHANGED),
        ("DELETE FROM events WHERE seq = 31", FaultKind.REMOVED),
        ("UPDATE nodes SET hash = zeroblob(32) WHERE level = 0 AND place = 32", FaultKind.CHANGED),
        ("DELETE FROM nodes WHERE level = 1 AND place = 16", FaultKind.TREE_CHANGED),
    ],
)
def test_a_new_event_that_was_tampered_with_is_named(
    trail: Trail, watch: Watch, file: sqlite3.Connection, change: str, kind: FaultKind
) -> None:
    grow(trail)
    file.execute(change)

    assert kind in found(trail, watch)
    assert kind in found(trail, watch), "a fault does not go away by looking again"


def test_an_old_subtree_that_was_changed_is_told(
    trail: Trail, watch: Watch, file: sqlite3.Connection
) -> None:
    """Proofs are made from it."""
    file.execute("UPDATE nodes SET hash = zeroblob(32) WHERE level = 4")
    grow(trail, 1)

    assert found(trail, watch) == {FaultKind.FORKED: [None]}


def test_new_events_that_changed_places_are_told(
    trail: Trail, watch: Watch, file: sqlite3.Connection
) -> None:
    grow(trail)
    move(file, 30, 99)
    move(file, 32, 30)
    move(file, 99, 32)

    assert FaultKind.CHANGED in found(trail, watch)


def test_time_that_goes_back_in_a_tree_that_fits_is_told(
    trail: Trail, watch: Watch, file: sqlite3.Connection
) -> None:
    """By what the watcher saw last, also for the first new event."""
    grow(trail, 1)
    (at,) = file.execute("SELECT at FROM events WHERE seq = 29").fetchone()
    file.execute(
        "UPDATE events SET at = '2001' || substr(at, 5),"
        " envelope = CAST(replace(envelope, ?, '2001' || substr(?, 5)) AS BLOB) WHERE seq = 29",
        (at, at),
    )
    plant_tree(file)

    assert found(trail, watch) == {FaultKind.CLOCK_BACKWARDS: [29]}


def test_a_file_that_was_exchanged_is_told(trail: Trail, watch: Watch, tmp_path: Path) -> None:
    """Whoever still reads the old one would go on being content."""
    (tmp_path / "other").mkdir()
    small_trail(tmp_path / "other").replace(tmp_path / "trail.sqlite3")

    with pytest.raises(TrailUnavailable, match="removed or replaced"):
        trail.step(watch)


def test_what_changed_between_verifying_and_watching_is_told(trail: Trail, file: sqlite3.Connection) -> None:
    found = trail.examine()
    cut(file, 20)

    assert [one.kind for one in trail.step(Watch(found)).faults] == [FaultKind.ROLLED_BACK]


def test_nothing_is_watched_that_was_not_intact_to_begin_with(trail: Trail, file: sqlite3.Connection) -> None:
    """What is new would be told as consistent, though what it goes on from is not."""
    file.execute("DELETE FROM findings")

    with pytest.raises(TrailCorrupt, match="the record is not intact: projection changed"):
        Watch(trail.examine())


def test_a_watch_begins_without_reading_the_record_again(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edge of the tree is what the verification itself worked out, before anybody could change it."""
    read: list[int] = []

    def counted(connection: sqlite3.Connection, start: int = 0) -> Iterator[Batch]:
        for batch in batches(connection, start):
            read.extend(row.seq for row in batch.rows)
            yield batch

    found = trail.examine()
    monkeypatch.setattr("pev.trail.watch.batches", counted)
    monkeypatch.setattr("pev.trail.verify.batches", counted)
    watch = Watch(found)
    grow(trail, 2)

    assert trail.step(watch).head == trail.head()
    assert read == [29, 30]
