"""Gives a confined command its way to the hosts that it was granted: a port of ours in its own network.

The listening socket is made inside the command's network namespace before the command starts, and handed to
us, so that our proxy takes connections there. Nothing of ours runs inside, and no socket file leads out.
"""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from pev import proc
from pev.errors import SandboxUnavailable
from pev.sandbox.hosts import HostPattern
from pev.sandbox.interface import Command
from pev.sandbox.proxy import PORT, Proxy, open_proxy
from pev.sandbox.proxy_rules import Rules
from pev.text import one_line

_SCRIPT: Final = Path(__file__).with_name("inside") / "listen.py"
_LIMIT_S: Final = 10.0
_LOG_CHARS: Final = 300


async def listen_in(pid: int, port: int = PORT) -> socket.socket:
    """Listen on 127.0.0.1 in the network namespace of a process. Raises SandboxUnavailable."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        argv = [sys.executable, "-I", "-S", "-B", str(_SCRIPT), str(pid), str(port), str(theirs.fileno())]
        done = await proc.run(argv, cwd=Path("/"), env={}, limit_s=_LIMIT_S, pass_fds=(theirs.fileno(),))
        fds: list[int] = []
        with contextlib.suppress(BlockingIOError):
            fds = socket.recv_fds(ours, 1, 1)[1]
        if not done.ok or not fds:
            raise SandboxUnavailable(
                f"the network of a command cannot be opened: {one_line(done.text(), _LOG_CHARS)}",
                hint="Run it without the network: take the hosts out of the policy.",
            )
        return socket.socket(fileno=fds[0])


@contextlib.asynccontextmanager
async def proxy_for(command: Command) -> AsyncIterator[Proxy | None]:
    """Hold a command's proxy open, or none if it may reach no host."""
    if not command.hosts:
        yield None
        return
    hosts, addresses = (
        [HostPattern.parse(one) for one in some] for some in (command.hosts, command.addresses)
    )
    async with open_proxy(Rules(tuple(hosts), tuple(addresses)), command.on_denial) as proxy:
        yield proxy
