"""Checkpoints of C2SP: which log, how many events, and the root over them, as the text of a signed note.

See https://c2sp.org/tlog-checkpoint. Pure.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pev.errors import InvalidInput, ProofInvalid
from pev.models import Digest
from pev.trail.merkle import TreeHead
from pev.trail.notes import ED25519, Note, VerifierKey, parse_note

MAX_SIZE: Final = 2**63 - 1
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log that is named by `origin`."""

    origin: str
    head: TreeHead

    def text(self) -> str:
        """Write the text that is signed."""
        return f"{self.origin}\n{self.head.size}\n{hash_line(bytes.fromhex(self.head.root))}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; lines after the third are of others, and passed over.

    Raises InvalidInput.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise _no_checkpoint("it has not three lines")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise _no_checkpoint(f"{size[:30]!r} is no size")
    return Checkpoint(origin, TreeHead(size=int(size), root=Digest(parse_hash(root).hex())))


def open_checkpoint(note: Note | str | bytes, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Read a checkpoint that one of the log's `keys` signed.

    Raises InvalidInput for another form, and ProofInvalid if none of the keys signed it, or if the key that
    did has another name than the log.
    """
    note = note if isinstance(note, Note) else parse_note(note)
    checkpoint = parse_checkpoint(note.text)
    signers = [key.name for key in note.signers(key for key in keys if key.algorithm == ED25519)]
    if checkpoint.origin not in signers:
        named = ", ".join(f"{one.name} ({one.key_id.hex()})" for one in note.signatures)
        raise ProofInvalid(
            f"the checkpoint of {checkpoint.origin!r} is signed by {named}, and by no key that is known here",
            hint="Give the log's verifier key with --key; its owner reads it with `pev trail keys`.",
        )
    return checkpoint


def hash_line(value: bytes) -> str:
    """Write a hash as checkpoints and proofs do."""
    return base64.b64encode(value).decode()


def parse_hash(line: str) -> bytes:
    """Read a SHA-256 hash. Raises InvalidInput."""
    try:
        value = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _no_checkpoint(f"{line[:60]!r} is no hash") from exc
    if len(value) != 32 or hash_line(value) != line:
        raise _no_checkpoint(f"{line[:60]!r} is no hash")
    return value


def _no_checkpoint(why: str) -> InvalidInput:
    return InvalidInput(f"this is no checkpoint: {why}", hint="Give what `pev trail checkpoint` printed.")
