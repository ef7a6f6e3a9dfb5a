"""Testing: the tester role's held-out tests, from brief to record, and what they do on the base.

Their source is a blob that an event names; no view leads to it. They are bound to the approved plan, and once
a gate has judged with them only a person's decision, or a new plan, makes room for others.
"""

from collections.abc import Sequence
from dataclasses import replace

from pev.core import Core
from pev.errors import PevError, RunStateRefused, TestsInvalid
from pev.events import Actor, Kind, NewEvent
from pev.findings import Outcome
from pev.gate.demands import HELD_OUT, Language, Policy
from pev.gate.engine import Gate
from pev.gate.interface import GateRequest
from pev.gate.policy import load_policy
from pev.models import Boundary, Caller, Role, RunId, Scope, Source, require_scope
from pev.plan import Plan
from pev.roles.asker import Answer, Said
from pev.roles.brief import Brief, brief_tester
from pev.roles.heldout import find_source, parse_tests
from pev.roles.sight import Sight, require_role, require_sight
from pev.run import RunState, Status
from pev.stages.asking import Asking, Consequence
from pev.stages.jobs import Jobs
from pev.stages.reading import Reading
from pev.stages.verifying import Verifying
from pev.text import one_line
from pev.work import Trial

_OPEN = (Status.APPROVED, Status.EXECUTING, Status.FAILED, Status.PASSED)
_MOST_S = 300.0


class Testing:
    """Where held-out tests come from."""

    __test__ = False

    def __init__(
        self, core: Core, gate: Gate, jobs: Jobs, reading: Reading, verifying: Verifying, asking: Asking
    ) -> None:
        self._core = core
        self._gate = gate
        self._jobs = jobs
        self._reading = reading
        self._verifying = verifying
        self._asking = asking

    async def brief(self, caller: Caller, run_id: RunId) -> Brief:
        """Give the tester's brief: the plan, and the base's public interface; nothing of the change."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.INTERFACE)
        state = await self._core.state(run_id)
        _approved(state)
        return brief_tester(state, await self._reading.interface(caller, run_id))

    async def state(self, caller: Caller, run_id: RunId) -> RunState:
        """Give the state of a run whose plan may be tested. Raises RunStateRefused."""
        require_scope(caller, Scope.VERIFY)
        state = await self._core.state(run_id)
        _approved(state)
        return state

    async def submit(self, caller: Caller, run_id: RunId, source: str) -> RunState:
        """Take held-out tests from a session of the tester role. Raises TestsInvalid, RoleRefused."""
        require_scope(caller, Scope.VERIFY)
        require_role(caller, Role.TESTER, to="submit held-out tests")
        keeping = await self._keeping(caller, run_id, source, Source.HOST_SUBMITTED, "")
        return await self._core.decide(run_id, keeping)

    async def ask(self, caller: Caller, run_id: RunId) -> RunState:
        """Have the provider write the tests, in a conversation of its own. Raises ModelUnavailable."""
        require_scope(caller, Scope.VERIFY)
        answer = await self._asking.ask(caller, run_id, await self.brief(caller, run_id))
        return await self.take(caller, run_id, answer)

    async def take(self, caller: Caller, run_id: RunId, answer: Answer) -> RunState:
        """Take the tests that a model wrote because we asked it to. Raises TestsInvalid, InvalidInput."""
        require_scope(caller, Scope.VERIFY)

        async def read(said: Said) -> Consequence:
            return await self._keeping(caller, run_id, find_source(said.text), answer.source, said.model)

        try:
            return await self._asking.take(caller, run_id, answer, role=Role.TESTER, read=read)
        except TestsInvalid as exc:  # whoever asked may be the author: what the tests say is not theirs
            raise TestsInvalid(
                "the tester's answer holds no tests that can be used", hint="Call draft_tests again."
            ) from (exc if caller.role is Role.TESTER else None)

    async def _keeping(
        self, caller: Caller, run_id: RunId, source: str, how: Source, model: str
    ) -> Consequence:
        """Check held-out tests and store them; give what taking them adds to the run."""
        state = await self._core.state(run_id)
        plan = _approved(state)
        held = parse_tests(source, plan, root=await self._root(state))
        data = held.model_dump_json().encode()
        if self._core.trail.redactor.text(held.source).value != held.source:
            raise TestsInvalid("the tests hold what looks like a secret", hint="Write them without it.")
        blob = await self._core.put_blob(data, "application/json")
        actor = Actor.of(caller.model_copy(update={"role": Role.TESTER}))

        def keeping(now: RunState) -> Sequence[NewEvent]:
            current = _approved(now)
            require_room(now)
            body = {
                "digest": blob,
                "plan_hash": current.content_hash(),
                "criteria": sorted(held.tests),
                "tests": len({name for names in held.tests.values() for name in names}),
                "source": how.value,
                "model": model,
            }
            kept = now.work.held_out
            if kept is not None and kept.digest == blob and kept.plan_hash == body["plan_hash"]:
                return ()
            return [NewEvent(kind=Kind.TESTS_SUBMITTED, actor=actor, payload={"held_out": body})]

        return keeping

    async def _root(self, state: RunState) -> str:
        """Give the folder of the first Python project. Raises TestsInvalid if there is none."""
        depot = await self._core.depot(await self._core.repo_of(state))
        return python_root((await load_policy(depot, state.trusted_commit)).policy)

    async def try_on_base(self, caller: Caller, run_id: RunId, *, wait_s: float) -> RunState:
        """Measure once what the held-out tests do on the base; wait at most `wait_s` seconds for it.

        It goes on when nobody waits, and the next call joins it.
        """
        require_scope(caller, Scope.VERIFY)
        state = await self._core.state(run_id)
        if state.work.held_out is None or state.work.held_out.trial is not None:
            return state
        name = RunId(f"{run_id}/{HELD_OUT}")
        job = self._jobs.get(name) or self._jobs.start(name, HELD_OUT, lambda _: self._try(caller, run_id))
        await self._jobs.wait(job, limit_s=wait_s, progress=None)
        return await self._core.state(run_id)

    async def _try(self, caller: Caller, run_id: RunId) -> None:
        state = await self._core.state(run_id)
        kept = state.work.held_out
        if kept is None:
            return
        request = await self._verifying.request(state)
        trial = await self._measure(request)
        body = {"digest": kept.digest, "trial": trial.model_dump(mode="json")}
        event = NewEvent(kind=Kind.TESTS_TRIED, actor=Actor.of(caller), payload=body)
        await self._core.decide(run_id, lambda now: [event] if now.work.held_out == kept else ())

    async def _measure(self, request: GateRequest) -> Trial:
        base = await request.depot.tree_of(request.base_commit or request.trusted_commit)
        on_base = replace(request, snapshot=base, base_commit=None, let_throughs=(), limit_s=_MOST_S)
        try:
            result = await self._gate.check_one(on_base, HELD_OUT)
        except PevError as exc:
            return Trial(measured=False, reason=one_line(exc.message))
        passing = {one.message.split()[1] for one in result.findings if one.rule == "criterion-met"}
        measured = result.outcome is not Outcome.INCONCLUSIVE or bool(result.findings)
        return Trial(measured=measured, passing=tuple(sorted(passing)), reason=one_line(result.reason))


def python_root(policy: Policy) -> str:
    """Give the folder of a policy's first Python project. Raises TestsInvalid if it has none."""
    for project in policy.projects:
        if project.language is Language.PYTHON:
            return project.root
    raise TestsInvalid(
        "held-out tests are written for Python, and the policy names no Python project",
        hint="Take tester out of [roles] require, or name the project.",
    )


def _approved(state: RunState) -> Plan:
    """Give the approved plan of a run that is at work. Raises RunStateRefused."""
    state.require(*_OPEN, to="take held-out tests")
    approved = state.approved_revision
    if approved is None:
        raise RunStateRefused(
            f"run {state.id} has no approved plan for its newest revision", hint="Call request_decision."
        )
    return approved.plan


def require_room(state: RunState) -> None:
    """Raise RunStateRefused where other held-out tests may not take the place of those that there are."""
    kept, approved = state.work.held_out, state.approved_revision
    if kept is None or approved is None or kept.plan_hash != approved.plan_hash:
        return
    judged = state.work.judged > kept.event
    decided = any(one.boundary is Boundary.ESCALATION and one.event > kept.event for one in state.approvals)
    if judged and not decided:
        raise RunStateRefused(
            f"run {state.id} was judged with the held-out tests that it has",
            hint="Only a new plan, or a person's decision, makes room for others: escalate.",
        )
