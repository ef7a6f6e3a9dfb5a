"""Proofs that stand alone: one event, where it is in the log, and a signed checkpoint that covers it.

Written as https://c2sp.org/tlog-proof says, with the event itself as the extra data. Pure: whoever holds the
log's verifier key checks one with nothing else, without PEV's files and without a network.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pev.errors import InvalidInput, ProofInvalid, TrailCorrupt
from pev.events import Event
from pev.models import canonical
from pev.trail.checkpoint import Checkpoint, hash_line, open_checkpoint, parse_hash
from pev.trail.log import Stored, event_of, payload_digest
from pev.trail.merkle import leaf_hash, proves_inclusion
from pev.trail.notes import COSIGNATURE, VerifierKey, parse_note

MAGIC: Final = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES: Final = 16 * 2**20
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as it was read, nothing of it verified."""

    index: int
    path: tuple[bytes, ...]
    note: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: the event, the log's state that covers it, and the witnesses who saw that."""

    event: Event
    checkpoint: Checkpoint
    witnesses: tuple[str, ...]


def write_proof(stored: Stored, index: int, path: Sequence[bytes], note: str) -> str:
    """Write a proof for the event number `index`, under a signed checkpoint."""
    extra = {
        "envelope": stored.envelope.decode(),
        "payload": None if stored.payload is None else stored.payload.decode(),
        "salt": None if stored.payload is None else stored.salt.hex(),
    }
    lines = [MAGIC, f"extra {base64.b64encode(canonical(extra)).decode()}", f"index {index}"]
    return "\n".join([*lines, *map(hash_line, path), "", note])


def parse_proof(data: bytes) -> Proof:
    """Read a proof. Raises InvalidInput for another form, or for more than 16 MiB."""
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise _no_proof("it is not UTF-8") from exc
    if len(data) > MAX_PROOF_BYTES:
        raise _no_proof(f"it has more than {MAX_PROOF_BYTES} bytes")
    above, blank, note = text.partition("\n\n")
    lines = above.split("\n")
    if lines.pop(0) != MAGIC or not blank:
        raise _no_proof(f"it does not begin with {MAGIC}, or has no checkpoint")
    if not lines or not lines[0].startswith("extra "):
        raise _no_proof("the event is not in it, as `extra`")
    stored = _stored(lines.pop(0).removeprefix("extra "))
    index = _INDEX.fullmatch(lines.pop(0) if lines else "")
    if index is None:
        raise _no_proof("it names no index")
    proof = Proof(int(index[1]), tuple(parse_hash(line) for line in lines), note, stored)
    if write_proof(stored, proof.index, proof.path, note) != text:
        raise _no_proof("it is not written as proofs are")  # one event has one form
    return proof


def verify_proof(
    proof: Proof,
    keys: Sequence[VerifierKey],
    *,
    witnesses: Sequence[VerifierKey] = (),
    witnesses_needed: int = 0,
) -> Proven:
    """Check a proof against the log's keys, and against witnesses' where some must have seen the checkpoint.

    Raises ProofInvalid that says which part does not hold.
    """
    note = parse_note(proof.note)
    checkpoint = open_checkpoint(note, keys)
    seen = tuple(key.name for key in note.signers(one for one in witnesses if one.algorithm == COSIGNATURE))
    if len(set(seen)) < witnesses_needed:
        raise ProofInvalid(
            f"{len(set(seen))} of the {witnesses_needed} witnesses that are needed saw this checkpoint",
            hint="Ask for a proof under a checkpoint that they cosigned: `pev trail prove --witnessed`.",
        )
    leaf = leaf_hash(proof.stored.envelope)
    if not proves_inclusion(leaf, proof.index, checkpoint.head, proof.path):
        raise ProofInvalid(
            f"the log of {checkpoint.head.size} events does not have this event at {proof.index}",
            hint="The event, its number or the path was changed, or belongs to another checkpoint.",
        )
    try:
        event = event_of(proof.stored.envelope, proof.stored.payload)
    except TrailCorrupt as exc:
        raise ProofInvalid(f"the proven event cannot be read: {exc.message}") from exc
    if event.seq != proof.index:
        raise ProofInvalid(f"event {event.seq} stands at {proof.index}", hint="The log was not made by PEV.")
    _check_payload(proof.stored, event)
    return Proven(event, checkpoint, seen)


def _check_payload(stored: Stored, event: Event) -> None:
    if stored.payload is not None and payload_digest(stored.salt, stored.payload) != event.payload_digest:
        raise ProofInvalid(
            f"the payload is not the one that event {event.seq} binds",
            hint="It was changed; the event was not.",
        )


def _stored(extra: str) -> Stored:
    try:
        fields: dict[str, Any] = json.loads(base64.b64decode(extra, validate=True))
        payload = fields["payload"]
        return Stored(
            fields["envelope"].encode(),
            b"" if payload is None else bytes.fromhex(fields["salt"]),
            None if payload is None else payload.encode(),
        )
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise _no_proof("the event in it cannot be read") from exc


def _no_proof(why: str) -> InvalidInput:
    return InvalidInput(f"this is no proof of an event: {why}", hint="Give what `pev trail prove` wrote.")
