"""The proxy of confined commands: tunnels, what runs in them, and SOCKS5."""

import contextlib
import ipaddress

import anyio
import pytest

from support.proxies import Stream, connect, hello, proxied, rest, serving, socks, until, upstream

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
