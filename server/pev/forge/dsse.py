"""DSSE envelopes: a payload, what it is, and Ed25519 signatures over both.

Source: https://github.com/secure-systems-lab/dsse, protocol and envelope of version 1. The keys are those
that sign the trail's checkpoints; what DSSE signs begins with its own name, so neither signature can stand
for the other. Pure: no file, no clock.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from pev.errors import EvidenceInvalid
from pev.trail.notes import ED25519, SignerKey, VerifierKey

IN_TOTO: Final = "application/vnd.in-toto+json"


def key_id(key: VerifierKey) -> str:
    """Name a key in an envelope; a hint, which nothing relies on."""
    return f"{key.name}+{key.id.hex()}"


def encoded(kind: str, payload: bytes) -> bytes:
    """Give what is signed: DSSE's encoding of a payload and its type."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def sign(payload: bytes, keys: Sequence[SignerKey], *, kind: str = IN_TOTO) -> dict[str, Any]:
    """Give an envelope around a payload, signed by all `keys`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    message = encoded(kind, payload)
    return {
        "payload": _text(payload),
        "payloadType": kind,
        "signatures": [
            {
                "keyid": key_id(key.verifier),
                "sig": _text(Ed25519PrivateKey.from_private_bytes(key.seed).sign(message)),
            }
            for key in keys
        ],
    }


def verify(envelope: Any, keys: Sequence[VerifierKey], *, kind: str = IN_TOTO) -> bytes:
    """Give the payload of an envelope that one of `keys` signed. Raises EvidenceInvalid for any other."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        told = envelope["payloadType"]
        values = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error) as exc:
        raise EvidenceInvalid("an envelope is not one of DSSE", hint="Get the evidence again.") from exc
    if told != kind:
        raise EvidenceInvalid(f"an envelope holds {str(told)[:80]!r}, not {kind!r}", hint="Get it again.")
    message = encoded(kind, payload)
    for key in (one for one in keys if one.algorithm == ED25519):
        public = Ed25519PublicKey.from_public_bytes(key.key)
        for value in values:
            try:
                public.verify(value, message)
            except InvalidSignature:
                continue
            return payload
    raise EvidenceInvalid(
        "no key that was given signed the evidence",
        hint="Give the verifier key of the server that opened the pull request: `pev trail keys` there.",
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
