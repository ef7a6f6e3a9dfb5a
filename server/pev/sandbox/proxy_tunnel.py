"""A tunnel to one host: what begins it is looked at, then bytes go both ways.

TLS must name the host that the tunnel was asked for. HTTP without TLS is read request by request, as outside
of a tunnel. Anything else goes through unread, for the host and the port were listed by name.
"""

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

import anyio

from pev.errors import InvalidInput
from pev.sandbox.hosts import address_of, normal_host
from pev.sandbox.proxy_rules import Door
from pev.sandbox.proxy_tls import HANDSHAKE, MalformedHello, hello_of, server_names
from pev.sandbox.proxy_wire import Wire

_MAX_START: Final = 2**16
_WORD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]|\Z)|\Z")


class Start(Enum):
    """How a tunnel begins."""

    TLS = "tls"
    HTTP = "http"
    OTHER = "other"
    ENDED = "ended"


def kind_of(data: bytes) -> Start | None:
    """Say what these first bytes begin, None if more are needed to tell."""
    if data[:1] == bytes([HANDSHAKE]):
        return Start.TLS if hello_of(data) is not None else None
    line = data.lstrip()
    if not _WORD.match(line):
        return Start.OTHER
    first, end, _ = line.partition(b"\n")
    if not end:
        return None
    return Start.HTTP if re.search(rb"HTTP/\d", first, re.IGNORECASE) else Start.OTHER


class Tunnel:
    """Carries bytes between a client and a host that is already connected."""

    def __init__(self, client: Wire, upstream: Wire, door: Door, host: str, port: int) -> None:
        self._client = client
        self._upstream = upstream
        self._door = door
        self._host = host
        self._port = port
        self._scope = anyio.CancelScope()

    async def run(self, as_http: Callable[[], Awaitable[None]]) -> None:
        """Carry bytes until both ends are done, or nothing moved for a while.

        HTTP without TLS is given to `as_http`, over connections of its own. Raises Denied, OSError.
        """
        start = Start.ENDED
        with self._scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._back)
                start = await self._looked_at()
                if start is Start.HTTP:
                    group.cancel_scope.cancel()
                elif start is not Start.ENDED:
                    await self._forth()
                else:
                    self._upstream.send_end()
        self._upstream.close()
        if start is Start.HTTP:
            await as_http()

    def _moved(self) -> None:
        self._scope.deadline = anyio.current_time() + self._door.bounds.idle_s

    async def _looked_at(self) -> Start:
        """Read the client's first bytes, and let them through only once they were judged.

        A host may speak first, so there is no limit of time until the client has begun.
        """
        self._moved()
        data = await self._client.receive()
        with anyio.fail_after(self._door.bounds.head_s):
            while True:
                try:
                    start = kind_of(data) if data else Start.ENDED
                    names = server_names(hello_of(data) or b"") if start is Start.TLS else []
                except MalformedHello:
                    raise self._door.denied(self._host, self._port, "its TLS cannot be read") from None
                if start is not None:
                    break
                more = await self._client.receive()
                if not more or len(data) > _MAX_START:
                    raise self._door.denied(self._host, self._port, "what begins the tunnel has no end")
                data += more
        if start is Start.TLS:
            self._require_names(names)
        self._client.put_back(data)
        return start

    def _require_names(self, names: list[str]) -> None:
        """Refuse TLS to another name than the tunnel's; to an address, any name that is itself allowed."""
        if len(names) != 1:
            if names or address_of(self._host) is None:
                raise self._door.denied(self._host, self._port, "its TLS names no host")
            return
        try:
            name = normal_host(names[0])
        except InvalidInput:
            name = ""
        by_address = address_of(self._host) is not None and self._door.rules.admits(name, self._port)
        if name != self._host and not by_address:
            raise self._door.denied(names[0], self._port, f"inside a tunnel to {self._host}")

    async def _forth(self) -> None:
        while data := await self._client.receive():
            self._door.count(self._host, self._port, sent=len(data))
            await self._upstream.send(data)
            self._moved()
        self._upstream.send_end()

    async def _back(self) -> None:
        while data := await self._upstream.receive():
            self._door.count(self._host, self._port, received=len(data))
            await self._client.send(data)
            self._moved()
        self._client.send_end()
