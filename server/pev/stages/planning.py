"""Planning: opens runs, briefs the planner, takes plans.

A plan is validated before it is recorded, and the same plan twice is one revision.
"""

from collections.abc import Sequence

from pev.core import Core
from pev.errors import InvalidInput
from pev.events import Actor, Kind, NewEvent
from pev.gate.policy import LoadedPolicy, load_policy
from pev.git import short_ref
from pev.models import (
    ApprovalRules,
    Caller,
    Role,
    RunId,
    Scope,
    Source,
    new_run_id,
    require_scope,
    run_stream,
)
from pev.plan import Plan, find_plan, parse_plan
from pev.repos.depot import Depot
from pev.roles.asker import Answer, Said
from pev.roles.brief import Brief, brief_planner
from pev.run import TERMINAL, RunState, Status
from pev.stages.asking import Asking, Consequence

MAX_TASK = 10_000
_MAX_LISTED = 400
_READ_FIRST = ("README.md", "pyproject.toml", "package.json", "CONTRIBUTING.md", "AGENTS.md")


class Planning:
    """The first stage of a run."""

    def __init__(self, core: Core, asking: Asking) -> None:
        self._core = core
        self._asking = asking

    async def open_run(
        self, caller: Caller, task: str, *, repo: str | None = None, base: str | None = None
    ) -> RunState:
        """Open a run for a task on an allowed repository.

        The trusted ref and the base are pinned to commits here; the policy is the trusted ref's. Raises
        InvalidInput, RepoUnknown, RepoUnusable, RefInvalid, RefNotFound, PolicyInvalid.
        """
        require_scope(caller, Scope.PLAN)
        task = task.strip()
        if not task or len(task) > MAX_TASK:
            raise InvalidInput(
                f"a task has 1 to {MAX_TASK} characters, not {len(task)}", hint="Say what is to be done."
            )
        user_repo = await self._core.catalog.find(repo)
        depot = await self._core.depot(user_repo)
        trusted_ref, trusted = await depot.trusted(self._core.config.trusted_ref)
        base_commit = trusted if base is None else await depot.resolve(base)
        policy = await load_policy(depot, trusted)
        run_id = new_run_id()
        body = {
            "repo": user_repo.id,
            "repo_name": user_repo.name,
            "task": task,
            "tenant": caller.tenant or "",
            "trusted_ref": trusted_ref,
            "trusted_commit": trusted,
            "base_ref": base or short_ref(trusted_ref),
            "base_commit": base_commit,
            "policy_hash": policy.hash,
            "policy_source": policy.source,
            "rules": _rules(policy).model_dump(mode="json"),
            "max_attempts": min(
                policy.policy.max_attempts or self._core.config.max_attempts, self._core.config.max_attempts
            ),
        }
        event = NewEvent(kind=Kind.RUN_OPENED, actor=Actor.of(caller), payload=body)
        await self._core.append(run_stream(run_id), [event], expected_version=0)
        return await self._core.state(run_id)

    async def brief(self, caller: Caller, run_id: RunId) -> Brief:
        """Give the planner's brief for a run."""
        require_scope(caller, Scope.PLAN)
        state = await self._core.state(run_id)
        depot = await self._core.depot(await self._core.repo_of(state))
        policy = await load_policy(depot, state.trusted_commit)
        return brief_planner(state, await describe_repository(depot, state, policy))

    async def submit(
        self, caller: Caller, run_id: RunId, plan: Plan, *, source: Source, model: str = ""
    ) -> RunState:
        """Take a plan as the run's next revision; the newest plan again changes nothing.

        Raises RunStateRefused where the run is past planning.
        """
        require_scope(caller, Scope.PLAN)
        return await self._core.decide(run_id, self._submission(caller, plan, source=source, model=model))

    def _submission(self, caller: Caller, plan: Plan, *, source: Source, model: str) -> Consequence:
        """Give what taking a plan adds to a run; see `submit`."""
        # what is hashed and approved is what is stored: without the secrets that the trail takes out
        plan = parse_plan(self._core.trail.redactor.value(plan.model_dump(mode="json")).value)
        plan_hash = plan.content_hash()

        def submitting(state: RunState) -> Sequence[NewEvent]:
            newest = state.revision
            repeated = newest is not None and newest.plan_hash == plan_hash
            if repeated and state.status not in {Status.DRAFTED, *TERMINAL}:
                return ()
            state.require(
                Status.DRAFTED,
                Status.AWAITING_ANSWERS,
                Status.AWAITING_APPROVAL,
                Status.APPROVED,
                Status.EXECUTING,
                Status.FAILED,
                to="take a plan",
            )
            body = {
                "revision": newest.revision + 1 if newest else 1,
                "plan": plan.model_dump(mode="json"),
                "plan_hash": plan_hash,
                "source": source.value,
                "model": model,
            }
            return [NewEvent(kind=Kind.PLAN_SUBMITTED, actor=Actor.of(caller), payload=body)]

        return submitting

    async def ask(self, caller: Caller, run_id: RunId) -> RunState:
        """Have the provider draft the plan. Raises ModelUnavailable, PlanInvalid, BudgetSpent."""
        answer = await self._asking.ask(caller, run_id, await self.brief(caller, run_id))
        return await self.take(caller, run_id, answer)

    async def take(self, caller: Caller, run_id: RunId, answer: Answer) -> RunState:
        """Take the plan that a model drafted because we asked it to. Raises PlanInvalid, InvalidInput."""
        require_scope(caller, Scope.PLAN)

        async def read(said: Said) -> Consequence:
            return self._submission(caller, find_plan(said.text), source=answer.source, model=said.model)

        return await self._asking.take(caller, run_id, answer, role=Role.PLANNER, read=read)


def _rules(policy: LoadedPolicy) -> ApprovalRules:
    wanted = policy.policy.approval
    return ApprovalRules(
        min_assurance=wanted.assurance,
        min_seconds=wanted.min_seconds,
        ttl_s=wanted.ttl_s,
        merge=wanted.merge,
    )


async def describe_repository(depot: Depot, state: RunState, policy: LoadedPolicy) -> str:
    """Describe a repository at a run's base: files, the documents to read first, the gate's checks."""
    tree = await depot.tree_of(state.base_commit)
    entries = await depot.entries(tree)
    names = [entry.path for entry in entries]
    listed = "\n".join(names[:_MAX_LISTED])
    more = f"\n... and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    parts = [f"{len(names)} files:\n{listed}{more}", f"Checks: {', '.join(policy.policy.checks)}"]
    for name in _READ_FIRST:
        data = await depot.read_blob(tree, name) if name in names else None
        if data is not None:
            parts.append(f"--- {name}\n{data[:6_000].decode('utf-8', 'replace')}")
    return "\n\n".join(parts)
