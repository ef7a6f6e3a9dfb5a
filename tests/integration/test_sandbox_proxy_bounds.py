"""The proxy of confined commands: how long, how much, and what real programs make of it."""

import contextlib
import json
import shutil

import anyio
import pytest

from pev.sandbox.proxy import proxy_env
from pev.sandbox.proxy_rules import Bounds
from support.proxies import LIMIT_S, Stream, connect, get, proxied, rest, serving, socks, until, upstream

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
