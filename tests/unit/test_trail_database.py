"""The file: what is wrong with it is said in our own words, and nothing is lost on the way."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pev.errors import PevError, TrailCorrupt, TrailUnavailable
from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.database import Database
from pev.trail.schema import VERSION
from pev.trail.store import Trail
from support.trail_events import event

STREAM = repo_stream(RepoId("app-1"))
RAN = event(Kind.COMMAND_RAN, n=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed trail with one event."""
    file = tmp_path / "trail.sqlite3"
    with Trail.open(file) as trail:
        trail.append(STREAM, [RAN], expected_version=0)
    return file


@pytest.fixture
def holder(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that holds the trail's write lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


@pytest.mark.parametrize("content", [b"garbage", b"SQLite format 3\0" + b"\0" * 84, b"x" * 5_000])
def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """It may be somebody's; it is never overwritten."""
    path = tmp_path / "trail.sqlite3"
    path.write_bytes(content)

    with pytest.raises(PevError) as caught:
        Trail.open(path)

    assert caught.value.code in (TrailUnavailable.code, TrailCorrupt.code)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert path.read_bytes() == content


def test_garbage_is_named_as_no_database(tmp_path: Path) -> None:
    """The fact, and the next action."""
    path = tmp_path / "trail.sqlite3"
    path.write_bytes(b"not a database at all" * 100)

    with pytest.raises(TrailUnavailable, match="is not a database") as caught:
        Trail.open(path)
    assert "Move the file away" in caught.value.hint


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Our tables are not mixed into it."""
    path = tmp_path / "trail.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.commit()

    with pytest.raises(TrailUnavailable, match="of another program"):
        Trail.open(path)

    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_trail_of_a_newer_pev_is_refused(path: Path) -> None:
    """An older program would write what the newer cannot read."""
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")

    with pytest.raises(TrailUnavailable, match=rf"schema {VERSION + 1}, newer than {VERSION}") as caught:
        Trail.open(path)
    assert "newer PEV" in caught.value.hint


def test_an_empty_file_becomes_a_trail(tmp_path: Path) -> None:
    """As a process that died while making it leaves it behind."""
    path = tmp_path / "trail.sqlite3"
    path.touch()

    with Trail.open(path) as trail:
        assert trail.verify().intact


def test_a_lock_that_stays_is_said_with_how_long_it_was_waited_for(
    path: Path, holder: sqlite3.Connection
) -> None:
    """Nothing was stored, and reading goes on."""
    with Trail.open(path, busy_s=0.05) as trail:
        with pytest.raises(TrailUnavailable, match=r"stayed locked for 0\.05 s") as caught:
            trail.append(STREAM, [RAN], expected_version=None)

        assert "try again" in caught.value.hint
        assert trail.head().size == 1
        assert trail.read(STREAM)[0].payload == {"n": 1}
        holder.execute("ROLLBACK")
        trail.append(STREAM, [RAN], expected_version=1)


def test_a_writer_waits_for_another_to_finish(path: Path, holder: sqlite3.Connection) -> None:
    """A short lock is no error."""
    with Trail.open(path, busy_s=30) as trail:
        started = threading.Event()

        def append() -> None:
            started.set()
            trail.append(STREAM, [RAN], expected_version=1)

        writer = threading.Thread(target=append)
        writer.start()
        started.wait()
        holder.execute("ROLLBACK")
        writer.join()

        assert trail.version(STREAM) == 2


def test_a_trail_that_is_kept_exclusively_cannot_be_opened(tmp_path: Path) -> None:
    """The error comes within the wait, not never."""
    path = tmp_path / "trail.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as owner:
        owner.execute("BEGIN EXCLUSIVE")
        owner.execute("CREATE TABLE t (a)")

        with pytest.raises(TrailUnavailable, match="stayed locked"):
            Trail.open(path, busy_s=0.05)


def test_a_trail_that_was_removed_while_open_takes_no_more_events(path: Path) -> None:
    """They would be acknowledged and gone with the process."""
    with Trail.open(path) as trail:
        path.unlink()

        with pytest.raises(TrailUnavailable, match="removed or replaced"):
            trail.append(STREAM, [RAN], expected_version=None)


def test_a_trail_that_was_replaced_while_open_takes_no_more_events(path: Path, tmp_path: Path) -> None:
    """The same for a restored backup."""
    with Trail.open(path) as trail:
        path.rename(tmp_path / "old")
        Trail.open(path).close()

        with pytest.raises(TrailUnavailable, match="removed or replaced"):
            trail.append(STREAM, [RAN], expected_version=None)


def test_a_closed_trail_says_so(path: Path) -> None:
    """Closing twice is no error."""
    trail = Trail.open(path)
    trail.close()
    trail.close()

    with pytest.raises(TrailUnavailable, match="is closed"):
        trail.head()
    with pytest.raises(TrailUnavailable, match="is closed"):
        trail.append(STREAM, [RAN], expected_version=None)


def test_a_reader_cannot_write(path: Path) -> None:
    """What only asks has no way to change anything, by SQLite's own word."""
    database = Database(path)
    with (
        pytest.raises(TrailUnavailable, match="is read-only"),
        database.reading() as connection,
    ):
        connection.execute("DELETE FROM events")
    with database.writing() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    database.close()


def test_a_writer_that_fails_leaves_nothing(path: Path) -> None:
    """Whatever ends it, an interrupt of the user included."""
    database = Database(path)

    def interrupted() -> None:
        with database.writing() as connection:
            connection.execute("DELETE FROM events")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    database.close()


def test_writes_are_durable_and_survive_in_the_log_file(path: Path) -> None:
    """Every connection syncs on each commit, in write-ahead mode."""
    database = Database(path)
    with database.reading() as one, database.reading() as two:
        for connection in (one, two):
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_connections_are_kept_for_the_next_call_but_not_without_bound(path: Path) -> None:
    """Many calls at once must not leave many open files behind."""
    database = Database(path)
    busy = [database.reading() for _ in range(10)]
    for one in busy:
        one.__enter__()
    for one in busy:
        one.__exit__(None, None, None)

    assert len(database._idle) == 4
    database.close()
    assert database._idle == []


def test_a_missing_table_is_a_corrupt_trail(path: Path) -> None:
    """Not a traceback of somebody else's."""
    with closing(sqlite3.connect(path)) as intruder:
        intruder.execute("DROP TABLE nodes")

    with Trail.open(path) as trail:
        with pytest.raises(TrailCorrupt, match="no such table: nodes") as caught:
            trail.head()
        assert "pev trail verify" in caught.value.hint
        assert not trail.verify().intact


def test_a_proof_from_a_tree_that_lacks_a_node_is_refused(path: Path) -> None:
    """Better none than a wrong one."""
    with Trail.open(path) as trail:
        trail.append(STREAM, [RAN, RAN], expected_version=1)
        with closing(sqlite3.connect(path)) as intruder:
            intruder.execute("DELETE FROM nodes WHERE level = 1")
            intruder.commit()

        with pytest.raises(TrailCorrupt, match="node 0 of level 1 is missing") as caught:
            trail.inclusion(2)
        assert "pev trail verify" in caught.value.hint


def test_a_trail_that_cannot_be_prepared_is_closed_again(path: Path, holder: sqlite3.Connection) -> None:
    """An opening that fails leaves no open file behind."""
    holder.execute("DELETE FROM shape")
    holder.execute("COMMIT")
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(TrailUnavailable, match="stayed locked"):
        Trail.open(path, busy_s=0.05)

    holder.execute("ROLLBACK")
    Trail.open(path).close()


def test_a_log_whose_tail_was_cut_takes_no_more_events(path: Path) -> None:
    """The tree remembers more than the log has: appending would bury the cut."""
    with closing(sqlite3.connect(path)) as intruder:
        intruder.execute("DELETE FROM events")
        intruder.commit()

    with Trail.open(path) as trail:
        with pytest.raises(TrailCorrupt, match="the log has 0 events, its tree 1 leaves"):
            trail.append(STREAM, [RAN], expected_version=None)
        assert trail.head().size == 0
