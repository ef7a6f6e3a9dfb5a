"""Shipping: a pull request for exactly the snapshot that passed. Never a merge."""

from collections.abc import Sequence
from typing import Final

from pev.account import obstacles
from pev.boundary.signers import require_signers
from pev.core import Core
from pev.errors import NotPassed, PevError, ReviewMissing, RunStateRefused
from pev.events import Actor, Kind, NewEvent
from pev.findings import GateReport, Outcome
from pev.forge.body import render_body
from pev.forge.evidence import MEDIA_TYPE
from pev.forge.interface import PrRequest
from pev.forge.select import forge_of
from pev.gate.policy import load_policy
from pev.models import Caller, ObjectId, RunId, Scope, require_scope
from pev.repos.depot import Depot
from pev.repos.lock import locked
from pev.repos.notes import keep_note
from pev.run import RunState, Status
from pev.stages.evidence import gather, verifier_keys
from pev.stages.executing import worktree_of
from pev.stages.verifying import Verifying

_OTHERS_S: Final = 600.0
"""The longest wait for another process that ships the same run."""


class Shipping:
    """The last stage of a run."""

    def __init__(self, core: Core, verifying: Verifying) -> None:
        self._core = core
        self._verifying = verifying

    async def open_pr(self, caller: Caller, run_id: RunId) -> tuple[RunState, str]:
        """Commit the snapshot that passed and open a pull request for it; give the run and the body.

        Raises NotPassed if the worktree is no longer what the gate judged. A second call for the same
        snapshot finds the pull request that is there.
        """
        require_scope(caller, Scope.SHIP)
        await self._core.state(run_id)
        lock = self._core.config.state_dir / "shipping" / f"{run_id}.lock"
        # two calls at once would make two commits of one snapshot
        async with locked(lock, limit_s=_OTHERS_S, passing=True):
            return await self._open(caller, run_id)

    async def _open(self, caller: Caller, run_id: RunId) -> tuple[RunState, str]:
        state = await self._core.state(run_id)
        state.require(Status.PASSED, Status.PR_OPEN, to="open a pull request")
        if state.awaits_merge_decision:
            raise RunStateRefused(
                f"the policy wants a person's decision before run {run_id} becomes a pull request",
                hint=f"Call request_decision, or run `pev approve {run_id}`.",
            )
        depot, snapshot = await self._verifying.snapshot(state)
        report = await self._passed(state, snapshot)
        await self._require_roles(state, depot, snapshot)
        await require_signers(self._core, state, (await depot.trusted(self._core.config.trusted_ref))[1])
        if state.status is Status.PR_OPEN and state.pr is not None and state.pr.tree == snapshot:
            return state, await self.body(state, depot, report, state.pr.commit)
        commit = await self._commit(state, depot, snapshot)
        evidence = await gather(self._core, state, report, commit)
        await keep_note(depot, run_id, commit, evidence)
        body = await self.body(state, depot, report, commit)
        request = PrRequest(
            run_id=run_id,
            title=_title(state),
            body=body,
            branch=worktree_of(state).branch,
            target=_branch(state.trusted_ref, self._core.config.remote),
            commit=commit,
            tree=snapshot,
        )
        pr = await forge_of(self._core.config).open(depot, request)
        payload = {
            "pr": pr.model_dump(mode="json"),
            "body": await self._core.put_blob(body.encode(), "text/markdown"),
            "evidence": await self._core.put_blob(evidence, MEDIA_TYPE),
            "key": report.key,
        }
        event = NewEvent(kind=Kind.PR_OPENED, actor=Actor.of(caller), payload=payload)
        after = await self._core.decide(run_id, lambda now: _opening(now, event, report))
        return after, body

    async def sync_pr(self, caller: Caller, run_id: RunId) -> RunState:
        """Read from the forge what became of the pull request, and record it."""
        require_scope(caller, Scope.READ)
        state = await self._core.state(run_id)
        state.require(Status.PR_OPEN, Status.MERGED, Status.CLOSED, to="sync its pull request")
        if state.pr is None or state.status is not Status.PR_OPEN:
            return state
        depot = await self._core.depot(await self._core.repo_of(state))
        seen = await forge_of(self._core.config).sync(depot, state.pr, state.trusted_ref)
        if seen == state.pr:
            return state
        payload = {"pr": seen.model_dump(mode="json")}
        event = NewEvent(kind=Kind.PR_SYNCED, actor=Actor.of(caller), payload=payload)
        return await self._core.decide(run_id, lambda now: [event] if now.status is Status.PR_OPEN else ())

    async def body(self, state: RunState, depot: Depot, report: GateReport, commit: ObjectId) -> str:
        """Render the pull request's body."""
        base_tree = await depot.tree_of(state.base_commit)
        stat = await depot.diff_stat(base_tree, report.snapshot)
        head, keys = self._core.trail.head(), await verifier_keys(self._core)
        return render_body(state, report, stat, commit=commit, head=head, keys=keys)

    async def _passed(self, state: RunState, snapshot: ObjectId) -> GateReport:
        report = await self._core.report(state)
        if report is None or report.outcome is not Outcome.PASSED:
            raise NotPassed(f"run {state.id} has no passed gate", hint="Call run_gate.")
        if report.held_out != await self._verifying.held_out_digest(state):
            raise NotPassed(
                f"run {state.id} has other held-out tests than its gate ran", hint="Call run_gate again."
            )
        if report.snapshot != snapshot:
            raise NotPassed(
                f"the worktree is {snapshot[:12]}, the gate judged {report.snapshot[:12]}",
                hint="It was changed after the gate. Call run_gate again.",
            )
        if state.approved_revision is None:
            raise RunStateRefused(
                f"the plan of run {state.id} is not approved", hint="Call request_decision."
            )
        return report

    async def _require_roles(self, state: RunState, depot: Depot, snapshot: ObjectId) -> None:
        """Raise ReviewMissing while a role that must have judged the snapshot has not, or rejects it."""
        roles = (await load_policy(depot, state.trusted_commit)).policy.roles
        missing = obstacles(state, snapshot, require=roles.require, different=roles.different)
        if missing:
            raise ReviewMissing(
                "; ".join(missing), hint="Call review_change, or ask a person: request_decision."
            )

    async def _commit(self, state: RunState, depot: Depot, snapshot: ObjectId) -> ObjectId:
        message = f"{_title(state)}\n\nPEV-Run: {state.id}\nPEV-Snapshot: {snapshot}\n"
        parent = state.pr.commit if state.pr else state.base_commit
        ref = f"refs/pev/runs/{state.id}"
        kept = (await depot.refs_under(ref)).get(ref)
        same = kept is not None and await depot.tree_of(kept) == snapshot
        if kept is not None and same and parent in (kept, await depot.parent_of(kept)):
            return kept  # of a call that was broken off: its branch may be out already
        commit = await depot.commit(snapshot, (parent,), message)
        if await depot.tree_of(commit) != snapshot:
            raise PevError(f"commit {commit} does not carry snapshot {snapshot}")
        await depot.keep(ref, commit)
        return commit


def _branch(ref: str, remote: str) -> str:
    """Give the short name of a branch, of the user's repository or of the remote."""
    return ref.removeprefix("refs/heads/").removeprefix(f"refs/remotes/{remote}/")


def _title(state: RunState) -> str:
    goal = state.revision.plan.goal if state.revision else state.task
    first = " ".join(goal.split())
    return first if len(first) <= 72 else first[:71] + "…"


def _opening(state: RunState, event: NewEvent, report: GateReport) -> Sequence[NewEvent]:
    state.require(Status.PASSED, Status.PR_OPEN, to="open a pull request")
    gate = state.gate
    if gate is None or gate.key != report.key or gate.outcome is not Outcome.PASSED:
        raise NotPassed(f"run {state.id} was judged again meanwhile", hint="Call open_pr again.")
    return [event]
