"""The phases of a loop: what comes next for a run, read from its state alone."""

from enum import StrEnum
from typing import Final, Literal

from pev.models import Role
from pev.run import TERMINAL, RunState, Status

Judge = Literal["tester", "reviewer", "security"]
JUDGES: Final[tuple[Judge, ...]] = ("tester", "reviewer", "security")


class Phase(StrEnum):
    """What a loop does next."""

    PLAN = "plan"
    PERSON = "person"
    WORKTREE = "worktree"
    TESTS = "tests"
    AUTHOR = "author"
    GATE = "gate"
    REVIEW = "review"
    ESCALATE = "escalate"
    SHIP = "ship"
    DONE = "done"


ASKS: Final = frozenset({Phase.PLAN, Phase.TESTS, Phase.AUTHOR, Phase.REVIEW})
"""Phases that need a model."""
_AT_WORK: Final = (Status.EXECUTING, Status.FAILED)
_WAITING: Final = (Status.AWAITING_ANSWERS, Status.AWAITING_APPROVAL, Status.ESCALATED)


def next_phase(state: RunState) -> Phase:
    """Say what comes next for a run; its loop's limits and roles are part of its state."""
    work = state.work
    if state.status in TERMINAL or state.status is Status.PR_OPEN:
        return Phase.DONE
    if state.status in _WAITING:
        return Phase.PERSON
    if state.status in _AT_WORK:
        if not work.ready and used_up(state):
            return Phase.ESCALATE
        if "tester" in work.judges and not _has_tests(state):
            return Phase.ESCALATE if work.exceeded else Phase.TESTS
        return Phase.GATE if work.ready else Phase.AUTHOR
    if state.status is Status.PASSED:
        if next_judge(state) is not None:
            return Phase.ESCALATE if work.exceeded else Phase.REVIEW
        return Phase.PERSON if state.awaits_merge_decision else Phase.SHIP
    return {Status.DRAFTED: Phase.PLAN, Status.APPROVED: Phase.WORKTREE}.get(state.status, Phase.GATE)


def next_judge(state: RunState) -> Role | None:
    """Give the first reviewing role of the loop that has not judged the passed snapshot."""
    for name in state.work.judges:
        if name == "tester" or state.gate is None:
            continue
        review = state.work.review_of(Role(name))
        if review is None or review.snapshot != state.gate.snapshot:
            return Role(name)
    return None


def used_up(state: RunState) -> str:
    """Name what a loop has used up: attempts, or a budget; "" if it may go on."""
    limit = min(state.work.attempts or state.max_attempts, state.max_attempts)
    if state.work.exceeded:
        return f"the budget is used up: {state.work.exceeded}"
    return f"{state.work.tried} attempts are used up" if state.work.tried >= limit else ""


def _has_tests(state: RunState) -> bool:
    kept, approved = state.work.held_out, state.approved_revision
    return approved is None or (kept is not None and kept.plan_hash == approved.plan_hash)
