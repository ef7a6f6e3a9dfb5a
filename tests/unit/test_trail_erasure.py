"""Erasing payloads: the words go, that there were some stays, and the log holds."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pev.errors import BlobUnknown, EventUnknown, InvalidInput, RunUnknown, TrailCorrupt, TrailUnavailable
from pev.events import Kind
from pev.models import SERVER_STREAM, RunId, now, run_stream
from pev.trail.faults import FaultKind
from pev.trail.keyring import Keyring
from pev.trail.notary import Notary
from pev.trail.proof import parse_proof, verify_proof
from pev.trail.query import TrailQuery
from pev.trail.store import Trail
from pev.trail.watch import Watch
from support.tampering import RUN, kinds, opened_raw, small_trail
from support.trail_events import PERSON, event

COMMAND = 10
"""The event of the small trail that tells of a command of its first run."""


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    with Trail.open(small_trail(tmp_path)) as one:
        yield one


@pytest.fixture
def file(trail: Trail, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened_raw(tmp_path / "trail.sqlite3") as connection:
        yield connection


def end(trail: Trail, run: RunId) -> None:
    ended = event(Kind.RUN_ABANDONED, reason="done with it")
    trail.append(run_stream(run), [ended], expected_version=None)


def test_an_erased_payload_is_gone_and_the_log_holds(trail: Trail, tmp_path: Path) -> None:
    """From the file too, not only from the answers."""
    words = b"born on 10 December 1815"
    ran = event(Kind.COMMAND_RAN, argv=["echo", words.decode()])
    (stored,) = trail.append(SERVER_STREAM, [ran], expected_version=None)
    assert words in (tmp_path / "trail.sqlite3").read_bytes() + _wal(tmp_path)

    told = trail.erase(PERSON, "asked for by its author", events=[stored.seq])

    assert trail.event(stored.seq).payload is None
    assert (told.kind, told.stream) == (Kind.PAYLOAD_ERASED, SERVER_STREAM)
    assert (told.payload or {})["events"] == [stored.seq]
    assert told.actor.principal == PERSON.principal
    assert trail.verify().summary == "consistent; roll-back not excluded"
    assert words not in (tmp_path / "trail.sqlite3").read_bytes() + _wal(tmp_path)


def test_bytes_that_could_not_be_taken_out_of_the_file_are_said_to_be_there(tmp_path: Path) -> None:
    """A reader of an older moment keeps them; who erased for good must know."""
    with Trail.open(small_trail(tmp_path), busy_s=0.2) as trail:
        words = "born on 10 December 1815"
        (stored,) = trail.append(
            SERVER_STREAM, [event(Kind.COMMAND_RAN, argv=[words])], expected_version=None
        )
        with opened_raw(tmp_path / "trail.sqlite3") as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            with pytest.raises(TrailUnavailable, match="erased still stands in"):
                trail.erase(PERSON, "asked for", events=[stored.seq])
            assert words.encode() in _wal(tmp_path)
        assert trail.event(stored.seq).payload is None
        assert trail.verify().intact
    assert words.encode() not in (tmp_path / "trail.sqlite3").read_bytes() + _wal(tmp_path)


def _wal(folder: Path) -> bytes:
    path = folder / "trail.sqlite3-wal"
    return path.read_bytes() if path.exists() else b""


def test_its_salt_goes_too(trail: Trail, file: sqlite3.Connection) -> None:
    """With it, what was there could be guessed and compared."""
    trail.erase(PERSON, "asked for", events=[COMMAND])

    assert file.execute("SELECT salt FROM events WHERE seq = ?", (COMMAND,)).fetchone() == (b"",)


def test_an_old_proof_and_a_kept_checkpoint_still_hold(trail: Trail, tmp_path: Path) -> None:
    """Erasing does not change what others keep of the log."""
    notary = Notary(trail, Keyring(tmp_path / "key"))
    proof, kept = notary.prove(COMMAND, payload=False), notary.checkpoint()
    trail.erase(PERSON, "asked for", events=[COMMAND])

    assert verify_proof(parse_proof(proof.encode()), notary.known_keys()).event.seq == COMMAND
    assert trail.verify(expected=kept.checkpoint.head).intact
    assert "import" not in notary.prove(COMMAND)


def test_what_was_erased_is_found_by_nothing_that_it_said(trail: Trail) -> None:
    """By who and when it still is."""
    seq = trail.query(TrailQuery(path="src/app/calc.py", kinds=(Kind.FILE_WRITTEN,))).events[0].seq
    trail.erase(PERSON, "asked for", events=[seq])

    assert seq not in [one.seq for one in trail.query(TrailQuery(path="src/app/calc.py")).events]
    assert seq in [one.seq for one in trail.query(TrailQuery(kinds=(Kind.FILE_WRITTEN,))).events]


def test_the_projections_are_those_of_a_log_without_it(trail: Trail) -> None:
    trail.erase(PERSON, "asked for", events=[COMMAND])
    trail.rebuild()

    assert trail.verify().intact


@pytest.mark.parametrize("seq", [0, 2, 4])
def test_what_a_runs_state_is_made_of_is_not_erased_alone(trail: Trail, seq: int) -> None:
    """A run without its plan or approval would be another run."""
    with pytest.raises(InvalidInput, match="is needed for what follows"):
        trail.erase(PERSON, "asked for", events=[COMMAND, seq])
    assert trail.event(COMMAND).payload is not None, "all of it, or none"


def test_an_erasure_itself_is_not_erased(trail: Trail) -> None:
    told = trail.erase(PERSON, "asked for", events=[COMMAND])

    with pytest.raises(InvalidInput, match="is needed"):
        trail.erase(PERSON, "cover it up", events=[told.seq])
    with pytest.raises(InvalidInput, match="erased before"):
        trail.erase(PERSON, "again", events=[COMMAND])
    with pytest.raises(EventUnknown):
        trail.erase(PERSON, "asked for", events=[99])
    with pytest.raises(InvalidInput, match="0 events"):
        trail.erase(PERSON, "asked for", events=[])


def test_a_run_that_is_over_goes_as_a_whole(trail: Trail) -> None:
    """State, findings, decisions, evidence that only it had: all but that it was."""
    (gate, *_) = [one for one in trail.run_state(RUN).gates if one.report]
    end(trail, RUN)
    trail.erase(PERSON, "asked for", run=RUN)

    assert all(one.payload is None for one in trail.read(run_stream(RUN)))
    with pytest.raises(RunUnknown):
        trail.run_state(RUN)
    assert [run.id for run in trail.runs()] == ["00000002"]
    assert trail.findings(run=RUN) == () == trail.approvals(run=RUN)
    assert gate.report is not None
    assert trail.get_blob(gate.report).data, "the other run's report has the same content, and stays"
    assert trail.verify().intact
    trail.rebuild()
    assert trail.verify().intact
    with pytest.raises(TrailCorrupt):
        trail.append(run_stream(RUN), [event(Kind.COMMAND_RAN)], expected_version=None)


def test_a_blob_that_nothing_names_any_more_goes(trail: Trail) -> None:
    """The log of a command is as personal as the command."""
    log = trail.put_blob(b"Ada Lovelace, 10 December 1815", "text/plain")
    (ran,) = trail.append(SERVER_STREAM, [event(Kind.COMMAND_RAN, log=log)], expected_version=None)

    told = trail.erase(PERSON, "asked for", events=[ran.seq])

    assert (told.payload or {})["blobs"] == [log]
    with pytest.raises(BlobUnknown):
        trail.get_blob(log)
    assert trail.verify().intact


def test_a_run_that_goes_on_is_not_erased(trail: Trail) -> None:
    with pytest.raises(InvalidInput, match="is pr_open"):
        trail.erase(PERSON, "asked for", run=RUN)


def test_a_payload_that_somebody_took_is_not_excused_by_another_erasure(
    trail: Trail, file: sqlite3.Connection
) -> None:
    trail.erase(PERSON, "asked for", events=[COMMAND])
    file.execute("UPDATE events SET payload = NULL WHERE seq = 1")

    assert kinds(trail.verify()) == {FaultKind.PAYLOAD_MISSING: [1]}


def test_an_erasure_is_seen_by_a_watcher(trail: Trail) -> None:
    """Of an event that it saw, and of one that was new and gone within one step."""
    watch = Watch(trail.examine())
    (ran,) = trail.append(SERVER_STREAM, [event(Kind.COMMAND_RAN, n=1)], expected_version=None)
    trail.erase(PERSON, "asked for", events=[COMMAND, ran.seq])

    step = trail.step(watch)
    assert (step.new, step.faults) == (2, ())


def test_old_payloads_of_a_kind_are_listed_for_retention(trail: Trail) -> None:
    assert trail.older_than(Kind.COMMAND_RAN, now() - timedelta(days=1)) == []
    listed = trail.older_than(Kind.COMMAND_RAN, now() + timedelta(days=1))
    assert COMMAND in listed
    trail.erase(PERSON, "kept for 30 days", events=listed)
    assert trail.older_than(Kind.COMMAND_RAN, now() + timedelta(days=1)) == []
