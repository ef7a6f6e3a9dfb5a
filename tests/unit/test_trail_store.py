"""Appending and reading: one total order, optimistic concurrency, events that stay as stored."""

import json
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import EventUnknown, InvalidInput, TrailCorrupt, VersionConflict
from pev.events import Actor, Kind, NewEvent
from pev.models import (
    SERVER_STREAM,
    Host,
    RepoId,
    Role,
    RunId,
    StreamId,
    canonical,
    digest_of,
    repo_stream,
    run_stream,
)
from pev.trail.merkle import leaf_hash, proves_consistency, proves_inclusion
from pev.trail.redact import Redactor
from pev.trail.store import Trail
from support.trail_events import AUTHOR, event, opened

REPO = repo_stream(RepoId("app-1"))
RUN = run_stream(RunId("0a1b2c3d"))


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    """An empty trail."""
    with Trail.open(tmp_path / "state" / "trail.sqlite3") as opened_trail:
        yield opened_trail


def ran(**payload: Any) -> NewEvent:
    """An event that changes no run."""
    return event(Kind.COMMAND_RAN, **payload)


def stored(path: Path, query: str) -> list[Any]:
    """Look into the file from outside."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_what_is_appended_is_read_back_equal(trail: Trail) -> None:
    """The caller sees the events as they are stored, with their places in the log and in the stream."""
    first = trail.append(REPO, [ran(n=1), ran(n=2)], expected_version=0)
    other = trail.append(SERVER_STREAM, [ran(n=3)], expected_version=0)

    assert [(one.seq, one.stream, one.version) for one in (*first, *other)] == [
        (0, REPO, 1),
        (1, REPO, 2),
        (2, SERVER_STREAM, 1),
    ]
    assert trail.read(REPO) == first
    assert trail.read(REPO, after_version=1) == first[1:]
    assert trail.event(2) == other[0]
    assert [trail.version(REPO), trail.version(SERVER_STREAM), trail.version(RUN)] == [2, 1, 0]
    assert trail.read(RUN) == []


def test_a_reopened_trail_holds_what_was_acknowledged(tmp_path: Path) -> None:
    """It is a database, not a cache."""
    path = tmp_path / "trail.sqlite3"
    with Trail.open(path) as before:
        events = before.append(REPO, [ran(n=1)], expected_version=0)
        head = before.head()

    with Trail.open(path) as after:
        assert after.read(REPO) == events
        assert after.head() == head


def test_another_version_than_the_expected_one_is_a_conflict_and_stores_nothing(trail: Trail) -> None:
    """Who decided on an old state must look again."""
    trail.append(REPO, [ran(n=1)], expected_version=0)

    with pytest.raises(VersionConflict, match="is at version 1, not 0") as caught:
        trail.append(REPO, [ran(n=2), ran(n=3)], expected_version=0)

    assert "read the run again" in caught.value.hint
    assert trail.head().size == 1


def test_without_an_expected_version_events_are_appended_wherever_the_stream_stands(trail: Trail) -> None:
    """A tool call is recorded whatever else happens."""
    for n in range(3):
        trail.append(REPO, [ran(n=n)], expected_version=None)

    assert trail.version(REPO) == 3


def test_appending_nothing_still_checks_the_version(trail: Trail) -> None:
    """No event, no change; a stale caller still learns that it is stale."""
    assert trail.append(REPO, [], expected_version=0) == []
    with pytest.raises(VersionConflict):
        trail.append(REPO, [], expected_version=1)


def test_an_event_that_the_run_cannot_take_takes_the_whole_append_back(trail: Trail) -> None:
    """Log and state can never part: either both move or neither does."""
    trail.append(RUN, [opened()], expected_version=0)

    with pytest.raises(TrailCorrupt, match="went from drafted to pr_open"):
        trail.append(
            RUN,
            [ran(n=1), event(Kind.PR_OPENED, pr=dict.fromkeys(("forge", "url", "branch"), "x") | TREES)],
            expected_version=1,
        )
    with pytest.raises(TrailCorrupt, match="cannot follow in run 0a1b2c3d"):
        trail.append(RUN, [event(Kind.PLAN_SUBMITTED, plan="none")], expected_version=1)

    assert trail.version(RUN) == trail.run_state(RunId("0a1b2c3d")).version == 1
    assert trail.head().size == 1
    assert trail.verify().intact


TREES = {"commit": "a" * 40, "tree": "b" * 40}


def test_a_run_begins_with_its_opening(trail: Trail) -> None:
    """An event of a run that nobody opened is refused."""
    with pytest.raises(TrailCorrupt, match="begins with"):
        trail.append(RUN, [ran(n=1)], expected_version=None)


@pytest.mark.parametrize(
    "stream", ["", "run:xyz", "run:0a1b2c3d4", "repo:", "repo:a\nb", "other:1", "server:1"]
)
def test_a_stream_of_another_form_is_refused(trail: Trail, stream: str) -> None:
    """Streams are runs, repositories and the server; nothing else can grow in the log."""
    with pytest.raises(InvalidInput, match="stream"):
        trail.append(StreamId(stream), [ran(n=1)], expected_version=None)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, {"a": b"bytes"}, {1: "key"}, [object()], {"x", "y"}]
)
def test_a_payload_that_is_not_json_is_refused(trail: Trail, value: object) -> None:
    """What canonical JSON cannot say could never be verified again."""
    with pytest.raises(InvalidInput, match="is not JSON"):
        trail.append(REPO, [ran(value=value)], expected_version=None)
    assert trail.head().size == 0


@pytest.mark.long_search
def test_a_payload_that_is_too_large_is_refused_with_the_way_out(trail: Trail) -> None:
    """Logs and diffs belong into blobs."""
    with pytest.raises(InvalidInput, match="more than 4194304") as caught:
        trail.append(REPO, [ran(text="x" * (4 * 2**20))], expected_version=None)
    assert "put_blob" in caught.value.hint


def test_a_name_that_is_not_text_is_kept_as_escapes(trail: Trail) -> None:
    """A file name may hold any bytes; Python gives them as lone surrogates, which JSON cannot carry."""
    (given_back,) = trail.append(REPO, [ran(path="caf\udce9.py", **{"\udce9": "é"})], expected_version=None)

    assert given_back.payload == {"path": "caf\\udce9.py", "\\udce9": "é"}
    assert trail.verify().intact


def test_secrets_are_gone_before_anything_is_stored(tmp_path: Path) -> None:
    """Not in the payload, not in the envelope, nowhere in the files; and the event says so."""
    secret = "ghp_" + "a1B2c3D4e5" * 4
    actor = Actor(principal="local:ada", role=Role.AUTHOR, host=Host(name=f"host {secret}"))
    path = tmp_path / "trail.sqlite3"
    with Trail.open(path, redactor=Redactor(literals=["the-known-one"])) as trail:
        (one,) = trail.append(
            REPO,
            [NewEvent(kind=Kind.COMMAND_RAN, actor=actor, payload={"argv": [secret], "x": "the-known-one"})],
            expected_version=None,
        )
        (plain,) = trail.append(REPO, [ran(argv=["true"])], expected_version=None)
        digest = trail.put_blob(f"log {secret}".encode(), "text/plain")
        files = b"".join(file.read_bytes() for file in path.parent.glob("trail*"))
        assert trail.redactor.text(secret).value == "[redacted:github-token]"

    assert one.redacted
    assert not plain.redacted
    assert one.payload == {"argv": ["[redacted:github-token]"], "x": "[redacted:known-value]"}
    assert one.actor.host.name == "host [redacted:github-token]"
    assert digest == digest_of(b"log [redacted:github-token]")
    assert secret.encode() not in files
    assert b"the-known-one" not in files


def test_an_envelope_is_canonical_json_and_binds_its_payload_by_salt(tmp_path: Path) -> None:
    """Anyone with RFC 8785 and SHA-256 can check an event without PEV."""
    path = tmp_path / "trail.sqlite3"
    with Trail.open(path) as trail:
        (one,) = trail.append(REPO, [ran(n=1.0, b="ü", a=None)], expected_version=None)
        (twin,) = trail.append(REPO, [ran(n=1.0, b="ü", a=None)], expected_version=None)
        root = trail.head(size=1).root
    ((envelope, salt, payload),) = stored(path, "SELECT envelope, salt, payload FROM events WHERE seq = 0")

    fields = json.loads(envelope)
    assert canonical(fields) == envelope
    assert payload == '{"a":null,"b":"ü","n":1}'
    assert fields == {
        "v": 1,
        "seq": 0,
        "stream": REPO,
        "version": 1,
        "kind": "command.ran",
        "at": one.at,
        "actor": AUTHOR.model_dump(mode="json"),
        "payload_digest": digest_of(salt + payload.encode()),
        "redacted": False,
    }
    assert len(salt) == 16
    assert twin.payload_digest != one.payload_digest
    assert leaf_hash(envelope).hex() == root


def test_time_never_goes_backwards_in_the_log(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back must not put an effect before its cause."""
    first = trail.append(REPO, [ran(n=1)], expected_version=None)[0]
    monkeypatch.setattr("pev.trail.log.now", lambda: datetime(2001, 1, 1, tzinfo=UTC))

    second = trail.append(REPO, [ran(n=2)], expected_version=None)[0]

    assert second.at == first.at


def test_an_unknown_event_is_said_with_the_range_of_numbers(trail: Trail) -> None:
    """The hint is the next action."""
    with pytest.raises(EventUnknown, match="event 0 is not in the trail") as caught:
        trail.event(0)
    assert caught.value.hint == "The trail is empty."
    trail.append(REPO, [ran(n=1)], expected_version=None)
    for seq in (1, -1):
        with pytest.raises(EventUnknown) as caught:
            trail.event(seq)
        assert caught.value.hint == "Events are numbered from 0 to 0."


def test_proofs_join_every_event_to_the_head_and_every_head_to_the_next(trail: Trail) -> None:
    """What the trail hands out must be checkable by the pure verifiers."""
    heads = [trail.head()]
    for n in range(13):
        trail.append(REPO, [ran(n=n)], expected_version=n)
        heads.append(trail.head())
    envelopes = [row[0] for row in stored(trail_path(trail), "SELECT envelope FROM events ORDER BY seq")]

    for size in range(1, 14):
        assert trail.head(size=size) == heads[size]
        for seq in range(size):
            path = [bytes.fromhex(step) for step in trail.inclusion(seq, size=size)]
            assert proves_inclusion(leaf_hash(envelopes[seq]), seq, heads[size], path)
        for old in range(size + 1):
            steps = [bytes.fromhex(step) for step in trail.consistency(old, size)]
            assert proves_consistency(heads[old], heads[size], steps)


def trail_path(trail: Trail) -> Path:
    return trail._database.path


def test_a_proof_beyond_the_log_is_refused(trail: Trail) -> None:
    """There is nothing to prove."""
    trail.append(REPO, [ran(n=1)], expected_version=None)
    for refused in (
        lambda: trail.inclusion(1),
        lambda: trail.inclusion(-1),
        lambda: trail.inclusion(0, size=2),
        lambda: trail.head(size=2),
        lambda: trail.consistency(0, 2),
    ):
        with pytest.raises(EventUnknown):
            refused()
    with pytest.raises(InvalidInput, match="2 events are no prefix of 1"):
        trail.consistency(2)


def test_folders_and_file_are_for_the_owner_alone(tmp_path: Path) -> None:
    """A trail tells what was asked, by whom, about private code."""
    path = tmp_path / "a" / "b" / "trail.sqlite3"
    with Trail.open(path) as trail:
        trail.append(REPO, [ran(n=1)], expected_version=None)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

        assert modes == dict.fromkeys(("trail.sqlite3", "trail.sqlite3-wal", "trail.sqlite3-shm"), 0o600)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_tightened(tmp_path: Path) -> None:
    """As after a restore from a backup."""
    path = tmp_path / "trail.sqlite3"
    Trail.open(path).close()
    path.chmod(0o644)

    Trail.open(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_threads_append_without_loss_and_read_meanwhile(trail: Trail) -> None:
    """The server calls from many threads at once."""
    start = threading.Barrier(8)

    def work(worker: int) -> None:
        start.wait()
        stream = repo_stream(RepoId(f"r{worker % 3}"))
        for n in range(15):
            trail.append(stream, [ran(worker=worker, n=n)], expected_version=None)
            assert trail.read(stream)[-1].version >= 1
            trail.head()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert trail.head().size == 8 * 15
    assert trail.verify().intact
    seen = [(one.payload or {})["n"] for one in trail.read(repo_stream(RepoId("r0")))]
    assert sorted(seen) == sorted(n for n in range(15) for _ in range(3))


def test_of_two_who_decided_on_the_same_version_one_wins(trail: Trail) -> None:
    """The other gets a conflict: no decision is taken twice."""
    start = threading.Barrier(4)

    def work(_: int) -> int:
        start.wait()
        try:
            return len(trail.append(REPO, [ran(n=1)], expected_version=0))
        except VersionConflict:
            return 0

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 1


a_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.long_search
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(st.dictionaries(st.text(max_size=6), a_value, max_size=4), min_size=1, max_size=3))
def test_any_json_is_stored_and_verifies(tmp_path: Path, payloads: list[dict[str, Any]]) -> None:
    """Whatever a payload holds, it comes back as it was stored, and the record stays intact."""
    with Trail.open(tmp_path / uuid4().hex / "trail.sqlite3") as trail:
        events = trail.append(REPO, [ran(p=one) for one in payloads], expected_version=0)

        assert trail.read(REPO) == events
        for one, payload in zip(events, payloads, strict=True):
            assert one.redacted or one.payload == {"p": payload}
            assert canonical(one.payload) == canonical({"p": payload}) or one.redacted
        assert trail.verify().intact
