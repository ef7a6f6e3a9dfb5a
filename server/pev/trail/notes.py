"""Signed notes of C2SP: a text, and the signatures of named Ed25519 keys under it.

Keys are written as verifiers write them (`name+id+key`), and signing keys as Go's note tools do, so that
others can check and make what is checked and made here (https://c2sp.org/signed-note,
https://c2sp.org/tlog-cosignature). Pure: no file, no clock.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pev.errors import InvalidInput, ProofInvalid

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MAX_NOTE_BYTES: Final = 2**20
MAX_SIGNATURES: Final = 64
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_LINE: Final = re.compile("\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)")
_VKEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_SKEY: Final = re.compile(r"PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_STAMP_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and the name that it signs under; `algorithm` is ED25519 or COSIGNATURE."""

    name: str
    algorithm: int
    key: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name the key in a signature."""
        named = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.key
        return hashlib.sha256(named).digest()[:4]

    def __str__(self) -> str:
        """Write the key as others configure it: `name+id+key`."""
        return f"{self.name}+{self.id.hex()}+{_encoded(bytes([self.algorithm]) + self.key)}"

    def verifies(self, text: str, value: bytes) -> bool:
        """Say whether `value` is this key's signature, or cosignature, of a note's text."""
        message = text.encode()
        if self.algorithm == COSIGNATURE:
            stamp, value = value[:_STAMP_BYTES], value[_STAMP_BYTES:]
            message = cosigned(text, int.from_bytes(stamp, "big"))
        return _verifies(self.key, message, value)


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A key that signs notes under a name."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The key that checks what this one signs."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return VerifierKey(self.name, ED25519, public.public_bytes_raw())

    def sign(self, text: str) -> str:
        """Give the signature line for a note's text, which ends in a newline."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return signature_line(self.verifier, value)

    def secret(self) -> str:
        """Write the key for its file."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.id.hex()}+{_encoded(bytes([ED25519]) + self.seed)}"


class Signature(NamedTuple):
    """One line under a note: who says to have signed, by which key, and the value."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it, none of them verified."""

    text: str
    signatures: tuple[Signature, ...]

    def signers(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Give those of `keys` that signed. Raises ProofInvalid if a signature of one of them is false.

        Signatures by other keys are passed over.
        """
        known = {(key.name, key.id): key for key in keys}
        signed: dict[tuple[str, bytes], VerifierKey] = {}
        for one in self.signatures:
            place = one.name, one.key_id
            if place not in known:
                continue
            if not known[place].verifies(self.text, one.value):
                raise ProofInvalid(
                    f"the signature of {one.name} ({one.key_id.hex()}) is not one of this text",
                    hint="The text or its signature was changed; get it again from where it was kept.",
                )
            signed[place] = known[place]
        return tuple(signed.values())


def parse_note(data: str | bytes) -> Note:
    """Read a signed note. Raises InvalidInput for anything of another form, or larger than 1 MiB."""
    try:
        whole = data.decode() if isinstance(data, bytes) else data
    except UnicodeDecodeError as exc:
        raise _no_note("it is not UTF-8") from exc
    if len(whole) > MAX_NOTE_BYTES:
        raise _no_note(f"it has more than {MAX_NOTE_BYTES} bytes")
    if any(char < " " and char != "\n" for char in whole):
        raise _no_note("it holds control characters")
    text, blank, below = whole.rpartition("\n\n")
    if not blank or not text or not below.endswith("\n"):
        raise _no_note("it has no signature lines below a blank one")
    return Note(text + "\n", parse_signatures(below))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read signature lines, each of which ends in a newline. Raises InvalidInput."""
    found = []
    for line in lines.removesuffix("\n").split("\n"):
        match = _LINE.fullmatch(line)
        value = _decoded(match[2]) if match else None
        if match is None or value is None or len(value) <= 4 or not _NAME.fullmatch(match[1]):
            raise _no_note(f"{line[:60]!r} is no signature line")
        found.append(Signature(match[1], value[:4], value[4:]))
    if len(found) > MAX_SIGNATURES:
        raise _no_note(f"it has more than {MAX_SIGNATURES} signatures")
    return tuple(found)


def write_note(text: str, lines: Iterable[str]) -> str:
    """Put a text, which ends in a newline, and signature lines together."""
    return f"{text}\n" + "".join(f"{line}\n" for line in lines)


def signature_line(key: VerifierKey, value: bytes) -> str:
    """Write a signature, without the newline at its end."""
    return f"\u2014 {key.name} {_encoded(key.id + value)}"


def cosigned(text: str, stamp: int) -> bytes:
    """Give what a witness signs: the time, in seconds of POSIX, and the text of a checkpoint."""
    return f"cosignature/v1\ntime {stamp}\n{text}".encode()


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key, of a log or of a witness. Raises InvalidInput."""
    match = _VKEY.fullmatch(text.strip())
    data = _decoded(match[3]) if match else None
    if match is None or data is None or len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
        raise InvalidInput(
            f"{text[:80]!r} is no verifier key of Ed25519",
            hint="It looks like example.org/log+1a2b3c4d+ and 44 characters of base64; see `pev trail keys`.",
        )
    key = VerifierKey(match[1], data[0], data[1:])
    if key.id.hex() != match[2]:
        raise InvalidInput(
            f"verifier key {text[:80]!r} does not have the id {match[2]}", hint="A part of it was changed."
        )
    return key


def parse_skey(text: str) -> SignerKey:
    """Read a signing key. Raises InvalidInput, without a word of the key."""
    match = _SKEY.fullmatch(text.strip())
    data = _decoded(match[3]) if match else None
    if match is not None and data is not None and len(data) == 33 and data[0] == ED25519:
        key = SignerKey(match[1], data[1:])
        if key.verifier.id.hex() == match[2]:
            return key
    raise InvalidInput(
        "a line is no signing key", hint="It begins with PRIVATE+KEY+ and the name of the log."
    )


def check_name(name: str) -> str:
    """Give a key's name, or a log's origin, back. Raises InvalidInput if it cannot be one."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} is no name of a log",
            hint="Use a URL without its scheme, for example example.org/pev: no space, no +.",
        )
    return name


def _verifies(key: bytes, message: bytes, value: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(value, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _encoded(data) == text else None


def _no_note(why: str) -> InvalidInput:
    return InvalidInput(f"this is no signed note: {why}", hint="Give what `pev trail checkpoint` printed.")
