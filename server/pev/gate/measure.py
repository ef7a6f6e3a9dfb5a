"""Turns what a check measured into its result: on all projects, against the base, within its time.

Findings that the base has too are old. What cannot be measured is INCONCLUSIVE, except where the base
cannot be measured either and nobody wrote the policy down: then the check does not apply here.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio import to_thread

from pev import __version__
from pev.config import Config
from pev.errors import PevError
from pev.findings import (
    Age,
    CheckResult,
    Effect,
    Finding,
    NetworkDenial,
    Outcome,
    outcome_of_findings,
)
from pev.gate.aging import AGING, settle_age
from pev.gate.clock import Clock
from pev.gate.command import Command
from pev.gate.demands import ALWAYS, BUILT_IN, Project, joined
from pev.gate.harness import Harness
from pev.gate.headline import headline
from pev.gate.interface import Check, CheckJob, GateRequest, Measured, Side, Trust
from pev.gate.lens import Lens
from pev.gate.outputs import excerpt, private_name
from pev.gate.protected import ground_of
from pev.gate.store import Store
from pev.gate.tools import versions
from pev.gate.workspace import Workspace
from pev.models import Digest, ObjectId, digest_of, hash_json
from pev.repos.objects import Change
from pev.sandbox.interface import Sandbox
from pev.sandbox.permits import Grants
from pev.sandbox.reach import Reach
from pev.text import one_line

_PLANTED: Final = "planted_by_the_gate"
UNTRUSTED = (
    "it runs the repository's code, and nobody trusted this policy yet: `pev trust`, or --trust for one call"
)

OPEN = "its tests would not stay held out: no sandbox here keeps what code under test reads from getting out"


@dataclass(frozen=True, slots=True)
class Round:
    """One gate, or one single check, with all that its checks share."""

    request: GateRequest
    base_tree: ObjectId | None
    harness: Harness
    changes: tuple[Change, ...]
    changed_lines: Mapping[str, frozenset[int]]
    bench: Workspace
    grants: Grants = field(default_factory=Grants)
    begun: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)


class Once:
    """Measures something at most once, however many ask at the same time."""

    def __init__(self, measure: Callable[[], Awaitable[Measured | None]]) -> None:
        self._measure = measure
        self._lock = anyio.Lock()
        self._done = False
        self._value: Measured | None = None

    async def __call__(self) -> Measured | None:
        """Give the measurement, made now if nobody asked before."""
        async with self._lock:
            if not self._done:
                self._value = await self._measure()
                self._done = True
            return self._value


class Measurer:
    """Runs checks within the server's slots and weighs what they found."""

    def __init__(
        self,
        config: Config,
        sandbox: Sandbox,
        store: Store,
        put_log: Callable[[bytes], Digest],
        slots: anyio.Semaphore,
    ) -> None:
        self._config = config
        self._sandbox = sandbox
        self._store = store
        self._put_log = put_log
        self._slots = slots

    async def result(self, this: Round, lens: Lens) -> CheckResult:
        """Run a check over all projects that want it, and give one result."""
        settings = this.request.policy.policy.settings(lens.name)
        places = self._places(this, lens)
        parts = await self._parts(this, places)
        log = b"\n".join(part.log for part in parts if part.log)
        outcome, reason = _weigh(parts, [_named(project, places) for _, project in places])
        return CheckResult(
            check=lens.name,
            outcome=outcome,
            reason=one_line(reason),
            findings=tuple(finding for part in parts for finding in part.findings),
            blocking=settings.blocking if lens.name != ALWAYS else True,
            seconds=this.seconds.get(lens.name, 0.0),
            tools=_tools(lens, parts),
            environment=next((part.environment for part in parts if part.environment), None),
            sandbox=self._sandbox.name,
            sandboxed=self._sandbox.confines,
            excerpt=await to_thread.run_sync(excerpt, log),
            log=await to_thread.run_sync(self._put_log, log) if log else None,
            hint="; ".join(dict.fromkeys(part.hint for part in parts if part.hint)),
            denied=tuple(dict.fromkeys(denial for part in parts for denial in part.denied)),
        )

    async def prepare(self, this: Round, lenses: Iterable[Lens], ready: anyio.Event) -> None:
        """Write the checkouts and build the environments of all checks at the same time, then set `ready`."""
        async with anyio.create_task_group() as tasks:
            for lens in lenses:
                for member, project in self._places(this, lens):
                    if self._may_run(this, member) and member.name != ALWAYS:
                        tasks.start_soon(this.bench.prepare, member, project)
        ready.set()

    def _may_run(self, this: Round, check: Check) -> bool:
        """Say whether a check may run: what runs code nobody trusted needs a sandbox that holds it."""
        if this.request.trust is Trust.TRUSTED:
            return True
        return not check.needs_trust and (not check.runs_code or self._sandbox.holds_hostile_code)

    def _places(self, this: Round, lens: Lens) -> list[tuple[Check, Project]]:
        """Give the projects that are looked at, each with the check for its language."""
        policy = this.request.policy.policy
        check = lens.members[0]
        if check.whole:
            root = check.own.root if isinstance(check, Command) else "."
            own = next((one for one in policy.projects if one.root == root), Project(root="."))
            return [(check, own)]
        wanting = [one for one in policy.projects if policy.wants(one, check.name)]
        return [(lens.of(one.language), one) for one in wanting]

    async def _parts(self, this: Round, places: list[tuple[Check, Project]]) -> list[Measured]:
        """Measure several projects at the same time, as far as there are slots; give them in order."""
        parts: dict[int, Measured] = {}

        async def one(number: int, check: Check, project: Project) -> None:
            parts[number] = await self._part(this, check, project)

        async with anyio.create_task_group() as tasks:
            for number, (check, project) in enumerate(places):
                tasks.start_soon(one, number, check, project)
        return [parts[number] for number in range(len(places))]

    async def _part(self, this: Round, check: Check, project: Project) -> Measured:
        """Measure one project, and hold it against the base."""
        if not self._may_run(this, check):
            return Measured(unmeasured=UNTRUSTED)
        if check.keeps_secrets and not self._sandbox.holds_hostile_code:
            return Measured(unmeasured=OPEN)
        base = Once(lambda: self._base(this, check, project))
        clock, measured = await self._measure(this, check, project, Side.CANDIDATE, base)
        if check.name == ALWAYS:
            measured = measured.model_copy(update={"findings": (*this.harness.findings, *measured.findings)})
        elif not check.knows_base and (
            measured.findings or (measured.unmeasured and self._may_be_skipped(this, check, clock))
        ):
            measured = _compare(measured, await base(), skip=self._may_be_skipped(this, check, clock))
            if check.name in AGING:
                measured = await settle_age(measured, await base(), this.changes, this.bench.read)
        return measured.model_copy(update={"findings": _let_through(this.request, measured.findings)})

    async def _able_to_fail(self, this: Round, check: Check, job: CheckJob, measured: Measured) -> Measured:
        """Show that a check which found nothing can find something: a planted violation, with this setup.

        What was shown is kept, for the same tools and configuration. A check that finds nothing in it either
        has measured nothing.
        """
        if not check.planted or measured.findings or measured.unmeasured is not None:
            return measured
        tools = versions(*check.tools) | measured.tools
        value = [check.label, job.root, check.planted, tools, self._sandbox.name]
        key = hash_json([*value, await _ground(this), str(job.request.trust)])
        if self._store.measured(key) is not None:
            return measured
        path = f"{_PLANTED}_{check.name}{check.suffix}"
        repo_path = joined(job.root, path)
        replaced = {repo_path: check.planted.encode()}
        name = private_name(f"planted-{check.label}", job.root)
        checkout = await job.bench.checkout(job.side, private=name, replaced=replaced)
        seen = await check.look(job, checkout, (f"./{path}",))
        if any(one.path == repo_path for one in seen.findings):
            await to_thread.run_sync(self._store.keep_measured, key, Measured(reason="it can fail"))
            return measured
        why = seen.unmeasured or "it found nothing in a file that was planted for it, with this configuration"
        return measured.model_copy(update={"unmeasured": f"not shown to be able to fail: {why}"})

    def _may_be_skipped(self, this: Round, check: Check, clock: Clock) -> bool:
        """Say whether a check that cannot run may turn out not to apply here."""
        return check.name in BUILT_IN and not this.request.policy.explicit and clock.left_s() > 0

    async def _base(self, this: Round, check: Check, project: Project) -> Measured | None:
        """Measure the base, or give what was measured of it before."""
        if this.base_tree is None:
            return None
        request = this.request
        wanted: object = None
        if check.needs_environment:
            wanted = await this.bench.wanted_key(Side.BASE, project)
        value = [
            [
                check.label,
                project.root,
                this.base_tree,
                request.trusted_commit,
                request.policy.hash,
                request.trust,
            ],
            sorted([path, request.snapshot] for path in this.harness.approved),
            versions(*check.tools) if check.tools else {},
            [self._sandbox.name, wanted, this.grants.model_dump(mode="json")],
            [self._config.allow_submodules, self._config.allow_lfs],
            __version__,
        ]
        key = hash_json(value)
        if may_be_kept(this.grants) and (kept := self._store.measured(key)) is not None:
            return kept
        _, measured = await self._measure(this, check, project, Side.BASE, Once(_nothing))
        if not measured.outside and may_be_kept(this.grants):
            await to_thread.run_sync(self._store.keep_measured, key, measured)
        return measured

    async def _measure(
        self, this: Round, check: Check, project: Project, side: Side, base: Once
    ) -> tuple[Clock, Measured]:
        """Run a check on one side, in a slot of the server; its clock starts when it has one.

        The base is measured in the slot of the candidate: whoever asks for it holds one already.
        """
        settings = this.request.policy.policy.settings(check.name)
        limits = (settings.limit_s, self._config.check_limit_s, this.request.limit_s)
        spent_s = 0.0
        if side is Side.CANDIDATE:
            await this.bench.prepare(check, project)
            spent_s = time.monotonic() - this.begun  # before any slot was waited for
        slot = self._slots if side is Side.CANDIDATE else anyio.Semaphore(1)
        async with slot:
            reach = Reach(this.grants)
            clock = Clock(min(limit for limit in limits if limit is not None), spent_s)
            job = CheckJob(
                side=side,
                request=this.request,
                base_tree=this.base_tree,
                project=project,
                policy=this.request.policy.policy,
                settings=settings,
                changes=this.changes,
                changed_lines=this.changed_lines,
                clock=clock,
                bench=this.bench,
                base=base,
                approved=this.harness.approved,
                reach=reach,
            )
            try:
                measured = await check.run(job)
                if side is Side.CANDIDATE:
                    measured = await self._able_to_fail(this, check, job, measured)
                return clock, _missed(measured, reach)
            except PevError as exc:
                return clock, Measured(unmeasured=str(exc), outside=True)
            except (RecursionError, MemoryError, SystemError) as exc:
                return clock, Measured(
                    unmeasured=f"the change is too much for this check: {type(exc).__name__}"
                )
            finally:
                this.seconds[check.name] = this.seconds.get(check.name, 0.0) + clock.spent_s()


async def _ground(this: Round) -> list[Any]:
    """Name the configuration that the tools of a round use: what is in the tree, and what was put over it."""
    named = this.request.policy.policy.protected
    entries = await this.request.depot.entries(this.request.snapshot)
    own = [[entry.path, entry.oid] for entry in entries if ground_of(entry.path, named) is not None]
    over = this.harness.candidate.items()
    return [own, sorted([path, digest_of(raw) if raw is not None else None] for path, raw in over)]


def may_be_kept(grants: Grants) -> bool:
    """Say whether what was measured may be used again: not if it saw variables, which no key can tell."""
    return not grants.env


def _missed(measured: Measured, reach: Reach) -> Measured:
    denied = tuple(NetworkDenial(host=one.host, port=one.port, reason=one.reason) for one in reach.denials)
    return measured.model_copy(update={"hint": reach.hint, "denied": denied})


def _tools(lens: Lens, parts: list[Measured]) -> dict[str, str]:
    """Give the versions of the tools that a check used."""
    own = versions(*lens.tools) if lens.tools else {}
    return own | {name: version for part in parts for name, version in part.tools.items()}


def _named(project: Project, places: list[tuple[Check, Project]]) -> str:
    """Name a project among those that a check looked at."""
    same = [one for _, one in places if one.root == project.root]
    return project.root if len(same) == 1 else f"{project.root} ({project.language})"


async def _nothing() -> Measured | None:
    return None


def _compare(measured: Measured, base: Measured | None, *, skip: bool) -> Measured:
    """Mark what the base has too as old; name a check that the base cannot run either."""
    if base is None:
        return measured
    old = {one.fingerprint for one in base.findings}
    marked = tuple(
        one.model_copy(update={"age": Age.OLD}) if one.fingerprint in old else one
        for one in measured.findings
    )
    update: dict[str, object] = {"findings": marked}
    if measured.unmeasured and base.unmeasured and skip and not (measured.outside or base.outside):
        update |= {"unmeasured": None, "facts": {"skipped": f"cannot run on the base: {base.unmeasured}"}}
    return measured.model_copy(update=update)


def _let_through(request: GateRequest, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Mark what a person allowed on exactly this snapshot."""
    allowed = {
        one.fingerprint: one.principal for one in request.let_throughs if one.snapshot == request.snapshot
    }
    return tuple(
        one.model_copy(update={"allowed_by": allowed[one.fingerprint]}) if one.fingerprint in allowed else one
        for one in findings
    )


def _weigh(parts: list[Measured], roots: list[str]) -> tuple[Outcome, str]:
    """Give the outcome and the reason of a check from what it measured in each project."""
    said = [_weigh_one(part) for part in parts]
    order = (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.HELD, Outcome.PASSED, Outcome.SKIPPED)
    outcome = next(one for one in order if one in {own for own, _ in said})
    if len(said) == 1:
        return said[0]
    reasons = [
        f"{root}: {reason}" for root, (own, reason) in zip(roots, said, strict=False) if own is outcome
    ]
    return outcome, "; ".join(reasons)


def _weigh_one(measured: Measured) -> tuple[Outcome, str]:
    counting = [one for one in measured.findings if one.counts() and one.effect is not Effect.NOTES]
    outcome = outcome_of_findings(measured.findings)
    if outcome is Outcome.FAILED:
        return outcome, headline([one for one in counting if one.effect is Effect.BLOCKS])
    if measured.unmeasured is not None:
        return Outcome.INCONCLUSIVE, measured.unmeasured
    if skipped := measured.facts.get("skipped"):
        return Outcome.SKIPPED, str(skipped)
    if outcome is Outcome.HELD:
        return outcome, headline(counting)
    old = sum(one.age is Age.OLD for one in measured.findings)
    return Outcome.PASSED, measured.reason + (f"; {old} old findings do not count" if old else "")
