"""`pev trail query` and `export`: every filter there is, page by page, and the log in forms of others."""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
import typer
from pydantic import ValidationError

from pev.engine import open_engine, parse_run_id
from pev.errors import InvalidInput, StorageFailed
from pev.events import Event, Kind
from pev.models import Role
from pev.trail import export as forms
from pev.trail.query import TrailQuery
from pev.trail.signing_key import load_signing_key
from pev.trail.telemetry import logs, spans
from pev_server.cli.exits import Exit
from pev_server.cli.main import asynchronous, configured
from pev_server.cli.output import print_json, print_note
from pev_server.cli.person import operator

_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


class Form(StrEnum):
    """A form that events can be written in."""

    JSONL = "jsonl"
    CSV = "csv"
    AAT = "aat"
    OTEL = "otel"
    OTEL_LOGS = "otel-logs"


RunOption = Annotated[str | None, typer.Option(metavar="RUN", help="Only this run.")]
KindOption = Annotated[list[Kind] | None, typer.Option("--kind", help="Only this kind; repeatable.")]
SinceOption = Annotated[datetime | None, typer.Option(formats=_TIMES, help="From this time on, in UTC.")]
UntilOption = Annotated[datetime | None, typer.Option(formats=_TIMES, help="Before this time, in UTC.")]


_Writer = Callable[[Iterable[Event]], Iterator[str]]
_WRITERS: Final[dict[Form, _Writer]] = {
    Form.JSONL: forms.json_lines,
    Form.CSV: forms.csv_lines,
    Form.OTEL: spans,
    Form.OTEL_LOGS: logs,
}
"""Every form but that of records, which are signed."""


def _question(run: str | None, kinds: list[Kind] | None, **sides: Any) -> TrailQuery:
    for name in ("since", "until"):
        moment = sides.get(name)
        if isinstance(moment, datetime) and moment.tzinfo is None:
            from datetime import UTC

            sides[name] = moment.replace(tzinfo=UTC)
    try:
        return TrailQuery(run=parse_run_id(run) if run else None, kinds=tuple(kinds or ()), **sides)
    except ValidationError as exc:
        said = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in exc.errors())
        raise InvalidInput(f"a filter cannot be used: {said}", hint="Correct it.") from exc


@asynchronous
async def query(
    run: RunOption = None,
    kind: KindOption = None,
    principal: Annotated[str | None, typer.Option(help="Only what this principal did.")] = None,
    role: Annotated[Role | None, typer.Option(help="Only what was done in this role.")] = None,
    tool: Annotated[str | None, typer.Option(help="Only calls of this tool.")] = None,
    check: Annotated[str | None, typer.Option(help="Only what tells of this check.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only what ended so: ok, PASSED, FAILED, …")] = None,
    file: Annotated[
        str | None, typer.Option(help="Only what tells of this file, or with a / at its end, folder.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    text: Annotated[str | None, typer.Option(help="Only what holds this text.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most events of one page.")] = 100,
    cursor: Annotated[str | None, typer.Option(help="Goes on after an earlier page.")] = None,
) -> int:
    """Ask the trail; filters narrow each other. One line of JSON an event; a cursor on standard error."""
    question = _question(
        run,
        kind,
        principal=principal,
        role=role,
        tool=tool,
        check=check,
        outcome=outcome,
        path=file,
        since=since,
        until=until,
        text=text,
        newest_first=newest,
        limit=limit,
        cursor=cursor,
    )
    async with open_engine(configured()) as engine:
        page = await engine.reading.query(operator(), question)
    for event in page.events:
        print_json(event.model_dump_json())
    if page.cursor is not None:
        print_note(f"there may be more: --cursor {page.cursor}")
    return Exit.OK


@asynchronous
async def export(
    form: Annotated[Form, typer.Option("--format", help="The form to write.")] = Form.JSONL,
    run: RunOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not standard output.")
    ] = None,
    keystore: Annotated[
        Path | None, typer.Option(help="With aat: write the public key for the verifier to this file.")
    ] = None,
) -> int:
    """Write events as JSON lines, CSV, agent audit trail records, OpenTelemetry spans or log records."""
    question, config = _question(run, kind, since=since, until=until), configured()
    if form is Form.AAT:
        key = await anyio.to_thread.run_sync(load_signing_key, config.state_dir / "export.key")
        session = f"run:{run}" if run else "trail"
        write: _Writer = partial(forms.audit_records, key=key, session=session)
        if keystore is not None:
            _write(keystore, [forms.keystore(key)])
    else:
        write = _WRITERS[form]
    async with open_engine(config) as engine:
        await engine.reading.export(
            operator(), question, form.value, lambda events: _write(output, write(events))
        )
    return Exit.OK


def _write(output: Path | None, lines: Iterable[str]) -> None:
    if output is None:
        for line in lines:
            sys.stdout.write(line)
        sys.stdout.flush()
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except OSError as exc:
        raise StorageFailed(f"{output} cannot be written: {exc.strerror}", hint="Name another file.") from exc
