"""`pev run`: a whole task in the terminal, from plan to pull request, with the operator's model."""

import sys
from pathlib import Path
from typing import Annotated, Final

import anyio
import typer

from pev.engine import Engine, open_engine, parse_run_id
from pev.errors import ConfigInvalid, InvalidInput
from pev.models import AGENT_SCOPES, Caller, Role, RunId
from pev.phases import Phase, used_up
from pev.run import RunState, Status
from pev.views import view_run
from pev_server.cli.exits import Exit
from pev_server.cli.main import JsonOption, asynchronous, configured_for
from pev_server.cli.output import live_progress, print_json, print_note, print_text
from pev_server.cli.person import operator

_SLICE_S: Final = 3_600.0
_POLL_S: Final = 1.0
_AFTER: Final = {Status.PR_OPEN: Exit.OK, Status.MERGED: Exit.OK}


def _agent() -> Caller:
    """Describe who works: for the user of this terminal, with no more rights than any agent."""
    return operator().model_copy(update={"role": Role.AUTHOR, "scopes": AGENT_SCOPES})


@asynchronous
async def run(
    task: Annotated[str, typer.Argument(help="What is to be done. Leave it out with --resume.")] = "",
    path: Annotated[Path, typer.Option("--path", help="The repository.")] = Path(),
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run where it stands.")
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(min=1, max=100, help="Most attempts before a person is asked.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while a person is to decide.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Do a task from plan to pull request with the configured [provider]. People decide as ever."""
    config, name = configured_for(path)
    if config.provider is None:
        raise ConfigInvalid(
            "no model provider is configured", hint="Configure [provider] with a model, or use a host."
        )
    if bool(task.strip()) == (resume is not None):
        raise InvalidInput("give a task, or --resume RUN", hint='For example: pev run "Add rate limiting".')
    from pev_server.provider import provider_of

    async with open_engine(config, asker=await provider_of(config)) as engine:
        if resume is not None:
            run_id = parse_run_id(resume)
        else:
            run_id = (await engine.planning.open_run(_agent(), task, repo=name)).id
            print_note(f"run {run_id}")
        await engine.looping.start(_agent(), run_id, attempts=attempts)
        state = await _driven(engine, run_id, wait=wait, quiet=as_json)
    if as_json:
        print_json(view_run(state).model_dump_json())
    else:
        _say(state)
    return _AFTER.get(state.status, Exit.HELD if _waits(state) else Exit.FAILED)


async def _driven(engine: Engine, run_id: RunId, *, wait: bool, quiet: bool) -> RunState:
    told = ""
    while True:
        async with live_progress(quiet=quiet) as progress:
            phase = await engine.looping.drive(_agent(), run_id, wait_s=_SLICE_S, progress=progress)
        state = await engine.core.state(run_id)
        if phase is Phase.DONE or (phase is Phase.PERSON and not wait):
            return state
        if phase is Phase.PERSON:
            question = await engine.desk.question(run_id, _agent())
            if question is not None and question.nonce != told:
                told = question.nonce
                print_note(f"{question.text}\n{_how(state)}")
            await anyio.sleep(_POLL_S)


def _waits(state: RunState) -> bool:
    waiting = (Status.AWAITING_ANSWERS, Status.AWAITING_APPROVAL, Status.ESCALATED)
    return state.status in waiting or state.awaits_merge_decision


def _how(state: RunState) -> str:
    command = "decide" if state.status is Status.ESCALATED else "approve"
    return f"A person decides: pev {command} {state.id}"


def _say(state: RunState) -> None:
    print_text(f"run {state.id} is {state.status}")
    if state.pr is not None:
        print_text(f"pull request: {state.pr.url or state.pr.branch}")
    if reason := state.reason or (used_up(state) if state.work.attempts else ""):
        print_text(reason)
    if _waits(state):
        print_text(f"{_how(state)}; then: pev run --resume {state.id}")
    spent = state.work.spent
    sys.stderr.write(f"models: {spent.calls} calls, {spent.tokens} tokens, {spent.seconds:.0f} s\n")
