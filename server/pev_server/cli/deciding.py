"""`pev approve`, `pev reject`, `pev decide`, `pev trust`: a person decides, in a terminal."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pev.boundary.question import FormField, Question
from pev.engine import Engine, open_engine, parse_run_id
from pev.errors import DecisionInvalid, Forbidden, InvalidInput
from pev.models import Boundary, Channel, RunId, Verdict
from pev.run import RunState, Status
from pev_server.cli.exits import Exit
from pev_server.cli.main import PathArgument, RunArgument, asynchronous, configured, configured_for
from pev_server.cli.output import print_text
from pev_server.cli.person import operator, require_terminal


async def _question(engine: Engine, run_id: RunId) -> Question:
    question = await engine.desk.question(run_id, operator())
    if question is None:
        state = await engine.run(operator(), run_id)
        raise DecisionInvalid(f"run {run_id} is {state.status}: nothing is to be decided")
    return question


async def _answer(engine: Engine, question: Question, raw: dict[str, Any]) -> RunState:
    state = await engine.desk.answer(
        question.run_id, question.nonce, raw, channel=Channel.TERMINAL, caller=operator()
    )
    print_text(f"recorded. Run {state.id} is {state.status}.")
    return state


def _confirm(question: Question) -> None:
    """Have the person type something that a script would not type by accident."""
    word = question.subject[:6]
    typed = typer.prompt(f"Type {word} to confirm")
    if typed.strip() != word:
        raise Forbidden(f"{typed!r} is not {word!r}: nothing was decided", hint="Run the command again.")


def _ask_field(field: FormField) -> str:
    choices = f" ({' / '.join(field.choices)})" if field.choices else ""
    return str(typer.prompt(f"{field.title}{choices}"))


@asynchronous
async def approve(run: RunArgument) -> int:
    """Answer a run's open questions, and approve its plan or its pull request. Needs a terminal."""
    require_terminal("approving")
    run_id = parse_run_id(run)
    async with open_engine(configured()) as engine:
        question = await _question(engine, run_id)
        if not question.verdicts:
            print_text(question.text)
            await _answer(engine, question, {field.name: _ask_field(field) for field in question.fields})
            question = await _question(engine, run_id)
        if question.boundary is Boundary.ESCALATION:
            raise DecisionInvalid(
                f"run {run_id} waits for a decision on its {question.boundary}",
                hint=f"Run `pev decide {run_id}`.",
            )
        print_text(question.text)
        _confirm(question)
        await _answer(engine, question, {"decision": Verdict.APPROVE.value, "comment": ""})
    return Exit.OK


@asynchronous
async def reject(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the trail.")],
    change: Annotated[
        bool, typer.Option("--change", help="Ask for changes instead of ending the run.")
    ] = False,
) -> int:
    """Reject a run's plan and end the run, or ask for changes. Needs no terminal: it allows nothing."""
    run_id = parse_run_id(run)
    if not reason.strip():
        raise InvalidInput("the reason is empty", hint="Say why: --reason TEXT.")
    async with open_engine(configured()) as engine:
        state = await engine.run(operator(), run_id)
        if change or state.status in (Status.AWAITING_APPROVAL, Status.ESCALATED):
            question = await _question(engine, run_id)
            verdict = Verdict.CHANGE if change else Verdict.REJECT
            await _answer(engine, question, {"decision": verdict.value, "comment": reason})
        else:
            state = await engine.abandon(operator(), run_id, reason)
            print_text(f"recorded. Run {state.id} is {state.status}.")
    return Exit.OK


@asynchronous
async def decide(
    run: RunArgument,
    retry: Annotated[bool, typer.Option("--retry", help="Let the author try once more.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Let this finding through on this snapshot; repeatable."),
    ] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Go on by hand; the worktree stays.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Guidance for the author, or why.")] = "",
) -> int:
    """Decide on an escalated run: --retry, --allow ID, or --take-over. Needs a terminal."""
    chosen = [
        verdict
        for verdict, given in (
            (Verdict.RETRY, retry),
            (Verdict.ALLOW, bool(allow)),
            (Verdict.TAKE_OVER, take_over),
        )
        if given
    ]
    require_terminal("deciding")
    run_id = parse_run_id(run)
    async with open_engine(configured()) as engine:
        question = await _question(engine, run_id)
        print_text(question.text)
        if len(chosen) != 1:
            raise InvalidInput(
                f"{len(chosen)} decisions are named", hint="Give one of --retry, --allow ID, --take-over."
            )
        _confirm(question)
        raw = {"decision": chosen[0].value, "comment": reason, "findings": ",".join(allow or [])}
        await _answer(engine, question, raw)
    return Exit.OK


@asynchronous
async def trust(path: PathArgument = Path()) -> int:
    """Trust the policy of a repository's trusted ref: its own commands, setup and tests. Needs a terminal."""
    require_terminal("trusting")
    config, repo = configured_for(path)
    async with open_engine(config) as engine:
        policy, known = await engine.verifying.policy(operator(), repo)
        print_text(f"policy {policy.hash} from {policy.source}, {known.value}")
        print_text(policy.policy.model_dump_json(indent=2, exclude_defaults=True))
        word = policy.hash[:6]
        if typer.prompt(f"Commands of this repository will run as you. Type {word} to trust it") != word:
            raise Forbidden("nothing was trusted", hint="Run the command again.")
        await engine.verifying.trust(operator(), repo)
    print_text("trusted until the policy changes.")
    return Exit.OK
