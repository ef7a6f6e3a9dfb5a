"""Histories that fit together and are not the one that was: cut, forked, written anew, or planted."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import PevError, TrailCorrupt
from pev.events import Kind
from pev.models import SERVER_STREAM, RepoId, RunId, repo_stream, run_stream
from pev.trail.faults import FaultKind
from pev.trail.log import event_of, payload_digest
from pev.trail.merkle import Frontier
from pev.trail.store import Trail
from pev.trail.watch import Watch
from support.tampering import cut, kinds, opened_raw, plant_tree, small_trail, verify
from support.trail_events import event, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small_trail(tmp_path)


@pytest.fixture
def file(path: Path) -> Iterator[sqlite3.Connection]:
    with opened_raw(path) as connection:
        yield connection


def plant_payload(file: sqlite3.Connection, seq: int, payload: bytes) -> None:
    """Give an event another payload, with everything around it."""
    envelope, salt = file.execute(
        "SELECT CAST(envelope AS BLOB), salt FROM events WHERE seq = ?", (seq,)
    ).fetchone()
    old = event_of(envelope, None).payload_digest
    forged = envelope.replace(old.encode(), payload_digest(salt, payload).encode())
    file.execute("UPDATE events SET envelope = ?, payload = ? WHERE seq = ?", (forged, payload.decode(), seq))
    plant_tree(file)


def test_a_cut_tail_is_only_seen_against_a_checkpoint(path: Path, file: sqlite3.Connection) -> None:
    """Inside of the file nothing is left that could tell; the report says so instead of claiming more."""
    with Trail.open(path) as trail:
        kept = trail.head()
    cut(file, 20)
    with Trail.open(path) as trail:
        trail.rebuild()

        assert trail.verify().summary == "consistent; roll-back not excluded"
        report = trail.verify(expected=kept)

    assert kinds(report) == {FaultKind.ROLLED_BACK: [None]}
    assert report.faults[0].detail == "the checkpoint covers 29 events, the log has 20"


def test_a_forked_log_is_only_seen_against_a_checkpoint(path: Path, file: sqlite3.Connection) -> None:
    """Rolled back and grown again by other events, with a tree and projections that fit."""
    with Trail.open(path) as trail:
        kept = trail.head(size=25)
    cut(file, 20)
    with Trail.open(path) as trail:
        trail.rebuild()
        for n in range(12):
            trail.append(repo_stream(RepoId("b")), [event(Kind.COMMAND_RAN, n=n)], expected_version=n)

        assert trail.verify().intact
        report = trail.verify(expected=kept)

    assert kinds(report) == {FaultKind.FORKED: [None]}


def test_a_history_that_was_written_anew_is_only_seen_against_a_checkpoint(
    path: Path, file: sqlite3.Connection
) -> None:
    """The intruder changes an envelope and computes the whole tree again."""
    with Trail.open(path) as trail:
        kept = trail.head()
    file.execute(
        "UPDATE events SET envelope = CAST(replace(envelope, 'claude-code', 'cursor') AS BLOB) WHERE seq = 5"
    )
    plant_tree(file)

    with Trail.open(path) as trail:
        assert trail.verify().intact
        assert kinds(trail.verify(expected=kept)) == {FaultKind.FORKED: [None]}


def test_a_log_that_extends_its_checkpoint_is_consistent_with_it(path: Path) -> None:
    """Old heads stay valid while the log grows, the empty one too."""
    with Trail.open(path) as trail:
        for size in (0, 1, 7, 29):
            report = trail.verify(expected=trail.head(size=size))
            assert report.summary == f"consistent; extends the checkpoint of {size} events"
            assert report.intact


def test_an_event_that_cannot_follow_is_found_in_a_tree_that_fits(
    path: Path, file: sqlite3.Connection
) -> None:
    """Versions count up by one and time does not go back, whoever wrote the tree."""
    change = "replace(envelope, '\"version\":9', '\"version\":8')"
    file.execute(" ".join(["UPDATE events SET envelope =", change, "WHERE seq = 8"]))
    plant_tree(file)

    assert 8 in kinds(verify(path))[FaultKind.CHANGED]


def test_a_clock_that_went_backwards_is_found_in_a_tree_that_fits(
    path: Path, file: sqlite3.Connection
) -> None:
    """An approval that was dated back, with everything around it."""
    (at,) = file.execute("SELECT at FROM events WHERE seq = 6").fetchone()
    earlier = "2001" + at[4:]
    file.execute(
        "UPDATE events SET at = ?, envelope = CAST(replace(envelope, ?, ?) AS BLOB) WHERE seq = 6",
        (earlier, at, earlier),
    )
    plant_tree(file)

    assert kinds(verify(path))[FaultKind.CLOCK_BACKWARDS] == [6]


def test_an_envelope_that_cannot_be_read_is_found_in_a_tree_that_fits(
    path: Path, file: sqlite3.Connection
) -> None:
    """No JSON, another version of ours, or fields of another form."""
    for seq, change in ((3, b"garbage"), (4, b'{"v":2}'), (5, b'{"v":1}'), (6, b"[]")):
        file.execute("UPDATE events SET envelope = ? WHERE seq = ?", (change, seq))
    plant_tree(file)

    assert kinds(verify(path))[FaultKind.CHANGED][:4] == [3, 4, 5, 6]
    with Trail.open(path) as trail, pytest.raises(TrailCorrupt, match="cannot be read"):
        trail.event(4)


def test_a_payload_that_its_run_cannot_take_is_found_in_a_tree_that_fits(
    path: Path, file: sqlite3.Connection
) -> None:
    """An approval that was forged with everything around it must still make sense as a run."""
    plant_payload(file, 4, b"{}")

    report = verify(path)

    assert kinds(report) == {FaultKind.CHANGED: [4]}
    assert "cannot follow in run 00000001" in report.faults[0].detail


def test_an_erasure_that_tells_nonsense_in_a_tree_that_fits_excuses_nothing(
    path: Path, file: sqlite3.Connection
) -> None:
    """It is a report, not an exception, whatever stands where the erased events belong."""
    with Trail.open(path) as trail:
        before = trail.examine()
        (told,) = trail.append(SERVER_STREAM, [event(Kind.PAYLOAD_ERASED, events=[])], expected_version=0)
    file.execute("UPDATE events SET payload = NULL, salt = x'' WHERE seq = 28")
    plant_payload(file, told.seq, b'{"blobs":7,"events":28}')

    assert kinds(verify(path))[FaultKind.PAYLOAD_MISSING] == [28]
    with Trail.open(path) as trail:
        edge = Frontier()
        edge.extend(trail.hashes(0, 0, 28))
        step = trail.step(Watch(before._replace(edge=edge)))
    assert FaultKind.PAYLOAD_MISSING in {fault.kind for fault in step.faults}


def test_many_faults_are_counted_and_the_first_are_shown(path: Path, file: sqlite3.Connection) -> None:
    """A report stays readable, and honest about how much it leaves out."""
    with Trail.open(path) as trail:
        many = [event(Kind.COMMAND_RAN, n=n) for n in range(300)]
        trail.append(repo_stream(RepoId("b")), many, expected_version=0)
    file.execute("UPDATE events SET payload = '{}' WHERE stream = 'repo:b'")

    report = verify(path)

    assert (report.fault_count, len(report.faults)) == (300, 100)
    assert report.summary == "not intact: payload changed (300 in all)"
    assert str(report.faults[0]) == "payload changed at 29: it is not what its envelope binds"


def test_verifying_sees_one_moment_while_others_append(path: Path) -> None:
    """A log that grows during the examination is not a fault."""
    with Trail.open(path) as trail, trail._database.reading() as moment:
        before = moment.execute("SELECT count(*) FROM events").fetchone()
        trail.append(run_stream(RunId("00000009")), [opened()], expected_version=0)
        assert moment.execute("SELECT count(*) FROM events").fetchone() == before
        assert trail.verify().intact


def everything(path: Path) -> list[object]:
    """All that a trail says, but for the labels of blobs, which nothing binds."""
    with Trail.open(path) as trail:
        events = [trail.event(seq) for seq in range(trail.head().size)]
        runs = list(trail.runs())
        blobs = [trail.get_blob(gate.report).data for run in runs for gate in run.gates if gate.report]
        return [trail.verify(), events, runs, blobs, trail.findings(), trail.approvals()]


@pytest.mark.long_search
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_bit_goes_unnoticed(path: Path, data: st.DataObject) -> None:
    """Whatever bit of the file turns, either it is found or nothing that the trail says has changed."""
    original = everything(path)
    size = path.stat().st_size
    offset = data.draw(st.integers(100, size - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    copy = path.parent / "copy.sqlite3"
    shutil.copyfile(path, copy)
    with copy.open("r+b") as raw:
        raw.seek(offset)
        byte = raw.read(1)[0]
        raw.seek(offset)
        raw.write(bytes([byte ^ bit]))

    try:
        report = verify(copy)
        assert not report.intact or everything(copy) == original
    except PevError:
        pass  # a file that does not open is noticed, too
    finally:
        for leftover in path.parent.glob("copy.sqlite3*"):
            leftover.unlink()
