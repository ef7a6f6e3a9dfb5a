"""The proxy of a confined command, over real sockets of loopback: what goes through, what does not."""

import contextlib
import ipaddress
import json
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import SocketAttribute

from pev.sandbox.hosts import Address, HostPattern, written
from pev.sandbox.proxy import open_proxy, proxy_env
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


# plain HTTP


async def test_a_request_to_a_listed_host_goes_through_written_anew() -> None:
    """The host gets a path, its own name, and nothing that was meant for the proxy."""
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy:
            answer = await proxy.say(
                get(
                    here,
                    "Proxy-Authorization: Basic c2VjcmV0",
                    "Connection: X-Hop",
                    "X-Hop: 1",
                    "X-End: 2",
                )
            )

        assert answer.startswith(b"HTTP/1.1 200")
        heard = bytes(server.heard).lower()
        assert heard.startswith(b"get /path?q=1 http/1.1\r\n")
        assert f"host: {here}\r\n".encode() in heard
        assert b"x-end: 2" in heard
        assert b"c2vjcmv0" not in heard
        assert b"x-hop" not in heard
        assert proxy.denials == []


async def test_an_unlisted_host_hears_nothing_and_the_client_is_told_why() -> None:
    async with upstream() as server, proxied("example.com:443") as proxy:
        answer = await proxy.say(get(f"127.0.0.1:{server.port}"))

        assert answer.startswith(b"HTTP/1.1 403")
        sentence = (
            f"denied by policy: network to 127.0.0.1:{server.port};"
            " a person can allow it in pev.toml on the base branch"
        )
        assert sentence.encode() in answer
        assert server.connections == 0
        assert [str(one) for one in proxy.denials] == [sentence]


async def test_another_host_header_than_the_target_is_refused() -> None:
    """A front that serves many names looks at Host, not at the address."""
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy:
            answer = await proxy.say(get(here, host="hidden.example"))

        assert answer.startswith(b"HTTP/1.1 403")
        assert server.connections == 0
        assert proxy.refused == [("hidden.example", 80)]


async def test_each_request_of_a_kept_connection_is_judged() -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy:
            answer = await proxy.say(get(here, keep=True) + get(here, keep=True) + get("evil.example"))

        assert answer.count(b"HTTP/1.1 200") == 2
        assert answer.count(b"HTTP/1.1 403") == 1
        assert server.connections == 2
        assert proxy.refused == [("evil.example", 80)]


async def test_a_body_goes_through_in_both_framings() -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        post = get(here, "Transfer-Encoding: chunked").replace(b"GET", b"POST", 1)
        async with proxied(here) as proxy:
            chunked = await proxy.say(post, b"4;ext=1\r\nbody\r\n", b"0\r\n\r\n")
            fixed = await proxy.say(
                post.replace(b"Transfer-Encoding: chunked", b"Content-Length: 5"), b"fixed"
            )

        assert chunked.startswith(b"HTTP/1.1 200")
        assert fixed.startswith(b"HTTP/1.1 200")
        assert b"\r\n\r\n4\r\nbody\r\n" in server.heard
        assert b"ext=1" not in server.heard
        assert b"\r\n\r\nfixed" in server.heard


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET https://HERE/ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET ftp://HERE/ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET http://HERE/#x HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET http://HERE\\@evil/ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET http://user@HERE/ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET http://HERE%00.evil/ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET http://HERE/ HTTP/1.1\r\n\r\n",
        b"GET http://HERE/ HTTP/1.1\r\nHost: HERE\r\nHost: evil\r\n\r\n",
        b"GET http://HERE/ HTTP/1.1\r\nHost : HERE\r\n\r\n",
        b"GET http://HERE/ HTTP/1.1\r\n Host: HERE\r\n\r\n",
        b"GET http://HERE/ HTTP/1.1\r\nHost: HERE\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST http://HERE/ HTTP/1.1\r\nHost: HERE\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"CONNECT HERE HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        b"CONNECT HERE HTTP/1.1\r\nHost: HERE\r\nContent-Length: 3\r\n\r\nabc",
        b"CONNECT http://HERE/ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        b"GET http://HERE/ HTTP/1.1\r\nHost: HERE\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_what_can_be_read_in_two_ways_is_refused(request_: bytes) -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy:
            answer = await proxy.say(request_.replace(b"HERE", here.encode()))

        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        assert server.connections == 0


async def test_a_request_is_not_smuggled_behind_a_body() -> None:
    """With both framings h11 reads chunks, and the host gets only chunks."""
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        head = get(here, "Content-Length: 5", "Transfer-Encoding: chunked", keep=True).replace(
            b"GET", b"POST", 1
        )
        async with proxied(here) as proxy:
            await proxy.say(head + b"0\r\n\r\n" + get("evil.example"))

        assert b"content-length" not in bytes(server.heard).lower()
        assert b"evil" not in server.heard
        assert proxy.refused in ([], [("evil.example", 80)])


async def test_a_response_that_breaks_off_is_not_finished_for_the_host() -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"

    async def serve(stream: Stream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(cut)

    async with serving(serve) as port:
        here = f"127.0.0.1:{port}"
        async with proxied(here) as proxy:
            answer = await proxy.say(get(here))

    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")


# names


async def test_a_name_that_leads_to_this_machine_is_refused() -> None:
    """Otherwise whoever owns a listed name reaches every service of this machine and its network."""
    async with upstream() as server:
        name = f"rebound.example:{server.port}"
        async with proxied(name, rebound_example="127.0.0.1") as proxy:
            answer = await proxy.say(get(name))

        assert answer.startswith(b"HTTP/1.1 403")
        assert server.connections == 0
        assert proxy.refused == [("rebound.example", server.port)]


async def test_a_name_may_lead_to_an_address_that_the_operator_named() -> None:
    async with upstream() as server:
        name = f"mirror.example:{server.port}"
        own = [f"127.0.0.1:{server.port}"]
        async with proxied(name, own=own, mirror_example="10.1.2.3 ::ffff:127.0.0.1") as proxy:
            answer = await proxy.say(get(name))
            direct = await proxy.say(get(own[0]))

        assert answer.startswith(b"HTTP/1.1 200")
        assert f"host: {name}\r\n".encode() in bytes(server.heard).lower()
        assert direct.startswith(b"HTTP/1.1 403")


async def test_a_name_is_asked_for_once_per_connection() -> None:
    """What was checked is what is connected to: a second answer could be another address."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked = []

    async def turning(host: str, _port: int) -> Sequence[Address]:
        await anyio.lowlevel.checkpoint()
        asked.append(host)
        return [ipaddress.ip_address(one) for one in next(answers)]

    async with upstream() as server:
        patterns = HostPattern("turns.example", server.port), HostPattern("127.0.0.1", server.port)
        listener = socket.create_server(("127.0.0.1", 0))
        denials: list[Denial] = []
        rules = Rules(patterns[:1], patterns[1:])
        async with open_proxy(rules, denials.append, resolver=turning) as proxy:
            proxy.serve(listener)
            setting = Setting(listener.getsockname()[1], denials)
            first = await setting.say(get(f"turns.example:{server.port}"))
            second = await setting.say(get(f"turns.example:{server.port}"))

    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith(b"HTTP/1.1 403")
    assert asked == ["turns.example"] * 2


async def test_an_unlisted_name_is_not_even_looked_up() -> None:
    """A look-up is a message to whoever serves the name."""
    asked = []

    async def noting(host: str, _port: int) -> Sequence[Address]:
        await anyio.lowlevel.checkpoint()
        asked.append(host)
        return []

    listener = socket.create_server(("127.0.0.1", 0))
    async with open_proxy(Rules((HostPattern("a.example", 80),)), lambda _: None, resolver=noting) as proxy:
        proxy.serve(listener)
        setting = Setting(listener.getsockname()[1])
        await setting.say(get("c2VjcmV0.evil.example"))
        await setting.say(connect("c2VjcmV0.evil.example:443"))
        await setting.say(socks(3, b"\x0cevil.example", 80))

    assert asked == []


async def test_a_listed_name_that_does_not_exist_is_a_failure_and_no_denial() -> None:
    async with proxied("gone.example:80") as proxy:
        answer = await proxy.say(get("gone.example"))

    assert answer.startswith(b"HTTP/1.1 502")
    assert proxy.denials == []


async def test_ipv6_is_reached_by_its_address_only_if_it_is_listed() -> None:
    async with upstream("::1") as server:
        here = written("::1", server.port)
        async with proxied(here) as proxy:
            answer = await proxy.say(get(here))
        async with proxied(f"127.0.0.1:{server.port}") as other:
            refused = await other.say(get(here))

    assert answer.startswith(b"HTTP/1.1 200")
    assert refused.startswith(b"HTTP/1.1 403")


# tunnels


async def test_a_tunnel_to_an_unlisted_port_is_refused() -> None:
    async with upstream() as server, proxied("127.0.0.1:1") as proxy:
        answer = await proxy.say(connect(f"127.0.0.1:{server.port}"))

        assert answer.startswith(b"HTTP/1.1 403")
        assert server.connections == 0
        assert proxy.refused == [("127.0.0.1", server.port)]


@pytest.mark.parametrize("by", ["connect", "socks"])
async def test_a_tunnel_carries_tls_to_the_host_that_it_names(by: str) -> None:
    async with upstream(answer=b"from the host") as server:
        name = f"good.example:{server.port}"
        own = [f"127.0.0.1:{server.port}"]
        start = connect(name) if by == "connect" else socks(3, b"\x0cgood.example", server.port)
        async with proxied(name, own=own, good_example="127.0.0.1") as proxy, await proxy.connect() as stream:
            await stream.send(start)
            await until(stream, b"\r\n\r\n" if by == "connect" else b"\x05\x00\x05\x00\x00\x01" + bytes(6))
            sent = hello("good.example")
            for at in range(0, len(sent), 100):
                await stream.send(sent[at : at + 100])
            assert await until(stream, b"from the host") == b"from the host"

        assert bytes(server.heard) == sent


@pytest.mark.parametrize("by", ["connect", "socks"])
@pytest.mark.parametrize("name", ["evil.example", None])
async def test_tls_to_another_name_than_the_tunnels_is_refused(by: str, name: str | None) -> None:
    """A front that serves many names picks one by what TLS names."""
    async with upstream() as server:
        good = f"good.example:{server.port}"
        own = [f"127.0.0.1:{server.port}"]
        start = connect(good) if by == "connect" else socks(3, b"\x0cgood.example", server.port)
        async with proxied(good, own=own, good_example="127.0.0.1") as proxy:
            await proxy.say(start, hello(name))

        assert server.heard == b""
        assert proxy.refused == [(name or "good.example", server.port)]


async def test_tls_to_an_address_names_an_allowed_host_or_none() -> None:
    async with upstream(answer=b"ok") as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy:
            for name in ("evil.example", None):
                async with await proxy.connect() as stream:
                    await stream.send(connect(here))
                    await until(stream, b"\r\n\r\n")
                    await stream.send(hello(name))
                    if name is None:
                        await until(stream, b"ok")
                    else:
                        assert await rest(stream) == b""

        assert proxy.refused == [("evil.example", server.port)]


@pytest.mark.parametrize(
    "inner",
    [
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        b"\r\nCONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\x05not a hello",
        b"\x16\x03\x01\x00\x00",
    ],
)
async def test_a_relay_behind_a_listed_host_is_not_reached(inner: bytes) -> None:
    """A tunnel ends at the listed host: what would lead on from there, unencrypted, is read and refused."""
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy, await proxy.connect() as stream:
            await stream.send(connect(here))
            await until(stream, b"\r\n\r\n")
            for at in range(len(inner)):
                with contextlib.suppress(anyio.BrokenResourceError):
                    await stream.send(inner[at : at + 1])
            answer = await rest(stream)

        assert server.heard == b""
        assert b" 200 " not in answer


async def test_plain_http_inside_a_tunnel_goes_to_its_host() -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy:
            answer = await proxy.say(
                connect(here), f"GET /x HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n".encode()
            )

        assert answer.count(b"HTTP/1.1 200") == 2
        assert bytes(server.heard).startswith(b"GET /x HTTP/1.1\r\n")


async def test_a_host_that_speaks_first_is_heard() -> None:
    async with upstream(greeting=b"SSH-2.0-host\r\n", answer=b"more") as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here) as proxy, await proxy.connect() as stream:
            await stream.send(connect(here))
            await until(stream, b"SSH-2.0-host\r\n")
            await stream.send(b"SSH-2.0-client\r\n")
            assert await until(stream, b"more") == b"more"

        assert bytes(server.heard) == b"SSH-2.0-client\r\n"


async def test_half_a_tunnel_may_end_first() -> None:
    """A client that has sent all still gets all of the answer."""
    big = b"x" * 3_000_000

    async def serve(stream: Stream) -> None:
        async with stream:
            async for _ in stream:
                pass
            await stream.send(big)

    async with serving(serve) as port:
        here = f"127.0.0.1:{port}"
        async with proxied(here) as proxy, await proxy.connect() as stream:
            await stream.send(connect(here))
            await until(stream, b"\r\n\r\n")
            await stream.send(b"\x00all of it")
            await stream.send_eof()
            assert await rest(stream) == big


# SOCKS5


async def test_socks_reaches_listed_addresses_and_names_only() -> None:
    v4 = ipaddress.ip_address("127.0.0.1").packed
    mapped = ipaddress.ip_address("::ffff:127.0.0.1").packed
    async with upstream(greeting=b"hello") as server:
        async with proxied(f"127.0.0.1:{server.port}") as proxy:
            done = [
                await proxy.say(socks(*one, server.port), then_end=True) for one in ((1, v4), (4, mapped))
            ]
            heard = server.connections
            refused = [
                await proxy.say(socks(1, ipaddress.ip_address("127.0.0.2").packed, server.port)),
                await proxy.say(socks(4, ipaddress.ip_address("::1").packed, server.port)),
                await proxy.say(socks(3, b"\x09127.0.0.2", server.port)),
                await proxy.say(socks(3, b"\x05127.1", server.port)),
                await proxy.say(socks(3, b"\x04a\x00b\xff", server.port)),
                await proxy.say(socks(1, v4, server.port + 1)),
            ]

        assert all(b"\x05\x00\x05\x00" in one for one in done)
        assert all(one.startswith(b"\x05\x00\x05\x02") for one in refused)
        assert heard == server.connections == 2
        assert len(proxy.denials) == 5  # two of them are the same


@pytest.mark.parametrize("command", [2, 3, 0, 255])
async def test_socks_does_not_listen_and_knows_no_udp(command: int) -> None:
    async with upstream() as server, proxied(f"127.0.0.1:{server.port}") as proxy:
        answer = await proxy.say(
            socks(1, ipaddress.ip_address("127.0.0.1").packed, server.port, command=command)
        )

    assert answer.startswith(b"\x05\x00\x05\x07")
    assert len(proxy.denials) == 1


async def test_socks_wants_no_login() -> None:
    async with proxied("example.com:443") as proxy:
        assert await proxy.say(b"\x05\x01\x02") == b"\x05\xff"
        assert await proxy.say(
            b"\x05\x01\x00\x05\x01\x00\x09abcdef"
        ) == b"\x05\x00\x05\x08" + b"\x00\x01" + bytes(6)


# bounds


async def test_a_client_that_says_half_is_let_go() -> None:
    halves = [b"", b"GET http://a", b"CONNECT a:1 HTTP/1.1\r\nHost:", b"\x05\x01", b"\x05\x01\x00\x05\x01"]
    async with proxied("a.example:1", bounds=Bounds(head_s=0.2)) as proxy:
        for half in halves:
            answer = await proxy.say(half)
            assert answer in (b"", b"\x05\x00")


async def test_a_tunnel_that_is_silent_is_let_go() -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here, bounds=Bounds(idle_s=0.2)) as proxy, await proxy.connect() as stream:
            await stream.send(connect(here))
            await until(stream, b"\r\n\r\n")
            assert await rest(stream) == b""


async def test_a_host_that_is_silent_is_given_up() -> None:
    async with upstream(answer=b"") as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here, bounds=Bounds(idle_s=0.2)) as proxy:
            assert (await proxy.say(get(here))).startswith(b"HTTP/1.1 502")


async def test_only_so_many_connections_are_served_at_once() -> None:
    """The others wait, and are served when one ends; none is lost."""
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here, bounds=Bounds(open_at_once=2)) as proxy:
            held = [await proxy.connect() for _ in range(2)]
            for stream in held:
                await stream.send(connect(here))
                await until(stream, b"\r\n\r\n")
            answers: list[bytes] = []

            async def ask() -> None:
                answers.append(await proxy.say(get(here)))

            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                assert answers == []
                for stream in held:
                    await stream.aclose()

    assert len(answers) == 20
    assert all(one.startswith(b"HTTP/1.1 200") for one in answers)


async def test_a_command_opens_only_so_many_connections() -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(here, bounds=Bounds(connections=3)) as proxy:
            for _ in range(3):
                assert (await proxy.say(get(here))).startswith(b"HTTP/1.1 200")
            with pytest.raises(OSError, match="connection attempts failed"):
                await proxy.connect()

    assert ["more connections" in one.reason for one in proxy.denials] == [True]


@pytest.mark.parametrize("bounds", [Bounds(sent_bytes=2_000_000), Bounds(received_bytes=2_000_000)])
async def test_a_command_moves_only_so_many_bytes(bounds: Bounds) -> None:
    async def mirror(stream: Stream) -> None:
        with contextlib.suppress(anyio.BrokenResourceError):
            async with stream:
                async for chunk in stream:
                    await stream.send(chunk)

    async with serving(mirror) as port:
        here = f"127.0.0.1:{port}"
        async with proxied(here, bounds=bounds) as proxy, await proxy.connect() as stream:
            await stream.send(connect(here))
            await until(stream, b"\r\n\r\n")
            received = 0
            with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                while received < 10_000_000:
                    await stream.send(bytes(100_000))
                    received += len(await stream.receive(100_000))

    assert received <= 2_000_000
    assert ["more bytes" in one.reason for one in proxy.denials] == [True]


async def test_a_denial_is_told_once_and_hostile_names_are_made_harmless() -> None:
    """A command that tries in a loop must not fill the trail."""
    async with proxied("example.com:443") as proxy:
        for _ in range(3):
            await proxy.say(connect("evil.example:443"))
        await proxy.say(socks(3, b"\x06\x1b[31mx", 443))
        for number in range(200):
            await proxy.say(connect(f"h{number}.example:443"))

    assert proxy.refused[0] == ("evil.example", 443)
    assert proxy.refused[1] == ("?[31mx", 443)
    assert len(proxy.denials) == 100


async def test_nothing_is_left_when_the_command_ends() -> None:
    """Cancelled or not: connections to both sides are closed, and the port with them."""
    closed = anyio.Event()

    async def serve(stream: Stream) -> None:
        async with stream:
            await rest(stream)
        closed.set()

    async with serving(serve) as port:
        here = f"127.0.0.1:{port}"
        with anyio.CancelScope() as scope:
            async with proxied(here) as proxy:
                stream = await proxy.connect()
                await stream.send(connect(here))
                await until(stream, b"\r\n\r\n")
                scope.cancel()
                await anyio.sleep_forever()
        with anyio.fail_after(LIMIT_S):
            assert await rest(stream) == b""
            await closed.wait()
            await stream.aclose()
            with pytest.raises(OSError, match="connection attempts failed"):
                await proxy.connect()


# real programs


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("how", ["http", "tunnel", "socks5", "socks5h", "http1.0"])
async def test_curl_works_and_is_told_why_not(how: str) -> None:
    async with upstream() as server:
        here = f"127.0.0.1:{server.port}"
        async with proxied(
            f"good.example:{server.port}", here, own=[here], good_example="127.0.0.1"
        ) as proxy:
            scheme = how if how.startswith("socks") else "http"
            curl = [
                "curl",
                "-q",
                "-sS",
                "--noproxy",
                "",
                "-x",
                f"{scheme}://127.0.0.1:{proxy.port}",
                "-m",
                "15",
            ]
            curl += {"tunnel": ["-p"], "http1.0": ["-0"]}.get(how, [])
            # with the older form of SOCKS5 the client looks names up itself
            good = here if how == "socks5" else f"good.example:{server.port}"
            done = await anyio.run_process([*curl, f"http://{good}/x"], check=False)
            bad = await anyio.run_process([*curl, "-f", "http://127.0.0.3:9/"], check=False)

    assert b"GET /x HTTP/1.1" in done.stdout, done.stderr
    assert bad.returncode != 0
    assert proxy.refused == [("127.0.0.3", 9)]


async def test_python_finds_the_proxy_by_its_variables() -> None:
    import sys

    script = (
        "import sys, json, urllib.request as u, urllib.error as e\n"
        "out = []\n"
        "for url in sys.argv[1:]:\n"
        "    try: out.append(u.urlopen(url, timeout=15).status)\n"
        "    except e.HTTPError as x: out.append([x.code, x.reason])\n"
        "    except e.URLError as x: out.append(str(x.reason))\n"
        "print(json.dumps(out))"
    )
    async with upstream() as server:
        name = f"good.example:{server.port}"
        own = [f"127.0.0.1:{server.port}"]
        async with proxied(name, own=own, good_example="127.0.0.1") as proxy:
            urls = [f"http://{name}/", "http://evil.example/", "https://evil.example/"]
            done = await anyio.run_process(
                [sys.executable, "-I", "-c", script, *urls], env=proxy_env(proxy.port), check=False
            )

    status, plain, tunnel = json.loads(done.stdout)
    assert status == 200
    assert plain[0] == 403
    assert "denied by policy: network to evil.example:80" in plain[1]
    assert "denied by policy: network to evil.example:443" in tunnel
    assert proxy.refused == [("evil.example", 80), ("evil.example", 443)]
