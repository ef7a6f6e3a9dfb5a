"""The proxy of confined commands: requests over plain HTTP, and the names in them."""

import ipaddress
import socket
from collections.abc import Sequence

import anyio
import pytest

from pev.sandbox.hosts import Address, HostPattern, written
from pev.sandbox.proxy import open_proxy
from pev.sandbox.proxy_rules import Denial, Rules
from support.proxies import Setting, Stream, connect, get, proxied, serving, socks, upstream

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
