"""Witnesses over real HTTP: who cosigns, who does not, and what one of them can tell of a log rolled back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pev.errors import InvalidInput, ProofInvalid, TrailCorrupt, WitnessRefused
from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.keyring import Keyring
from pev.trail.notary import Notary
from pev.trail.notes import SignerKey, parse_note, signature_line
from pev.trail.proof import parse_proof, verify_proof
from pev.trail.store import Trail
from pev.trail.witness import Witness
from support.tampering import cut, opened_raw, small_trail
from support.trail_events import event
from support.witness import LocalWitness, serving

pytestmark = pytest.mark.needs_host
TEXT = "example.org/pev\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""What a checkpoint of another log says."""


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "key", origin="example.org/pev")


@pytest.fixture
def witness(ring: Keyring) -> Iterator[LocalWitness]:
    with serving(LocalWitness(logs=[ring.keys()[0].verifier])) as one:
        yield one


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    with Trail.open(small_trail(tmp_path)) as one:
        yield one


def notary_of(trail: Trail, ring: Keyring, *witnesses: LocalWitness, needed: int = 1) -> Notary:
    return Notary(trail, ring, witnesses=[Witness(one.key, one.url) for one in witnesses], needed=needed)


def roll_back(folder: Path, trail: Trail) -> None:
    with opened_raw(folder / "trail.sqlite3") as file:
        cut(file, 20)
    trail.rebuild()


def grow(trail: Trail) -> None:
    trail.append(repo_stream(RepoId("b")), [event(Kind.COMMAND_RAN, n=1)] * 3, expected_version=None)


def test_a_witness_cosigns_and_the_proof_needs_nothing_but_its_key(
    trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    notary = notary_of(trail, ring, witness)
    head = notary.checkpoint(witnessed=True)

    assert parse_note(head.note).signers([witness.key]) == (witness.key,)
    assert witness.seen == head.checkpoint.head
    proof = parse_proof(notary.prove(3, witnessed=True).encode())
    proven = verify_proof(proof, notary.known_keys(), witnesses=[witness.key], witnesses_needed=1)
    assert proven.witnesses == (witness.name,)


def test_the_next_checkpoint_comes_with_the_proof_that_it_extends_the_last(
    trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    """What the witness saw last is on record, so it need not be asked first."""
    notary = notary_of(trail, ring, witness)
    first = notary.checkpoint(witnessed=True)
    grow(trail)
    second = notary.checkpoint(witnessed=True)

    assert [one.split("\n")[0] for one in witness.asked] == ["old 0", f"old {first.checkpoint.head.size}"]
    assert witness.seen == second.checkpoint.head
    assert not second.refused


def test_what_a_witness_saw_is_an_event(trail: Trail, ring: Keyring, witness: LocalWitness) -> None:
    head = notary_of(trail, ring, witness).checkpoint(witnessed=True)

    last = trail.event(trail.head().size - 1)
    assert last.kind is Kind.TRAIL_WITNESSED
    assert (last.payload or {})["note"] == head.note
    assert (last.payload or {})["witnesses"] == [witness.name]
    assert trail.verify().intact


def test_a_witness_that_knows_more_than_we_remember_is_asked_again(
    trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    """It says what it has seen; the proof then starts there."""
    witness.seen = trail.head()
    head = notary_of(trail, ring, witness).checkpoint(witnessed=True)

    assert [one.split("\n")[0] for one in witness.asked] == ["old 0", "old 29"]
    assert parse_note(head.note).signers([witness.key])


def test_a_log_that_was_rolled_back_is_told_by_its_witness(
    tmp_path: Path, trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    """The one thing that a file cannot prove of itself."""
    notary = notary_of(trail, ring, witness)
    notary.checkpoint(witnessed=True)
    roll_back(tmp_path, trail)
    assert trail.verify().intact

    with pytest.raises(TrailCorrupt, match="rolled back or forked"):
        notary.checkpoint(witnessed=True)


def test_a_log_that_was_forked_is_told_by_its_witness(
    tmp_path: Path, trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    """Grown again beyond what was cut off: only the roots differ."""
    notary = notary_of(trail, ring, witness)
    notary.checkpoint(witnessed=True)
    roll_back(tmp_path, trail)
    for _ in range(20):
        grow(trail)

    with pytest.raises(TrailCorrupt, match="are no prefix of this log"):
        notary.checkpoint(witnessed=True)


def test_as_many_witnesses_as_the_operator_demands_must_cosign(
    trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    """One is down: enough for a policy of one, and said; not for a policy of two."""
    gone = LocalWitness(name="witness.example/gone", seed=b"g" * 32, url="http://127.0.0.1:9/w")

    head = notary_of(trail, ring, gone, witness).checkpoint(witnessed=True)
    assert list(head.refused) == ["witness.example/gone"]
    assert parse_note(head.note).signers([witness.key])
    with pytest.raises(WitnessRefused, match=r"1 of 2 witnesses cosigned: witness\.example/gone"):
        notary_of(trail, ring, gone, witness, needed=2).checkpoint(witnessed=True)


def test_a_single_witness_that_cries_fork_does_not_stop_the_others(
    trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    """It may lie; what it says is told all the same."""
    liar = LocalWitness(name="witness.example/liar", seed=b"l" * 32, forced=(422, "text/plain", b"no\n"))
    with serving(liar):
        head = notary_of(trail, ring, liar, witness).checkpoint(witnessed=True)

    assert "no prefix of this log" in head.refused["witness.example/liar"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, "text/plain", b""), "no cosignature"),
        ((200, "text/plain", b"\xff"), "no cosignature"),
        ((200, "text/plain", b"x" * 70_000), "more than 65536 bytes"),
        ((404, "text/plain", b"unknown log\n"), "HTTP 404, 'unknown log'"),
        ((302, "text/plain", b"elsewhere\n"), "HTTP 302"),
        ((409, "text/x.tlog.size", b"99999999999999999999\n"), "HTTP 409"),
        ((409, "text/x.tlog.size", b"0\n"), "HTTP 409"),
    ],
)
def test_an_answer_that_is_no_cosignature_does_not_count(
    trail: Trail, ring: Keyring, witness: LocalWitness, answer: tuple[int, str, bytes], why: str
) -> None:
    witness.forced = answer

    with pytest.raises(WitnessRefused) as caught:
        notary_of(trail, ring, witness).checkpoint(witnessed=True)
    assert why in caught.value.message


def test_a_witness_that_answers_byte_by_byte_is_not_waited_for(
    trail: Trail, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time; all of them together would keep a pull request waiting for days."""
    monkeypatch.setattr("pev.trail.witness.ANSWER_S", 0.3)
    ended = threading.Event()

    def drip(listening: socket.socket) -> None:
        with listening, listening.accept()[0] as peer, suppress(OSError):
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
            while not ended.wait(0.05):
                peer.sendall(b"x")

    listening = socket.create_server(("127.0.0.1", 0))
    slow = LocalWitness(name="slow", seed=b"s" * 32, url=f"http://127.0.0.1:{listening.getsockname()[1]}/w")
    thread = threading.Thread(target=drip, args=[listening])
    thread.start()
    try:
        with pytest.raises(WitnessRefused, match=r"slow: its answer took more than 0\.3 s"):
            notary_of(trail, ring, slow).checkpoint(witnessed=True)
    finally:
        ended.set()
        thread.join()


def test_a_cosignature_by_another_key_or_of_another_text_does_not_count(
    trail: Trail, ring: Keyring, witness: LocalWitness
) -> None:
    other = LocalWitness(name=witness.name, seed=b"o" * 32)
    for line in (other.cosign(TEXT), witness.cosign(TEXT)):
        witness.forced = (200, "text/plain", line.encode())
        with pytest.raises(WitnessRefused):
            notary_of(trail, ring, witness).checkpoint(witnessed=True)


def test_a_cosignature_is_bound_to_its_time(witness: LocalWitness) -> None:
    """A witness says when it saw the log; nobody can make that later or earlier."""
    value = parse_note(f"{TEXT}\n{witness.cosign(TEXT)}").signatures[0].value
    later = (int.from_bytes(value[:8], "big") + 1).to_bytes(8, "big") + value[8:]

    with pytest.raises(ProofInvalid):
        parse_note(f"{TEXT}\n{signature_line(witness.key, later)}\n").signers([witness.key])


def test_a_checkpoint_that_nobody_could_have_seen_is_not_given_for_one(trail: Trail, ring: Keyring) -> None:
    """Who asks for witnesses where none is configured must not get a checkpoint that looks like it."""
    with pytest.raises(InvalidInput, match="no witness is configured"):
        notary_of(trail, ring, needed=0).checkpoint(witnessed=True)


def test_a_logs_key_is_no_witnesss_key() -> None:
    """A log that signs for itself twice was not seen by anyone."""
    with pytest.raises(InvalidInput, match="none for cosignatures"):
        Witness(SignerKey("example.org/pev", b"x" * 32).verifier, "http://127.0.0.1:9")
