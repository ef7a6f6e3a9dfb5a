"""`pev approve`, `pev reject`, `pev decide`, `pev decision`, `pev trust`: a person decides, in a terminal."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pev.boundary.question import FormField, Question
from pev.engine import Engine, open_engine, parse_run_id
from pev.errors import DecisionInvalid, Forbidden, InvalidInput
from pev.models import Boundary, RunId, Verdict
from pev.run import RunState, Status
from pev_server.cli.exits import Exit
from pev_server.cli.main import PathArgument, RunArgument, asynchronous, configured, configured_for
from pev_server.cli.output import print_note, print_text
from pev_server.cli.person import operator, require_terminal
from pev_server.cli.signing import KeyOption, SignatureOption, SignOption, Way

AnswerOption = Annotated[
    list[str] | None,
    typer.Option("--answer", metavar="ID=TEXT", help="Answer to an open question; repeatable."),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="ID", help="Let this finding through on this snapshot; repeatable."),
]


async def _question(engine: Engine, run_id: RunId) -> Question:
    question = await engine.desk.question(run_id, operator())
    if question is None:
        state = await engine.run(operator(), run_id)
        raise DecisionInvalid(f"run {run_id} is {state.status}: nothing is to be decided")
    return question


async def _answer(engine: Engine, question: Question, raw: dict[str, Any], way: Way) -> RunState:
    text = await engine.desk.text_to_sign(question.run_id, raw) if way.sign else ""
    state = await engine.desk.answer(
        question.run_id,
        question.nonce,
        raw,
        channel=way.channel,
        caller=operator(),
        signature=await way.signature(text),
    )
    print_text(f"recorded. Run {state.id} is {state.status}.")
    return state


def _confirm(question: Question, way: Way) -> None:
    """Have the person type something that a script would not type by accident."""
    if way.file is not None:  # the signature says it
        return
    word = question.subject[:6]
    typed = typer.prompt(f"Type {word} to confirm")
    if typed.strip() != word:
        raise Forbidden(f"{typed!r} is not {word!r}: nothing was decided", hint="Run the command again.")


def _ask_field(field: FormField) -> str:
    choices = f" ({' / '.join(field.choices)})" if field.choices else ""
    return str(typer.prompt(f"{field.title}{choices}"))


def _parse_answers(given: list[str]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for item in given:
        name, found, text = item.partition("=")
        if not found or not name:
            raise InvalidInput(f"--answer {item!r} is not ID=TEXT", hint="For example --answer q1=yes.")
        answers[f"q_{name}"] = text
    return answers


def _decision(question: Question, verdict: Verdict, comment: str, findings: list[str]) -> dict[str, Any]:
    raw: dict[str, Any] = {"decision": verdict.value, "comment": comment}
    if findings or any(field.name == "findings" for field in question.fields):
        raw["findings"] = ",".join(findings)
    return raw


@asynchronous
async def approve(
    run: RunArgument,
    comment: Annotated[str, typer.Option(help="A word to it; it is kept in the trail.")] = "",
    answer: AnswerOption = None,
    sign: SignOption = False,
    key: KeyOption = None,
    signature: SignatureOption = None,
) -> int:
    """Answer a run's open questions, and approve its plan or its pull request. Needs a terminal.

    With --sign the decision is signed with your SSH key, as some policies demand.
    """
    way = Way.of(sign, key, signature)
    way.require_person("approving")
    run_id = parse_run_id(run)
    async with open_engine(configured()) as engine:
        question = await _question(engine, run_id)
        if not question.verdicts:
            print_text(question.text)
            raw = _parse_answers(answer or [])
            if way.file is None:
                raw = {field.name: raw.get(field.name) or _ask_field(field) for field in question.fields}
            await _answer(engine, question, raw, way)
            if way.file is not None:  # it was a signature on the answers, not on the plan
                return Exit.OK
            question = await _question(engine, run_id)
        if question.boundary is Boundary.ESCALATION:
            raise DecisionInvalid(
                f"run {run_id} waits for a decision on its {question.boundary}",
                hint=f"Run `pev decide {run_id}`.",
            )
        print_text(question.text)
        _confirm(question, way)
        await _answer(engine, question, _decision(question, Verdict.APPROVE, comment, []), way)
    return Exit.OK


@asynchronous
async def reject(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the trail.")],
    change: Annotated[
        bool, typer.Option("--change", help="Ask for changes instead of ending the run.")
    ] = False,
    sign: SignOption = False,
    key: KeyOption = None,
    signature: SignatureOption = None,
) -> int:
    """Reject a run's plan and end the run, or ask for changes. Needs no terminal: it allows nothing."""
    way = Way.of(sign, key, signature)
    run_id = parse_run_id(run)
    if not reason.strip():
        raise InvalidInput("the reason is empty", hint="Say why: --reason TEXT.")
    async with open_engine(configured()) as engine:
        state = await engine.run(operator(), run_id)
        if change or state.status in (Status.AWAITING_APPROVAL, Status.ESCALATED):
            question = await _question(engine, run_id)
            verdict = Verdict.CHANGE if change else Verdict.REJECT
            await _answer(engine, question, _decision(question, verdict, reason, []), way)
        else:
            state = await engine.abandon(operator(), run_id, reason)
            print_text(f"recorded. Run {state.id} is {state.status}.")
    return Exit.OK


@asynchronous
async def decide(
    run: RunArgument,
    retry: Annotated[bool, typer.Option("--retry", help="Let the author try once more.")] = False,
    allow: AllowOption = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Go on by hand; the worktree stays.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Guidance for the author, or why.")] = "",
    sign: SignOption = False,
    key: KeyOption = None,
    signature: SignatureOption = None,
) -> int:
    """Decide on an escalated run: --retry, --allow ID, or --take-over. Needs a terminal."""
    way = Way.of(sign, key, signature)
    chosen = [
        verdict
        for verdict, given in (
            (Verdict.RETRY, retry),
            (Verdict.ALLOW, bool(allow)),
            (Verdict.TAKE_OVER, take_over),
        )
        if given
    ]
    way.require_person("deciding")
    run_id = parse_run_id(run)
    async with open_engine(configured()) as engine:
        question = await _question(engine, run_id)
        print_text(question.text)
        if len(chosen) != 1:
            raise InvalidInput(
                f"{len(chosen)} decisions are named", hint="Give one of --retry, --allow ID, --take-over."
            )
        _confirm(question, way)
        await _answer(engine, question, _decision(question, chosen[0], reason, allow or []), way)
    return Exit.OK


@asynchronous
async def decision(
    run: RunArgument,
    verdict: Annotated[Verdict, typer.Option(help="What you decide.")] = Verdict.APPROVE,
    comment: Annotated[str, typer.Option(help="The comment or reason, word for word.")] = "",
    allow: AllowOption = None,
    answer: AnswerOption = None,
) -> int:
    """Print the bytes to sign for a decision on a run; what it is about goes to standard error.

    Sign them where your key is: ssh-keygen -Y sign -n pev-approval -f KEY FILE. Then give the signature to
    `pev approve RUN --signature FILE.sig` (or reject, decide) with the same options.
    """
    run_id = parse_run_id(run)
    async with open_engine(configured()) as engine:
        question = await _question(engine, run_id)
        if question.verdicts:
            raw = _decision(question, verdict, comment, allow or [])
        else:
            raw = _parse_answers(answer or [])
        text = await engine.desk.text_to_sign(run_id, raw)
    print_note(question.text)
    sys.stdout.write(text)
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
