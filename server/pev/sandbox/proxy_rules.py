"""What a proxy lets through: hosts from a list, at addresses that were checked, within bounds.

`Door` is the only way from the proxy to the network. It resolves a name, checks every address, and connects
to an address that it checked, so that a name cannot lead elsewhere between the check and the connection.
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from pev.sandbox.hosts import Address, HostPattern, address_of, is_public, written
from pev.sandbox.proxy_wire import Wire

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
_MAX_ADDRESSES: Final = 4
_MAX_NOTED: Final = 100
_ADVICE: Final = "a person can allow it in pev.toml on the base branch"


@dataclass(frozen=True, slots=True)
class Denial:
    """A connection that was refused: to where, and why; no reason says that it is not on the list.

    `host` is as it was asked for, made harmless.
    """

    host: str
    port: int
    reason: str = ""

    def __str__(self) -> str:
        """Say it to whoever asked, so that it is not tried again."""
        what = f"denied by policy: network to {written(self.host, self.port)}"
        return f"{what}: {self.reason}" if self.reason else f"{what}; {_ADVICE}"


class Denied(Exception):
    """A connection is refused."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(str(denial))
        self.denial = denial


class Unreachable(Exception):
    """A host that is allowed does not answer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Hosts that a command may reach, and addresses that the operator named.

    An address that is not public, such as one of this machine, is reached only if it is itself in one of the
    two, whatever name leads to it.
    """

    hosts: tuple[HostPattern, ...] = ()
    addresses: tuple[HostPattern, ...] = ()

    def admits(self, host: str, port: int) -> bool:
        """Say whether a normal host and port are on the list."""
        return any(one.admits(host, port) for one in self.hosts)

    def admits_address(self, address: Address, port: int) -> bool:
        """Say whether this address may be connected to, for a host that is on the list."""
        named = any(one.admits(str(address), port) for one in (*self.hosts, *self.addresses))
        return named or is_public(address)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a command may do through its proxy. Times are in seconds, sizes in bytes."""

    open_at_once: int = 64
    connections: int = 10_000
    head_bytes: int = 32 * 2**10
    sent_bytes: int = 2**30
    received_bytes: int = 16 * 2**30
    head_s: float = 20.0
    connect_s: float = 10.0
    idle_s: float = 120.0


async def resolve(host: str, port: int) -> Sequence[Address]:
    """Ask this machine's resolver for the addresses of a name. Raises OSError."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    listed = [address_of(str(where[0]).partition("%")[0]) for *_, where in found]
    return [one for one in dict.fromkeys(listed) if one is not None]


class Door:
    """Opens connections for one command, and tells `on_denial` once of each that it refuses."""

    def __init__(
        self,
        rules: Rules,
        bounds: Bounds,
        on_denial: Callable[[Denial], None],
        resolver: Resolve = resolve,
    ) -> None:
        self.rules = rules
        self.bounds = bounds
        self._on_denial = on_denial
        self._resolve = resolver
        self._noted: set[Denial] = set()
        self._sent = 0
        self._received = 0

    def denied(self, host: str, port: int, reason: str = "") -> Denied:
        """Note a denial, and give it to be raised."""
        plain = "".join(char if char.isascii() and char.isprintable() else "?" for char in host[:255])
        denial = Denial(plain, port, reason)
        if denial not in self._noted and len(self._noted) < _MAX_NOTED:
            self._noted.add(denial)
            self._on_denial(denial)
        return Denied(denial)

    def require(self, host: str, port: int) -> None:
        """Raise Denied unless a normal host and port are on the list."""
        if not self.rules.admits(host, port):
            raise self.denied(host, port)

    def count(self, host: str, port: int, *, sent: int = 0, received: int = 0) -> None:
        """Add to what went through. Raises Denied past the bounds."""
        self._sent += sent
        self._received += received
        if self._sent > self.bounds.sent_bytes or self._received > self.bounds.received_bytes:
            raise self.denied(host, port, "the command moved more bytes than it may")

    async def open(self, host: str, port: int) -> Wire:
        """Connect to a normal host. Raises Denied, Unreachable."""
        self.require(host, port)
        fault = "it has no address"
        try:
            with anyio.fail_after(self.bounds.connect_s):
                for address in await self._checked(host, port):
                    try:
                        wire = await Wire.to(address, port)
                    except OSError as exc:
                        fault = exc.strerror or str(exc)
                        continue
                    return self._not_this_machine(wire, address, host, port)
        except TimeoutError:
            fault = "it does not answer"
        raise Unreachable(f"{written(host, port)} cannot be reached: {fault}")

    async def _checked(self, host: str, port: int) -> list[Address]:
        own = address_of(host)
        try:
            found = [own] if own is not None else list(await self._resolve(host, port))
        except OSError as exc:
            raise Unreachable(f"{written(host, port)} cannot be resolved: {exc.strerror or exc}") from exc
        plain = [getattr(one, "ipv4_mapped", None) or one for one in found]
        kept = [one for one in plain if self.rules.admits_address(one, port)]
        if found and not kept:
            raise self.denied(host, port, f"it leads to {plain[0]}, which is no public address")
        return kept[:_MAX_ADDRESSES]

    def _not_this_machine(self, wire: Wire, address: Address, host: str, port: int) -> Wire:
        """Refuse a public address of this very machine, unless it was named."""
        named = any(one.admits(str(address), port) for one in (*self.rules.hosts, *self.rules.addresses))
        if wire.stays_here and not named:
            wire.close()
            raise self.denied(host, port, f"it leads to {address}, which is this machine")
        return wire
