"""A proxy with scripted hosts behind it, spoken to byte by byte."""

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute

from pev.sandbox.hosts import Address, HostPattern
from pev.sandbox.proxy import open_proxy
from pev.sandbox.proxy_rules import Bounds, Denial, Rules

LIMIT_S = 20.0
Stream = anyio.abc.SocketStream


@dataclass
class Upstream:
    """A server that keeps what it heard, and answers HTTP with it."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    connections: int = 0
    greeting: bytes = b""
    answer: bytes | None = None

    async def serve(self, stream: Stream) -> None:
        self.connections += 1
        if self.greeting:
            await stream.send(self.greeting)
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with stream:
                start = len(self.heard)
                async for chunk in stream:
                    self.heard += chunk
                    if self.answer is not None:
                        await stream.send(self.answer)
                    elif b"\r\n\r\n" in self.heard[start:] and b"HTTP/1.1" in self.heard[start:]:
                        body = bytes(self.heard[start:]).replace(b"\r\n", b"|")
                        await stream.send(
                            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                        )


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[Stream], Awaitable[None]], host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve on a port of loopback, which is given."""
    async with (
        await anyio.create_tcp_listener(local_host=host) as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, handler)
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610  # not the one of Django
        yield port
        group.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def upstream(
    host: str = "127.0.0.1", *, greeting: bytes = b"", answer: bytes | None = None
) -> AsyncIterator[Upstream]:
    server = Upstream(greeting=greeting, answer=answer)
    async with serving(server.serve, host) as server.port:
        yield server


@dataclass
class Setting:
    """A proxy that listens on loopback, and what it denied."""

    port: int
    denials: list[Denial] = field(default_factory=list)

    async def connect(self) -> Stream:
        return await anyio.connect_tcp("127.0.0.1", self.port)

    async def say(self, *parts: bytes, then_end: bool = False) -> bytes:
        """Send parts and give all that comes back until the end."""
        async with await self.connect() as stream:
            for part in parts:
                await stream.send(part)
            if then_end:
                await stream.send_eof()
            return await rest(stream)

    @property
    def refused(self) -> list[tuple[str, int]]:
        return [(one.host, one.port) for one in self.denials]


async def rest(stream: Stream) -> bytes:
    data = b""
    with anyio.fail_after(LIMIT_S), contextlib.suppress(anyio.BrokenResourceError):
        async for chunk in stream:
            data += chunk
    return data


async def until(stream: Stream, mark: bytes) -> bytes:
    data = b""
    with anyio.fail_after(LIMIT_S):
        while mark not in data:
            data += await stream.receive()
    return data


def resolver(**names: str) -> Callable[[str, int], Awaitable[Sequence[Address]]]:
    async def resolve(host: str, _port: int) -> Sequence[Address]:
        await anyio.lowlevel.checkpoint()
        found = names.get(host.replace(".", "_"))
        if found is None:
            raise OSError(-2, "Name or service not known")
        return [ipaddress.ip_address(one) for one in found.split()]

    return resolve


@contextlib.asynccontextmanager
async def proxied(
    *hosts: str, own: Sequence[str] = (), bounds: Bounds | None = None, **names: str
) -> AsyncIterator[Setting]:
    patterns = tuple(map(HostPattern.parse, hosts)), tuple(map(HostPattern.parse, own))
    listener = socket.create_server(("127.0.0.1", 0))
    setting = Setting(listener.getsockname()[1])
    with anyio.fail_after(LIMIT_S):
        async with open_proxy(
            Rules(*patterns), setting.denials.append, bounds=bounds, resolver=resolver(**names)
        ) as proxy:
            proxy.serve(listener)
            yield setting


def get(authority: str, *headers: str, host: str | None = None, keep: bool = False) -> bytes:
    lines = [f"GET http://{authority}/path?q=1 HTTP/1.1", f"Host: {host or authority}", *headers]
    lines += [] if keep else ["Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()


def connect(authority: str) -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()


def hello(name: str | None) -> bytes:
    """The first bytes of a real TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def socks(kind: int, raw: bytes, port: int, command: int = 1) -> bytes:
    return b"\x05\x01\x00" + bytes([5, command, 0, kind]) + raw + port.to_bytes(2, "big")
