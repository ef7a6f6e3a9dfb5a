"""Reads the server name that a TLS client asks for, from the first message of its handshake.

RFC 8446, sections 4.1.2 and 5.1, and RFC 6066, section 3. Nothing is decrypted.
"""

from dataclasses import dataclass
from typing import Final

HANDSHAKE: Final = 0x16
_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_MAX_RECORD: Final = 2**14
_MAX_HELLO: Final = 2**16


class MalformedHello(Exception):
    """The bytes are not the first message of a TLS client."""


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise MalformedHello
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> "_Reader":
        return _Reader(self.take(self.number(size)))

    @property
    def left(self) -> bool:
        return self.at < len(self.data)


def hello_of(data: bytes) -> bytes | None:
    """Give the body of the ClientHello that `data` begins with, None while it is incomplete.

    It may stand in several records. Raises MalformedHello.
    """
    message, at = b"", 0
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        head = data[at : at + 5]
        if head[:1] not in (b"", bytes([HANDSHAKE])) or head[1:2] not in (b"", b"\x03"):
            raise MalformedHello
        length = int.from_bytes(head[3:5], "big")
        if len(head) == 5 and not 0 < length <= _MAX_RECORD:
            raise MalformedHello
        if len(head) < 5 or len(data) < at + 5 + length:
            return None
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if message[0] != _HELLO or len(message) > _MAX_HELLO:
            raise MalformedHello
    return message[4 : 4 + int.from_bytes(message[1:4], "big")]


def server_names(hello: bytes) -> list[str]:
    """List the host names that a ClientHello asks for: normally one, or none. Raises MalformedHello."""
    reader = _Reader(hello)
    reader.take(2 + 32)
    reader.block(1)
    reader.block(2)
    reader.block(1)
    names: list[str] = []
    extensions = reader.block(2) if reader.left else _Reader(b"")
    while extensions.left:
        kind, body = extensions.number(2), extensions.block(2)
        listed = body.block(2) if kind == _SERVER_NAME else _Reader(b"")
        while listed.left:
            of, name = listed.number(1), listed.block(2)
            if of != _HOST_NAME:
                raise MalformedHello
            names.append(name.data.decode("latin-1"))
    return names
