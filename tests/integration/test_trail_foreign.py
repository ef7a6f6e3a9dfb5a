"""Proofs and checkpoints verified by code that is not ours: sigstore's, and pymerkle's.

Ours makes them; theirs says whether they hold, and says no as soon as a bit is another.
"""

from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import (  # type: ignore[import-untyped] # it has no types
    InmemoryTree,
    InvalidProof,
    verify_consistency,
)
from pymerkle.core import _consistency_path_layout  # type: ignore[import-untyped] # it has no types
from pymerkle.proof import ConsistencyProof  # type: ignore[import-untyped] # it has no types
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import LogCheckpoint, SignedCheckpoint
from sigstore.errors import VerificationError

from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.keyring import Keyring
from pev.trail.merkle import Frontier, _span, leaf_hash
from pev.trail.notary import Notary
from pev.trail.proof import parse_proof
from pev.trail.store import Trail
from support.tampering import small_trail
from support.trail_events import event


class Entry:
    """A log entry with its inclusion proof, in the shape that sigstore's verifier reads."""

    def __init__(self, body: bytes, index: int, size: int, root: bytes, hashes: list[bytes]) -> None:
        proof = type(
            "Proof", (), {"log_index": index, "tree_size": size, "root_hash": root, "hashes": hashes}
        )
        inner = {"inclusion_proof": proof, "canonicalized_body": body}
        self._inner: Any = type("Inner", (), inner)


class Keys:
    """The one key of a log, in the shape in which sigstore's notes ask for it."""

    def __init__(self, key: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(key)

    def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
        try:
            self._key.verify(signature, data)
        except InvalidSignature as exc:
            raise VerificationError("invalid signature") from exc


@pytest.fixture
def notary(tmp_path: Path) -> Notary:
    trail = Trail.open(small_trail(tmp_path))
    return Notary(trail, Keyring(tmp_path / "key", origin="example.org/pev"))


def test_sigstore_verifies_a_checkpoint(notary: Notary) -> None:
    """Its signature, and that it says what we say."""
    made = notary.checkpoint()
    (key,) = notary.known_keys()

    signed = SignedCheckpoint.from_text(made.note)

    signed.signed_note.verify(Keys(key.key), key.id)  # type: ignore[arg-type] # in the shape that it reads
    assert signed.checkpoint == LogCheckpoint(
        origin="example.org/pev",
        log_size=made.checkpoint.head.size,
        log_hash=made.checkpoint.head.root,
        other_content=[],
    )
    forged = SignedCheckpoint.from_text(made.note.replace("\n30\n", "\n31\n"))
    with pytest.raises(VerificationError):
        forged.signed_note.verify(Keys(key.key), key.id)  # type: ignore[arg-type] # in the shape that it reads


def test_sigstore_verifies_that_every_event_is_in_the_log(notary: Notary) -> None:
    head = notary.checkpoint().checkpoint.head
    for seq in range(head.size):
        proof = parse_proof(notary.prove(seq).encode())
        body, path = proof.stored.envelope, list(proof.path)
        entry = Entry(body, seq, head.size, bytes.fromhex(head.root), path)

        verify_merkle_inclusion(entry)  # type: ignore[arg-type] # in the shape that it reads

        changed = Entry(body + b" ", seq, head.size, bytes.fromhex(head.root), path)
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(changed)  # type: ignore[arg-type] # in the shape that it reads


@settings(max_examples=25)
@given(st.integers(1, 130), st.integers(0, 130))
def test_pymerkle_verifies_consistency(old: int, more: int) -> None:
    """Its verifier says that our later root extends our earlier one, by the subtrees that our log serves."""
    new, ours = old + more, Nodes()
    for n in range(new):
        ours.add(leaf_hash(b"%d" % n))
    rule, subset, ranges = _consistency_path_layout(old, new)
    path = [_span(ours, start, stop) for start, stop in ranges]

    proof = ConsistencyProof("sha256", True, new, old, rule, subset, path)
    verify_consistency(ours.head(old), ours.head(new), proof, prior_size=old, later_size=new)
    forged = ConsistencyProof("sha256", True, new, old, rule, subset, [*path[:-1], b"x" * 32])
    with pytest.raises(InvalidProof):
        verify_consistency(ours.head(old), ours.head(new), forged, prior_size=old, later_size=new)


def test_pymerkle_has_the_roots_of_a_real_log(tmp_path: Path) -> None:
    """At every size that it ever had."""
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        for n in range(40):
            ran = [event(Kind.COMMAND_RAN, n=n)] * (n % 4)
            trail.append(repo_stream(RepoId("b")), ran, expected_version=None)
        size = trail.head().size
        tree = InmemoryTree(algorithm="sha256")
        for entry in trail.envelopes(0, size):
            tree.append_entry(entry)
        for at in range(1, size + 1):
            assert tree.get_root(at).hex() == trail.head(size=at).root


class Nodes:
    """A whole tree of ours in memory."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._kept: dict[tuple[int, int], bytes] = {}
        self._edge = Frontier()

    def add(self, leaf: bytes) -> None:
        self._leaves.append(leaf)
        for level, first, values in self._edge.extend([leaf]):
            for place, value in enumerate(values, first):
                self._kept[level, place] = value

    def node(self, level: int, index: int) -> bytes:
        return self._kept[level, index]

    def head(self, size: int) -> bytes:
        edge = Frontier()
        edge.extend(self._leaves[:size])
        return bytes.fromhex(edge.head().root)
