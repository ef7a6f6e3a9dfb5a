"""Verifying: the gate of a run, checks without a run, and what a person trusted.

The gate goes on when a caller stops waiting; the next call joins it. A gate whose process died is started
again.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from pev.core import Core
from pev.errors import PevError, RunStateRefused
from pev.events import Actor, Kind, NewEvent
from pev.findings import CheckResult, GateReport, Outcome
from pev.gate.engine import Gate
from pev.gate.held_set import HeldOutSet
from pev.gate.interface import GateRequest, Trust
from pev.gate.policy import Detected, LoadedPolicy, Policy, detect, load_policy
from pev.models import Caller, Digest, Model, ObjectId, RunId, Scope, repo_stream, require_scope, run_stream
from pev.repos.depot import Depot
from pev.repos.snapshot import snapshot_working_tree, take_snapshot
from pev.roles.sight import Sight, require_sight
from pev.run import RunState, Status
from pev.stages.executing import worktree_of
from pev.stages.jobs import Job, Jobs, Progress, RunLock

if TYPE_CHECKING:
    from pev.gate.trial import Tried

_GATED = (Status.EXECUTING, Status.FAILED, Status.PASSED, Status.PR_OPEN, Status.VERIFYING)
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """What run_gate answers: the run, and the report unless the gate is still running."""

    state: RunState
    report: GateReport | None


class PolicyView(Model):
    """A policy, where it stands, and whether a person trusted exactly this one."""

    source: str
    hash: str
    trust: Trust
    policy: Policy


class Verifying:
    """The third stage of a run."""

    def __init__(self, core: Core, gate: Gate, jobs: Jobs) -> None:
        self._core = core
        self._gate = gate
        self._jobs = jobs

    async def run_gate(
        self, caller: Caller, run_id: RunId, *, wait_s: float, progress: Progress | None = None
    ) -> Judged:
        """Judge the run's snapshot, or join the gate that is running; wait at most `wait_s` seconds.

        Raises RunStateRefused without an approved plan or worktree, SnapshotRefused, PolicyInvalid.
        """
        require_scope(caller, Scope.VERIFY)
        require_sight(caller, Sight.GATE)
        deadline = anyio.current_time() + wait_s
        state = await self._core.state(run_id)  # before a job is joined: it may be another tenant's
        job = self._jobs.get(run_id)
        if job is None:
            state.require(*_GATED, to="run the gate")
            self._require_plan(state)
            job = await self._job(caller, run_id, deadline)
            if job is None:
                return await self._judged(run_id)
        wait_s = max(0.0, deadline - anyio.current_time())
        await self._jobs.wait(job, limit_s=wait_s, progress=progress)
        return await self._judged(run_id)

    async def check_path(
        self, caller: Caller, name: str, *, repo: str | None, trusted: bool = False
    ) -> CheckResult:
        """Run one check on the files of an allowed repository as they are now, without a run.

        Findings of the trusted ref are marked old. Raises RepoUnknown, CheckUnknown.
        """
        require_scope(caller, Scope.VERIFY)
        require_sight(caller, Sight.GATE)
        user_repo = await self._core.catalog.find(repo)
        request = await self.request_for_path(repo, trusted=trusted)
        result = await self._gate.check_one(request, name)
        body = {"check": name, "snapshot": request.snapshot, "outcome": result.outcome.value}
        event = NewEvent(kind=Kind.CHECK_RAN, actor=Actor.of(caller), payload=body)
        await self._core.append(repo_stream(user_repo.id), [*_denials(caller, [result]), event])
        return result

    async def check_run(self, caller: Caller, name: str, run_id: RunId) -> CheckResult:
        """Run one check on the snapshot of a run's worktree; the run's state does not change."""
        require_scope(caller, Scope.VERIFY)
        require_sight(caller, Sight.GATE)
        state = await self._core.state(run_id)
        request = await self.request(state, held_out=False)  # only a gate, which counts, asks those tests
        result = await self._gate.check_one(request, name)
        await self._core.append(run_stream(run_id), _denials(caller, [result]))
        return result

    async def judge_path(
        self,
        caller: Caller,
        *,
        repo: str | None,
        base: str | None = None,
        commit: str | None = None,
        trusted: bool = False,
        progress: Progress | None = None,
    ) -> GateReport:
        """Judge the files of a repository, or one of its commits, against a base, without a run.

        Here the caller's base is the operator's word: it also names the policy.
        """
        require_scope(caller, Scope.VERIFY)
        require_sight(caller, Sight.GATE)
        user_repo = await self._core.catalog.find(repo)
        request = await self.request_for_path(repo, base=base, commit=commit, trusted=trusted)
        report = await self._gate.judge(request, progress)
        body = {
            "outcome": report.outcome.value,
            "reason": report.reason,
            "snapshot": report.snapshot,
            "base": report.base_commit,
            "key": report.key,
        }
        event = NewEvent(kind=Kind.GATE_JUDGED, actor=Actor.of(caller), payload=body)
        await self._core.append(
            repo_stream(user_repo.id), [*_denials(caller, () if report.cached else report.checks), event]
        )
        return report

    async def try_cheats(
        self, caller: Caller, *, repo: str | None, trusted: bool = False
    ) -> AsyncIterator["Tried"]:
        """Plant known cheats in copies of a repository's trusted ref, and give what its gate says of each."""
        from pev.gate.trial import try_cheats

        require_scope(caller, Scope.VERIFY)
        request = await self.request_for_path(repo, trusted=trusted)
        async for tried in try_cheats(self._gate, request, self._core.config.cache_dir / "trial"):
            yield tried

    async def request_for_path(
        self, repo: str | None, *, base: str | None = None, commit: str | None = None, trusted: bool = False
    ) -> GateRequest:
        """Build what the gate is asked about a path: its snapshot, base, policy and trust."""
        user_repo = await self._core.catalog.find(repo)
        depot = await self._core.depot(user_repo)
        if base is None:
            _, base_commit = await depot.trusted(self._core.config.trusted_ref)
        else:
            base_commit = await depot.resolve(base)
        if commit is None:
            snapshot = await snapshot_working_tree(
                depot,
                user_repo.root,
                base_commit=base_commit,
                trusted_commit=base_commit,
                head_commit=user_repo.head_commit,
            )
        else:
            snapshot = await depot.tree_of(await depot.resolve(commit))
        policy = await load_policy(depot, base_commit)
        known = trusted or await self._core.is_trusted(user_repo.id, policy.hash)
        return GateRequest(
            depot=depot,
            snapshot=snapshot,
            base_commit=base_commit,
            trusted_commit=base_commit,
            policy=policy,
            trust=Trust.TRUSTED if known else Trust.UNTRUSTED,
        )

    async def policy(self, caller: Caller, repo: str | None) -> tuple[LoadedPolicy, Trust]:
        """Give the policy of a repository's trusted ref, and whether a person trusted it."""
        require_scope(caller, Scope.READ)
        user_repo = await self._core.catalog.find(repo)
        depot = await self._core.depot(user_repo)
        _, trusted = await depot.trusted(self._core.config.trusted_ref)
        policy = await load_policy(depot, trusted)
        known = await self._core.is_trusted(user_repo.id, policy.hash)
        return policy, Trust.TRUSTED if known else Trust.UNTRUSTED

    async def detect(self, caller: Caller, repo: str | None) -> Detected:
        """Look at a repository's trusted ref, and say what a policy for it would hold."""
        require_scope(caller, Scope.READ)
        depot = await self._core.depot(await self._core.catalog.find(repo))
        _, trusted = await depot.trusted(self._core.config.trusted_ref)
        return await detect(depot, trusted)

    async def measure_base(
        self, caller: Caller, repo: str | None, *, trusted: bool = False
    ) -> AsyncIterator[CheckResult]:
        """Run each check of a repository's policy on its trusted ref as it is, and give each result."""
        require_scope(caller, Scope.VERIFY)
        request = await self.request_for_path(repo, trusted=trusted)
        snapshot = await request.depot.tree_of(request.trusted_commit)
        request = replace(request, snapshot=snapshot, base_commit=None)
        for name in request.policy.policy.wanted():
            yield await self._gate.check_one(request, name)

    async def policy_view(self, caller: Caller, repo: str | None) -> PolicyView:
        """Give the policy of a repository as it is shown."""
        loaded, trust = await self.policy(caller, repo)
        return PolicyView(source=loaded.source, hash=loaded.hash, trust=trust, policy=loaded.policy)

    async def trust(self, caller: Caller, repo: str | None) -> LoadedPolicy:
        """Record that a person trusts the repository's policy as it is now."""
        require_scope(caller, Scope.APPROVE)
        user_repo = await self._core.catalog.find(repo)
        policy, known = await self.policy(caller, repo)
        if known is not Trust.TRUSTED:
            body = {"policy_hash": policy.hash, "source": policy.source}
            event = NewEvent(kind=Kind.POLICY_TRUSTED, actor=Actor.of(caller), payload=body)
            await self._core.append(repo_stream(user_repo.id), [event])
        return policy

    async def snapshot(self, state: RunState) -> tuple[Depot, ObjectId]:
        """Write the snapshot of a run's worktree into the depot."""
        depot = await self._core.depot(await self._core.repo_of(state))
        tree = await take_snapshot(
            depot,
            worktree_of(state).path,
            base_commit=state.base_commit,
            trusted_commit=state.trusted_commit,
        )
        return depot, tree

    def _require_plan(self, state: RunState) -> None:
        if state.approved_revision is None:
            raise RunStateRefused(
                f"run {state.id} has no approved plan for its newest revision", hint="Call request_decision."
            )

    async def request(self, state: RunState, *, held_out: bool = True) -> GateRequest:
        """Build what the gate is asked about a run; its base, where it has no worktree yet."""
        if state.worktree is None:
            depot = await self._core.depot(await self._core.repo_of(state))
            snapshot = await depot.tree_of(state.base_commit)
        else:
            depot, snapshot = await self.snapshot(state)
        policy = await load_policy(depot, state.trusted_commit)
        known = await self._core.is_trusted(state.repo, policy.hash)
        approved = state.approved_revision
        return GateRequest(
            depot=depot,
            snapshot=snapshot,
            base_commit=state.base_commit,
            trusted_commit=state.trusted_commit,
            policy=policy,
            trust=Trust.TRUSTED if known else Trust.UNTRUSTED,
            plan=approved.plan if approved else None,
            let_throughs=tuple(one for one in state.let_throughs if one.snapshot == snapshot),
            held_out=await self._held_out(state) if held_out else None,
            wants_held_out=held_out and "tester" in policy.policy.roles.require,
        )

    async def _held_out(self, state: RunState) -> HeldOutSet | None:
        """Give the held-out tests of a run's approved plan."""
        kept, approved = state.work.held_out, state.approved_revision
        if kept is None or approved is None or kept.plan_hash != approved.plan_hash:
            return None
        return HeldOutSet.model_validate_json(await self._core.blob(kept.digest))

    async def held_out_digest(self, state: RunState) -> Digest | None:
        """Give the hash of the held-out tests that a gate of this run must run; None without any."""
        held = await self._held_out(state)
        return held.digest if held is not None else None

    async def _job(self, caller: Caller, run_id: RunId, deadline: float) -> Job | None:
        """Start the run's gate, or join one that started meanwhile; None while another process holds it.

        What that process measured is cached: starting after it costs nothing.
        """
        lock = RunLock(self._core.config.state_dir / "gates", run_id)
        while not lock.take():
            job = self._jobs.get(run_id)
            left_s = deadline - anyio.current_time()
            if job is not None or left_s <= 0:
                return job
            await anyio.sleep(min(_POLL_S, left_s))
        return self._jobs.start(run_id, "gate", lambda own: self._work(own, caller, run_id, lock))

    async def _work(self, job: Job, caller: Caller, run_id: RunId, lock: RunLock) -> None:
        try:
            request = await self.request(await self._core.state(run_id))
            state = await self._core.decide(run_id, lambda now: _starting(now, caller, request))
            try:
                report = await self._gate.judge(request, job.report)
            except BaseException as exc:
                await self._give_up(caller, run_id, exc)
                raise
            await self._finish(caller, state, report)
        finally:
            lock.free()

    async def _finish(self, caller: Caller, state: RunState, report: GateReport) -> None:
        blob = await self._core.put_blob(report.model_dump_json().encode(), "application/json")
        tried = {one.snapshot for one in state.gates if one.outcome not in (None, Outcome.PASSED)}
        if report.outcome is not Outcome.PASSED:
            tried.add(report.snapshot)
        body = {
            "outcome": report.outcome.value,
            "report": blob,
            "key": report.key,
            "reason": report.reason,
            "attempts_used": len(tried),
            "checks": [
                {"check": one.check, "outcome": one.outcome.value, "reason": one.reason}
                for one in report.checks
            ],
            "findings": [
                one.model_dump(mode="json", include={"check", "rule", "path", "line", "fingerprint"})
                for one in report.findings
                if one.counts()
            ][:500],
        }
        finished = NewEvent(kind=Kind.GATE_FINISHED, actor=Actor.of(caller), payload=body)
        events = [*_denials(caller, () if report.cached else report.checks), finished]
        await self._core.decide(
            state.id, lambda now: events if now.status is Status.VERIFYING else _lost(now)
        )

    async def _give_up(self, caller: Caller, run_id: RunId, exc: BaseException) -> None:
        reason = exc.message if isinstance(exc, PevError) else type(exc).__name__
        event = NewEvent(kind=Kind.GATE_CANCELLED, actor=Actor.of(caller), payload={"reason": reason})
        with anyio.CancelScope(shield=True):
            await self._core.decide(run_id, lambda now: [event] if now.status is Status.VERIFYING else ())

    async def _judged(self, run_id: RunId) -> Judged:
        state = await self._core.state(run_id)
        running = state.gate is not None and state.gate.outcome is None
        return Judged(state, None if running else await self._core.report(state))


def _denials(caller: Caller, results: Iterable[CheckResult]) -> list[NewEvent]:
    """Give an event for each connection that code under test was refused."""
    return [
        NewEvent(
            kind=Kind.NETWORK_DENIED,
            actor=Actor.of(caller),
            payload={**denial.model_dump(mode="json"), "check": result.check},
        )
        for result in results
        for denial in result.denied
    ]


def _lost(state: RunState) -> Sequence[NewEvent]:
    raise RunStateRefused(
        f"run {state.id} became {state.status} while its gate ran", hint="Look at the run's trail."
    )


def _starting(state: RunState, caller: Caller, request: GateRequest) -> Sequence[NewEvent]:
    state.require(*_GATED, to="run the gate")
    events = []
    if state.status is Status.VERIFYING:  # its process died: nobody else holds the lock
        body = {"reason": "its process ended"}
        events.append(NewEvent(kind=Kind.GATE_CANCELLED, actor=Actor.of(caller), payload=body))
    unfinished = state.status is Status.VERIFYING
    attempt = len(state.gates) + (0 if unfinished else 1)
    body_started = {"attempt": max(1, attempt), "snapshot": request.snapshot}
    events.append(NewEvent(kind=Kind.GATE_STARTED, actor=Actor.of(caller), payload=body_started))
    return events
