"""A connected socket of the proxy, read and written without buffers of its own.

What was read too far can be put back. Waiting is left to whoever calls: nothing here has a time limit except
opening a connection.
"""

import contextlib
import errno
import os
import socket
from typing import Final, Self

import anyio

from pev.sandbox.hosts import Address

CHUNK: Final = 2**16
_STARTED: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class Wire:
    """One end of a TCP connection. `stays_here` says that the other end is an address of this machine."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._kept = b""
        self.stays_here = False

    @classmethod
    async def to(cls, address: Address, port: int) -> Self:
        """Connect to exactly this address. Raises OSError."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_STREAM)
        wire = cls(sock)
        try:
            code = sock.connect_ex((str(address), port))
            if code in _STARTED:
                await anyio.wait_writable(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            wire.stays_here = sock.getsockname()[0] == sock.getpeername()[0]
        except BaseException:
            wire.close()
            raise
        return wire

    async def receive(self, most: int = CHUNK) -> bytes:
        """Give the next bytes, b"" at the end. Raises OSError."""
        if self._kept:
            data, self._kept = self._kept[:most], self._kept[most:]
            return data
        while True:
            try:
                return self._sock.recv(most)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)

    async def exactly(self, count: int) -> bytes:
        """Give `count` bytes. Raises EOFError if there are fewer, OSError."""
        data = b""
        while len(data) < count:
            more = await self.receive(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def put_back(self, data: bytes) -> None:
        """Let the next `receive` give these bytes first."""
        self._kept = data + self._kept

    async def send(self, data: bytes) -> None:
        """Send all of the bytes. Raises OSError."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)

    def send_end(self) -> None:
        """Tell the other end that nothing more comes."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it, whatever is still under way."""
        self._sock.close()
