"""What a caller sees of a run: short, complete, and with the next action in it."""

from typing import Final

from pydantic import Field

from pev.account import account, describe, newest_reviews
from pev.gateview import GateView
from pev.models import Digest, Model
from pev.run import NEXT_ACTION, Approval, PrState, RunState, Status
from pev.text import one_line
from pev.work import Opinion

_MOST_LINES: Final = 12


class CommandResult(Model):
    """What a command of an agent did. `output` is harmless text, the middle cut out where it is long."""

    argv: tuple[str, ...]
    code: int
    ending: str
    output: str
    log: Digest
    seconds: float
    sandboxed: bool
    sandbox: str = Field(default="none", description="what confined it")
    hint: str = Field(default="", description="a guess why it was denied something")
    denied: tuple[str, ...] = Field(default=(), description="what its proxy refused, by policy")


class PlanSummary(Model):
    """Which revision stands, and whether it is approved."""

    revision: int
    plan_hash: str
    goal: str
    approved: bool
    open_questions: tuple[str, ...] = ()


class RunView(Model):
    """Where a run stands and what comes next."""

    run_id: str
    repo: str
    task: str
    status: Status
    next_action: str
    reason: str = ""
    base: str = Field(description="ref and commit that the change starts from")
    plan: PlanSummary | None = None
    waiting_for: str = Field(default="", description="what a person is asked, if anything")
    guidance: tuple[str, ...] = Field(default=(), description="what a person said, oldest first")
    approvals: tuple[Approval, ...] = ()
    worktree: str = ""
    branch: str = ""
    attempts_used: int = 0
    max_attempts: int = 0
    gate: GateView | None = None
    pr: PrState | None = None
    roles: tuple[str, ...] = Field(default=(), description="who judged, by which model, how independent")
    objections: tuple[str, ...] = Field(default=(), description="what a reviewer rejected it for: data")
    notes: tuple[str, ...] = ()


def _objections(state: RunState) -> tuple[str, ...]:
    """Give what the newest reviews object to, unless they accept."""
    rejecting = [one for one in newest_reviews(state) if one.opinion is Opinion.REJECT]
    lines = [line for one in rejecting for line in (f"{one.role}: {one.summary}", *describe(one.objections))]
    more = (f"and {len(lines) - _MOST_LINES} more",) if len(lines) > _MOST_LINES else ()
    return (*(one_line(line) for line in lines[:_MOST_LINES]), *more)


def view_run(state: RunState, *, gate: GateView | None = None, notes: tuple[str, ...] = ()) -> RunView:
    """Shape a run's state; `gate` replaces the short form of its newest gate."""
    newest = state.revision
    if gate is None and state.gate is not None:
        last = state.gate
        gate = GateView(
            outcome=last.outcome,
            state="finished" if last.outcome else "running",
            reason=last.reason,
            attempt=last.attempt,
            snapshot=last.snapshot,
        )
    warned = (state.pr.warning,) if state.pr is not None and state.pr.warning else ()
    return RunView(
        run_id=state.id,
        repo=state.repo_name,
        task=state.task,
        status=state.status,
        next_action=NEXT_ACTION[state.status],
        reason=state.reason,
        base=f"{state.base_ref} at {state.base_commit[:12]}",
        plan=PlanSummary(
            revision=newest.revision,
            plan_hash=newest.plan_hash,
            goal=newest.plan.goal,
            approved=state.approved_revision is not None,
            open_questions=tuple(one.question for one in newest.plan.open_questions),
        )
        if newest
        else None,
        waiting_for=f"a decision on the {state.pending.boundary}" if state.pending else "",
        guidance=state.guidance,
        approvals=state.approvals,
        worktree=state.worktree.path if state.worktree else "",
        branch=state.worktree.branch if state.worktree else "",
        attempts_used=state.attempts_used,
        max_attempts=state.max_attempts,
        gate=gate,
        pr=state.pr,
        roles=account(state),
        objections=_objections(state),
        notes=(*warned, *notes),
    )
