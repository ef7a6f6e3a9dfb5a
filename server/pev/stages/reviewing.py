"""Reviewing: the reviewer and security roles read a change against its plan, and judge a snapshot.

A rejection sends the run back with its reasons, and blocks the pull request until the role has judged another
snapshot, or a person has decided.
"""

from collections.abc import Sequence
from typing import Final

from pev.account import authors_of
from pev.core import Core
from pev.errors import ReviewInvalid
from pev.events import Actor, Kind, NewEvent
from pev.family import kin_of
from pev.gateview import view_gate
from pev.models import Caller, ObjectId, Role, RunId, Scope, Source, require_scope
from pev.repos.depot import Depot
from pev.roles.asker import Answer, Said
from pev.roles.brief import MAX_DIFF, Brief, brief_reviewer
from pev.roles.sight import Sight, require_role, require_sight
from pev.roles.verdict import Judgement, check_judgement, find_judgement
from pev.run import RunState, Status
from pev.stages.asking import Asking, Consequence
from pev.stages.verifying import Verifying
from pev.work import Review

JUDGES: Final = (Role.REVIEWER, Role.SECURITY)
_OPEN: Final = (Status.EXECUTING, Status.FAILED, Status.PASSED)


class Reviewing:
    """Where verdicts of reviewers come from."""

    def __init__(self, core: Core, verifying: Verifying, asking: Asking) -> None:
        self._core = core
        self._verifying = verifying
        self._asking = asking

    async def brief(self, caller: Caller, run_id: RunId, role: Role) -> tuple[Brief, ObjectId]:
        """Give the brief of a reviewing role, and the snapshot that it is about."""
        require_scope(caller, Scope.VERIFY)
        require_sight(caller, Sight.CHANGE)
        if caller.role in JUDGES:
            require_role(caller, role, to=f"review as {role}")
        state = await self._core.state(run_id)
        state.require(*_OPEN, to="have it reviewed")
        depot, tree = await self._verifying.snapshot(state)
        base = await depot.tree_of(state.base_commit)
        if base == tree:
            raise ReviewInvalid(f"run {run_id} has changed nothing yet", hint="Make the change first.")
        diff = await depot.diff(base, tree, limit_bytes=2 * MAX_DIFF)
        if len(diff) > MAX_DIFF:  # who accepts what was cut out has not reviewed it
            raise ReviewInvalid(
                f"the change is too large for a review: more than {MAX_DIFF} characters of difference",
                hint="Split the task into smaller runs, or let a person review it.",
            )
        report = await self._core.report(state)
        fits = report is not None and report.snapshot == tree
        gate = view_gate(report).model_dump_json(indent=1) if report is not None and fits else ""
        return brief_reviewer(state, diff, gate or "No gate judged this snapshot yet.", role=role), tree

    async def submit(self, caller: Caller, run_id: RunId, snapshot: str, given: Judgement) -> RunState:
        """Take a verdict from a session of a reviewing role. Raises ReviewInvalid, RoleRefused."""
        require_scope(caller, Scope.VERIFY)
        require_role(caller, *JUDGES, to="submit a review")
        state = await self._core.state(run_id)
        _, tree = await self._verifying.snapshot(state)
        if tree != snapshot:
            raise ReviewInvalid(
                f"the change is {tree[:12]} now, the review is of {snapshot[:12]!r}",
                hint="Call review_change and read it again.",
            )
        how = (caller.role, Source.HOST_SUBMITTED, "")
        return await self._core.decide(run_id, await self._keeping(caller, run_id, tree, given, *how))

    async def ask(self, caller: Caller, run_id: RunId, role: Role) -> RunState:
        """Have the provider review, in a conversation of its own. Raises ModelUnavailable, ReviewInvalid."""
        brief, tree = await self.brief(caller, run_id, role)
        answer = await self._asking.ask(caller, run_id, brief, about=tree)
        return await self.take(caller, run_id, answer, role)

    async def take(self, caller: Caller, run_id: RunId, answer: Answer, role: Role) -> RunState:
        """Take the verdict that a model gave because we asked it to, on the snapshot that it was shown."""
        require_scope(caller, Scope.VERIFY)

        async def read(said: Said) -> Consequence:
            given, tree = find_judgement(said.text), self._asking.about(answer.nonce)
            return await self._keeping(caller, run_id, tree, given, role, answer.source, said.model)

        return await self._asking.take(caller, run_id, answer, role=role, read=read)

    async def _keeping(
        self,
        caller: Caller,
        run_id: RunId,
        tree: ObjectId,
        given: Judgement,
        role: Role,
        source: Source,
        model: str,
    ) -> Consequence:
        """Hold a verdict against the change; give what taking it adds to the run."""
        state = await self._core.state(run_id)
        depot = await self._core.depot(await self._core.repo_of(state))
        await _check(depot, state, tree, given)
        actor = Actor.of(caller.model_copy(update={"role": role}))

        def keeping(now: RunState) -> Sequence[NewEvent]:
            now.require(*_OPEN, to="have it reviewed")
            review = Review(
                role=role,
                opinion=given.verdict,
                summary=given.summary,
                objections=given.objections,
                snapshot=tree,
                source=source,
                model=model,
                kin=kin_of(authors_of(now, tree), model),
                event=0,
            )
            newest = now.work.review_of(role)
            if newest is not None and newest.model_copy(update={"event": 0}) == review:
                return ()
            body = {
                "review": review.model_dump(mode="json", exclude={"event"}),
                "outcome": given.verdict.value,
                "paths": sorted({one.path for one in given.objections}),
            }
            return [NewEvent(kind=Kind.REVIEW_SUBMITTED, actor=actor, payload=body)]

        return keeping


async def _check(depot: Depot, state: RunState, tree: ObjectId, given: Judgement) -> None:
    base = await depot.tree_of(state.base_commit)
    changes = await depot.changes(base, tree)
    check_judgement(given, changes, await depot.changed_lines(base, tree))
