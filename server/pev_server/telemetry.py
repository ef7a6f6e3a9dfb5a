"""The server's own telemetry: the framework's spans joined to runs, and events exported as they happen.

The only module of the server that knows OpenTelemetry. An operator switches it on by the standard variables
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/), with the extra `otel`; otherwise nothing of the
SDK is imported. What leaves the process holds names, ids, outcomes and times; no argument, no answer, no
message of an error. What goes wrong here is logged, and never in the way of a call.
"""

import logging
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext

from pev.config import Config
from pev.errors import PevError, RunUnknown
from pev.events import Event, Kind
from pev.models import RunId, run_of_stream, run_stream
from pev.run import TERMINAL
from pev.trail import telemetry as shapes

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from pev.trail.redact import Redactor
    from pev.trail.store import Trail

log = logging.getLogger("pev.server")
STOP_S: Final = 5.0
"""How long an ending server waits for what is still to be exported, in seconds."""
MAX_TEXT: Final = 200
_ENDPOINTS: Final = tuple(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT" for part in ("", "TRACES_", "LOGS_"))
_PROTOCOL: Final = "http/protobuf"
_TOLD: Final = frozenset(
    {
        *("mcp.method.name", "mcp.protocol.version", "mcp.resource.uri", "gen_ai.tool.name"),
        *("gen_ai.prompt.name", "fastmcp.server.name", "fastmcp.component.type", "fastmcp.component.key"),
        *("fastmcp.span.seam", "enduser.id", "error.type", "rpc.response.status_code", shapes.RUN),
    }
)
"""The attributes of the framework's spans that may leave; not, for instance, a session's id."""
_ENDS: Final = frozenset({Kind.PR_SYNCED, Kind.RUN_ABANDONED})


def name_run(run_id: RunId) -> None:
    """Join the framework's span of this call, if there is one that is recorded, to the run's trace."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute(shapes.RUN, run_id)
        span.add_link(shapes.context_of(run_stream(run_id)))


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Say whether the operator's variables ask for an export."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    chosen = [environ.get(f"OTEL_{part}_EXPORTER") for part in ("TRACES", "LOGS")]
    return "otlp" in chosen or (any(environ.get(name) for name in _ENDPOINTS) and chosen != ["none", "none"])


def start(config: Config) -> "Telemetry | None":
    """Begin to export, where the operator's variables ask for it and the extra `otel` is installed.

    Leaves alone a provider of spans that somebody else set up in this process.
    """
    if not is_wanted(os.environ):
        return None
    for part in ("", "TRACES_", "LOGS_"):
        protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{part}PROTOCOL") or _PROTOCOL
        if protocol != _PROTOCOL:
            log.warning("no telemetry: OTLP over %s is asked for, and PEV speaks %s", protocol, _PROTOCOL)
            return None
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        log.warning("no telemetry of PEV's own: this process has a provider of spans already")
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        log.warning("no telemetry: PEV was installed without its extra `otel` (pev-server[otel])")
        return None
    from pev.trail.redact import operator_redactor

    spans = OTLPSpanExporter() if _is_on("TRACES") else None
    logs = OTLPLogExporter() if _is_on("LOGS") else None
    telemetry = Telemetry(spans, logs, operator_redactor(config))
    telemetry.observe()
    return telemetry


def _is_on(part: str) -> bool:
    return os.environ.get(f"OTEL_{part}_EXPORTER", "otlp") != "none"


class Telemetry:
    """Exports the framework's spans, and the spans and log records of events, until it is stopped."""

    def __init__(
        self, spans: "SpanExporter | None", logs: "LogRecordExporter | None", redactor: "Redactor"
    ) -> None:
        """Stand on exporters; None for what is not to be exported."""
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(resource=shapes.resource(), shutdown_on_exit=False)
        self._spans = None
        if spans is not None:
            self._spans = BatchSpanProcessor(cast("SpanExporter", _Discreet(spans, redactor)))
            self.provider.add_span_processor(self._spans)
        self._logs = BatchLogRecordProcessor(logs) if logs is not None else None
        self._trail: Trail | None = None
        self._heard: queue.SimpleQueue[tuple[SpanContext, Sequence[Event]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name="pev-telemetry", daemon=True)
        self._thread.start()

    def observe(self) -> None:
        """Have the framework's spans of this process exported, from now on."""
        trace.set_tracer_provider(self.provider)

    def attach(self, trail: "Trail") -> None:
        """Export what is appended to a trail, from now on."""
        self._trail = trail
        trail.listen(self._hear)

    def stop(self) -> None:
        """Export what is left, for some seconds at most, and end."""
        if self._trail is not None:
            self._trail.listen(None)
        ending = threading.Thread(target=self._finish, name="pev-telemetry-end", daemon=True)
        ending.start()
        ending.join(STOP_S)
        if ending.is_alive():
            log.warning("some telemetry was not exported within %g s", STOP_S)

    def _finish(self) -> None:
        self._heard.put(None)
        self._thread.join()
        for part in (self._spans, self._logs):
            if part is not None:
                cast("Any", part).shutdown()

    def _hear(self, events: Sequence[Event]) -> None:
        self._heard.put((trace.get_current_span().get_span_context(), events))

    def _tell(self) -> None:
        while (heard := self._heard.get()) is not None:
            called_by, events = heard
            for event in events:
                try:
                    self._export(event, called_by)
                except Exception:
                    log.exception("event %s is not in the telemetry", event.seq)

    def _export(self, event: Event, called_by: SpanContext) -> None:
        if self._logs is not None:
            self._logs.on_emit(_writable(event))
        if self._spans is None or not self._is_sampled(event.stream):
            return
        links = (Link(called_by),) if called_by.is_valid else ()
        span = shapes.event_span(event, links)
        if span is not None:
            self._spans.on_end(span)
        if event.kind in _ENDS:
            self._export_whole(event, self._spans)

    def _export_whole(self, event: Event, spans: Any) -> None:
        """Export the span of a run that is over, which holds all others."""
        run = run_of_stream(event.stream)
        if run is None or self._trail is None:
            return
        try:
            if self._trail.run_state(run).status in TERMINAL:
                spans.on_end(shapes.root_span(self._trail.read(event.stream)))
        except RunUnknown:
            return  # erased meanwhile
        except PevError as exc:
            log.warning("the span of run %s is not in the telemetry: %s", run, exc)

    def _is_sampled(self, stream: str) -> bool:
        """Ask the operator's sampler about the whole trace of a stream."""
        found: Any = self.provider.sampler.should_sample(None, shapes.trace_id(stream), stream)
        return bool(found.decision.is_sampled())


def _writable(event: Event) -> Any:
    from opentelemetry.sdk._logs import ReadWriteLogRecord

    readable = shapes.log_record(event)
    return ReadWriteLogRecord(
        readable.log_record, resource=readable.resource, instrumentation_scope=readable.instrumentation_scope
    )


class _Discreet:
    """An exporter before another one: it takes out of the framework's spans what is not for others.

    Their events and the descriptions of their status are messages of errors, with the values that a caller
    gave; a session's id lets one speak in that session.
    """

    def __init__(self, inner: "SpanExporter", redactor: "Redactor") -> None:
        self._inner = inner
        self._redactor = redactor

    def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
        """Export spans, those of others without what they tell too much."""
        return self._inner.export([self._discreet(span) for span in spans])

    def shutdown(self) -> None:
        """End the other exporter."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the other exporter finish."""
        return self._inner.force_flush(timeout_millis)

    def _discreet(self, span: "ReadableSpan") -> "ReadableSpan":
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Status

        scope = span.instrumentation_scope
        if scope is not None and scope.name == shapes.SCOPE:
            return span  # made of the trail, which holds no secret
        told = {name: value for name, value in (span.attributes or {}).items() if name in _TOLD}
        return ReadableSpan(
            name=self._short(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={
                name: self._short(one) if isinstance(one, str) else one for name, one in told.items()
            },
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=scope,
        )

    def _short(self, text: str) -> str:
        return str(self._redactor.text(text[: 4 * MAX_TEXT]).value)[:MAX_TEXT]
