"""`pev why FILE:LINE`: which run a line is from, who approved it, what the gate said, who merged it."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from pev.engine import open_engine
from pev.errors import InvalidInput
from pev.repos.source import locate
from pev.trail.explanation import Explanation, Match
from pev_server.cli.exits import Exit
from pev_server.cli.main import JsonOption, asynchronous, configured_for
from pev_server.cli.output import print_json, print_text
from pev_server.cli.person import operator

_PLACE: Final = re.compile(r"(.+):([0-9]{1,9})")


@asynchronous
async def why(
    place: Annotated[str, typer.Argument(metavar="FILE:LINE", help="A line of a file in a repository.")],
    rev: Annotated[str, typer.Option(help="The commit at which the line has this number.")] = "HEAD",
    as_json: JsonOption = False,
) -> int:
    """Say why a line is there: commit, run, plan step, approval, gate, merge. Exit code 1: no known run."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise InvalidInput(f"{place!r} names no line", hint="For example: pev why src/app.py:12.")
    path = Path(match[1]).absolute()
    folder = next((one for one in path.parents if one.is_dir()), Path("/"))
    repo = await locate(folder)
    config, name = configured_for(repo.root)
    try:
        inside = path.resolve().relative_to(repo.root.resolve()).as_posix()
    except ValueError as exc:
        raise InvalidInput(f"{path} is not in {repo.root}", hint="Name a file of the repository.") from exc
    async with open_engine(config) as engine:
        found = await engine.reading.explain(operator(), inside, int(match[2]), repo=name, rev=rev)
    if as_json:
        print_json(found.model_dump_json())
    else:
        _show(found)
    return Exit.OK if found.run is not None else Exit.FAILED


def _show(found: Explanation) -> None:
    origin = found.origin
    print_text(found.summary)
    print_text(f"  line     {origin.path}:{origin.line}  {origin.text}")
    print_text(f"  commit   {origin.commit[:12]}  {origin.at[:19]}  {origin.author}  {origin.subject}")
    if found.run is None:
        return
    sure = "" if found.matched_by is Match.COMMIT else f" (found by {found.matched_by})"
    print_text(f"  run      {found.run}, opened by {found.opened_by}: {found.task}{sure}")
    for step in found.steps:
        print_text(f"  step     {step.id}: {step.description}")
    if found.outside_plan:
        print_text("  step     none: the file is outside the approved plan")
    for one in found.decisions:
        said = f": {one.comment}" if one.comment else ""
        how = f"through {one.channel} ({one.assurance}), after {one.seconds:.0f} s"
        print_text(f"  decided  {one.boundary}: {one.verdict} by {one.principal} {how}{said}")
    if found.gate is not None:
        checks = ", ".join(f"{name} {outcome}" for name, outcome in found.gate.checks.items())
        print_text(f"  gate     {found.gate.outcome}, attempt {found.gate.attempt}: {checks or 'no report'}")
        for allowed in found.gate.let_throughs:
            print_text(f"  allowed  {allowed.fingerprint[:8]} by {allowed.principal}: {allowed.reason}")
    print_text(f"  merge    {found.pull_request_state} {found.pull_request} {found.merged_by}")
    if found.warning:
        print_text(f"  WARNING  {found.warning}")
    print_text(f"  events   {', '.join(map(str, found.events))}")
