"""The way of one confined command to the network: HTTP, CONNECT and SOCKS5 on one port, by a list of hosts.

It runs in our process and lives as long as the command. The command has no network but the listener that is
given here; names are resolved on this side. What is refused is told to the command and to `on_denial`.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio
import anyio.abc
import h11

from pev.errors import PevError
from pev.sandbox.proxy_http import HttpClient
from pev.sandbox.proxy_rules import Bounds, Denial, Denied, Door, Resolve, Rules, resolve
from pev.sandbox.proxy_socks import VERSION, greet
from pev.sandbox.proxy_tunnel import Tunnel
from pev.sandbox.proxy_wire import Wire

PORT: Final = 3128
"""Where a command finds its proxy, on 127.0.0.1 of its own network."""
_PAUSE_S: Final = 0.1
_OWN: Final = "localhost,127.0.0.1,::1"


def proxy_env(port: int = PORT) -> dict[str, str]:
    """Give the variables by which ordinary programs find the proxy.

    ALL_PROXY names it as an HTTP proxy too: some libraries fail at the sight of a SOCKS address.
    """
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    env = dict.fromkeys(names, f"http://127.0.0.1:{port}") | {"NO_PROXY": _OWN}
    return env | {name.lower(): value for name, value in env.items()} | {"NODE_USE_ENV_PROXY": "1"}


class Proxy:
    """Serves the listeners that it is given, until it is closed by `open_proxy`."""

    def __init__(self, door: Door, group: anyio.abc.TaskGroup) -> None:
        self._door = door
        self._group = group
        self._slots = anyio.Semaphore(door.bounds.open_at_once)
        self._left = door.bounds.connections

    def serve(self, listener: socket.socket) -> None:
        """Take connections from a listening socket, which is the proxy's from now on."""
        listener.setblocking(False)
        self._group.start_soon(self._accept, listener)

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while self._left > 0:
                await self._slots.acquire()
                client = await _next(listener)
                self._left -= 1
                self._group.start_soon(self._client, Wire(client))
            host, port = listener.getsockname()[:2]
        self._door.denied(host, port, "the command opened more connections than it may")

    async def _client(self, wire: Wire) -> None:
        """Serve one connection; whatever goes wrong in it ends it, and nothing else."""
        try:
            with contextlib.suppress(EOFError):
                await self._served(wire)
        except* (OSError, Denied, h11.ProtocolError):
            pass  # who went away is not told, and a denial was noted where it arose
        finally:
            wire.close()
            self._slots.release()

    async def _served(self, wire: Wire) -> None:
        with anyio.fail_after(self._door.bounds.head_s):
            first = await wire.receive(1)
            wire.put_back(first)
            found = await greet(wire, self._door) if first == bytes([VERSION]) else None
        if first and first != bytes([VERSION]):
            await HttpClient(wire, self._door).serve()
        if found is None:
            return
        upstream, host, port = found
        try:
            inner = HttpClient(wire, self._door, pinned=(host, port))
            await Tunnel(wire, upstream, self._door, host, port).run(inner.serve)
        finally:
            upstream.close()


async def _next(listener: socket.socket) -> socket.socket:
    while True:
        try:
            return listener.accept()[0]
        except BlockingIOError:
            await anyio.wait_readable(listener)
        except OSError:  # who connected has gone, or we have too many files open
            await anyio.sleep(_PAUSE_S)


@contextlib.asynccontextmanager
async def open_proxy(
    rules: Rules,
    on_denial: Callable[[Denial], None],
    *,
    bounds: Bounds | None = None,
    resolver: Resolve = resolve,
) -> AsyncIterator[Proxy]:
    """Hold a proxy open; when this ends, all of its connections are closed."""
    fault: PevError | None = None
    async with anyio.create_task_group() as group:
        try:
            yield Proxy(Door(rules, bounds or Bounds(), on_denial, resolver), group)
        except PevError as exc:  # the group would wrap it
            fault = exc
        finally:
            group.cancel_scope.cancel()
    if fault is not None:
        raise fault
