"""The loop: from an open run to its pull request, each phase a consequence of the run's state alone.

What comes next is read from the trail, so whoever goes on, after a crash or in another process, goes on where
the record ends. People decide at the boundaries; in between nobody is needed where a model is provided.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import anyio

from pev.core import Core
from pev.errors import BudgetSpent, PevError, PlanInvalid, ReviewInvalid, TestsInvalid
from pev.events import Actor, Kind, NewEvent
from pev.gate.policy import load_policy
from pev.models import Caller, RunId, Scope, require_scope
from pev.phases import ASKS, JUDGES, Judge, Phase, next_judge, next_phase, used_up
from pev.run import RunState
from pev.stages.asking import Asking
from pev.stages.authoring import Authoring
from pev.stages.executing import Executing
from pev.stages.jobs import Job, Jobs, Progress, RunLock
from pev.stages.planning import Planning
from pev.stages.reviewing import Reviewing
from pev.stages.shipping import Shipping
from pev.stages.testing import Testing, python_root
from pev.stages.verifying import Verifying
from pev.text import one_line
from pev.work import Budget

_FOR_GATE_S: Final = 86_400.0
_POLL_S: Final = 0.5


class Looping:
    """Drives runs."""

    def __init__(
        self,
        core: Core,
        jobs: Jobs,
        asking: Asking,
        planning: Planning,
        executing: Executing,
        testing: Testing,
        authoring: Authoring,
        verifying: Verifying,
        reviewing: Reviewing,
        shipping: Shipping,
    ) -> None:
        self._core = core
        self._jobs = jobs
        self._asking = asking
        self._planning = planning
        self._executing = executing
        self._testing = testing
        self._authoring = authoring
        self._verifying = verifying
        self._reviewing = reviewing
        self._shipping = shipping

    @property
    def has_model(self) -> bool:
        """Whether the operator provides a model."""
        return self._asking.asker is not None

    async def start(
        self,
        caller: Caller,
        run_id: RunId,
        *,
        attempts: int | None = None,
        judges: Sequence[Judge] | None = None,
        can_ask: bool = True,
    ) -> RunState:
        """Begin the loop of a run, once: its attempts, its budget, and which roles judge it.

        The policy's roles always judge; by default all three do where a model can be asked.
        """
        require_scope(caller, Scope.SHIP)
        state = await self._core.state(run_id)
        wanted = set(JUDGES if judges is None and can_ask else judges or ())
        depot = await self._core.depot(await self._core.repo_of(state))
        policy = (await load_policy(depot, state.trusted_commit)).policy
        if "tester" not in policy.roles.require:
            try:
                python_root(policy)
            except TestsInvalid:
                wanted -= {"tester"}
        wanted |= set(policy.roles.require)
        given = self._core.config.provider
        budget = Budget()
        if given is not None:
            budget = Budget(calls=given.max_calls, tokens=given.max_tokens, seconds=given.max_seconds)
        body = {
            "attempts": min(attempts or state.max_attempts, state.max_attempts),
            "budget": budget.model_dump(mode="json"),
            "judges": [one for one in JUDGES if one in wanted],
        }
        event = NewEvent(kind=Kind.LOOP_STARTED, actor=Actor.of(caller), payload=body)
        return await self._core.decide(run_id, lambda now: () if now.work.budget is not None else [event])

    async def phase(self, run_id: RunId) -> Phase:
        """Say what comes next."""
        return next_phase(await self._core.state(run_id))

    async def drive(
        self,
        caller: Caller,
        run_id: RunId,
        *,
        wait_s: float,
        progress: Progress | None = None,
        leave: frozenset[Phase] = frozenset(),
    ) -> Phase:
        """Go on until a person or a host is needed, or the run is done; wait at most `wait_s` seconds for it.

        It goes on when nobody waits, and the next call joins it. One process drives a run at a time. Phases
        in `leave` are the host's.
        """
        name = RunId(f"{run_id}/loop")
        job = self._jobs.get(name)
        if job is None:
            job = self._jobs.start(name, "loop", lambda own: self._drive(own, caller, run_id, leave))
        await self._jobs.wait(job, limit_s=wait_s, progress=progress)
        return await self.phase(run_id)

    def driving(self, run_id: RunId) -> bool:
        """Say whether this process is at work on a run."""
        return self._jobs.get(RunId(f"{run_id}/loop")) is not None

    def needs_others(self, phase: Phase, leave: frozenset[Phase] = frozenset()) -> bool:
        """Say whether a phase needs a person, or a model that only the host has."""
        return phase in {Phase.PERSON, Phase.DONE, *leave} or (phase in ASKS and not self.has_model)

    async def _drive(self, job: Job, caller: Caller, run_id: RunId, leave: frozenset[Phase]) -> None:
        lock = RunLock(self._core.config.state_dir / "loops", run_id)
        while not lock.take():  # another process is at work on it
            if self.needs_others(await self.phase(run_id), leave):
                return
            await anyio.sleep(_POLL_S)
        try:
            while not self.needs_others(phase := await self.phase(run_id), leave):
                state = await self._core.state(run_id)
                await job.report(f"{phase}: attempt {state.work.tried + 1}", float(state.version), 0.0)
                await self._advance(caller, run_id, phase, job.report)
        finally:
            lock.free()

    async def _advance(self, caller: Caller, run_id: RunId, phase: Phase, progress: Progress) -> None:
        """Do one phase."""
        try:
            match phase:
                case Phase.PLAN:
                    await self.plan_by_provider(caller, run_id)
                case Phase.WORKTREE:
                    await self._executing.make(caller, run_id)
                case Phase.TESTS:
                    await self._tests(caller, run_id)
                case Phase.AUTHOR:
                    await self._authoring.turn(caller, run_id, progress)
                case Phase.GATE:
                    await self._verifying.run_gate(caller, run_id, wait_s=_FOR_GATE_S, progress=progress)
                case Phase.REVIEW:
                    await self._review(caller, run_id)
                case Phase.SHIP:
                    await self._shipping.open_pr(caller, run_id)
                case _:
                    await self._escalate(caller, run_id)
        except BudgetSpent:  # in the middle of a phase; before a plan there is nothing to put before a person
            if phase is Phase.PLAN:
                raise
            await self._escalate(caller, run_id)

    async def _escalate(self, caller: Caller, run_id: RunId) -> None:
        """Put a run that used up what it had before a person, with what was tried."""

        def escalating(now: RunState) -> Sequence[NewEvent]:
            if next_phase(now) is not Phase.ESCALATE:
                return ()
            last = now.gates[-1].reason if now.gates else ""
            objections = [one.summary for one in now.work.reviews[-1:] if one.objections]
            said = one_line("; ".join(part for part in (used_up(now), last, *objections) if part), 1_000)
            return [NewEvent(kind=Kind.RUN_ESCALATED, actor=Actor.of(caller), payload={"reason": said})]

        await self._core.decide(run_id, escalating)

    async def _tests(self, caller: Caller, run_id: RunId) -> None:
        """Have the provider write held-out tests, and see what they do on the base."""
        await _twice(partial(self._testing.ask, caller, run_id), TestsInvalid)
        await self._testing.try_on_base(caller, run_id, wait_s=_FOR_GATE_S)

    async def _review(self, caller: Caller, run_id: RunId) -> None:
        judge = next_judge(await self._core.state(run_id))
        if judge is not None:
            await _twice(partial(self._reviewing.ask, caller, run_id, judge), ReviewInvalid)

    async def plan_by_provider(self, caller: Caller, run_id: RunId) -> RunState:
        """Have the provider draft the plan of a run. Raises ModelUnavailable, PlanInvalid, BudgetSpent."""
        require_scope(caller, Scope.PLAN)
        return await _twice(partial(self._planning.ask, caller, run_id), PlanInvalid)

    async def stop(self, caller: Caller, run_id: RunId) -> RunState:
        """Stop driving a run; where it stands is on record, and the next call goes on from there."""
        require_scope(caller, Scope.EXECUTE)
        await self._core.state(run_id)  # before anything is stopped: it may be another tenant's
        job = self._jobs.get(RunId(f"{run_id}/loop"))
        if job is not None:
            job.scope.cancel()
            await job.done.wait()
        return await self._core.state(run_id)


async def _twice(ask: Callable[[], Awaitable[RunState]], useless: type[PevError]) -> RunState:
    """Ask a model; where its answer is of no use, once more."""
    try:
        return await ask()
    except useless:
        return await ask()
