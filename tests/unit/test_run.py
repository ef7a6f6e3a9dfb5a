"""Runs: the state is the fold of the events, and the table is the law."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import RunStateRefused, TrailCorrupt
from pev.events import Event, Kind
from pev.run import NEXT_ACTION, TERMINAL, TRANSITIONS, RunState, Status, apply_event, fold, may_follow
from support.plans import event, opened, plan


def _approval(verdict: str, subject: str, boundary: str = "plan") -> dict[str, Any]:
    return {
        "approval": {
            "boundary": boundary,
            "verdict": verdict,
            "subject": subject,
            "shown": "d" * 64,
            "binding": "e" * 64,
            "channel": "terminal",
            "principal": "local:ada",
            "seconds": 12.0,
            "comment": "because",
        },
        "let_throughs": [],
    }


def _submitted(revision: int = 1, **changes: Any) -> dict[str, Any]:
    one = plan(**changes)
    return {
        "revision": revision,
        "plan": one.model_dump(mode="json"),
        "plan_hash": one.content_hash(),
        "source": "host-submitted",
        "model": "",
    }


def _folded(*steps: tuple[Kind, dict[str, Any]]) -> RunState:
    events = [event(kind, body, n) for n, (kind, body) in enumerate(steps, start=1)]
    state = fold(events)
    assert state is not None
    return state


_APPROVED = (
    (Kind.RUN_OPENED, opened()),
    (Kind.PLAN_SUBMITTED, _submitted()),
    (Kind.DECISION_ANSWERED, _approval("approve", plan().content_hash())),
)
_EXECUTING = (
    *_APPROVED,
    (Kind.WORKTREE_MADE, {"worktree": {"path": "/w", "branch": "agent/0a0a0a0a", "base_commit": "a" * 40}}),
)


def _gate(attempt: int, outcome: str, used: int) -> tuple[tuple[Kind, dict[str, Any]], ...]:
    return (
        (Kind.GATE_STARTED, {"attempt": attempt, "snapshot": str(attempt) * 40}),
        (
            Kind.GATE_FINISHED,
            {"outcome": outcome, "report": "9" * 64, "key": "f" * 64, "attempts_used": used},
        ),
    )


def test_every_status_has_a_row_and_a_next_action() -> None:
    assert set(TRANSITIONS) == set(Status) == set(NEXT_ACTION)


def test_nothing_follows_a_terminal_status() -> None:
    for status in TERMINAL:
        assert not any(may_follow(status, after) for after in Status)


def test_abandoned_follows_every_status_that_is_not_terminal() -> None:
    assert all(may_follow(status, Status.ABANDONED) for status in set(Status) - TERMINAL)


def test_executing_is_reached_only_through_an_approved_plan() -> None:
    """Whatever the order of events: no worktree without approval."""
    unapproved = {Status.DRAFTED, Status.AWAITING_ANSWERS, Status.AWAITING_APPROVAL}
    for status in unapproved:
        assert not may_follow(status, Status.EXECUTING)
        assert not may_follow(status, Status.VERIFYING)
        assert not may_follow(status, Status.PR_OPEN)


def test_a_pull_request_follows_only_a_passed_gate() -> None:
    before = {status for status in Status if may_follow(status, Status.PR_OPEN)}
    assert before == {Status.PASSED, Status.PR_OPEN}


def test_open_questions_stop_the_run() -> None:
    asking = _submitted(open_questions=[{"id": "q1", "question": "Which?"}])
    state = _folded((Kind.RUN_OPENED, opened()), (Kind.PLAN_SUBMITTED, asking))
    assert state.status is Status.AWAITING_ANSWERS
    assert state.approved_revision is None


def test_an_approval_of_revision_1_does_not_approve_revision_2() -> None:
    state = _folded(*_APPROVED, (Kind.PLAN_SUBMITTED, _submitted(2, goal="Something else")))
    assert state.status is Status.AWAITING_APPROVAL
    assert state.approved_revision is None


def test_a_run_that_used_its_attempts_is_escalated() -> None:
    state = _folded(*_EXECUTING, *_gate(1, "FAILED", 1), *_gate(2, "FAILED", 2), *_gate(3, "FAILED", 3))
    assert state.status is Status.ESCALATED


def test_retry_gives_one_more_attempt() -> None:
    escalated = (*_EXECUTING, *_gate(1, "FAILED", 3))
    state = _folded(*escalated, (Kind.DECISION_ANSWERED, _approval("retry", "0" * 64, "escalation")))
    assert state.status is Status.EXECUTING
    assert state.max_attempts == 4
    assert state.guidance[-1] == "because"


@pytest.mark.parametrize("outcome", ["FAILED", "HELD", "INCONCLUSIVE"])
def test_only_a_passed_gate_passes_the_run(outcome: str) -> None:
    assert _folded(*_EXECUTING, *_gate(1, outcome, 1)).status is Status.FAILED
    assert _folded(*_EXECUTING, *_gate(1, "PASSED", 0)).status is Status.PASSED


def test_an_event_that_cannot_follow_is_corruption() -> None:
    with pytest.raises(TrailCorrupt, match="from drafted to verifying"):
        _folded((Kind.RUN_OPENED, opened()), *_gate(1, "PASSED", 0))


def test_a_stream_that_does_not_begin_with_its_opening_is_corruption() -> None:
    with pytest.raises(TrailCorrupt, match="begins with"):
        apply_event(None, event(Kind.PLAN_SUBMITTED, _submitted()))


def test_an_erased_payload_that_the_state_needs_is_corruption() -> None:
    state = _folded((Kind.RUN_OPENED, opened()))
    with pytest.raises(TrailCorrupt, match="erased"):
        apply_event(state, event(Kind.PLAN_SUBMITTED, None, 2))


def test_a_refusal_names_the_state_and_the_next_action() -> None:
    state = _folded((Kind.RUN_OPENED, opened()))
    with pytest.raises(RunStateRefused, match="run 0a0a0a0a is drafted: cannot make a worktree") as caught:
        state.require(Status.APPROVED, to="make a worktree")
    assert "submit_plan" in caught.value.hint


_BODIES: list[tuple[Kind, dict[str, Any]]] = [
    (Kind.PLAN_SUBMITTED, _submitted()),
    (Kind.DECISION_ANSWERED, _approval("approve", plan().content_hash())),
    (Kind.DECISION_ANSWERED, _approval("change", plan().content_hash())),
    (Kind.DECISION_ANSWERED, _approval("reject", plan().content_hash())),
    (Kind.DECISION_ANSWERED, _approval("retry", "0" * 64, "escalation")),
    _EXECUTING[-1],
    (Kind.WORKTREE_REMOVED, {}),
    *_gate(1, "FAILED", 3),
    *_gate(1, "PASSED", 0),
    (Kind.GATE_CANCELLED, {}),
    (Kind.RUN_ESCALATED, {"reason": "stuck"}),
    (Kind.RUN_ABANDONED, {"reason": "enough"}),
]


@given(st.lists(st.sampled_from(_BODIES), max_size=25))
def test_in_whatever_order_no_run_executes_without_approval(steps: list[tuple[Kind, dict[str, Any]]]) -> None:
    """The fold refuses what the table forbids; what it lets through never skips the person."""
    state: RunState = apply_event(None, event(Kind.RUN_OPENED, opened()))
    approved = False
    for number, (kind, body) in enumerate(steps, start=2):
        one: Event = event(kind, body, number)
        if kind in (Kind.GATE_FINISHED, Kind.GATE_CANCELLED) and not state.gates:
            continue
        if kind is Kind.GATE_FINISHED and state.status is not Status.VERIFYING:
            continue
        try:
            state = apply_event(state, one)
        except TrailCorrupt:
            continue
        approved = approved or (kind is Kind.DECISION_ANSWERED and body["approval"]["verdict"] == "approve")
        if state.status in (Status.EXECUTING, Status.VERIFYING, Status.PASSED, Status.FAILED):
            assert approved
