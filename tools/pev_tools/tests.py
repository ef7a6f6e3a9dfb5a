"""Tools of held-out tests: draft_tests, and submit_tests for the tester role."""

from typing import Annotated, Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import InputRequiredResult, ToolAnnotations
from pydantic import Field

from pev.engine import Engine, parse_run_id
from pev.models import Caller, Model, Role, RunId
from pev.run import RunState
from pev.work import Trial
from pev_server.asking import Models, Nobody
from pev_server.decisions import Decisions
from pev_server.deps import RunIdText, get_caller, get_decisions, get_engine, get_models

_WRITE: Final = "No model can be asked here ({why}). Follow the brief, then call submit_tests."
_ELSEWHERE: Final = (
    "No model can be asked here ({why}), and the author of a change does not write its held-out tests. A"
    " session of the tester role does: pev serve --role tester."
)


class HeldOutView(Model):
    """Whether a run has held-out tests, and of which criteria; never what they are."""

    run_id: str
    tests: int = 0
    criteria: tuple[str, ...] = ()
    source: str = Field(default="", description="how they were obtained")
    model: str = ""
    on_base: Trial | None = Field(
        default=None, description="criteria whose tests pass before the change: they prove nothing new"
    )
    brief: str = Field(default="", description="for the tester role: follow it, then call submit_tests")
    notes: tuple[str, ...] = ()


def _view(state: RunState, *notes: str) -> HeldOutView:
    kept, approved = state.work.held_out, state.approved_revision
    if kept is None or approved is None or kept.plan_hash != approved.plan_hash:
        return HeldOutView(run_id=state.id, notes=notes)
    if kept.trial is None:
        notes += ("What they do on the base is being measured. Call draft_tests again to see it.",)
    return HeldOutView(
        run_id=state.id,
        tests=kept.tests,
        criteria=kept.criteria,
        source=kept.source.value,
        model=kept.model,
        on_base=kept.trial,
        notes=notes,
    )


async def _tried(engine: Engine, caller: Caller, run: RunId, *notes: str) -> HeldOutView:
    wait_s = engine.core.config.gate_wait_s
    return _view(await engine.testing.try_on_base(caller, run, wait_s=wait_s), *notes)


async def draft_tests(
    run_id: RunIdText,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
    models: Models = Depends(get_models),
) -> HeldOutView | InputRequiredResult:
    """Have the tester role write tests from the approved plan and the base's interface alone.

    They are held out: nobody who works on the change sees them. The gate runs them and says which criterion
    is not met. Call it once the plan is approved; again, it says what there is.
    """
    run = parse_run_id(run_id)
    back = await decisions.came_back(run)
    state = await engine.testing.state(caller, run)
    if back is None and _view(state).tests:
        return await _tried(engine, caller, run)
    brief = await engine.testing.brief(caller, run)
    answer = await models.ask(run, brief, back)
    if isinstance(answer, InputRequiredResult):
        return answer
    if isinstance(answer, Nobody):
        if caller.role is not Role.TESTER:
            return _view(state, _ELSEWHERE.format(why=answer.why))
        written = brief.written
        return _view(state, _WRITE.format(why=answer.why)).model_copy(update={"brief": written})
    await engine.testing.take(caller, run, answer)
    return await _tried(engine, caller, run)


async def submit_tests(
    run_id: RunIdText,
    source: Annotated[str, Field(description="one module for pytest, whole", max_length=200_000)],
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> HeldOutView:
    """Give a run its held-out tests. Only the tester role does; they are stored by PEV and shown to nobody.

    Each test is named test_<criterion id>_<what it shows>, and none is skipped.
    """
    run = parse_run_id(run_id)
    await engine.testing.submit(caller, run, source)
    return await _tried(engine, caller, run)


TOOLS: Final = (
    Tool.from_function(
        draft_tests,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    ),
    Tool.from_function(
        submit_tests,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    ),
)
