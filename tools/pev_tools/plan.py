"""Tools of the plan stage: draft_plan, submit_plan, request_decision."""

from typing import Annotated, Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import InputRequiredResult, ToolAnnotations
from pydantic import Field

from pev.engine import Engine, parse_run_id
from pev.errors import ModelUnavailable, PlanInvalid
from pev.models import Caller, Model, Source
from pev.plan import Plan, parse_plan
from pev.views import RunView, view_run
from pev_server.decisions import Decisions
from pev_server.deps import RunIdText, get_caller, get_decisions, get_engine


class Draft(Model):
    """A run, and the brief for the host's own model where nobody else could draft the plan."""

    run: RunView
    brief: str = Field(
        default="", description="follow it, then call submit_plan; empty if a plan was drafted"
    )


async def draft_plan(
    task: Annotated[str, Field(description="what is to be done, in the user's words", max_length=10_000)],
    repo: Annotated[str | None, Field(description="name or path of an allowed repository")] = None,
    base: Annotated[
        str | None, Field(description="branch or commit to start from; default: trusted ref")
    ] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
) -> Draft | InputRequiredResult:
    """Open a run for a task and draft its plan. Start every change with this.

    The host's model drafts, or the operator's, if one can be asked; else you get a brief: write the plan
    yourself and call submit_plan with the run's id. Then the person is asked to decide. Changes no file.
    """
    back = await decisions.came_back()
    if back is None:
        state = await engine.planning.open_run(caller, task, repo=repo, base=base)
    else:
        state = await engine.run(caller, parse_run_id(back.run_id))
    planned = await decisions.plan(state.id, back)
    if isinstance(planned, InputRequiredResult):
        return planned
    if isinstance(planned, RunView):
        return Draft(run=planned)
    brief, why = planned
    if engine.looping.has_model:
        try:
            await engine.looping.plan_by_provider(caller, state.id)
        except (ModelUnavailable, PlanInvalid) as exc:
            why = f"{why}; {exc.message}"
        else:
            settled = await decisions.settle(state.id)
            return settled if isinstance(settled, InputRequiredResult) else Draft(run=settled)
    view = view_run(await engine.run(caller, state.id), notes=(f"No plan was drafted: {why}",))
    return Draft(run=view, brief=brief.written)


async def submit_plan(
    run_id: RunIdText,
    plan: Annotated[
        Plan,
        Field(description="goal, approach, non_goals, steps, acceptance_criteria, open_questions"),
    ],
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
) -> RunView | InputRequiredResult:
    """Give a run its plan, or a revised one; then the person answers open questions and decides on it.

    Put what you do not know into open_questions instead of guessing. The same plan again changes nothing.
    """
    run = parse_run_id(run_id)
    back = await decisions.came_back(run)
    if back is None:
        await engine.planning.submit(caller, run, parse_plan(plan), source=Source.HOST_SUBMITTED)
    return await decisions.settle(run, back=back)


async def request_decision(
    run_id: RunIdText,
    decisions: Decisions = Depends(get_decisions),
) -> RunView | InputRequiredResult:
    """Ask the person again for the run's pending decision (plan or escalation), and say where the run stands.

    Use it when a decision is open, or to see whether the person decided elsewhere. You cannot decide.
    """
    run = parse_run_id(run_id)
    return await decisions.settle(run, back=await decisions.came_back(run))


_ASKS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
_REPEATS: Final = _ASKS.model_copy(update={"idempotent_hint": True})
TOOLS: Final = (
    Tool.from_function(draft_plan, annotations=_ASKS.model_copy(update={"idempotent_hint": False})),
    Tool.from_function(submit_plan, annotations=_REPEATS),
    Tool.from_function(request_decision, annotations=_REPEATS),
)
