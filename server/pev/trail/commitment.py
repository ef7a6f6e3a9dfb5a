"""Commitments to secrets that were taken out: who holds the original can show that it was this one.

A commitment is a scrypt hash (RFC 7914) of the secret with a salt, both in the marker that stands where it
was. The salt comes from a key of this trail, so that redacting a text twice gives one text; the hash is slow,
so that a short secret cannot be guessed from the log at leisure. It hides what cannot be guessed, no more.
"""

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

_COST: Final = {"n": 2**14, "r": 8, "p": 1, "dklen": 16, "maxmem": 2**26}
_SALT_BYTES: Final = 12
_MAX_KEPT: Final = 1_000
MAX_COMMITMENTS: Final = 8
"""How many different secrets of one event or blob are committed to; each costs some 50 ms once."""
MARKER: Final = re.compile(
    r"\[redacted:([a-z][a-z0-9-]{0,60})(?:#([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22}))?\]"
)


class Marker(NamedTuple):
    """What stands in a text where a secret was; without salt and value there is no commitment."""

    kind: str
    salt: bytes | None
    value: bytes | None

    def is_of(self, secret: str) -> bool:
        """Say whether the marker commits to this secret."""
        if self.salt is None or self.value is None:
            return False
        return hmac.compare_digest(_hash(secret, self.salt), self.value)


class Committer:
    """Makes commitments under one key, which is loaded when it is first needed. For any thread."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = cache(key)
        self._kept: dict[bytes, str] = {}
        self._guard = threading.Lock()

    def commit(self, secret: str) -> str:
        """Give salt and hash of a secret, as a marker holds them."""
        name = hmac.digest(self._key(), secret.encode("utf-8", "surrogatepass"), "sha256")
        with self._guard:
            found = self._kept.get(name)
        if found is None:
            salt = name[:_SALT_BYTES]
            found = f"{_encoded(salt)}.{_encoded(_hash(secret, salt))}"
            with self._guard:
                if len(self._kept) >= _MAX_KEPT:
                    self._kept.clear()
                self._kept[name] = found
        return found


def markers_in(value: Any) -> Iterator[tuple[str, Marker]]:
    """Give the markers anywhere in a JSON value, each with its place, as `/`-separated names."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        place, one = stack.pop()
        if isinstance(one, str):
            for match in MARKER.finditer(one):
                yield place, Marker(match[1], _decoded(match[2]), _decoded(match[3]))
        elif isinstance(one, dict):
            stack += [(f"{place}/{name}", item) for name, item in one.items()]
            stack += [(f"{place}/{name}", name) for name in one]
        elif isinstance(one, list):
            stack += [(f"{place}/{number}", item) for number, item in enumerate(one)]


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, **_COST)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
