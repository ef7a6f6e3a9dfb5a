"""A run: one task on its way through plan, execute, verify, ship.

Its state is the fold of its events, and the table below is the only place that says which state may follow
which. Everything here is pure: no clock, no disk.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from pev.errors import RunStateRefused, TrailCorrupt
from pev.events import Event, Kind
from pev.facts import Approval, GateState, Pending, PlanRevision, PrState, Signer, WorktreeState
from pev.findings import Outcome
from pev.models import (
    ApprovalRules,
    Boundary,
    Digest,
    LetThrough,
    Model,
    ObjectId,
    RepoId,
    Role,
    RunId,
    Verdict,
    run_of_stream,
)
from pev.work import WORKED, Opinion, Work, work_after

__all__ = [
    "Approval",
    "GateState",
    "Pending",
    "PlanRevision",
    "PrState",
    "Signer",
    "WorktreeState",
]


class Status(StrEnum):
    """Where a run stands."""

    DRAFTED = "drafted"
    AWAITING_ANSWERS = "awaiting_answers"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    FAILED = "failed"
    PASSED = "passed"
    ESCALATED = "escalated"
    PR_OPEN = "pr_open"
    MERGED = "merged"
    CLOSED = "closed"
    ABANDONED = "abandoned"


_S = Status
TERMINAL: Final = frozenset({_S.MERGED, _S.CLOSED, _S.ABANDONED})
_PLANNING: Final = {_S.DRAFTED, _S.AWAITING_ANSWERS, _S.AWAITING_APPROVAL}
TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    _S.DRAFTED: frozenset(_PLANNING),
    _S.AWAITING_ANSWERS: frozenset(_PLANNING),
    _S.AWAITING_APPROVAL: frozenset(_PLANNING | {_S.APPROVED}),
    _S.APPROVED: frozenset(_PLANNING | {_S.EXECUTING}),
    _S.EXECUTING: frozenset({_S.EXECUTING, _S.VERIFYING, _S.ESCALATED, _S.APPROVED} | _PLANNING),
    _S.VERIFYING: frozenset({_S.VERIFYING, _S.FAILED, _S.PASSED, _S.ESCALATED, _S.EXECUTING}),
    _S.FAILED: frozenset({_S.EXECUTING, _S.VERIFYING, _S.ESCALATED, _S.APPROVED} | _PLANNING),
    _S.PASSED: frozenset({_S.PASSED, _S.EXECUTING, _S.VERIFYING, _S.ESCALATED, _S.PR_OPEN, _S.APPROVED}),
    _S.ESCALATED: frozenset({_S.EXECUTING, _S.VERIFYING, _S.ESCALATED, _S.APPROVED} | _PLANNING),
    _S.PR_OPEN: frozenset({_S.PR_OPEN, _S.MERGED, _S.CLOSED, _S.EXECUTING, _S.VERIFYING}),
    _S.MERGED: frozenset(),
    _S.CLOSED: frozenset(),
    _S.ABANDONED: frozenset(),
}
"""From each state, the states that may follow. ABANDONED follows any that is not terminal."""

NEXT_ACTION: Final[dict[Status, str]] = {
    _S.DRAFTED: "Write a plan and call submit_plan.",
    _S.AWAITING_ANSWERS: "A person answers the open questions: request_decision, or `pev approve`.",
    _S.AWAITING_APPROVAL: "A person decides on the plan: request_decision, or `pev approve`.",
    _S.APPROVED: "Call make_worktree.",
    _S.EXECUTING: "Make the change in the worktree, then call run_gate.",
    _S.VERIFYING: "Call run_gate again to join the gate that is running.",
    _S.FAILED: "Fix what the gate found in the worktree, then call run_gate.",
    _S.PASSED: "Call open_pr.",
    _S.ESCALATED: "A person decides: request_decision, or `pev decide`.",
    _S.PR_OPEN: "A person merges the pull request; sync_pr records it.",
    _S.MERGED: "Nothing: the run is over.",
    _S.CLOSED: "Nothing: the run is over. Open a new one with draft_plan.",
    _S.ABANDONED: "Nothing: the run is over. Open a new one with draft_plan.",
}


def may_follow(before: Status, after: Status) -> bool:
    """Say whether a run may go from `before` to `after`."""
    if after is Status.ABANDONED:
        return before not in TERMINAL
    return after in TRANSITIONS[before]


class RunState(Model):
    """Everything that PEV knows of a run: the fold of its events."""

    id: RunId
    repo: RepoId
    repo_name: str
    task: str
    status: Status = Status.DRAFTED
    version: int = 0
    opened_at: str = ""
    updated_at: str = ""
    opened_by: str = ""
    tenant: str = ""
    trusted_ref: str
    trusted_commit: ObjectId
    base_ref: str
    base_commit: ObjectId
    policy_hash: Digest
    policy_source: str
    rules: ApprovalRules = ApprovalRules()
    max_attempts: int = Field(ge=1)
    revisions: tuple[PlanRevision, ...] = ()
    pending: Pending | None = None
    model_nonces: Mapping[Role, str] = Field(default={}, description="the open question to each role's model")
    approvals: tuple[Approval, ...] = ()
    let_throughs: tuple[LetThrough, ...] = ()
    worktree: WorktreeState | None = None
    gates: tuple[GateState, ...] = ()
    attempts_used: int = 0
    pr: PrState | None = None
    guidance: tuple[str, ...] = ()
    work: Work = Work()
    reason: str = ""

    @property
    def revision(self) -> PlanRevision | None:
        """The newest revision of the plan."""
        return self.revisions[-1] if self.revisions else None

    @property
    def gate(self) -> GateState | None:
        """The newest gate."""
        return self.gates[-1] if self.gates else None

    @property
    def approved_revision(self) -> PlanRevision | None:
        """The revision that a person approved, if it is still the newest."""
        newest = self.revision
        for approval in reversed(self.approvals):
            if approval.boundary is Boundary.PLAN:
                good = approval.verdict is Verdict.APPROVE
                same = newest is not None and approval.subject == newest.plan_hash
                return newest if good and same else None
        return None

    @property
    def awaits_merge_decision(self) -> bool:
        """Whether a person's word on the passed snapshot is wanted, and nobody gave it yet.

        The policy wants it, or a reviewer rejected exactly this snapshot, and it passed again.
        """
        if self.status is not Status.PASSED or self.gate is None:
            return False
        rejected = [one.event for one in self.work.rejections_of(self.gate.snapshot)]
        if not self.rules.merge and not rejected:
            return False
        return not any(
            one.boundary is Boundary.MERGE
            and one.verdict is Verdict.APPROVE
            and one.subject == self.gate.key
            and one.event > max(rejected, default=-1)
            for one in self.approvals
        )

    def require(self, *allowed: Status, to: str) -> None:
        """Raise RunStateRefused unless the run stands in one of the `allowed` states."""
        if self.status not in allowed:
            raise RunStateRefused(
                f"run {self.id} is {self.status}: cannot {to}", hint=NEXT_ACTION[self.status]
            )


def _move(state: RunState, after: Status, **changes: Any) -> RunState:
    if not may_follow(state.status, after):
        raise TrailCorrupt(f"run {state.id} went from {state.status} to {after}")
    return state.model_copy(update={"status": after, **changes})


def _plan_submitted(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    revision = PlanRevision.model_validate(
        {key: body[key] for key in ("revision", "plan", "plan_hash", "source", "model")}
    )
    after = _S.AWAITING_ANSWERS if revision.plan.open_questions else _S.AWAITING_APPROVAL
    return _move(state, after, revisions=(*state.revisions, revision), pending=None)


def _model_asked(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    role = Role(body["role"])
    return state.model_copy(update={"model_nonces": {**state.model_nonces, role: str(body["nonce"])}})


def _model_answered(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    role = Role(body.get("role", Role.PLANNER))  # it was left out while only planners were asked
    still = {one: nonce for one, nonce in state.model_nonces.items() if one is not role}
    return state.model_copy(update={"model_nonces": still})


def _decision_asked(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    return state.model_copy(update={"pending": Pending.model_validate(body["pending"])})


_AFTER_DECISION: Final = {
    (Boundary.PLAN, Verdict.APPROVE): _S.APPROVED,
    (Boundary.PLAN, Verdict.CHANGE): _S.DRAFTED,
    (Boundary.PLAN, Verdict.REJECT): _S.ABANDONED,
    (Boundary.ESCALATION, Verdict.RETRY): _S.EXECUTING,
    (Boundary.ESCALATION, Verdict.ALLOW): _S.EXECUTING,
    (Boundary.ESCALATION, Verdict.CHANGE): _S.DRAFTED,
    (Boundary.ESCALATION, Verdict.TAKE_OVER): _S.ABANDONED,
    (Boundary.ESCALATION, Verdict.REJECT): _S.ABANDONED,
    (Boundary.MERGE, Verdict.APPROVE): _S.PASSED,
    (Boundary.MERGE, Verdict.CHANGE): _S.EXECUTING,
    (Boundary.MERGE, Verdict.REJECT): _S.ABANDONED,
}


def _decision_answered(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    approval = Approval.model_validate({**body["approval"], "event": event.seq, "at": event.at})
    allowed = tuple(LetThrough.model_validate({**item, "event": event.seq}) for item in body["let_throughs"])
    changes: dict[str, Any] = {
        "pending": None,
        "approvals": (*state.approvals, approval),
        "let_throughs": (*state.let_throughs, *allowed),
    }
    if approval.comment:
        changes["guidance"] = (*state.guidance, approval.comment)
    if approval.verdict is Verdict.RETRY:
        changes["max_attempts"] = state.attempts_used + max(1, int(body.get("more_attempts", 1)))
    after = _AFTER_DECISION[approval.boundary, approval.verdict]
    if after is _S.ABANDONED:
        changes["reason"] = approval.comment or approval.verdict.value
    return _move(state, after, **changes)


def _worktree_made(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    return _move(state, _S.EXECUTING, worktree=WorktreeState.model_validate(body["worktree"]))


def _worktree_removed(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    gone: dict[str, Any] = {"worktree": None}
    if state.status in (_S.EXECUTING, _S.FAILED, _S.ESCALATED):
        return _move(state, _S.APPROVED, **gone)
    return state.model_copy(update=gone)


def _gate_started(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    gate = GateState.model_validate({key: body[key] for key in ("attempt", "snapshot")})
    return _move(state, _S.VERIFYING, gates=(*state.gates, gate))


def _gate_finished(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    last = state.gates[-1].model_copy(
        update={
            "outcome": Outcome(body["outcome"]),
            "report": Digest(body["report"]),
            "key": Digest(body["key"]),
            "reason": body.get("reason", ""),
        }
    )
    used = int(body["attempts_used"])
    if last.outcome is Outcome.PASSED:
        after = _S.PASSED
    else:
        after = _S.ESCALATED if used >= state.max_attempts else _S.FAILED
    return _move(state, after, gates=(*state.gates[:-1], last), attempts_used=used)


def _gate_cancelled(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    return _move(state, _S.EXECUTING, gates=state.gates[:-1])


def _reviewed(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    rejected = body["review"]["opinion"] == Opinion.REJECT.value
    return _move(state, _S.EXECUTING) if rejected and state.status is _S.PASSED else state


def _escalated(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    return _move(state, _S.ESCALATED, reason=body.get("reason", ""))


def _abandoned(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    return _move(state, _S.ABANDONED, reason=body.get("reason", ""), pending=None)


def _pr_opened(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    return _move(state, _S.PR_OPEN, pr=PrState.model_validate(body["pr"]))


def _pr_synced(state: RunState, event: Event, body: dict[str, Any]) -> RunState:
    pr = PrState.model_validate(body["pr"])
    after = {"merged": _S.MERGED, "closed": _S.CLOSED}.get(pr.state, _S.PR_OPEN)
    return _move(state, after, pr=pr)


_APPLY: Final = {
    Kind.MODEL_ASKED: _model_asked,
    Kind.MODEL_ANSWERED: _model_answered,
    Kind.PLAN_SUBMITTED: _plan_submitted,
    Kind.DECISION_ASKED: _decision_asked,
    Kind.DECISION_ANSWERED: _decision_answered,
    Kind.WORKTREE_MADE: _worktree_made,
    Kind.WORKTREE_REMOVED: _worktree_removed,
    Kind.GATE_STARTED: _gate_started,
    Kind.GATE_FINISHED: _gate_finished,
    Kind.GATE_CANCELLED: _gate_cancelled,
    Kind.REVIEW_SUBMITTED: _reviewed,
    Kind.RUN_ESCALATED: _escalated,
    Kind.RUN_ABANDONED: _abandoned,
    Kind.PR_OPENED: _pr_opened,
    Kind.PR_SYNCED: _pr_synced,
}


FOLDED: Final = frozenset({Kind.RUN_OPENED, *_APPLY, *WORKED})
"""The kinds of events that change more of a state than its version and time."""


def apply_event(state: RunState | None, event: Event) -> RunState:
    """Return the state after one more event of the run's stream.

    Raises TrailCorrupt if the event cannot follow, for instance because its payload was erased or it
    makes a transition that the table does not have.
    """
    body = event.payload
    if state is None:
        if event.kind is not Kind.RUN_OPENED or body is None:
            raise TrailCorrupt(f"stream {event.stream} begins with {event.kind}")
        run_id = run_of_stream(event.stream)
        if run_id is None:
            raise TrailCorrupt(f"stream {event.stream} is no run's")
        state = RunState.model_validate(
            {"id": run_id, "opened_at": event.at, "opened_by": event.actor.principal, **body}
        )
    elif event.kind in FOLDED:
        if body is None:
            raise TrailCorrupt(f"payload of event {event.seq} ({event.kind}) was erased")
        if event.kind in _APPLY:
            state = _APPLY[event.kind](state, event, body)
    work = work_after(state.work, event)
    return state.model_copy(update={"version": event.version, "updated_at": event.at, "work": work})


def fold(events: Iterable[Event]) -> RunState | None:
    """Return the state after all `events` of one run, in order; None if there is none."""
    state: RunState | None = None
    for event in events:
        state = apply_event(state, event)
    return state
