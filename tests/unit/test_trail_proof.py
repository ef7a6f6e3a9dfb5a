"""Checkpoints of a real trail, and proofs that stand alone: each word of them counts."""

import base64
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import EventUnknown, InvalidInput, ProofInvalid
from pev.events import Kind
from pev.models import SERVER_STREAM
from pev.trail.faults import FaultKind
from pev.trail.keyring import Keyring
from pev.trail.merkle import proves_consistency
from pev.trail.notary import Notary, examine_against
from pev.trail.notes import SignerKey, parse_note
from pev.trail.proof import parse_proof, verify_proof
from pev.trail.store import Trail
from support.tampering import small_trail
from support.trail_events import AUTHOR, event


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.open(small_trail(tmp_path))


@pytest.fixture
def notary(trail: Trail, tmp_path: Path) -> Notary:
    return Notary(trail, Keyring(tmp_path / "key", origin="example.org/pev"))


def test_a_checkpoint_covers_the_event_that_tells_of_its_own_key(trail: Trail, notary: Notary) -> None:
    """Who has a checkpoint finds in the log itself which key made it."""
    signed = notary.checkpoint()

    last = trail.event(signed.checkpoint.head.size - 1)
    assert (last.kind, last.stream) == (Kind.TRAIL_KEY, SERVER_STREAM)
    assert (last.payload or {})["vkey"] == str(notary.known_keys()[0])
    assert notary.checkpoint().checkpoint == signed.checkpoint  # the key is told of once


def test_during_a_rotation_both_keys_sign_and_afterwards_the_old_one_still_counts(
    trail: Trail, notary: Notary
) -> None:
    """Those who check learn of the new key before the old one ends; what it signed goes on to hold."""
    before = notary.checkpoint()
    (old,) = notary.known_keys()
    new = notary.rotate(AUTHOR)
    during = notary.checkpoint()
    notary.retire(old.id.hex(), AUTHOR)
    after = notary.checkpoint()

    assert parse_note(during.note).signers([old, new]) == (new, old)
    assert parse_note(after.note).signers([old, new]) == (new,)
    assert set(notary.known_keys()) == {old, new}
    for kept in (before, during, after):
        assert examine_against(trail, notary, kept.note.encode()).report.intact
    path = [bytes.fromhex(one) for one in trail.consistency(before.checkpoint.head.size)]
    assert proves_consistency(before.checkpoint.head, trail.head(), path)


def test_a_proof_shows_its_event_to_who_has_the_key_alone(notary: Notary) -> None:
    text = notary.prove(4)

    proven = verify_proof(parse_proof(text.encode()), notary.known_keys())

    assert proven.event.seq == 4
    assert proven.event.payload is not None
    assert proven.checkpoint.origin == "example.org/pev"


def test_a_proof_can_keep_its_payload_to_itself(notary: Notary) -> None:
    """That it was recorded, by whom and when, without what."""
    text = notary.prove(0, payload=False)

    proven = verify_proof(parse_proof(text.encode()), notary.known_keys())

    assert proven.event.payload is None
    assert base64.b64encode(b"divide")[:8].decode() not in text


def test_every_event_can_be_proven(trail: Trail, notary: Notary) -> None:
    notary.checkpoint()
    for seq in range(trail.head().size):
        assert verify_proof(parse_proof(notary.prove(seq).encode()), notary.known_keys()).event.seq == seq
    with pytest.raises(EventUnknown):
        notary.prove(99)


@pytest.mark.long_search
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_no_bit_of_a_proof_can_be_changed(notary: Notary, data: st.DataObject) -> None:
    """Each bit is in a signature, in what it signs, or in what hashes to that."""
    proof = notary.prove(4).encode()
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = bytearray(proof)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises((InvalidInput, ProofInvalid)):
        verify_proof(parse_proof(bytes(changed)), notary.known_keys())


def test_a_proof_of_another_number_or_log_is_refused(notary: Notary, tmp_path: Path) -> None:
    text = notary.prove(4)
    with pytest.raises(ProofInvalid, match="does not have this event at 5"):
        verify_proof(parse_proof(text.replace("index 4", "index 5").encode()), notary.known_keys())
    with Trail.open(tmp_path / "b" / "trail.sqlite3") as other:
        foreign = Notary(other, Keyring(tmp_path / "b" / "key", origin="example.org/pev"))
        foreign.checkpoint()
        with pytest.raises(ProofInvalid, match="by no key that is known here"):
            verify_proof(parse_proof(text.encode()), foreign.known_keys())


def test_witnesses_that_are_demanded_must_have_signed(notary: Notary) -> None:
    with pytest.raises(ProofInvalid, match="0 of the 1 witnesses"):
        verify_proof(parse_proof(notary.prove(1).encode()), notary.known_keys(), witnesses_needed=1)


def test_a_kept_proof_is_as_good_as_a_kept_checkpoint(trail: Trail, notary: Notary) -> None:
    kept = notary.prove(3).encode()
    trail.append(SERVER_STREAM, [event(Kind.COMMAND_RAN, n=1)], expected_version=None)

    report = examine_against(trail, notary, kept).report

    assert report.intact
    assert report.summary == "consistent; extends the checkpoint of 30 events"


def test_a_checkpoint_by_a_wrong_key_is_a_fault(trail: Trail, notary: Notary, tmp_path: Path) -> None:
    """The log's key was exchanged, or the checkpoint is of another log: neither is intact."""
    notary.checkpoint()
    stranger = Notary(trail, Keyring(tmp_path / "other", origin="example.org/pev"))
    kept = parse_note(stranger._sign(stranger._keyring.keys(), trail.head(), witnessed=False).note)
    note = f"{kept.text}\n" + stranger._keyring.keys()[0].sign(kept.text) + "\n"

    report = examine_against(trail, notary, note.encode()).report

    assert not report.intact
    assert [fault.kind for fault in report.faults] == [FaultKind.WRONG_KEY]
    assert report.expected is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_are_refused(data: bytes) -> None:
    for given_bytes in (data, b"c2sp.org/tlog-proof@v1\n" + data):
        with pytest.raises(InvalidInput):
            parse_proof(given_bytes)


def test_a_key_is_recorded_once_however_many_were_before_it(trail: Trail, notary: Notary) -> None:
    """A log of many rotations must not tell of its newest key again at every checkpoint."""
    old = [SignerKey("example.org/pev", bytes([n // 256, n % 256]) * 16).verifier for n in range(501)]
    events = [event(Kind.TRAIL_KEY, vkey=str(key), change="added") for key in old]
    trail.append(SERVER_STREAM, events, expected_version=None)

    size = notary.checkpoint().checkpoint.head.size
    assert notary.checkpoint().checkpoint.head.size == size
    assert notary.known_keys()[:501] == tuple(old)
