"""`pev trail`: what happened, whether the record is intact, and its projections made anew.

Its other commands stand in `proving`; here they are only registered.
"""

import json
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from pev.engine import Engine, open_engine, parse_run_id
from pev.errors import InvalidInput, PevError
from pev.stages.examining import stoppable
from pev.trail.faults import Fault
from pev.trail.merkle import TreeHead
from pev.trail.proof import MAX_PROOF_BYTES
from pev.trail.query import TrailQuery
from pev.trail.telling import name_actor, tell
from pev.trail.verify import Examined
from pev.trail.watch import Watch
from pev_server.cli import asking, erasing, proving
from pev_server.cli.exits import Exit
from pev_server.cli.main import JsonOption, asynchronous, configured
from pev_server.cli.output import print_json, print_note, print_table, print_text
from pev_server.cli.page import serve_page
from pev_server.cli.person import operator, require_terminal

CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        help="What was kept elsewhere: a checkpoint, a proof, or a head as `pev trail head` prints it."
    ),
]


class _ShowByDefault(TyperGroup):
    """Makes `pev trail` and `pev trail RUN` mean `pev trail show …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` before anything that is no subcommand."""
        if "--help" not in args and (not args or args[0] not in self.commands):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app: Final = typer.Typer(
    cls=_ShowByDefault,
    rich_markup_mode=None,
    help="Show and verify the trail: what happened, and who decided.",
)


@app.command()
@asynchronous
async def show(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Only this run.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most events to show.")] = 100,
    text: Annotated[str | None, typer.Option(help="Only events that hold this text.")] = None,
    as_json: JsonOption = False,
    open_page: Annotated[
        bool, typer.Option("--open", help="Serve the page on loopback, until it is interrupted.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="With --open: open a browser too.")] = True,
    checkpoint: CheckpointOption = None,
    key: proving.KeyOption = None,
) -> int:
    """Show the newest events, oldest first; with --json a line each.

    With --open read runs, their timelines and proofs in a browser, with the proof state of the record, held
    against the checkpoint if there is one. Needs a terminal then.
    """
    run_id = parse_run_id(run) if run else None
    if checkpoint is not None and not open_page:
        raise InvalidInput("--checkpoint stands without --open", hint="Use `pev trail verify` for it.")
    if open_page:
        require_terminal("opening the page")
        async with open_engine(configured()) as engine:
            if checkpoint is not None:
                await _hold(engine, checkpoint, key)
            await serve_page(engine, browser=browser, to=f"trail/runs/{run_id}" if run_id else "trail/")
        return Exit.OK
    query = TrailQuery(run=run_id, limit=limit, newest_first=True, text=text)
    async with open_engine(configured()) as engine:
        page = await engine.reading.query(operator(), query)
    events = list(reversed(page.events))
    if as_json:
        for event in events:
            print_json(event.model_dump_json())
        return Exit.OK
    # of one run the stream is known, and a sentence says the kind
    where = [() if run_id else (one.stream, one.kind.value) for one in events]
    rows = [
        (str(one.seq), one.at[:19], *place, name_actor(one.actor), tell(one))
        for one, place in zip(events, where, strict=True)
    ]
    places = () if run_id else ("stream", "kind")
    print_table(f"run {run_id}" if run_id else "trail", ("event", "time", *places, "who", "what"), rows)
    return Exit.OK


def _unsigned_head(data: bytes) -> TreeHead | None:
    """Read a head as `pev trail head` prints it; None if the data is something else."""
    try:
        return TreeHead.model_validate_json(data)
    except ValidationError:
        return None


async def _hold(engine: Engine, checkpoint: Path, key: list[str] | None) -> None:
    data = proving.read_file(checkpoint, MAX_PROOF_BYTES)
    kept = _unsigned_head(data) or data
    await engine.monitoring.hold(operator(), kept, by=checkpoint.name, keys=proving.parse_keys(key))


async def _examined(engine: Engine, checkpoint: Path | None, key: list[str] | None) -> Examined:
    kept = proving.read_file(checkpoint, MAX_PROOF_BYTES) if checkpoint else None
    expected = _unsigned_head(kept) if kept is not None else None
    if expected is not None or kept is None:
        return await engine.reading.examine(operator(), expected)
    return await engine.reading.examine(operator(), kept=kept, keys=proving.parse_keys(key))


@app.command()
@asynchronous
async def verify(
    checkpoint: CheckpointOption = None,
    key: proving.KeyOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check that the record is intact. Without a checkpoint a roll-back cannot be excluded.

    A checkpoint counts if one of the keys signed it: those that are given, or else those on record.
    """
    async with open_engine(configured()) as engine:
        report = (await _examined(engine, checkpoint, key)).report
    if as_json:
        print_json(report.model_dump_json())
    else:
        print_text(report.summary)
        for fault in report.faults:
            print_text(f"  {fault}")
    return Exit.OK if report.intact else Exit.FAILED


@app.command()
@asynchronous
async def head() -> int:
    """Print size and Merkle root of the log as JSON. Keep it elsewhere."""
    async with open_engine(configured()) as engine:
        print_json((await engine.reading.head(operator())).model_dump_json())
    return Exit.OK


@app.command()
@asynchronous
async def rebuild() -> int:
    """Make the projections anew from the log alone."""
    async with open_engine(configured()) as engine:
        count = await anyio.to_thread.run_sync(engine.core.trail.rebuild)
    print_json(json.dumps({"events": count}))
    return Exit.OK


@app.command()
@asynchronous
async def watch(
    checkpoint: CheckpointOption = None,
    key: proving.KeyOption = None,
    every: Annotated[
        float, typer.Option(min=0.05, max=86_400, help="Seconds between one look and the next.")
    ] = 2.0,
    as_json: JsonOption = False,
) -> int:
    """Verify the record, and go on verifying what is new until Ctrl-C. A fault ends it with an error."""
    code, error = Exit.OK, None
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_engine(configured()) as engine, anyio.create_task_group() as group:
            group.start_soon(_until_signal, signals, group.cancel_scope)
            try:
                found = await _examined(engine, checkpoint, key)
                report = found.report
                _tell(report.head, report.summary, report.faults, as_json=as_json)
                if not report.intact or await _grows(engine, found, every, as_json=as_json):
                    code = Exit.FAILED
            except PevError as exc:  # raised below: the group would wrap it
                error = exc
            group.cancel_scope.cancel()
    if error is not None:
        raise error
    return code


async def _grows(engine: Engine, found: Examined, every: float, *, as_json: bool) -> tuple[Fault, ...]:
    """Verify what is new again and again, and give what is wrong as soon as something is."""
    seen = Watch(found)
    while True:
        step = await stoppable(lambda stop: engine.core.trail.step(seen, stop=stop))
        if step.new or step.faults:
            summary = "not intact" if step.faults else f"consistent; {step.new} new"
            _tell(step.head, summary, step.faults, as_json=as_json)
        if step.faults:
            return step.faults
        await anyio.sleep(every)


async def _until_signal(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


def _tell(head: TreeHead, summary: str, faults: Sequence[Fault], *, as_json: bool) -> None:
    """Print one look at the log; what is wrong goes to standard error too, where scripts do not miss it."""
    if as_json:
        said = {"summary": summary, "head": head.model_dump(mode="json")}
        print_json(json.dumps({**said, "faults": [one.model_dump(mode="json") for one in faults]}))
    else:
        print_text(f"{head.size} events, root {head.root[:16]}: {summary}")
    for fault in faults:
        print_note(f"THE TRAIL IS NOT INTACT: {fault}")


for _name, _command in (
    ("checkpoint", proving.checkpoint),
    ("prove", proving.prove),
    ("verify-proof", proving.verify_proof),
    ("tiles", proving.tiles),
    ("keys", proving.keys),
    ("rotate-key", proving.rotate_key),
    ("retire-key", proving.retire_key),
    ("query", asking.query),
    ("export", asking.export),
    ("erase", erasing.erase),
    ("retain", erasing.retain),
    ("disclose", erasing.disclose),
):
    app.command(_name)(_command)
