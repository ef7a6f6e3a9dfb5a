"""Spans and log records of events, and what the server exports of itself."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pev.config import load_config
from pev.errors import ToolMissing
from pev.events import Event, Kind
from pev.models import SERVER_STREAM, RunId, run_stream
from pev.trail.redact import Redactor
from pev.trail.store import Trail
from pev.trail.telemetry import RUN as RUN_NAME
from pev.trail.telemetry import context_of, event_span, log_record, root_span, spans, trace_id
from pev_server import telemetry
from pev_server.telemetry import Telemetry, is_wanted, name_run
from support.tampering import RUN, small_trail
from support.trail_events import event, opened

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
SECRET = "ghp_" + "a1B2c3D4e5" * 4


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    with Trail.open(small_trail(tmp_path)) as one:
        yield one


@pytest.fixture
def no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be one in which nobody set a provider, whatever ran in it before."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", type(trace._TRACER_PROVIDER_SET_ONCE)())


def stored(trail: Trail, kind: Kind, **payload: Any) -> Event:
    return trail.append(SERVER_STREAM, [event(kind, **payload)], expected_version=None)[0]


@pytest.mark.parametrize(
    ("kind", "payload", "severity", "body"),
    [
        (Kind.TOOL_CALLED, {"tool": "run_gate", "outcome": "ok"}, "INFO", "tool.called run_gate: ok"),
        (
            Kind.TOOL_CALLED,
            {"tool": "x", "outcome": "plan.unapproved"},
            "WARN",
            "tool.called x: plan.unapproved",
        ),
        (Kind.TOOL_CALLED, {"tool": "x", "outcome": "server.bug"}, "ERROR", "tool.called x: server.bug"),
        (Kind.CHECK_RAN, {"check": "lint", "outcome": "PASSED"}, "INFO", "check.ran lint: PASSED"),
        (
            Kind.CHECK_RAN,
            {"check": "lint", "outcome": "INCONCLUSIVE"},
            "WARN",
            "check.ran lint: INCONCLUSIVE",
        ),
        (Kind.GATE_FINISHED, {"outcome": "FAILED"}, "WARN", "gate.finished: FAILED"),
        (Kind.NETWORK_DENIED, {"host": "example.org"}, "WARN", "network.denied"),
        (Kind.FILE_WRITTEN, {"path": "a.py"}, "INFO", "file.written a.py"),
    ],
)
def test_a_log_record_says_in_a_line_what_happened_and_how_loud_that_is(
    trail: Trail, kind: Kind, payload: dict[str, Any], severity: str, body: str
) -> None:
    record = log_record(stored(trail, kind, **payload)).log_record

    assert record.severity_text == severity
    assert record.body == f"{body}, by local:ada"
    assert record.event_name == f"pev.{kind}"
    assert record.timestamp


def test_a_log_record_stands_in_the_span_of_its_event(trail: Trail) -> None:
    """With the names that the span has, so that one question finds both."""
    own = trail.read(run_stream(RUN))
    root = root_span(own)
    for one in own:
        record, span = log_record(one).log_record, event_span(one) or root
        assert span.context is not None
        assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
        assert dict(record.attributes or {}).items() >= dict(root.attributes or {}).items()
        if span is not root:
            assert dict(record.attributes or {}) == dict(span.attributes or {})
    assert (root.attributes or {})[RUN_NAME] == RUN


def test_what_a_payload_says_stays_in_the_trail(trail: Trail) -> None:
    """Arguments, commands and answers may hold anything."""
    one = stored(trail, Kind.TOOL_CALLED, tool="x", arguments={"task": "secret plans"}, note="secret plans")
    span = event_span(one)
    assert span is not None
    assert "secret plans" not in span.to_json() + log_record(one).to_json()


def test_the_standard_variables_name_the_service(tmp_path: Path) -> None:
    code = "from pev.trail.telemetry import resource; print(resource().attributes['service.name'])"
    for more, name in (({}, "pev"), ({"OTEL_SERVICE_NAME": "gatehouse"}, "gatehouse")):
        ended = subprocess.run(
            [sys.executable, "-c", code], env=more, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert ended.stdout.strip() == name


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.common.trace_encoder", None)
    with pytest.raises(ToolMissing, match="OpenTelemetry is not installed") as caught:
        next(spans([]))
    assert "pev-server[otel]" in caught.value.hint


def test_starting_the_server_loads_nothing_of_the_sdk(tmp_path: Path) -> None:
    """A host waits for the list of tools."""
    code = (
        "import sys, pev_server.app\n"
        "names = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "print([one for one in sys.modules if one.startswith(names)])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:4318/v1/logs"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, True),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "True "}, False),
    ],
)
def test_the_operators_variables_decide(environ: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environ) is wanted


def test_a_provider_that_somebody_set_is_left_alone(
    no_provider: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

    assert telemetry.start(load_config()) is None
    assert trace.get_tracer_provider() is provider
    assert "has a provider of spans already" in caplog.text


def test_a_protocol_that_is_not_spoken_is_not_used_in_silence(
    no_provider: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")

    assert telemetry.start(load_config()) is None
    assert "OTLP over grpc is asked for" in caplog.text


def test_without_the_exporter_the_server_starts_and_says_so(
    no_provider: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The variables may be meant for another program of the same machine."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    assert telemetry.start(load_config()) is None
    assert "extra `otel`" in caplog.text


def exported(trail: Trail, *, fails: bool = False) -> tuple[tuple[ReadableSpan, ...], list[Any]]:
    """Append to a run until it is over, and give the spans and log records that this was exported as."""

    class Failing(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise ConnectionError("the collector is gone")

    into, logs = Failing() if fails else InMemorySpanExporter(), cast("Any", InMemoryLogRecordExporter)()
    live = Telemetry(into, logs, Redactor())
    live.attach(trail)
    stream = run_stream(RunId("0000000a"))
    trail.append(stream, [opened()], expected_version=0)
    trail.append(stream, [event(Kind.TOOL_CALLED, tool="x", outcome="ok", seconds=0.5)], expected_version=1)
    trail.append(stream, [event(Kind.RUN_ABANDONED, reason="enough")], expected_version=2)
    live.stop()
    trail.append(SERVER_STREAM, [event(Kind.COMMAND_RAN, n=1)], expected_version=None)
    return into.get_finished_spans(), list(logs.get_finished_logs())


def test_events_are_exported_as_they_happen_and_the_run_when_it_is_over(trail: Trail) -> None:
    found, logs = exported(trail)

    assert [one.name for one in found] == ["x", "run:0000000a"]
    assert [one.log_record.event_name for one in logs] == [
        "pev.run.opened",
        "pev.tool.called",
        "pev.run.abandoned",
    ]
    assert {one.context.trace_id for one in found if one.context} == {trace_id("run:0000000a")}
    assert found[0].parent == found[1].context == context_of("run:0000000a")


def test_a_collector_that_fails_is_in_nobodys_way(trail: Trail, caplog: pytest.LogCaptureFixture) -> None:
    """What was appended is there, and what could be exported was."""
    found, logs = exported(trail, fails=True)

    assert (len(found), len(logs)) == (0, 3)
    assert trail.version(run_stream(RunId("0000000a"))) == 3
    assert trail.verify().intact


def test_a_collector_that_never_answers_does_not_keep_a_server_from_ending(
    trail: Trail, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(telemetry, "STOP_S", 0.2)
    answered = threading.Event()

    class Silent(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            answered.wait()
            return SpanExportResult.SUCCESS

    live = Telemetry(Silent(), None, Redactor())
    live.attach(trail)
    stored(trail, Kind.TOOL_CALLED, tool="x", outcome="ok", seconds=0.1)
    try:
        live.stop()
        assert not answered.is_set()
        assert "was not exported within 0.2 s" in caplog.text
    finally:
        answered.set()


def test_the_operators_sampler_decides_for_a_whole_run(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    found, logs = exported(trail)

    assert (len(found), len(logs)) == (0, 3)


def test_the_frameworks_spans_leave_without_what_was_said(trail: Trail) -> None:
    """The message of an error quotes its caller; a session's id lets one speak in that session."""
    into = InMemorySpanExporter()
    live = Telemetry(into, None, Redactor())
    tracer = live.provider.get_tracer("fastmcp")
    told = {"mcp.session.id": "s1", "mcp.method.name": "tools/call", "gen_ai.tool.name": SECRET, "other": "x"}

    def fails() -> None:
        with tracer.start_as_current_span(f"tools/call {SECRET}", attributes=told):
            name_run(RUN)
            raise ValueError("the plan is to leave")

    with pytest.raises(ValueError, match="the plan"):
        fails()
    live.stop()

    (span,) = into.get_finished_spans()
    assert dict(span.attributes or {}) == {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "[redacted:github-token]",
        RUN_NAME: RUN,
    }
    assert span.name == "tools/call [redacted:github-token]"
    assert span.status.status_code is trace.StatusCode.ERROR
    assert [link.context for link in span.links] == [context_of(run_stream(RUN))]
    assert "the plan" not in span.to_json()


def test_a_call_that_nobody_traces_is_named_nowhere() -> None:
    name_run(RUN)
    assert not trace.get_current_span().is_recording()
