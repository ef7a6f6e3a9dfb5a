"""Tools of the verify stage: run_gate, run_check, escalate."""

from typing import Annotated, Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import InputRequiredResult, ToolAnnotations
from pydantic import Field

from pev.engine import Engine, parse_run_id
from pev.errors import InvalidInput
from pev.gateview import CheckAnswer, view_check, view_gate
from pev.models import Caller
from pev.run import Status
from pev.stages.jobs import Progress
from pev.views import RunView, view_run
from pev_server.decisions import Decisions
from pev_server.deps import RunIdText, get_caller, get_decisions, get_engine, get_progress


async def run_gate(
    run_id: RunIdText,
    wait_s: Annotated[
        float | None, Field(gt=0, le=3_600, description="most seconds to wait for the answer")
    ] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
    progress: Progress = Depends(get_progress),
) -> RunView | InputRequiredResult:
    """Judge the run's worktree as it is now with all checks of the trusted policy: findings, old ones apart.

    Call it when the change is made; you need not commit. If it answers that the gate is running, call it
    again to join it. Fix what it found and call it again. When the attempts are used up a person is asked.
    """
    run = parse_run_id(run_id)
    back = await decisions.came_back(run)
    if back is not None:
        return await decisions.settle(run, back=back)
    limit = wait_s or engine.core.config.gate_wait_s
    judged = await engine.verifying.run_gate(caller, run, wait_s=limit, progress=progress)
    if judged.report is None:
        return view_run(judged.state, notes=("The gate is still running. Call run_gate again to join it.",))
    attempt = judged.state.gate.attempt if judged.state.gate else 0
    view = view_gate(judged.report, attempt=attempt, log_uri=f"pev://runs/{run}/gate/{attempt}")
    if judged.state.status is Status.ESCALATED:
        return await decisions.settle(run, gate=view)
    return view_run(judged.state, gate=view)


async def run_check(
    check: Annotated[str, Field(description="format, lint, types, tests, security, deps, or an own check")],
    repo: Annotated[str | None, Field(description="name or path of an allowed repository")] = None,
    run_id: Annotated[str | None, Field(description="a run, to check its worktree instead")] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> CheckAnswer:
    """Run one check on a repository as it is now, or on a run's worktree. Needs no run and no plan.

    Use it for "run the type check" straight from chat. Findings that the trusted ref has too are marked old.
    """
    if run_id is not None and repo is not None:
        raise InvalidInput("both a run and a repository are named", hint="Give one of them.")
    if run_id is not None:
        return view_check(await engine.verifying.check_run(caller, check, parse_run_id(run_id)))
    return view_check(await engine.verifying.check_path(caller, check, repo=repo))


async def escalate(
    run_id: RunIdText,
    reason: Annotated[str, Field(description="why a person must decide", min_length=1, max_length=2_000)],
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
) -> RunView | InputRequiredResult:
    """Put what the gate found before a person: for findings that are no fault of the change, or held ones.

    The person can give guidance, let named findings through on this snapshot, take over, or end the run.
    """
    run = parse_run_id(run_id)
    back = await decisions.came_back(run)
    if back is None:
        await engine.escalate(caller, run, reason)
    return await decisions.settle(run, back=back)


TOOLS: Final = (
    Tool.from_function(
        run_gate,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    ),
    Tool.from_function(
        run_check,
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    ),
    Tool.from_function(
        escalate,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    ),
)
