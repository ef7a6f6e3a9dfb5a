"""A model that calls everything in every state, in random order: it never gets past a person or the gate.

The engine, repository, depot and trail are real; the gate's checks alone are replaced by a rule on
the tree that it is given, so that thousands of steps fit into seconds.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, ClassVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pev.engine import Engine
from pev.errors import DecisionInvalid, Forbidden, PevError
from pev.findings import CheckResult, Finding, GateReport, Outcome, fingerprint
from pev.gate.engine import Gate, Progress
from pev.gate.interface import GateRequest
from pev.models import Boundary, Channel, ObjectId, RunId, Source, Verdict, hash_json
from pev.plan import Plan
from pev.run import RunState, Status
from support.engines import AGENT, PERSON, config, engine_at
from support.plans import plan
from support.repos import UserRepoFixture

_PATH = "src/app/slug.py"
_PLANS = (
    plan(),
    plan(goal="Something else"),
    plan(open_questions=[{"id": "q1", "question": "Which?"}]),
)


class RuleGate(Gate):
    """Fails a tree whose file says so, unless each finding was let through; remembers what passed."""

    passed: ClassVar[set[str]] = set()

    async def judge(self, request: GateRequest, progress: Progress | None = None) -> GateReport:
        """Judge by what stands in one file."""
        text = await request.depot.read_blob(request.snapshot, _PATH) or b""
        mark = fingerprint("lint", "R1", _PATH, text.decode())
        allowed = {one.fingerprint for one in request.let_throughs}
        bad = b"bad" in text and mark not in allowed
        found = (Finding(check="lint", rule="R1", path=_PATH, message="bad", fingerprint=mark),)
        outcome = Outcome.FAILED if bad else Outcome.PASSED
        if not bad:
            self.passed.add(request.snapshot)
        return GateReport(
            outcome=outcome,
            key=hash_json([request.snapshot, sorted(allowed), request.plan and request.plan.content_hash()]),
            snapshot=request.snapshot,
            base_commit=request.base_commit or ObjectId(""),
            trusted_commit=request.trusted_commit,
            policy_hash=request.policy.hash,
            policy_source=request.policy.source,
            checks=(CheckResult(check="lint", outcome=outcome, findings=found if bad else ()),),
            let_throughs=request.let_throughs,
            held_out=request.held_out.digest if request.held_out else None,
        )


class AnyOrder(RuleBasedStateMachine):
    """One run, and whoever calls whatever about it."""

    engine: ClassVar[Engine]
    portal: ClassVar[BlockingPortal]

    def __init__(self) -> None:
        super().__init__()
        self.nonces: list[str] = ["never-asked"]
        self.decided = 0
        self.allowed = 0
        self.agreed: set[str] = set()

    def call(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """Call the engine; refusals of ours are in order, anything else is a bug. Then look at the run."""
        try:
            return self.portal.call(act)
        except PevError as exc:
            return exc
        finally:
            self.look()

    @property
    def state(self) -> RunState:
        """The run as it is."""
        found: RunState = self.portal.call(self.engine.run, PERSON, self.run_id)
        return found

    @initialize()
    def opens(self) -> None:
        """Every story begins with a run."""
        self.run_id: RunId = self.portal.call(self.engine.planning.open_run, AGENT, "Add slugify").id

    @rule(given=st.sampled_from(_PLANS))
    def submits(self, given: Plan) -> None:
        """The agent gives a plan, at any time."""
        self.call(
            lambda: self.engine.planning.submit(AGENT, self.run_id, given, source=Source.HOST_SUBMITTED)
        )

    @rule()
    def asks(self) -> None:
        """The agent has the question put."""
        asked = self.call(lambda: self.engine.desk.question(self.run_id, AGENT))
        if asked is not None and not isinstance(asked, PevError):
            self.nonces.append(asked.nonce)

    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def forges(self, data: st.DataObject, verdict: Verdict) -> None:
        """The agent answers by itself, with any nonce that it ever saw."""
        nonce = data.draw(st.sampled_from(self.nonces))
        raw = {"decision": verdict.value, "comment": "x"}
        said = self.call(
            lambda: self.engine.desk.answer(self.run_id, nonce, raw, channel=Channel.HOST_FORM, caller=AGENT)
        )
        assert isinstance(said, Forbidden)

    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def replays(self, data: st.DataObject, verdict: Verdict) -> None:
        """Somebody who may decide sends an answer to a question that does not stand open."""
        pending = self.state.pending
        old = [nonce for nonce in self.nonces if pending is None or nonce != pending.nonce]
        nonce = data.draw(st.sampled_from(old))
        raw = {"decision": verdict.value, "comment": "x"}
        said = self.call(
            lambda: self.engine.desk.answer(self.run_id, nonce, raw, channel=Channel.PAGE, caller=PERSON)
        )
        assert isinstance(said, DecisionInvalid)

    @rule(verdict=st.sampled_from((Verdict.APPROVE, Verdict.APPROVE, *Verdict)))
    def decides(self, verdict: Verdict) -> None:
        """The person answers the question that stands open, one way or another."""
        question = self.portal.call(self.engine.desk.question, self.run_id, AGENT)
        if question is None:
            return
        report = self.portal.call(self.engine.core.report, self.state)
        named = [one.fingerprint for one in report.findings] if report is not None else []
        raw = {"decision": verdict.value, "comment": "so"}
        if question.boundary is Boundary.ESCALATION:
            raw["findings"] = ",".join(named) if verdict is Verdict.ALLOW else ""
        if not question.verdicts:
            raw = {field.name: "an answer" for field in question.fields}
        before = self.state
        said = self.portal.call(self._taken, question.nonce, raw)
        if isinstance(said, PevError):
            return
        if question.verdicts:
            self.decided += 1
            self.allowed += len(said.let_throughs) - len(before.let_throughs)
        if question.boundary is Boundary.PLAN and verdict is Verdict.APPROVE and question.verdicts:
            self.agreed.add(question.subject)
        self.look()

    async def _taken(self, nonce: str, raw: dict[str, str]) -> RunState | PevError:
        try:
            return await self.engine.desk.answer(
                self.run_id, nonce, raw, channel=Channel.TERMINAL, caller=PERSON
            )
        except PevError as exc:
            return exc

    @rule()
    def makes(self) -> None:
        """The agent wants a worktree."""
        self.call(lambda: self.engine.executing.make(AGENT, self.run_id))

    @rule()
    def removes(self) -> None:
        """The agent removes it."""
        self.call(lambda: self.engine.executing.remove(AGENT, self.run_id))

    @rule(text=st.sampled_from(("A = 1\n", "A = 2\n", "bad = 1\n", "bad = 2\n")))
    def writes(self, text: str) -> None:
        """The agent changes the worktree: before the gate, after it, whenever."""
        self.call(lambda: self.engine.executing.write(AGENT, self.run_id, _PATH, text))

    @rule()
    def judges(self) -> None:
        """The agent calls the gate."""
        self.call(lambda: self.engine.verifying.run_gate(AGENT, self.run_id, wait_s=30))

    @rule()
    def escalates(self) -> None:
        """The agent wants a person."""
        self.call(lambda: self.engine.escalate(AGENT, self.run_id, "stuck"))

    @rule()
    def ships(self) -> None:
        """The agent opens a pull request."""
        self.call(lambda: self.engine.shipping.open_pr(AGENT, self.run_id))

    @rule()
    def sneaks(self) -> None:
        """The agent has one thing judged, and ships another, which no gate has ever seen."""
        self.proceeds("A = 1\n", 4)
        self.judges()
        self.writes(f"A = {self.run_id!r}\n")
        self.ships()

    @rule()
    def syncs(self) -> None:
        """The agent asks what became of it."""
        self.call(lambda: self.engine.shipping.sync_pr(AGENT, self.run_id))

    @rule(text=st.sampled_from(("A = 1\n", "A = 1\n", "bad = 1\n")), steps=st.integers(1, 4))
    def proceeds(self, text: str, steps: int) -> None:
        """Everybody does what is due, so that the story gets to its later states, too."""
        for _ in range(steps):
            match self.state.status:
                case Status.DRAFTED:
                    self.submits(_PLANS[0])
                case Status.AWAITING_ANSWERS | Status.AWAITING_APPROVAL:
                    self.decides(Verdict.APPROVE)
                case Status.APPROVED:
                    self.makes()
                case Status.EXECUTING | Status.FAILED:
                    self.writes(text)
                    self.judges()
                case Status.PASSED:
                    self.ships()
                case _:
                    self.syncs()

    def look(self) -> None:
        """Hold the run against what a person and the gate have said."""
        state = self.state
        assert len(state.approvals) == self.decided
        assert len(state.let_throughs) == self.allowed
        if state.status in (Status.EXECUTING, Status.VERIFYING, Status.PASSED, Status.PR_OPEN):
            assert state.revision is not None
            assert state.revision.plan_hash in self.agreed, "it works on a plan that nobody approved"
        if state.worktree is not None or state.gates:
            assert self.agreed, "there is a worktree, and nobody approved a plan"
        if state.status is Status.PASSED:
            assert state.gate is not None
            assert state.gate.snapshot in RuleGate.passed
        if state.pr is not None:
            assert state.pr.tree in RuleGate.passed, "the pull request carries what no gate passed"


def _run(repo: UserRepoFixture, examples: int, steps: int) -> None:
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        opened = stack.enter_context(
            portal.wrap_async_context_manager(engine_at(repo.path, sandbox="none", max_attempts=2))
        )
        core = opened.core
        opened.__dict__["_gate"] = RuleGate(config(), core.sandbox, lambda data: hash_json(data.hex()))
        AnyOrder.engine, AnyOrder.portal = opened, portal
        run_state_machine_as_test(
            AnyOrder,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )


def test_in_no_order_does_a_model_get_past_a_person_or_the_gate(user_repo: UserRepoFixture) -> None:
    """Never a worktree without approval, never a pull request without a passed gate on that tree."""
    _run(user_repo, examples=8, steps=20)


@pytest.mark.slow
def test_in_no_order_at_length(user_repo: UserRepoFixture) -> None:
    """The same, many more times."""
    _run(user_repo, examples=60, steps=40)
