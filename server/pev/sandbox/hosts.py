"""Hosts of the network: how they are written, which pattern admits them, and which addresses are public.

A host is compared in one form: lower case, ASCII, no final dot, addresses as the standard library writes
them. What cannot be brought to that form without guessing is refused: other notations of IPv4 addresses,
zones, user names, percent signs, letters beyond ASCII.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

from pev.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_MAX_NAME: Final = 253
_TWO_LABELS: Final = 2
_MAX_PORT: Final = 65_535
_TRANSLATED: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
# look public to the standard library, or to some versions of it, and hold a cloud's own services
_SERVICES: Final = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))
_WRITE: Final = "Write it as example.com:443, *.example.com:443, 192.0.2.1:443 or [2001:db8::1]:443."


def address_of(host: str) -> Address | None:
    """Give the address that a normal host is, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def normal_host(text: str) -> str:
    """Bring a name or an address to its one form; an IPv6 address may stand in brackets.

    Raises InvalidInput for what is neither.
    """
    bracketed = text.startswith("[") and text.endswith("]")
    inner = text[1:-1] if bracketed else text
    if ":" in inner:
        return _normal_v6(inner, text)
    name = inner.lower().removesuffix(".")
    labels = name.split(".")
    if bracketed or not text.isascii() or len(name) > _MAX_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise _bad(text)
    # libraries differ over what 127.1 or 0x7f000001 is: only the plain form counts
    plain = not inner.endswith(".") and isinstance(address_of(name), ipaddress.IPv4Address)
    if _NUMBER.fullmatch(labels[-1]) and not plain:
        raise _bad(text)
    return name


def _normal_v6(inner: str, text: str) -> str:
    found = None if "%" in inner else address_of(inner)
    if not isinstance(found, ipaddress.IPv6Address):
        raise _bad(text)
    return str(found.ipv4_mapped or found)


def _bad(text: str) -> InvalidInput:
    return InvalidInput(f"{text[:300]!r} is no host name or address", hint=_WRITE)


def split_authority(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Read `host:port` as (normal host, port from 1 to 65535).

    Without a port `default_port` counts. Raises InvalidInput, also for a user name in front.
    """
    head, colon, tail = text.rpartition(":")
    if not colon or "]" in tail:
        head, tail = text, ""
    if ":" in head and not head.startswith("["):
        raise InvalidInput(f"{text[:300]!r} has an address without brackets", hint=_WRITE)
    if not tail and default_port is not None and not text.endswith(":"):
        return normal_host(head), default_port
    if not _PORT.fullmatch(tail) or int(tail) > _MAX_PORT:
        raise InvalidInput(f"{text[:300]!r} has no port from 1 to {_MAX_PORT}", hint=_WRITE)
    return normal_host(head), int(tail)


def written(host: str, port: int) -> str:
    """Write a normal host and a port as one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One host, or with `below` all names below one (not the name itself), and one port."""

    host: str
    port: int
    below: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `example.com:443`, `*.example.com:443`, `192.0.2.1:443` or `[2001:db8::1]:443`.

        Raises InvalidInput for everything else; what stands after `*.` has at least two labels.
        """
        below = text.startswith("*.")
        host, port = split_authority(text.removeprefix("*."))
        if below and (address_of(host) is not None or host.count(".") + 1 < _TWO_LABELS):
            raise InvalidInput(f"{text[:300]!r} admits too much", hint=_WRITE)
        return cls(host=host, port=port, below=below)

    def __str__(self) -> str:
        """Write it as it is read."""
        return ("*." if self.below else "") + written(self.host, self.port)

    def admits(self, host: str, port: int) -> bool:
        """Say whether a normal host and a port are meant."""
        return port == self.port and (host.endswith(f".{self.host}") if self.below else host == self.host)

    def both(self, other: "HostPattern") -> "HostPattern | None":
        """Give the pattern of what both admit, None if that is nothing."""
        if self == other:
            return self
        for narrow, wide in ((self, other), (other, self)):
            if wide.below and wide.admits(narrow.host, narrow.port):
                return narrow
        return None


def is_public(address: Address) -> bool:
    """Say whether an address is of the open network: not this machine's, its neighbours' or its cloud's."""
    if isinstance(address, ipaddress.IPv4Address):
        own = address.is_multicast or any(address in network for network in _SERVICES)
        return address.is_global and not own
    if (inner := _embedded(address)) is not None:
        return is_public(inner)
    local = address.is_multicast or address.is_site_local or address in _COMPATIBLE
    return address.is_global and not local


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that this machine or a gateway would make of an IPv6 address."""
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
