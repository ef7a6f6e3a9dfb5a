"""A command in bubblewrap with hosts: it reaches them through its proxy, and nothing else."""

import contextlib
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.config import Config
from pev.errors import SandboxUnavailable
from pev.proc import Completed, base_env
from pev.sandbox.bubblewrap import Bubblewrap
from pev.sandbox.interface import Command, Denial, Sandbox
from pev.sandbox.landlock import Landlock
from pev.sandbox.network import listen_in
from pev.sandbox.select import bwrap_paths

PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.skipif(
    not bwrap_paths(Config()) or not Path(PYTHON).exists(), reason="no bubblewrap"
)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def website() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine's loopback: its host and port, and the paths that it was asked for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        server.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", server.seen  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture
def sandbox() -> Sandbox:
    return Bubblewrap(bwrap_paths(Config())[0])


async def run(sandbox: Sandbox, folder: Path, script: str, *hosts: str) -> tuple[Completed, list[Denial]]:
    denials: list[Denial] = []
    command = Command(
        argv=(PYTHON, "-I", "-c", script),
        cwd=folder,
        env=base_env(),
        limit_s=30,
        writable=(folder,),
        hosts=hosts,
        on_denial=denials.append,
    )
    return await sandbox.run(command), denials


FETCH = """
import os, urllib.request, urllib.error
os.environ.pop("no_proxy"), os.environ.pop("NO_PROXY")  # which keep a command's own loopback to itself
for url in {urls!r}:
    try: print(urllib.request.urlopen(url, timeout=15).read().decode())
    except urllib.error.HTTPError as e: print(e.code, e.read().decode())
"""


async def test_a_command_reaches_the_host_that_it_was_given_and_no_other(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with website() as (good, seen), website() as (other, unseen):
        urls = [f"http://{good}/a", f"http://{other}/b"]
        done, denials = await run(sandbox, tmp_path, FETCH.format(urls=urls), good)

    assert done.ok, done.text()
    assert done.text().startswith("ok\n403 denied by policy: network to 127.0.0.1:")
    assert (seen, unseen) == (["/a"], [])
    assert [f"{one.host}:{one.port}" for one in denials] == [other]


async def test_without_hosts_there_is_no_proxy(sandbox: Sandbox, tmp_path: Path) -> None:
    script = (
        "import os, socket\n"
        "try: socket.create_connection(('127.0.0.1', 3128), 2)\n"
        "except OSError as e: print(e.strerror, 'HTTP_PROXY' in os.environ)"
    )
    done, _ = await run(sandbox, tmp_path, script)

    assert done.text() == "Connection refused False\n"


async def test_the_proxy_is_the_only_way_out(sandbox: Sandbox, tmp_path: Path) -> None:
    """The namespace has a loopback of its own and nothing else; this machine's is another one."""
    with website() as (good, seen):
        script = (
            "import socket, sys\n"
            f"host, port = {good!r}.split(':')\n"
            "tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM\n"
            "for kind, to in ((tcp, (host, int(port))), (udp, ('192.0.2.1', 53))):\n"
            "    s = socket.socket(socket.AF_INET, kind); s.settimeout(2)\n"
            "    try: s.connect(to); s.send(b'x'); print('out')\n"
            "    except OSError as e: print(e.strerror)\n"
            "try: print(socket.getaddrinfo('example.com', 443))\n"
            "except OSError: print('no names')\n"
            "try: socket.socket(socket.AF_UNIX); print('unix')\n"
            "except OSError as e: print(e.strerror)\n"
        )
        done, denials = await run(sandbox, tmp_path, script, good)

    assert done.text().splitlines() == [
        "Connection refused",
        "Network is unreachable",
        "no names",
        "Permission denied",
    ]
    assert seen == []
    assert denials == []


async def test_the_command_inherits_no_descriptor_of_its_proxy(sandbox: Sandbox, tmp_path: Path) -> None:
    script = "import os; print(sorted(os.listdir('/proc/self/fd'))[:-1])"
    with_hosts, _ = await run(sandbox, tmp_path, script, "example.com:443")
    without, _ = await run(sandbox, tmp_path, script)

    assert with_hosts.text() == without.text()


async def test_the_port_in_the_sandbox_closes_with_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    """And none was ever open on this machine itself."""
    done, _ = await run(
        sandbox, tmp_path, "import socket; socket.create_connection(('127.0.0.1', 3128))", "example.com:443"
    )

    assert done.ok, done.text()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", 3128)) != 0


async def test_ordinary_programs_find_the_proxy_by_themselves(sandbox: Sandbox, tmp_path: Path) -> None:
    script = (
        "import urllib.request, urllib.error\n"
        "try: urllib.request.urlopen('https://evil.example/', timeout=15)\n"
        "except urllib.error.URLError as e: print(e.reason)\n"
    )
    done, denials = await run(sandbox, tmp_path, script, "example.com:443")

    assert "denied by policy: network to evil.example:443; a person can allow it" in done.text()
    assert [(one.host, one.port) for one in denials] == [("evil.example", 443)]


async def test_a_sandbox_that_cannot_let_single_hosts_through_refuses(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"example\.com:443"):
        await run(Landlock(), tmp_path, "", "example.com:443")


async def test_a_process_without_a_network_of_its_own_gets_no_port() -> None:
    """Entering it would open the port on this machine."""
    with pytest.raises(SandboxUnavailable, match="no network of its own"):
        await listen_in(os.getpid())
