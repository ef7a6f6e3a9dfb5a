"""The gate: runs the checks of a policy over a snapshot, and says what they mean together.

It owns the order and the time of checks, what is new against the base, what was let through, and the key
that binds a report to everything that it depends on.
"""

import platform
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from anyio import to_thread

from pev import __version__
from pev.config import Config
from pev.errors import CheckUnknown, InvalidInput
from pev.findings import CheckResult, GateReport, Outcome, outcome_of_checks
from pev.gate.demands import ALWAYS
from pev.gate.environment import Environments
from pev.gate.harness import HarnessBuilder
from pev.gate.held_out import HeldOut
from pev.gate.interface import GateRequest, Trust, readable
from pev.gate.lens import Lens
from pev.gate.measure import Measurer, Round, may_be_kept
from pev.gate.registry import checks_for, makers
from pev.gate.store import Store
from pev.gate.tools import versions
from pev.gate.workspace import Workspace, scratch_folder
from pev.models import Digest, ObjectId, hash_json, now
from pev.repos.objects import Change
from pev.sandbox.interface import Sandbox
from pev.sandbox.permits import Grants, allowance, granted

__all__ = ["Gate", "GateRequest", "Trust"]

Progress = Callable[[str, float, float], Awaitable[None]]
_FORMAT: Final = 1
_HEAD_START_S: Final = 0.5
NOTHING: Final = "nothing to judge: the snapshot is the base"
NO_CHECKS: Final = "the policy names no check, and a gate without checks proves nothing"
NONE_MEASURED: Final = "no check measured anything"


class Gate:
    """The gate of a server: one, so that its slots hold for everything that runs at once."""

    def __init__(self, config: Config, sandbox: Sandbox, put_log: Callable[[bytes], Digest]) -> None:
        self._config = config
        self._sandbox = sandbox
        self._store = Store(config.state_dir / "gate")
        self._environments = Environments(config)
        self._makers = makers(config, self._environments)
        self._measurer = Measurer(config, sandbox, self._store, put_log, anyio.Semaphore(config.cores))

    async def judge(self, request: GateRequest, progress: Progress | None = None) -> GateReport:
        """Run all checks of the policy over a snapshot, or give the report that was made before.

        Checks run at the same time, as many as there are cores. Cancelling ends every process and removes
        everything that was written. Raises InvalidInput without a base commit, SandboxUnavailable.
        """
        begun = time.monotonic()
        if request.base_commit is None:
            raise InvalidInput("a gate needs a base commit", hint="Name what the change is compared with.")
        await self._sandbox.ready()
        base_tree = await request.depot.tree_of(request.base_commit)
        checks = self._checks(request)
        key = await self.key(request)
        blank = self._blank(request, key)
        if base_tree == request.snapshot:
            return blank.model_copy(update={"outcome": Outcome.INCONCLUSIVE, "reason": NOTHING})
        if len(checks) == 1:
            return blank.model_copy(update={"outcome": Outcome.FAILED, "reason": NO_CHECKS})
        if (known := self._store.report(key)) is not None:
            return known.model_copy(update={"seconds": time.monotonic() - begun})
        changes = tuple(await request.depot.changes(base_tree, request.snapshot))
        results = await self._run(request, base_tree, checks, changes, progress)
        report = _conclude(blank, results).model_copy(
            update={
                "changed_files": tuple(readable(change.path) for change in changes),
                "seconds": time.monotonic() - begun,
            }
        )
        kept = may_be_kept(await self._grants(request))
        if kept and all(result.outcome is not Outcome.INCONCLUSIVE for result in results):
            await to_thread.run_sync(self._store.keep_report, report)
        return report

    async def key(self, request: GateRequest) -> Digest:
        """Give the hash of everything that a report on this request depends on."""
        await self._sandbox.ready()
        base_tree = await request.depot.tree_of(request.base_commit) if request.base_commit else None
        checks = self._checks(request)
        return await self._key(request, base_tree, checks)

    async def check_one(self, request: GateRequest, name: str) -> CheckResult:
        """Run one check, and list old findings too.

        With a base only what is new against it counts, as in a gate. Without one there is nothing to
        compare with, and every finding counts. Raises CheckUnknown.
        """
        every = self._checks(request)
        chosen = [check for check in every if check.name == name]
        if not chosen:
            known = ", ".join(check.name for check in every)
            raise CheckUnknown(f"this policy has no check {name!r}", hint=f"It has: {known}.")
        await self._sandbox.ready()
        base_tree = await request.depot.tree_of(request.base_commit) if request.base_commit else None
        changes = await request.depot.changes(base_tree, request.snapshot) if base_tree else ()
        (result,) = await self._run(request, base_tree, tuple(chosen), tuple(changes), None)
        return result

    def _checks(self, request: GateRequest) -> tuple[Lens, ...]:
        policy = request.policy.policy
        wanted = request.held_out is not None or request.wants_held_out
        own = (HeldOut(request.held_out, policy.roles.reveal),) if wanted else ()
        return checks_for(policy, self._config, self._environments, *own)

    async def _run(
        self,
        request: GateRequest,
        base_tree: ObjectId | None,
        checks: tuple[Lens, ...],
        changes: tuple[Change, ...],
        progress: Progress | None,
    ) -> list[CheckResult]:
        """Run checks at the same time; give their results in their own order."""
        begun = time.monotonic()
        harness = await HarnessBuilder(request, base_tree).build()
        lines = await request.depot.changed_lines(base_tree, request.snapshot) if base_tree else {}
        results: dict[str, CheckResult] = {}
        async with scratch_folder(self._config) as folder:
            bench = Workspace(
                request,
                base_tree=base_tree,
                harness=harness,
                config=self._config,
                sandbox=self._sandbox,
                environments=self._environments,
                makers=self._makers,
                store=self._store,
                folder=folder,
            )
            grants = await self._grants(request)
            this = Round(request, base_tree, harness, changes, lines, bench, grants, begun)

            async def one(check: Lens) -> None:
                results[check.name] = await self._measurer.result(this, check)
                if progress is not None:
                    said = f"{check.name}: {results[check.name].outcome}"
                    await progress(said, float(len(results)), float(len(checks)))

            async with anyio.create_task_group() as tasks:
                ready = anyio.Event()
                tasks.start_soon(self._measurer.prepare, this, checks, ready)
                with anyio.move_on_after(_HEAD_START_S):  # the heaviest check is the first in line for a slot
                    await ready.wait()
                for check in checks:
                    tasks.start_soon(one, check)
        return [results[check.name] for check in checks]

    async def _grants(self, request: GateRequest) -> Grants:
        """Give what the repository's code gets while it runs. Raises ConfigInvalid."""
        wanted, trusted = request.policy.policy.sandbox, request.trust is Trust.TRUSTED
        return await to_thread.run_sync(lambda: granted(wanted, allowance(self._config), trusted=trusted))

    async def _key(
        self, request: GateRequest, base_tree: ObjectId | None, checks: tuple[Lens, ...]
    ) -> Digest:
        tools = {tool for check in checks for tool in check.tools}
        value: dict[str, Any] = {
            "format": [_FORMAT, __version__],
            "snapshot": request.snapshot,
            "base": [request.base_commit, base_tree],
            "trusted": request.trusted_commit,
            "held_out": request.held_out.digest if request.held_out else request.wants_held_out,
            "policy": [request.policy.hash, request.policy.source],
            "trust": request.trust,
            "plan": request.plan.content_hash() if request.plan else None,
            "let_throughs": sorted(
                one.fingerprint for one in request.let_throughs if one.snapshot == request.snapshot
            ),
            "tools": versions(*sorted(tools)),
            "machine": [platform.system(), platform.machine()],
            "limits": [self._config.check_limit_s, request.limit_s],
            "sandbox": self._sandbox.name,
            "parts": [self._config.allow_submodules, self._config.allow_lfs],
            "grants": (await self._grants(request)).model_dump(mode="json"),
            "audit": [self._config.audit_service, self._config.audit_osv_url],
            "day": now().date().isoformat(),
            "environments": await self._resolved(request, base_tree, checks),
        }
        return hash_json(value)

    async def _resolved(
        self, request: GateRequest, base_tree: ObjectId | None, checks: tuple[Lens, ...]
    ) -> list[Any]:
        """Name the environments of all projects on both sides, resolved if they were not."""
        if not any(check.needs_environment for check in checks):
            return []
        policy = request.policy.policy
        out: list[Any] = []
        for project in policy.projects:
            for tree in (request.snapshot, base_tree or request.snapshot):
                settings = project.environment or policy.environment
                maker = self._makers[project.language]
                out.append(await maker.name(request.depot, tree, project.root, settings))
        return out

    def _blank(self, request: GateRequest, key: Digest) -> GateReport:
        return GateReport(
            outcome=Outcome.INCONCLUSIVE,
            key=key,
            snapshot=request.snapshot,
            base_commit=request.base_commit or request.trusted_commit,
            trusted_commit=request.trusted_commit,
            policy_hash=request.policy.hash,
            policy_source=request.policy.source,
            plan_hash=request.plan.content_hash() if request.plan else None,
            let_throughs=request.let_throughs,
            held_out=request.held_out.digest if request.held_out else None,
            sandbox=self._sandbox.name,
            sandboxed=self._sandbox.confines,
            advisory_day=now().date().isoformat(),
        )


def _conclude(blank: GateReport, results: list[CheckResult]) -> GateReport:
    """Give the outcome that the results impose together. Integrity alone is no gate."""
    outcome = outcome_of_checks(results)
    measured = [
        one for one in results if one.check != ALWAYS and one.outcome is not Outcome.SKIPPED and one.blocking
    ]
    if not measured:
        outcome, reason = Outcome.FAILED, NONE_MEASURED
    elif outcome is Outcome.PASSED:
        reason = "1 check passed" if len(measured) == 1 else f"{len(measured)} checks passed"
    else:
        reason = next(
            f"{one.check}: {one.reason}" for one in results if one.outcome is outcome and one.blocking
        )
    return blank.model_copy(update={"outcome": outcome, "reason": reason, "checks": tuple(results)})
