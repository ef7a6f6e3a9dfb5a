"""Events as OpenTelemetry spans: one trace for each run, in the SDK's own data model.

Needs the extra `otel`; the SDK is imported only here, when an export asks for it. Ids are made of the stream
and of the event's number, so that the same log gives the same spans, and a run's trace can be looked up.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from pev.errors import ToolMissing
from pev.events import Event, Kind

_TIMED: Final = frozenset({Kind.TOOL_CALLED, Kind.COMMAND_RAN, Kind.CHECK_RAN, Kind.GATE_FINISHED})
"""Kinds that tell how long something took, and become spans; all others are events of their run's span."""
_NS: Final = 1_000_000_000


def spans(events: Iterable[Event]) -> Iterator[str]:
    """Write a span for each stream, and one for each timed event in it, as one line of JSON each.

    Holds the events in memory: name a run, or a time, of a large log. Raises ToolMissing without the SDK.
    """
    try:
        from opentelemetry.sdk import trace
    except ImportError as exc:
        raise ToolMissing(
            "opentelemetry-sdk is not installed", hint="Install PEV with the extra `otel`: pev-server[otel]."
        ) from exc
    streams: dict[str, list[Event]] = {}
    for event in events:
        streams.setdefault(event.stream, []).append(event)
    for stream, own in streams.items():
        for span in _of_stream(trace, stream, own):
            yield str(span.to_json(indent=None)) + "\n"


def trace_id(stream: str) -> int:
    """Give the id of a stream's trace."""
    return int.from_bytes(hashlib.sha256(b"trace " + stream.encode()).digest()[:16], "big")


def _of_stream(trace: Any, stream: str, events: list[Event]) -> Iterator[Any]:
    from opentelemetry.trace import SpanContext, TraceFlags

    def context(name: str) -> SpanContext:
        number = int.from_bytes(hashlib.sha256(f"span {name}".encode()).digest()[:8], "big")
        return SpanContext(trace_id(stream), number, is_remote=False, trace_flags=TraceFlags(1))

    root = context(stream)
    told = [
        trace.Event(event.kind.value, attributes=_attributes(event), timestamp=_at(event))
        for event in events
        if event.kind not in _TIMED
    ]
    yield trace.ReadableSpan(
        name=stream,
        context=root,
        attributes={"pev.stream": stream, "pev.run": stream.partition("run:")[2]},
        events=told,
        start_time=min(_begun(event) for event in events),
        end_time=_at(events[-1]),
    )
    for event in events:
        if event.kind in _TIMED:
            yield trace.ReadableSpan(
                name=str((event.payload or {}).get("tool", event.kind.value)),
                context=context(f"{stream} {event.seq}"),
                parent=root,
                attributes=_attributes(event),
                start_time=_begun(event),
                end_time=_at(event),
            )


def _attributes(event: Event) -> dict[str, Any]:
    body = event.payload or {}
    said = {
        f"pev.{name}": body[name] for name in ("tool", "check", "outcome", "path") if _is_plain(body, name)
    }
    return {
        "pev.event": event.seq,
        "pev.kind": event.kind.value,
        "pev.principal": event.actor.principal,
        "pev.role": event.actor.role.value,
        "pev.host": event.actor.host.name,
        **said,
    }


def _is_plain(body: dict[str, Any], name: str) -> bool:
    return isinstance(body.get(name), str)


def _at(event: Event) -> int:
    moment = datetime.fromisoformat(event.at)
    return int(moment.timestamp()) * _NS + moment.microsecond * 1_000


def _begun(event: Event) -> int:
    seconds = (event.payload or {}).get("seconds", 0.0)
    known = isinstance(seconds, int | float) and event.kind in _TIMED
    return _at(event) - int(float(seconds) * _NS) if known else _at(event)
