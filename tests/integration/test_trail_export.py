"""The trail in the forms of others, read back by their tools; and every filter on the command line."""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import aat_verify  # type: ignore[import-untyped] # it has no types
import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped] # its stubs are not here
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pev.config import load_config
from pev.errors import ConfigInvalid
from pev.events import Kind
from pev.models import SERVER_STREAM, Host, Role
from pev.trail.export import csv_lines
from pev.trail.signing_key import load_signing_key
from pev.trail.store import Trail
from pev.trail.telemetry import trace_id
from support.collector import attributes
from support.commands import run_pev
from support.tampering import RUN, small_trail
from support.trail_events import AUTHOR, event


@pytest.fixture
def state(own_home: Path) -> Path:
    folder = load_config().state_dir
    small_trail(folder)
    return folder


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_events_are_written_as_lines_of_json_and_taking_them_out_is_an_event(state: Path) -> None:
    exported = lines(run_pev("trail", "export").out)

    assert [one["seq"] for one in exported] == list(range(29))
    with Trail.open(state / "trail.sqlite3") as trail:
        told = trail.event(29)
    assert told.kind is Kind.TRAIL_READ
    assert ((told.payload or {})["exported"], (told.payload or {})["size"]) == ("jsonl", 29)


def test_more_events_than_a_page_are_written_once_each(state: Path) -> None:
    with Trail.open(state / "trail.sqlite3") as trail:
        many = [event(Kind.COMMAND_RAN, n=n) for n in range(1_200)]
        trail.append(SERVER_STREAM, many, expected_version=None)

    exported = lines(run_pev("trail", "export").out)
    assert [one["seq"] for one in exported] == list(range(1_229))


def test_the_drafts_own_verifier_accepts_the_records(state: Path, tmp_path: Path) -> None:
    """From the records and the public key alone; and it does not, as soon as one is changed or left out."""
    ended = run_pev("trail", "export", "--format", "aat", "--keystore", str(tmp_path / "keys.json"))
    records = lines(ended.out)
    keys = json.loads((tmp_path / "keys.json").read_text(encoding="utf-8"))

    found = aat_verify.verify_trail(records, keys)
    assert found.ok, found.as_dict()
    assert len(records) == 29
    forged = [dict(one) for one in records]
    forged[7]["agent_id"] = "urn:pev:local:mallory"
    assert not aat_verify.verify_trail(forged, keys).ok
    assert not aat_verify.verify_trail(records[:7] + records[8:], keys).ok
    assert not aat_verify.verify_trail(records, {}).ok


def test_an_audit_record_says_what_it_must_and_no_payload(state: Path) -> None:
    """Twelve fields are mandatory in the draft; what was said stays in the trail, under its digest."""
    records = lines(run_pev("trail", "export", "--format", "aat", "--run", RUN).out)

    must = {"record_id", "timestamp", "agent_id", "agent_version", "session_id", "action_type"}
    must |= {"action_detail", "outcome", "trust_level", "parent_record_id", "prev_hash", "record_phase"}
    assert all(must <= set(one) for one in records)
    actions = {"tool_call", "tool_response", "decision", "delegation", "escalation", "error", "lifecycle"}
    assert {one["action_type"] for one in records} <= actions
    assert {one["outcome"] for one in records} <= {"success", "failure", "timeout", "denied", "escalated"}
    assert "divide by zero" not in json.dumps(records)
    assert len({one["record_id"] for one in records}) == len(records)


def test_a_spreadsheet_reads_the_csv_and_runs_nothing_in_it(tmp_path: Path) -> None:
    """A cell that begins like a formula would be one."""
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        actor = AUTHOR.model_copy(update={"principal": "=cmd|' /C calc'!A0", "host": Host(name='a,"b"\n')})
        made = event(Kind.TOOL_CALLED, actor, tool="@SUM(1)", note='x"y')
        stored = trail.append(SERVER_STREAM, [made], expected_version=0)

    header, row = csv.reader(io.StringIO("".join(csv_lines(stored))))
    cells = dict(zip(header, row, strict=True))
    assert cells["principal"] == "'=cmd|' /C calc'!A0"
    assert cells["tool"] == "'@SUM(1)"
    assert cells["host"] == 'a,"b"\n'
    assert json.loads(cells["payload"])["note"] == 'x"y'


def taken(form: str, kind: Any) -> list[Any]:
    """Export a run, and read each line as a collector does: ids are in hexadecimal there (OTLP, JSON)."""

    def ids(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: base64.b64encode(bytes.fromhex(one)).decode()
                if name.lower().endswith("spanid") or name == "traceId"
                else ids(one)
                for name, one in value.items()
            }
        return [ids(one) for one in value] if isinstance(value, list) else value

    ended = run_pev("trail", "export", "--format", form, "--run", RUN)
    return [ParseDict(ids(one), kind()) for one in lines(ended.out)]


def test_a_run_becomes_a_trace_of_spans(state: Path) -> None:
    """As a collector takes it; what took time is a span, all else an event of the run's span."""
    with Trail.open(state / "trail.sqlite3") as trail:
        called = event(Kind.TOOL_CALLED, tool="run_gate", outcome="ok", seconds=1.5)
        trail.append(f"run:{RUN}", [called], expected_version=None)  # type: ignore[arg-type] # a stream's name

    (request,) = taken("otel", ExportTraceServiceRequest)
    spans = [one for whole in request.resource_spans for scoped in whole.scope_spans for one in scoped.spans]

    root, *others = spans
    assert root.name == f"run:{RUN}"
    assert {one.trace_id for one in spans} == {trace_id(f"run:{RUN}").to_bytes(16, "big")}
    assert all(one.parent_span_id == root.span_id for one in others)
    assert "decision.answered" in [one.name for one in root.events]
    gate = others[-1]
    assert (gate.name, attributes(gate)["pev.outcome"]) == ("run_gate", "ok")
    assert gate.end_time_unix_nano - gate.start_time_unix_nano == 1_500_000_000
    assert attributes(request.resource_spans[0].resource)["service.name"] == "pev"


def test_every_event_becomes_a_log_record_of_its_runs_trace(state: Path) -> None:
    (request,) = taken("otel-logs", ExportLogsServiceRequest)
    records = [
        one for whole in request.resource_logs for each in whole.scope_logs for one in each.log_records
    ]

    assert len(records) == 14
    assert {one.trace_id for one in records} == {trace_id(f"run:{RUN}").to_bytes(16, "big")}
    assert {attributes(one)["pev.run.id"] for one in records} == {RUN}
    assert records[0].event_name == "pev.run.opened"
    assert {"INFO", "WARN"} == {one.severity_text for one in records}
    assert all(one.severity_number for one in records)


def test_a_long_log_becomes_more_lines_than_one(state: Path) -> None:
    with Trail.open(state / "trail.sqlite3") as trail:
        many = [event(Kind.COMMAND_RAN, n=n) for n in range(600)]
        trail.append(SERVER_STREAM, many, expected_version=None)

    written = lines(run_pev("trail", "export", "--format", "otel-logs", "--kind", "command.ran").out)
    counts = [len(one["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) for one in written]
    assert (counts[0], sum(counts)) == (500, 603)


def test_an_export_goes_into_a_file(state: Path, tmp_path: Path) -> None:
    assert run_pev("trail", "export", "--format", "csv", "-o", str(tmp_path / "trail.csv")).code == 0
    with (tmp_path / "trail.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 29
    assert run_pev("trail", "export", "-o", str(tmp_path / "no" / "x")).code == 5


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--run", RUN], 14),
        (["--kind", "gate.finished"], 4),
        (["--kind", "gate.finished", "--kind", "gate.started"], 8),
        (["--principal", "local:grace"], 2),
        (["--role", "person"], 2),
        (["--tool", "make_worktree"], 2),
        (["--check", "lint", "--outcome", "FAILED"], 2),
        (["--file", "src/app/calc.py", "--kind", "file.written"], 2),
        (["--file", "src/", "--run", RUN, "--kind", "file.written"], 1),
        (["--text", "import os"], 2),
        (["--since", "2001-01-01", "--limit", "5"], 5),
        (["--until", "2001-01-01"], 0),
    ],
)
def test_each_filter_narrows(state: Path, options: list[str], found: int) -> None:
    ended = run_pev("trail", "query", *options)

    assert ended.code == 0, ended.err
    assert len(lines(ended.out)) == found


def test_pages_follow_each_other_by_the_cursor(state: Path) -> None:
    """Stable: what was on one page is not on the next, and nothing is left out."""
    seen: list[int] = []
    options: list[str] = []
    while True:
        ended = run_pev("trail", "query", "--run", RUN, "--limit", "4", *options)
        seen += [one["seq"] for one in lines(ended.out)]
        if "--cursor" not in ended.err:
            break
        options = ["--cursor", ended.err.split("--cursor ")[1].strip()]
    assert seen == list(range(14))


@pytest.mark.parametrize(
    "options", [["--run", "x"], ["--file", ""], ["--text", "x" * 300], ["--cursor", "no"]]
)
def test_a_filter_of_another_form_is_refused(state: Path, options: list[str]) -> None:
    assert run_pev("trail", "query", *options).code in (2, 5)


def test_reading_is_an_event_too(state: Path) -> None:
    """Who asked what: an auditor is audited."""
    run_pev("trail", "query", "--role", "person")

    (last,) = lines(run_pev("trail", "query", "--kind", "trail.read").out)
    assert last["payload"]["query"]["role"] == "person"
    assert last["actor"]["role"] == Role.PERSON


def test_the_key_of_exports_is_its_owners_alone(tmp_path: Path) -> None:
    key = load_signing_key(tmp_path / "s" / "export.key")
    assert load_signing_key(tmp_path / "s" / "export.key").kid == key.kid
    assert (tmp_path / "s" / "export.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "s" / "export.key").chmod(0o644)
    with pytest.raises(ConfigInvalid, match="others can read"):
        load_signing_key(tmp_path / "s" / "export.key")
    (tmp_path / "bad").write_text("no key", encoding="utf-8")
    (tmp_path / "bad").chmod(0o600)
    with pytest.raises(ConfigInvalid, match="is no key"):
        load_signing_key(tmp_path / "bad")
