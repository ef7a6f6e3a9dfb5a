"""A client that speaks HTTP/1.1 to the proxy: each request is judged before anything of it goes on.

Nothing of a head reaches a host as it was sent: the target is the path, Host is the host that was judged.
So what was judged and what the host reads cannot differ. CONNECT opens a tunnel.
"""

import re
from typing import Final

import anyio
import h11

from pev.errors import InvalidInput
from pev.sandbox.hosts import split_authority, written
from pev.sandbox.proxy_exchange import HTTP_PORT, Exchange, Speaker, Target, framing
from pev.sandbox.proxy_rules import Denied, Door, Unreachable
from pev.sandbox.proxy_tunnel import Tunnel
from pev.sandbox.proxy_wire import Wire

_ABSOLUTE: Final = re.compile(r"http://([^/?]*)([/?].*)?", re.IGNORECASE)
_REASON_CHARS: Final = 200


class _Malformed(Exception):
    """A request that means nothing to a proxy."""


class HttpClient:
    """One connection of a client. `pinned` is the host and port of the tunnel that it speaks in, if any."""

    def __init__(self, wire: Wire, door: Door, pinned: tuple[str, int] | None = None) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=door.bounds.head_bytes)
        self._speaker = Speaker(http, wire, door.bounds.idle_s)
        self._wire = wire
        self._door = door
        self._pinned = pinned

    async def serve(self) -> None:
        """Answer requests until the client or the connection is done. Raises OSError, TimeoutError."""
        http = self._speaker.http
        try:
            while True:
                with anyio.fail_after(self._door.bounds.head_s):
                    request = await self._speaker.hear()
                if not isinstance(request, h11.Request):
                    return
                if request.method == b"CONNECT":
                    await self._tunnel(request)
                    return
                await self._forward(request)
                if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                    return
                http.start_next_cycle()
        except* (_Malformed, h11.RemoteProtocolError) as found:
            await self._answer(400, found)
        except* Denied as found:
            await self._answer(403, found)
        except* Unreachable as found:
            await self._answer(502, found)

    async def _answer(self, status: int, found: BaseExceptionGroup[Exception]) -> None:
        """Say why in the proxy's own words, if nothing was said yet."""
        if self._speaker.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        text = str(_first(found))
        body = f"{text}\n".encode()
        headers = {"content-type": "text/plain", "content-length": str(len(body)), "connection": "close"}
        reason = text.encode("ascii", "replace")[:_REASON_CHARS]
        await self._speaker.say(
            h11.Response(status_code=status, headers=list(headers.items()), reason=reason)
        )
        await self._speaker.say(h11.Data(data=body))
        await self._speaker.say(h11.EndOfMessage())
        self._wire.send_end()

    def _target(self, request: h11.Request) -> Target:
        text = request.target.decode("ascii")
        if self._pinned is None:
            found = _ABSOLUTE.fullmatch(text)
            if found is None:
                raise _Malformed("a proxy takes http://host/path, or CONNECT host:port")
            path = found[2] or "/"
            host, port = self._authority(found[1], HTTP_PORT)
        else:
            path = text
            host, port = self._pinned
        path = f"/{path}" if path.startswith("?") else path
        if not path.startswith("/") or "#" in path:
            raise _Malformed("the target of a request is a path without a fragment")
        self._require_host(request, host, port, HTTP_PORT)
        return Target(host, port, path)

    def _authority(self, text: str, default_port: int | None) -> tuple[str, int]:
        try:
            return split_authority(text, default_port)
        except InvalidInput as exc:
            raise self._door.denied(text, 0, "it is no host and port") from exc

    def _require_host(self, request: h11.Request, host: str, port: int, default_port: int) -> None:
        """Refuse a request whose Host is not where it goes."""
        for name, value in request.headers:
            if name == b"host":
                said = self._authority(value.decode("latin-1"), default_port)
                if said != (host, port):
                    raise self._door.denied(*said, f"as Host of a request to {written(host, port)}")

    async def _forward(self, request: h11.Request) -> None:
        target = self._target(request)
        upstream = await self._door.open(target.host, target.port)
        try:
            await Exchange(self._speaker, upstream, target, self._door).run(request)
        finally:
            upstream.close()

    async def _tunnel(self, request: h11.Request) -> None:
        if framing(request.headers):
            raise _Malformed("CONNECT has no body")
        host, port = self._authority(request.target.decode("ascii"), None)
        if self._pinned is not None:
            raise self._door.denied(host, port, f"a tunnel inside a tunnel to {written(*self._pinned)}")
        self._require_host(request, host, port, port)
        upstream = await self._door.open(host, port)
        try:
            while await self._speaker.hear() is not h11.PAUSED:
                pass
            await self._speaker.say(h11.Response(status_code=200, headers=[], reason=b"Connected"))
            self._wire.put_back(self._speaker.http.trailing_data[0])
            inner = HttpClient(self._wire, self._door, pinned=(host, port))
            await Tunnel(self._wire, upstream, self._door, host, port).run(inner.serve)
        finally:
            upstream.close()


def _first(found: BaseExceptionGroup[Exception]) -> BaseException:
    inner: BaseException = found
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
