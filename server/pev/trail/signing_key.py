"""The key that signs exported audit records: ECDSA on P-256, in a file that only its owner can read.

Another key than those of checkpoints: a record of an export is a copy for others, and never a checkpoint.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

from pev.errors import ConfigInvalid
from pev.keyfile import made_once
from pev.models import canonical

_COORDINATE_BYTES: Final = 32
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (FIPS 186-5): a signature's second half is kept below half of it."""


class SigningKey:
    """A P-256 key, its public coordinates, and its RFC 7638 thumbprint as `kid`."""

    def __init__(self, private: Any) -> None:
        self._private = private
        numbers = private.public_key().public_numbers()
        x, y = (encoded(one.to_bytes(_COORDINATE_BYTES, "big")) for one in (numbers.x, numbers.y))
        self.public = {"x": x, "y": y}
        jwk = {"crv": "P-256", "kty": "EC", **self.public}
        self.kid = encoded(hashlib.sha256(canonical(jwk)).digest())

    def sign(self, digest: bytes) -> str:
        """Sign a SHA-256 digest (ES256, RFC 7518, section 3.4), as base64url."""
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        value = self._private.sign(digest, ec.ECDSA(utils.Prehashed(SHA256())))
        r, s = utils.decode_dss_signature(value)
        s = min(s, _ORDER - s)
        return encoded(b"".join(one.to_bytes(_COORDINATE_BYTES, "big") for one in (r, s)))


def load_signing_key(path: Path) -> SigningKey:
    """Give the key in a file, made on first use; processes that make it at once agree.

    Raises ConfigInvalid if others can read it, or if it is no key.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    data = made_once(path, _fresh)
    try:
        private = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as exc:
        raise ConfigInvalid(f"{path} is no key: {exc}", hint="Move it away and start again.") from exc
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise ConfigInvalid(f"{path} is no key on P-256", hint="Move it away and start again.")
    return SigningKey(private)


def _fresh() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encoded(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
