"""Tampering with the file itself: every kind is found, and named for what it is."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import PevError, TrailCorrupt
from pev.events import Kind
from pev.models import RepoId, RunId, digest_of, repo_stream, run_stream
from pev.trail.blobs import pack
from pev.trail.faults import FaultKind
from pev.trail.log import SqlNodes, event_of, payload_digest
from pev.trail.merkle import append_leaf, leaf_hash
from pev.trail.store import Trail
from pev.trail.verify import VerifyReport
from support.trail_events import event, opened, record_run

RUN = RunId("00000001")
OTHER = RunId("00000002")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed trail of 29 events: two runs, and one event of a repository that stands alone at the end."""
    file = tmp_path / "trail.sqlite3"
    with Trail.open(file) as trail:
        record_run(trail, RUN)
        record_run(trail, OTHER)
        trail.append(repo_stream(RepoId("app-1")), [event(Kind.COMMAND_RAN, n=1)], expected_version=None)
        assert trail.head().size == 29
        assert trail.verify().intact
    return file


@pytest.fixture
def file(path: Path) -> Iterator[sqlite3.Connection]:
    """The same trail as an intruder has it."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def verify(path: Path) -> VerifyReport:
    with Trail.open(path) as trail:
        return trail.verify()


def kinds(report: VerifyReport) -> dict[FaultKind, list[int | None]]:
    """Say which faults were found, and where."""
    out: dict[FaultKind, list[int | None]] = {}
    for fault in report.faults:
        out.setdefault(fault.kind, []).append(fault.seq)
    return out


def move(file: sqlite3.Connection, old: int, new: int) -> None:
    file.execute("UPDATE events SET seq = ? WHERE seq = ?", (new, old))


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


def cut(file: sqlite3.Connection, size: int) -> None:
    """Roll the whole file back to its first events, as an intruder would who knows PEV."""
    file.execute("DELETE FROM events WHERE seq >= ?", (size,))
    file.execute("DELETE FROM nodes WHERE (place + 1) << level > ?", (size,))


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
    file.execute("UPDATE events SET envelope = replace(envelope, 'claude-code', 'cursor') WHERE seq = 5")
    file.execute("DELETE FROM nodes")
    nodes = SqlNodes(file)
    for seq, envelope in file.execute(
        "SELECT seq, CAST(envelope AS BLOB) FROM events ORDER BY seq"
    ).fetchall():
        append_leaf(nodes, seq, leaf_hash(envelope))

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


def plant_tree(file: sqlite3.Connection) -> None:
    """Compute the whole tree again, as an intruder would who knows PEV."""
    file.execute("DELETE FROM nodes")
    nodes = SqlNodes(file)
    for seq, envelope in file.execute(
        "SELECT seq, CAST(envelope AS BLOB) FROM events ORDER BY seq"
    ).fetchall():
        append_leaf(nodes, seq, leaf_hash(envelope))


def test_an_event_that_cannot_follow_is_found_in_a_tree_that_fits(
    path: Path, file: sqlite3.Connection
) -> None:
    """Versions count up by one and time does not go back, whoever wrote the tree."""
    change = "replace(envelope, '\"version\":9', '\"version\":8')"
    file.execute(" ".join(["UPDATE events SET envelope =", change, "WHERE seq = 8"]))
    plant_tree(file)

    assert 8 in kinds(verify(path))[FaultKind.CHANGED]


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
    envelope, salt = file.execute("SELECT CAST(envelope AS BLOB), salt FROM events WHERE seq = 4").fetchone()
    old = event_of(envelope, None).payload_digest
    forged = envelope.replace(old.encode(), payload_digest(salt, b"{}").encode())
    file.execute("UPDATE events SET envelope = ?, payload = '{}' WHERE seq = 4", (forged,))
    plant_tree(file)

    report = verify(path)

    assert kinds(report) == {FaultKind.CHANGED: [4]}
    assert "cannot follow in run 00000001" in report.faults[0].detail


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
