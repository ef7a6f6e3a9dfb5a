"""The engine: joins trail, repositories, gate, boundary and forge, with one method per thing to do.

Adapters call it with a caller and get values back; it knows nothing of how they were reached. Used as a
context: leaving it ends everything that still runs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from pev.config import Config
from pev.errors import InvalidInput, RunUnknown
from pev.events import Actor, Kind, NewEvent
from pev.models import RUN_ID, SERVER_STREAM, Caller, Role, RunId, Scope, require_scope
from pev.roles.sight import Sight, require_sight
from pev.run import TERMINAL, RunState, Status
from pev.stages.jobs import Jobs

if TYPE_CHECKING:  # each stage is imported when it is first used: a server answers before it needs any
    from pev.boundary.desk import Desk
    from pev.core import Core
    from pev.gate.engine import Gate
    from pev.roles.asker import Asker
    from pev.stages.asking import Asking
    from pev.stages.authoring import Authoring
    from pev.stages.examining import Examining
    from pev.stages.executing import Executing
    from pev.stages.looping import Looping
    from pev.stages.monitoring import Monitoring
    from pev.stages.planning import Planning
    from pev.stages.reading import Reading
    from pev.stages.recounting import Recounting
    from pev.stages.reviewing import Reviewing
    from pev.stages.shipping import Shipping
    from pev.stages.testing import Testing
    from pev.stages.verifying import Verifying

_REPAIR_AFTER_S: Final = 2.0


def parse_run_id(text: str) -> RunId:
    """Check the form of a run id. Raises RunUnknown."""
    if not RUN_ID.fullmatch(text):
        raise RunUnknown(
            f"{text!r} is no run id", hint="A run id has 8 hex digits; see `pev runs`, or pev://runs."
        )
    return RunId(text)


class Engine:
    """Everything that a user can do."""

    def __init__(self, core: "Core", jobs: Jobs, asker: "Asker | None" = None) -> None:
        self.core = core
        self._jobs = jobs
        self._asker = asker
        self._tenants: dict[str, Engine] = {}

    def within(self, tenant: str | None) -> "Engine":
        """Give the engine as a tenant sees it: the same gate and jobs, and no run but its own.

        None is this machine's own user, who sees all.
        """
        if tenant is None or tenant == self.core.tenant:
            return self
        if tenant not in self._tenants:
            seen = Engine(self.core.within(tenant), self._jobs, self._asker)
            seen.__dict__["_gate"] = self._gate  # one gate measures for all, within the machine's cores
            seen.__dict__["monitoring"] = self.monitoring  # and the record is one
            seen.__dict__["_examining"] = self._examining  # whose readings take turns
            self._tenants[tenant] = seen
        return self._tenants[tenant]

    @cached_property
    def desk(self) -> "Desk":
        """Where questions to a person are put and answered."""
        from pev.boundary.desk import Desk

        return Desk(self.core)

    @cached_property
    def planning(self) -> "Planning":
        """Opens runs and takes plans."""
        from pev.stages.planning import Planning

        return Planning(self.core, self.asking)

    @cached_property
    def executing(self) -> "Executing":
        """Worktrees, their files, commands."""
        from pev.stages.executing import Executing

        return Executing(self.core)

    @cached_property
    def _gate(self) -> "Gate":
        from pev.gate.engine import Gate

        core = self.core
        return Gate(core.config, core.sandbox, put_log=lambda data: core.trail.put_blob(data, "text/plain"))

    @cached_property
    def verifying(self) -> "Verifying":
        """The gate of a run, and checks without one."""
        from pev.stages.verifying import Verifying

        return Verifying(self.core, self._gate, self._jobs)

    @cached_property
    def asking(self) -> "Asking":
        """The record of questions to models, and the operator's provider."""
        from pev.stages.asking import Asking

        return Asking(self.core, self._asker)

    @cached_property
    def testing(self) -> "Testing":
        """Held-out tests of the tester role."""
        from pev.stages.testing import Testing

        return Testing(self.core, self._gate, self._jobs, self.reading, self.verifying, self.asking)

    @cached_property
    def reviewing(self) -> "Reviewing":
        """Verdicts of the reviewer and security roles."""
        from pev.stages.reviewing import Reviewing

        return Reviewing(self.core, self.verifying, self.asking)

    @cached_property
    def authoring(self) -> "Authoring":
        """Turns of the author's model."""
        from pev.stages.authoring import Authoring

        return Authoring(self.core, self.executing, self.verifying, self.asking)

    @cached_property
    def looping(self) -> "Looping":
        """Drives runs from plan to pull request."""
        from pev.stages.looping import Looping

        return Looping(
            self.core,
            self._jobs,
            asking=self.asking,
            planning=self.planning,
            executing=self.executing,
            testing=self.testing,
            authoring=self.authoring,
            verifying=self.verifying,
            reviewing=self.reviewing,
            shipping=self.shipping,
        )

    @cached_property
    def shipping(self) -> "Shipping":
        """Pull requests."""
        from pev.stages.shipping import Shipping

        return Shipping(self.core, self.verifying)

    @cached_property
    def reading(self) -> "Reading":
        """What resources and the trail tools show."""
        from pev.stages.reading import Reading

        return Reading(self.core, self._examining)

    @cached_property
    def _examining(self) -> "Examining":
        from pev.stages.examining import Examining

        return Examining()

    @cached_property
    def monitoring(self) -> "Monitoring":
        """What can be claimed of the record now."""
        from pev.stages.monitoring import Monitoring

        return Monitoring(self.core, self._jobs, self._examining)

    @cached_property
    def recounting(self) -> "Recounting":
        """Runs as an auditor reads them."""
        from pev.stages.recounting import Recounting

        return Recounting(self.core, self.reading)

    async def run(self, caller: Caller, run_id: RunId) -> RunState:
        """Give the state of a run. Raises RunUnknown."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.RUN)
        return await self.core.state(run_id)

    async def escalate(self, caller: Caller, run_id: RunId, reason: str) -> RunState:
        """Put a run before a person, with what its last gate found. Again: changes nothing."""
        require_scope(caller, Scope.VERIFY)
        reason = reason.strip()
        if not reason or len(reason) > 2_000:
            raise InvalidInput("a reason has 1 to 2000 characters", hint="Say why a person must decide.")
        event = NewEvent(kind=Kind.RUN_ESCALATED, actor=Actor.of(caller), payload={"reason": reason})

        def escalating(state: RunState) -> list[NewEvent]:
            if state.status is Status.ESCALATED:
                return []
            state.require(Status.EXECUTING, Status.FAILED, to="escalate")
            return [event]

        return await self.core.decide(run_id, escalating)

    async def abandon(self, caller: Caller, run_id: RunId, reason: str) -> RunState:
        """End a run without a pull request. Its worktree stays until it is removed."""
        require_scope(caller, Scope.PLAN)
        event = NewEvent(kind=Kind.RUN_ABANDONED, actor=Actor.of(caller), payload={"reason": reason})

        def abandoning(state: RunState) -> list[NewEvent]:
            if state.status is Status.ABANDONED:
                return []
            state.require(*(set(Status) - TERMINAL), to="abandon it")
            return [event]

        return await self.core.decide(run_id, abandoning)

    def repair_later(self) -> None:
        """Find and mend what a crash left behind, soon, but after the first answer."""
        self._jobs.background(self._repair)

    async def _repair(self) -> None:
        from pev.repos.worktree import repair

        await anyio.sleep(_REPAIR_AFTER_S)
        done = await repair(self.core.config, await self._live_runs())
        if done:
            actor = Actor(principal="server", role=Role.SERVER)
            event = NewEvent(kind=Kind.REPAIRED, actor=actor, payload={"done": list(done)})
            await self.core.append(SERVER_STREAM, [event])

    async def _live_runs(self) -> frozenset[RunId]:
        """Give every run that has a worktree, however many runs there are."""
        live: set[RunId] = set()
        cursor: str | None = None
        while True:
            page = await anyio.to_thread.run_sync(partial(self.core.trail.runs, limit=500, before=cursor))
            live |= {state.id for state in page.runs if state.worktree is not None}
            if page.cursor is None:
                return frozenset(live)
            cursor = page.cursor


@asynccontextmanager
async def open_engine(
    config: Config, *, cwd: Path | None = None, asker: "Asker | None" = None
) -> AsyncIterator[Engine]:
    """Open the engine over the operator's configuration; `cwd` may name one more repository.

    `asker` is the model that the operator provides for roles, if there is one.

    Raises TrailUnavailable, ConfigInvalid. On leaving, running gates are cancelled and their processes gone.
    """
    from pev.core import Core
    from pev.repos.catalog import Catalog
    from pev.sandbox.select import choose_sandbox
    from pev.trail.redact import operator_redactor
    from pev.trail.store import Trail

    literals = asker.secrets if asker is not None else ()
    redactor = operator_redactor(config, literals)
    trail = await anyio.to_thread.run_sync(lambda: Trail.open(config.trail_file, redactor=redactor))
    try:
        catalog = await Catalog.of(config.repos, working_directory=cwd, allow_roots=config.allow_roots)
        core = Core(config=config, trail=trail, catalog=catalog, sandbox=choose_sandbox(config))
        async with Jobs() as jobs:
            yield Engine(core, jobs, asker)
    finally:
        trail.close()
