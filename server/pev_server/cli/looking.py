"""`pev runs` and `pev show`: what there is, and where it stands."""

import json
from typing import Annotated

import typer

from pev.engine import open_engine, parse_run_id
from pev.gateview import view_gate
from pev.plan import to_markdown
from pev.views import view_run
from pev_server.cli.exits import Exit
from pev_server.cli.main import JsonOption, RunArgument, asynchronous, configured
from pev_server.cli.output import print_json, print_report, print_table, print_text
from pev_server.cli.person import operator


@asynchronous
async def runs(
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most runs to list.")] = 20,
    as_json: JsonOption = False,
) -> int:
    """List runs, the newest first."""
    async with open_engine(configured()) as engine:
        states = await engine.reading.runs(operator(), limit=limit)
    if as_json:
        print_json(json.dumps([view_run(state).model_dump(mode="json") for state in states]))
        return Exit.OK
    rows = [
        (state.id, state.status.value, state.repo_name, state.updated_at[:19], state.task) for state in states
    ]
    print_table("runs", ("run", "status", "repository", "changed", "task"), rows)
    return Exit.OK


@asynchronous
async def show(run: RunArgument, as_json: JsonOption = False) -> int:
    """Show a run: its plan, its last gate, and what comes next."""
    run_id = parse_run_id(run)
    async with open_engine(configured()) as engine:
        state = await engine.run(operator(), run_id)
        report = await engine.core.report(state)
    view = view_run(state, gate=view_gate(report) if report else None)
    if as_json:
        print_json(view.model_dump_json())
        return Exit.OK
    print_text(f"run {state.id}  {state.status}\n{state.task}\nbase {view.base}")
    if state.worktree is not None:
        print_text(f"worktree {state.worktree.path} on {state.worktree.branch}")
    if state.revision is not None:
        print_text(to_markdown(state.revision.plan, revision=state.revision.revision))
    if report is not None:
        print_report(report)
    if state.pr is not None:
        print_text(f"pull request {state.pr.url} ({state.pr.state})")
    print_text(f"next: {view.next_action}")
    return Exit.OK
