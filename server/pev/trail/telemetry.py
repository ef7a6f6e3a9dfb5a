"""Events as OpenTelemetry spans and log records: one trace for each run.

Needs the extra `otel`; the SDK is imported only here, when events are written so. Ids are made of the stream
and of the event's number, so that the same log gives the same trace, whoever writes it and how often. What
stands in a payload stays there, but for a few short sides by which events are found.
"""

import base64
import hashlib
import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pev.errors import ToolMissing
from pev.events import Event, Kind
from pev.models import run_of_stream

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanContext

SCOPE: Final = "pev.trail"
"""The name of the instrumentation in what is written here."""
RUN: Final = "pev.run.id"
"""The attribute that names the run in every span and log record of it, also in those of the server."""
_TIMED: Final = frozenset({Kind.TOOL_CALLED, Kind.COMMAND_RAN, Kind.CHECK_RAN, Kind.GATE_FINISHED})
"""Kinds that tell how long something took, and become spans; all others are events of their run's span."""
_LOUD: Final = frozenset(
    {
        *(Kind.DECISION_REFUSED, Kind.ROLE_REFUSED, Kind.NETWORK_DENIED, Kind.RUN_ESCALATED),
        *(Kind.PAYLOAD_ERASED, Kind.GATE_CANCELLED),
    }
)
"""Kinds that somebody may want to hear of, whatever their outcome."""
_QUIET: Final = frozenset({"ok", "PASSED", "SKIPPED"})
_BUG: Final = "server.bug"
_SIDES: Final = ("tool", "check", "outcome", "path")
_ENCODERS: Final = "opentelemetry.exporter.otlp.proto.common"
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
_LINE_RECORDS: Final = 500
_NS: Final = 1_000_000_000


def spans(events: Iterable[Event]) -> Iterator[str]:
    """Write the trace of each stream as a line of OTLP's JSON: its span, and one for each timed event in it.

    A collector takes a line as it is, at `/v1/traces`. Holds the events in memory: name a run of a large log,
    or a time. Raises ToolMissing without the extra `otel`.
    """
    encode = _extra(f"{_ENCODERS}.trace_encoder", "encode_spans")
    streams: dict[str, list[Event]] = {}
    for event in events:
        streams.setdefault(event.stream, []).append(event)
    for own in streams.values():
        yield _otlp_json(encode([root_span(own), *filter(None, map(event_span, own))]))


def logs(events: Iterable[Event]) -> Iterator[str]:
    """Write a log record for each event, some hundreds in a line of OTLP's JSON, for `/v1/logs`.

    Raises ToolMissing without the extra `otel`.
    """
    encode, following = _extra(f"{_ENCODERS}._log_encoder", "encode_logs"), iter(events)
    while batch := list(islice(following, _LINE_RECORDS)):
        yield _otlp_json(encode([log_record(event) for event in batch]))


def _extra(module: str, name: str) -> Callable[..., Any]:
    """Give a function of a library that only the extra brings."""
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ImportError as exc:
        raise ToolMissing(
            "OpenTelemetry is not installed", hint="Install PEV with the extra `otel`: pev-server[otel]."
        ) from exc
    return found


def _otlp_json(message: Any) -> str:
    """Write a message of OTLP as JSON: as protobuf has it, but for ids, which are in hexadecimal there.

    See https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
    """
    whole = _extra("google.protobuf.json_format", "MessageToDict")(message, use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(whole), separators=(",", ":")) + "\n"


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: base64.b64decode(one).hex() if name in _IDS else _with_hex_ids(one)
            for name, one in value.items()
        }
    return [_with_hex_ids(one) for one in value] if isinstance(value, list) else value


def trace_id(stream: str) -> int:
    """Give the id of a stream's trace."""
    return int.from_bytes(hashlib.sha256(b"trace " + stream.encode()).digest()[:16], "big")


def context_of(stream: str, seq: int | None = None) -> "SpanContext":
    """Name the span of a stream, or of an event in it."""
    from opentelemetry.trace import SpanContext, TraceFlags

    name = stream if seq is None else f"{stream} {seq}"
    number = int.from_bytes(hashlib.sha256(f"span {name}".encode()).digest()[:8], "big")
    return SpanContext(trace_id(stream), number, is_remote=False, trace_flags=TraceFlags(1))


def root_span(events: Sequence[Event]) -> "ReadableSpan":
    """Give the span of a stream, from the first of its `events` to the last; the untimed are told in it."""
    from opentelemetry.sdk import trace

    stream = events[0].stream
    told = [
        trace.Event(event.kind.value, attributes=_attributes(event), timestamp=_at(event))
        for event in events
        if event.kind not in _TIMED
    ]
    return _span(
        name=stream,
        context=context_of(stream),
        attributes=_stream_attributes(stream),
        events=told,
        start_time=min(_begun(event) for event in events),
        end_time=_at(events[-1]),
    )


def event_span(event: Event, links: "Sequence[Link]" = ()) -> "ReadableSpan | None":
    """Give the span of an event that tells how long something took; None for any other."""
    if event.kind not in _TIMED:
        return None
    return _span(
        name=str((event.payload or {}).get("tool", event.kind.value)),
        context=context_of(event.stream, event.seq),
        parent=context_of(event.stream),
        attributes=_attributes(event),
        links=links,
        start_time=_begun(event),
        end_time=_at(event),
    )


def log_record(event: Event) -> "ReadableLogRecord":
    """Give the log record of an event, in its own span, or else in that of its stream."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    span = context_of(event.stream, event.seq if event.kind in _TIMED else None)
    severity = _severity(event)
    record = LogRecord(
        timestamp=_at(event),
        observed_timestamp=_at(event),
        context=set_span_in_context(NonRecordingSpan(span)),
        severity_text=severity,
        severity_number=SeverityNumber[severity],
        body=_sentence(event),
        attributes=_attributes(event),
        event_name=f"pev.{event.kind.value}",
    )
    return ReadableLogRecord(record, resource(), _scope())


@cache
def resource() -> "Resource":
    """Give what is known of this program: the standard variables first, then its own name and version."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    from pev import __version__

    ours = Resource({"service.name": "pev", "service.version": __version__})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


def _span(**fields: Any) -> "ReadableSpan":
    from opentelemetry.sdk.trace import ReadableSpan

    return ReadableSpan(resource=resource(), instrumentation_scope=_scope(), **fields)


@cache
def _scope() -> Any:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from pev import __version__

    return InstrumentationScope(SCOPE, __version__)


def _stream_attributes(stream: str) -> dict[str, Any]:
    run = run_of_stream(stream)
    return {"pev.stream": stream, **({} if run is None else {RUN: run})}


def _attributes(event: Event) -> dict[str, Any]:
    return {
        **_stream_attributes(event.stream),
        "pev.event": event.seq,
        "pev.kind": event.kind.value,
        "pev.principal": event.actor.principal,
        "pev.role": event.actor.role.value,
        "pev.host": event.actor.host.name,
        **{f"pev.{name}": value for name, value in _sides(event).items()},
    }


def _sides(event: Event) -> dict[str, str]:
    body = event.payload or {}
    return {name: body[name] for name in _SIDES if isinstance(body.get(name), str)}


def _severity(event: Event) -> str:
    outcome = _sides(event).get("outcome", "ok")
    if outcome == _BUG:
        return "ERROR"
    return "WARN" if event.kind in _LOUD or outcome not in _QUIET else "INFO"


def _sentence(event: Event) -> str:
    """Say in a line what happened, for a person who reads logs."""
    sides = _sides(event)
    about = " ".join(sides[name] for name in ("tool", "check", "path") if name in sides)
    outcome = f": {sides['outcome']}" if "outcome" in sides else ""
    return f"{event.kind.value}{' ' if about else ''}{about}{outcome}, by {event.actor.principal}"


def _at(event: Event) -> int:
    moment = datetime.fromisoformat(event.at)
    return int(moment.timestamp()) * _NS + moment.microsecond * 1_000


def _begun(event: Event) -> int:
    seconds = (event.payload or {}).get("seconds", 0.0)
    known = isinstance(seconds, int | float) and event.kind in _TIMED
    return _at(event) - int(float(seconds) * _NS) if known else _at(event)
