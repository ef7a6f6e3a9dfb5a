"""Tampering with the file itself: every kind is found, and named for what it is."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.events import Kind
from pev.models import digest_of, run_stream
from pev.trail.blobs import pack
from pev.trail.faults import FaultKind
from pev.trail.store import Trail
from support.tampering import RUN, kinds, move, opened_raw, small_trail, verify
from support.trail_events import event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small_trail(tmp_path)


@pytest.fixture
def file(path: Path) -> Iterator[sqlite3.Connection]:
    with opened_raw(path) as connection:
        yield connection


def test_an_untouched_record_is_consistent_and_says_what_that_leaves_open(path: Path) -> None:
    """Without a checkpoint from elsewhere, nobody can exclude a roll-back of the whole."""
    report = verify(path)

    assert report.intact
    assert (report.fault_count, report.faults) == (0, ())
    assert report.summary == "consistent; roll-back not excluded"
    assert report.head.size == 29


def test_an_empty_trail_is_consistent(tmp_path: Path) -> None:
    """It has nothing that could be wrong."""
    report = verify(tmp_path / "trail.sqlite3")

    assert report.intact
    assert report.head.size == 0


@pytest.mark.parametrize("seq", [0, 13, 28])
def test_a_changed_event_is_named(path: Path, file: sqlite3.Connection, seq: int) -> None:
    """Who, when, what: any of it, anywhere in the log."""
    file.execute("UPDATE events SET envelope = replace(envelope, 'local:', 'Local:') WHERE seq = ?", (seq,))

    report = verify(path)

    assert kinds(report) == {FaultKind.CHANGED: [seq]}
    assert not report.intact
    assert report.summary == "not intact: event changed (1 in all)"


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'run.abandoned'",
        "at = '2001-01-01T00:00:00.000000Z'",
        "version = 99",
        "stream = 'run:ffffffff'",
    ],
)
def test_a_column_that_is_not_what_its_envelope_says_is_a_changed_event(
    path: Path, file: sqlite3.Connection, change: str
) -> None:
    """Columns serve the look-up; a changed one would hide an event from it."""
    file.execute(" ".join(["UPDATE events SET", change, "WHERE seq = 5"]))

    assert kinds(verify(path)).get(FaultKind.CHANGED, [None])[0] == 5


def test_a_changed_payload_is_named(path: Path, file: sqlite3.Connection) -> None:
    """The envelope holds its salted digest."""
    file.execute("UPDATE events SET payload = replace(payload, 'divide', 'delete') WHERE seq = 0")

    assert kinds(verify(path)) == {FaultKind.PAYLOAD_CHANGED: [0]}


def test_a_payload_of_another_event_is_a_changed_payload(path: Path, file: sqlite3.Connection) -> None:
    """Even a genuine one, with its genuine salt."""
    file.execute(
        "UPDATE events SET (salt, payload) = (SELECT salt, payload FROM events WHERE seq = 1) WHERE seq = 4"
    )

    assert kinds(verify(path)) == {FaultKind.PAYLOAD_CHANGED: [4]}


def test_a_changed_salt_is_a_changed_payload(path: Path, file: sqlite3.Connection) -> None:
    """Without its salt nobody could check the payload any more."""
    file.execute("UPDATE events SET salt = zeroblob(16) WHERE seq = 4")

    assert kinds(verify(path)) == {FaultKind.PAYLOAD_CHANGED: [4]}


def test_a_payload_that_is_gone_is_named(path: Path, file: sqlite3.Connection) -> None:
    """Erasing is allowed one day, by an event that says so; until then a missing payload is a fault."""
    file.execute("UPDATE events SET payload = NULL WHERE seq = 4")

    assert kinds(verify(path)) == {FaultKind.PAYLOAD_MISSING: [4]}


@pytest.mark.parametrize("seq", [0, 13, 28])
def test_a_removed_event_is_named(path: Path, file: sqlite3.Connection, seq: int) -> None:
    """The tree remembers it: at the beginning, within, and at the end."""
    file.execute("DELETE FROM events WHERE seq = ?", (seq,))

    assert kinds(verify(path)) == {FaultKind.REMOVED: [seq]}


def test_a_removed_event_is_named_even_if_the_others_close_the_gap(
    path: Path, file: sqlite3.Connection
) -> None:
    """Those that were merely shifted are not accused."""
    file.execute("DELETE FROM events WHERE seq = 13")
    for seq in range(14, 29):
        move(file, seq, seq - 1)

    assert kinds(verify(path)) == {FaultKind.REMOVED: [13]}


def test_a_removed_event_whose_leaf_went_too_is_named(path: Path, file: sqlite3.Connection) -> None:
    """The subtrees above it still cover it."""
    file.execute("DELETE FROM events WHERE seq >= 27")
    file.execute("DELETE FROM nodes WHERE level = 0 AND place >= 27")

    assert FaultKind.REMOVED in kinds(verify(path))


def test_two_events_that_changed_places_are_named(path: Path, file: sqlite3.Connection) -> None:
    """An approval after the fact must not come before it."""
    move(file, 3, 99)
    move(file, 20, 3)
    move(file, 99, 20)

    assert kinds(verify(path)) == {FaultKind.REORDERED: [3, 20]}


def test_events_whose_contents_changed_places_are_named(path: Path, file: sqlite3.Connection) -> None:
    """The same, done to the rows' contents instead of their numbers."""
    rows = {
        seq: file.execute("SELECT envelope, salt, payload FROM events WHERE seq = ?", (seq,)).fetchone()
        for seq in (3, 20)
    }
    for seq, other in ((3, 20), (20, 3)):
        file.execute(
            "UPDATE events SET envelope = ?, salt = ?, payload = ? WHERE seq = ?", (*rows[other], seq)
        )

    assert kinds(verify(path)) == {FaultKind.REORDERED: [3, 20]}


def test_an_inserted_event_is_named(path: Path, file: sqlite3.Connection) -> None:
    """At the end, where appending is legitimate: it has no leaf in the tree."""
    row = list(file.execute("SELECT * FROM events WHERE seq = 28").fetchone())
    row[0], row[2] = 29, 2
    row[5] = row[5].replace(b'"seq":28', b'"seq":29').replace(b'"version":1', b'"version":2')
    file.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    assert kinds(verify(path)) == {FaultKind.INSERTED: [29]}


def test_an_event_inserted_between_others_is_named(path: Path, file: sqlite3.Connection) -> None:
    """All later ones are shifted, and not accused."""
    row = list(file.execute("SELECT * FROM events WHERE seq = 28").fetchone())
    for seq in range(28, 9, -1):
        move(file, seq, seq + 1)
    row[0], row[2], row[5] = 10, 2, row[5].replace(b'"seq":28', b'"seq":10')
    file.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    assert kinds(verify(path)) == {FaultKind.INSERTED: [10]}


@pytest.mark.parametrize("original", [0, 13, 28])
def test_a_duplicated_event_is_named(path: Path, file: sqlite3.Connection, original: int) -> None:
    """A decision must not count twice."""
    row = list(file.execute("SELECT * FROM events WHERE seq = ?", (original,)).fetchone())
    row[0], row[2] = 29, 77
    file.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    assert kinds(verify(path)) == {FaultKind.DUPLICATED: [29]}


def test_an_event_written_over_another_is_a_duplicate_and_a_removal(
    path: Path, file: sqlite3.Connection
) -> None:
    """Both are said."""
    row = file.execute("SELECT envelope, salt, payload FROM events WHERE seq = 4").fetchone()
    file.execute("UPDATE events SET envelope = ?, salt = ?, payload = ? WHERE seq = 9", row)

    assert kinds(verify(path)) == {FaultKind.REMOVED: [9], FaultKind.DUPLICATED: [9]}


def test_a_changed_node_of_the_tree_is_named(path: Path, file: sqlite3.Connection) -> None:
    """Proofs are made from the nodes; the events themselves are intact."""
    file.execute("UPDATE nodes SET hash = zeroblob(32) WHERE level = 2 AND place = 1")

    assert set(kinds(verify(path))) == {FaultKind.TREE_CHANGED}


def test_a_missing_node_of_the_tree_is_named(path: Path, file: sqlite3.Connection) -> None:
    """The topmost one has no node above it that would miss it."""
    file.execute("DELETE FROM nodes WHERE level = 4")

    report = verify(path)

    assert set(kinds(report)) == {FaultKind.TREE_CHANGED}
    assert report.faults[0].detail == "level 4 lacks nodes"


def test_swapped_blobs_are_named(path: Path, file: sqlite3.Connection) -> None:
    """Each under the other's digest: both are wrong."""
    with Trail.open(path) as trail:
        digests = [trail.put_blob(text, "text/plain") for text in (b"all green", b"all red!!")]
    packed = [
        file.execute("SELECT packed FROM blobs WHERE digest = ?", (one,)).fetchone()[0] for one in digests
    ]
    for digest, content in zip(digests, reversed(packed), strict=True):
        file.execute("UPDATE blobs SET packed = ? WHERE digest = ?", (content, digest))

    report = verify(path)

    assert kinds(report) == {FaultKind.BLOB_CHANGED: [None, None]}
    assert {digest in str(report.faults) for digest in digests} == {True}


@pytest.mark.parametrize("content", [b"", b"garbage", pack(b"another"), pack(b"x" * 10_000_000)])
def test_a_changed_blob_is_named(path: Path, file: sqlite3.Connection, content: bytes) -> None:
    """Cut, garbled, replaced, or made to explode when it is unpacked."""
    file.execute("UPDATE blobs SET packed = ?", (content,))

    assert kinds(verify(path)) == {FaultKind.BLOB_CHANGED: [None]}


def test_a_removed_blob_that_an_event_names_is_missed(path: Path, file: sqlite3.Connection) -> None:
    """The report of a gate is evidence; without it the event is only a claim."""
    file.execute("DELETE FROM blobs")

    assert kinds(verify(path)) == {FaultKind.BLOB_MISSING: [9]}


def test_a_caller_cannot_make_a_blob_be_missed(path: Path) -> None:
    """The arguments of a tool call are the caller's words, and name no evidence."""
    with Trail.open(path) as trail:
        arguments = {"report": digest_of(b"nothing"), "log": digest_of(b"nothing")}
        called = event(Kind.TOOL_CALLED, tool="run_gate", arguments=arguments, report=digest_of(b"nothing"))
        trail.append(run_stream(RUN), [called], expected_version=None)

        assert trail.verify().intact


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET state = replace(state, 'pr_open', 'merged') WHERE run = '00000001'",
        "UPDATE runs SET is_over = 1",
        "DELETE FROM runs WHERE run = '00000002'",
        "INSERT INTO runs SELECT 'ffffffff', repo, 99, 0, state FROM runs LIMIT 1",
        "DELETE FROM tags WHERE tag = 'role:person'",
        "INSERT INTO tags VALUES ('principal:local:mallory', 3)",
        "DELETE FROM findings",
        "UPDATE approvals SET principal = 'local:mallory'",
        "DELETE FROM approvals WHERE seq < 10",
    ],
)
def test_a_changed_projection_is_named(path: Path, file: sqlite3.Connection, statement: str) -> None:
    """What is shown must be what was recorded."""
    file.execute(statement)

    report = verify(path)

    assert set(kinds(report)) == {FaultKind.PROJECTION_CHANGED}
    with Trail.open(path) as trail:
        trail.rebuild()
        assert trail.verify().intact


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DROP INDEX events_by_stream", "index events_by_stream is missing"),
        (
            "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM blobs; END",
            "trigger t does not belong here",
        ),
        ("CREATE VIEW v AS SELECT 1", "view v does not belong here"),
        ("ALTER TABLE events ADD COLUMN extra", "table events was changed"),
    ],
)
def test_a_changed_schema_is_named(path: Path, file: sqlite3.Connection, statement: str, detail: str) -> None:
    """A trigger would act on every later append."""
    file.execute(statement)

    report = verify(path)

    assert kinds(report).keys() == {FaultKind.SCHEMA_CHANGED}
    assert report.faults[0].detail == detail
