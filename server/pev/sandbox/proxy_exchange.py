"""One HTTP request and its response, written anew on their way through the proxy.

h11 reads what one side sends and writes what the other gets, so that framing tricks end here. A response
that breaks off breaks off for the client too: it is never finished in its place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import anyio
import h11

from pev.sandbox.hosts import written
from pev.sandbox.proxy_rules import Door, Unreachable
from pev.sandbox.proxy_wire import Wire

HTTP_PORT: Final = 80
_Headers = list[tuple[bytes, bytes]]
_OF_CONNECTION: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer"
    b" transfer-encoding content-length upgrade host expect".split()
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: a normal host, a port, and the path with its query."""

    host: str
    port: int
    path: str


class Speaker:
    """A connection that speaks HTTP. `idle_s` is how long it may be silent when it is waited for."""

    def __init__(self, http: h11.Connection, wire: Wire, idle_s: float) -> None:
        self.http = http
        self.wire = wire
        self._idle_s = idle_s

    async def hear(self) -> h11.Event | type[h11.PAUSED]:
        """Give the next event. Raises h11.RemoteProtocolError, TimeoutError, OSError."""
        while True:
            event = self.http.next_event()
            if not isinstance(event, type) or event is h11.PAUSED:
                return event
            if self.http.they_are_waiting_for_100_continue:
                await self.say(h11.InformationalResponse(status_code=100, headers=[]))
            with anyio.fail_after(self._idle_s):
                self.http.receive_data(await self.wire.receive())

    async def say(self, event: h11.Event) -> None:
        """Send an event. Raises h11.LocalProtocolError, TimeoutError, OSError."""
        if data := self.http.send(event):
            with anyio.fail_after(self._idle_s):
                await self.wire.send(data)


def passed_on(headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    """Give the headers that go on to the other side, without those of the connection."""
    listed = list(headers)
    named = {
        word.strip().lower() for name, value in listed if name == b"connection" for word in value.split(b",")
    }
    return [(name, value) for name, value in listed if name not in _OF_CONNECTION | named]


def framing(headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    """Give the header that says how long a body is, if there is one; chunks win, as h11 reads it."""
    listed = dict(headers)
    if b"transfer-encoding" in listed:
        return [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", listed[b"content-length"])] if b"content-length" in listed else []


class Exchange:
    """Carries one request to its host, and the response back."""

    def __init__(self, client: Speaker, upstream: Wire, target: Target, door: Door) -> None:
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=door.bounds.head_bytes)
        self._client = client
        self._upstream = Speaker(http, upstream, door.bounds.idle_s)
        self._target = target
        self._door = door

    async def run(self, request: h11.Request) -> None:
        """Carry both. Raises Denied, Unreachable, h11.RemoteProtocolError of the client, OSError."""
        target = self._target
        host = written(target.host, target.port)
        if target.port == HTTP_PORT:
            host = host.removesuffix(f":{HTTP_PORT}")
        own = [(b"host", host.encode()), (b"connection", b"close"), *framing(request.headers)]
        head = h11.Request(
            method=request.method, target=target.path.encode(), headers=own + passed_on(request.headers)
        )
        async with anyio.create_task_group() as group:
            group.start_soon(self._request, head)
            await self._response()
            group.cancel_scope.cancel()  # a host may answer before it has read all

    async def _request(self, head: h11.Request) -> None:
        """Send head and body, as far as the host takes them: it may answer and close before that."""
        passing: h11.Event | type[h11.PAUSED] = head
        while isinstance(passing, h11.Request | h11.Data | h11.EndOfMessage):
            if isinstance(passing, h11.Data):
                self._door.count(self._target.host, self._target.port, sent=len(passing.data))
            try:
                await self._upstream.say(_plain(passing))
            except OSError:
                return
            if isinstance(passing, h11.EndOfMessage):
                return
            passing = await self._client.hear()

    async def _response(self) -> None:
        try:
            event = await self._upstream.hear()
            while isinstance(event, h11.InformationalResponse):
                event = await self._upstream.hear()
            if not isinstance(event, h11.Response):
                raise Unreachable(f"{self._target.host} closed the connection without an answer")
        except (h11.RemoteProtocolError, OSError) as exc:
            raise Unreachable(f"{self._target.host} gave no answer in HTTP: {exc}") from exc
        headers = framing(event.headers) + passed_on(event.headers)
        await self._client.say(
            h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
        )
        try:
            while isinstance(part := await self._upstream.hear(), h11.Data):
                self._door.count(self._target.host, self._target.port, received=len(part.data))
                await self._client.say(h11.Data(data=part.data))
        except h11.RemoteProtocolError as exc:
            raise ConnectionAbortedError(str(exc)) from exc
        await self._client.say(h11.EndOfMessage())


def _plain(event: h11.Request | h11.Data | h11.EndOfMessage) -> h11.Event:
    """Give the event without what only its sender's framing needs: bounds of chunks, trailers."""
    if isinstance(event, h11.Data):
        return h11.Data(data=event.data)
    return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event
