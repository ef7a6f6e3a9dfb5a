"""`pev trail erase`, `retain` and `disclose`: what must go, goes; what was taken out can be shown."""

import json
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import anyio
import typer

from pev.engine import open_engine, parse_run_id
from pev.errors import ConfigInvalid, Forbidden, InvalidInput
from pev.events import Actor, Kind
from pev.models import Channel, now
from pev.trail.commitment import markers_in
from pev.trail.erasure import NEVER
from pev_server.cli.exits import Exit
from pev_server.cli.main import asynchronous, configured
from pev_server.cli.output import print_json, print_note, print_text
from pev_server.cli.person import operator, require_terminal
from pev_server.cli.proving import read_file

_MAX_SECRET: Final = 65_536


@asynchronous
async def erase(
    reason: Annotated[str, typer.Option(help="Why, for example a request; it is kept in the trail.")],
    events: Annotated[list[int] | None, typer.Argument(metavar="[EVENT]...", help="Their numbers.")] = None,
    run: Annotated[str | None, typer.Option(help="Instead: everything of a run that is over.")] = None,
) -> int:
    """Erase payloads for good. That they were there stays, and the log stays verifiable. Needs a terminal."""
    require_terminal("erasing")
    if not reason.strip() or bool(events) == bool(run):
        raise InvalidInput(
            "events or a run are to be named, and a reason", hint="For example: --run RUN --reason TEXT."
        )
    async with open_engine(configured()) as engine:
        trail, run_id = engine.core.trail, parse_run_id(run) if run else None
        what = f"run {run_id}" if run_id else f"events {', '.join(map(str, events or ()))}"
        word = trail.head().root[:6]
        if typer.prompt(f"The payloads of {what} will be gone. Type {word} to erase them") != word:
            raise Forbidden("nothing was erased", hint="Run the command again.")
        actor = Actor.of(operator(), Channel.TERMINAL)
        told = await anyio.to_thread.run_sync(
            lambda: trail.erase(actor, reason, events=events or (), run=run_id)
        )
    print_text(f"erased; event {told.seq} tells of it.")
    return Exit.OK


@asynchronous
async def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> int:
    """Erase the payloads that are older than the operator's configuration keeps them; for a timer."""
    config = configured()
    policy = {_kind(name): days for name, days in config.trail.retention_days.items()}
    erased: dict[str, int] = {}
    async with open_engine(config) as engine:
        trail = engine.core.trail
        for kind, days in policy.items():
            before = now() - timedelta(days=days)
            while found := await anyio.to_thread.run_sync(trail.older_than, kind, before):
                erased[kind.value] = erased.get(kind.value, 0) + len(found)
                if dry_run:
                    break
                erasing = partial(trail.erase, Actor.of(operator()), f"kept for {days} days", events=found)
                await anyio.to_thread.run_sync(erasing)
    print_json(json.dumps({"dry_run": dry_run, "erased": erased}))
    return Exit.OK


def _kind(name: str) -> Kind:
    try:
        kind = Kind(name)
    except ValueError as exc:
        raise ConfigInvalid(
            f"trail.retention_days names {name!r}, which is no kind of event", hint="Correct its name."
        ) from exc
    if kind in NEVER:
        raise ConfigInvalid(
            f"trail.retention_days names {name}, without which runs have no state",
            hint="Erase whole runs instead: `pev trail erase --run RUN`.",
        )
    return kind


@asynchronous
async def disclose(
    event: Annotated[int, typer.Argument(min=0, help="Number of the event.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="Holds the secret; standard input if not given.")
    ] = None,
) -> int:
    """Check whether a secret that you hold is one that was taken out of an event before it was recorded."""
    data = sys.stdin.buffer.read(_MAX_SECRET + 1) if file is None else read_file(file, _MAX_SECRET)
    secret = data.decode("utf-8", "surrogateescape").removesuffix("\n")
    async with open_engine(configured()) as engine:
        found = await engine.reading.event(operator(), event)
        markers = await anyio.to_thread.run_sync(lambda: list(markers_in(found.payload)))
        shown = [(place, one.kind) for place, one in markers if one.is_of(secret)]
    for place, kind in dict.fromkeys(shown):
        print_text(f"it is the {kind} that was taken out of event {event} at {place or '/'}")
    if not shown:
        print_note(f"none of the {len(markers)} secrets taken out of event {event} is this one")
    return Exit.OK if shown else Exit.FAILED
