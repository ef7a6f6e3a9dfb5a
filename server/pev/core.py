"""What every stage of the engine stands on: configuration, trail, repositories, sandbox.

It offers one way to change a run: read its state, decide purely, append; again if somebody was faster.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from pev.config import Config
from pev.errors import (
    EventUnknown,
    RepoUnknown,
    RepoUnusable,
    RunUnknown,
    TrailUnavailable,
    VersionConflict,
)
from pev.events import Event, Kind, NewEvent
from pev.findings import GateReport
from pev.git import Git
from pev.models import Digest, RepoId, RunId, StreamId, repo_stream, run_of_stream, run_stream
from pev.repos.catalog import Catalog
from pev.repos.depot import Depot
from pev.repos.parts import Accepted
from pev.repos.source import UserRepo
from pev.repos.store import ObjectStore
from pev.run import RunState
from pev.sandbox.interface import Sandbox
from pev.sandbox.permits import Grants, SandboxSettings, allowance, granted
from pev.trail.projections import unknown_run
from pev.trail.query import RunPage, TrailPage, TrailQuery
from pev.trail.store import Trail

_TRIES: Final = 20


@dataclass(slots=True)
class Core:
    """The parts of a running engine."""

    config: Config
    trail: Trail
    catalog: Catalog
    sandbox: Sandbox
    tenant: str | None = None

    def within(self, tenant: str) -> "Core":
        """Give the same parts, seen by a tenant: runs of others are unknown in it, whoever asks and how."""
        return replace(self, tenant=tenant)

    async def state(self, run_id: RunId) -> RunState:
        """Give the state of a run. Raises RunUnknown, also for a run of another tenant."""
        state = await anyio.to_thread.run_sync(self.trail.run_state, run_id)
        if not self._sees(state):
            raise unknown_run(run_id)
        return state

    def _sees(self, state: RunState) -> bool:
        return self.tenant in (None, state.tenant)

    async def runs(self, *, limit: int, open_only: bool = False) -> list[RunState]:
        """Give the newest runs that may be seen here, at most `limit`, 1 to 500. Raises TrailCorrupt."""
        asking = partial(self.trail.runs, limit=limit, open_only=open_only, tenant=self.tenant)
        return list((await anyio.to_thread.run_sync(asking)).runs)

    async def run_page(self, *, limit: int, open_only: bool = False, before: str | None = None) -> RunPage:
        """Give runs that may be seen here, the newest first; `before` is the cursor of an earlier page.

        A run whose state cannot be read is named as that, beside the others. Raises InvalidInput for a limit
        beyond 1 to 500, or a cursor of another question.
        """
        asking = partial(self.trail.runs, limit=limit, open_only=open_only, before=before)
        return await anyio.to_thread.run_sync(partial(asking, tenant=self.tenant, tolerant=True))

    async def query(self, question: TrailQuery) -> TrailPage:
        """Answer one page of a question; a tenant sees the events of its own runs, and no others."""
        return await anyio.to_thread.run_sync(partial(self.trail.query, question, tenant=self.tenant))

    async def event(self, seq: int) -> Event:
        """Give one event by its number. Raises EventUnknown, also for one that may not be seen here."""
        found = await anyio.to_thread.run_sync(self.trail.event, seq)
        if not await self._is_own(found.stream):
            raise EventUnknown(f"no event has the number {seq}", hint="Events count from 0.")
        return found

    async def _is_own(self, stream: StreamId) -> bool:
        """Say whether a stream may be seen here: a tenant sees its runs alone."""
        if self.tenant is None:
            return True
        run = run_of_stream(stream)
        if run is None:
            return False
        try:
            await self.state(run)
        except RunUnknown:
            return False
        return True

    async def append(
        self, stream: StreamId, events: Sequence[NewEvent], *, expected_version: int | None = None
    ) -> list[Event]:
        """Append events to a stream, durably. Raises VersionConflict, and RunUnknown of another's run."""
        run = run_of_stream(stream)
        if self.tenant is not None and run is not None and expected_version != 0:
            await self.state(run)
        return await anyio.to_thread.run_sync(
            lambda: self.trail.append(stream, events, expected_version=expected_version)
        )

    async def decide(self, run_id: RunId, decision: Callable[[RunState], Sequence[NewEvent]]) -> RunState:
        """Change a run: call `decision` with its state and append what it returns, as one step.

        If another process appended meanwhile, `decision` is called again with the new state. It must be
        pure, and raises whatever refuses the change. Returns the state afterwards.
        """
        stream = run_stream(run_id)
        for _ in range(_TRIES):
            state = await self.state(run_id)
            events = decision(state)
            if not events:
                return state
            try:
                await self.append(stream, events, expected_version=state.version)
            except VersionConflict:
                continue
            return await self.state(run_id)
        raise TrailUnavailable(
            f"run {run_id} changed {_TRIES} times while it was to be changed", hint="Try again in a moment."
        )

    async def depot(self, repo: UserRepo) -> Depot:
        """Give the depot of a user's repository, filled on first use and brought up to date."""
        config = self.config
        author = (config.bot_name, config.bot_email)
        accepted = Accepted(submodules=config.allow_submodules, lfs=config.allow_lfs)
        depot = Depot(repo, config.state_dir, author=author, remote=config.remote, accepted=accepted)
        await depot.refresh()
        return depot

    def kept(self, state: RunState) -> ObjectStore:
        """Give the objects that we keep of a run's repository, to read; the user's own need not be there."""
        path = self.config.state_dir / "depots" / f"{state.repo}.git"
        author = (self.config.bot_name, self.config.bot_email)
        return ObjectStore(Git(path, global_config=path / "pev-global.config"), author)

    async def repo_of(self, state: RunState) -> UserRepo:
        """Find the repository of a run, if it is still allowed. Raises RepoUnknown."""
        names = sorted(self.catalog.names, key=lambda name: name != state.repo_name)
        for name in names:
            with suppress(RepoUnusable):
                repo = await self.catalog.find(name)
                if repo.id == state.repo:
                    return repo
        raise RepoUnknown(
            f"the repository {state.repo_name!r} of run {state.id} is not allowed here",
            hint=f"Start in it, or name it with --repo. Allowed: {', '.join(names) or 'none'}.",
        )

    def allow_roots(self, roots: Iterable[Path]) -> None:
        """Allow the folders that a local client declares as its roots, if the operator allows roots."""
        self.catalog = self.catalog.with_roots(roots)

    async def put_blob(self, data: bytes, media_type: str) -> Digest:
        """Store a large payload and give its digest."""
        return await anyio.to_thread.run_sync(self.trail.put_blob, data, media_type)

    async def blob(self, digest: Digest) -> bytes:
        """Give a large payload. Raises BlobUnknown."""
        found = await anyio.to_thread.run_sync(self.trail.get_blob, digest)
        return found.data

    async def report(self, state: RunState, *, attempt: int | None = None) -> GateReport | None:
        """Give a finished gate's report, of the newest attempt if none is named; None if there is none."""
        for gate in reversed(state.gates):
            if gate.report is not None and attempt in (None, gate.attempt):
                return GateReport.model_validate_json(await self.blob(gate.report))
        return None

    async def grants(self, repo: RepoId, policy_hash: Digest, wanted: SandboxSettings) -> Grants:
        """Give what commands get of what a policy requests. Raises ConfigInvalid."""
        if wanted == SandboxSettings():
            return Grants()
        trusted = await self.is_trusted(repo, policy_hash)
        return await anyio.to_thread.run_sync(
            lambda: granted(wanted, allowance(self.config), trusted=trusted)
        )

    async def is_trusted(self, repo: RepoId, policy_hash: Digest) -> bool:
        """Say whether a person trusted exactly this policy of this repository."""
        query = TrailQuery(stream=repo_stream(repo), kinds=(Kind.POLICY_TRUSTED,), text=policy_hash, limit=1)
        while True:
            page = await anyio.to_thread.run_sync(self.trail.query, query)
            if page.events or page.cursor is None:
                return bool(page.events)
            query = query.model_copy(update={"cursor": page.cursor})
