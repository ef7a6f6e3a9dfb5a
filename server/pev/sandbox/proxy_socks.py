"""The beginning of a SOCKS5 connection (RFC 1928): CONNECT only, without a login.

BIND and UDP are refused. Names are resolved by the proxy, under the same rules as everywhere.
"""

import ipaddress
from enum import IntEnum
from typing import Final

from pev.errors import InvalidInput
from pev.sandbox.hosts import normal_host
from pev.sandbox.proxy_rules import Denied, Door, Unreachable
from pev.sandbox.proxy_wire import Wire

VERSION: Final = 5
_NO_LOGIN, _NONE_FITS = 0, 0xFF
_CONNECT: Final = 1
_V4, _NAME, _V6 = 1, 3, 4
_SIZES: Final = {_V4: 4, _V6: 16}


class Reply(IntEnum):
    """What the client is told."""

    DONE = 0
    NOT_ALLOWED = 2
    UNREACHABLE = 4
    BAD_COMMAND = 7
    BAD_ADDRESS = 8


async def greet(client: Wire, door: Door) -> tuple[Wire, str, int] | None:
    """Read what the client wants and connect; gives connection, host and port.

    None if it was refused, which the client was told. Raises EOFError, OSError.
    """
    _, count = await client.exactly(2)
    methods = await client.exactly(count)
    if _NO_LOGIN not in methods:
        await client.send(bytes([VERSION, _NONE_FITS]))
        return None
    await client.send(bytes([VERSION, _NO_LOGIN]))
    version, command, _, kind = await client.exactly(4)
    if version != VERSION or kind not in (*_SIZES, _NAME):
        await _reply(client, Reply.BAD_ADDRESS)
        return None
    size = _SIZES.get(kind) or (await client.exactly(1))[0]
    raw = await client.exactly(size)
    port = int.from_bytes(await client.exactly(2), "big")
    try:
        host = _host(kind, raw)
        if command != _CONNECT:
            door.denied(host, port, f"command {command} of SOCKS")
            await _reply(client, Reply.BAD_COMMAND)
            return None
        upstream = await door.open(host, port)
    except (InvalidInput, Denied, Unreachable) as exc:
        if isinstance(exc, InvalidInput):
            door.denied(raw.decode("latin-1"), port, "it is no host name")
        await _reply(client, Reply.UNREACHABLE if isinstance(exc, Unreachable) else Reply.NOT_ALLOWED)
        return None
    try:
        await _reply(client, Reply.DONE)
    except BaseException:
        upstream.close()
        raise
    return upstream, host, port


def _host(kind: int, raw: bytes) -> str:
    if kind == _NAME:
        return normal_host(raw.decode("latin-1"))
    return normal_host(str(ipaddress.ip_address(raw)))


async def _reply(client: Wire, reply: Reply) -> None:
    await client.send(bytes([VERSION, reply, 0, _V4]) + bytes(4 + 2))
