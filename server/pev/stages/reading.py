"""Reading: what resources and the trail tools show. Reading changes no run; reads of the trail are events."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio

from pev.core import Core
from pev.errors import CheckUnknown, EventUnknown, InvalidInput, RunUnknown
from pev.events import Actor, Event, Kind, NewEvent
from pev.findings import CheckResult, GateReport
from pev.gate.subjects import is_test_ground
from pev.models import (
    SERVER_STREAM,
    Caller,
    Digest,
    Model,
    ObjectId,
    RunId,
    Scope,
    require_scope,
    run_stream,
)
from pev.repos.depot import Depot
from pev.repos.history import recent
from pev.repos.snapshot import take_snapshot
from pev.roles.interface import public_interface
from pev.roles.sight import Sight, require_sight
from pev.run import PlanRevision, RunState
from pev.stages.examining import Examining, seen_by
from pev.stages.executing import worktree_of
from pev.text import one_line
from pev.trail.merkle import TreeHead
from pev.trail.notary import Notary, SignedHead, examine_against
from pev.trail.notes import VerifierKey
from pev.trail.query import MAX_LIMIT, TrailPage, TrailQuery
from pev.trail.stopping import Stop
from pev.trail.verify import Examined, VerifyReport

if TYPE_CHECKING:
    from pev.trail.explanation import Explanation

MAX_DIFF = 200_000
MAX_INTERFACE = 40_000
MAX_COMMITS = 50


class ChangedFile(Model):
    """A file in which a worktree differs from its base. `old_path` is another only for a rename."""

    status: str
    path: str
    old_path: str


class Commit(Model):
    """A commit of the base's past."""

    id: ObjectId
    at: str
    author: str
    subject: str


class Reading:
    """Answers questions about runs and the trail."""

    def __init__(self, core: Core, examining: Examining) -> None:
        self._core = core
        self._examining = examining

    async def runs(self, caller: Caller, *, limit: int = 50) -> list[RunState]:
        """Give the newest runs of the repositories that are allowed here."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.RUN)
        return await self._core.runs(limit=limit)

    async def plan(self, caller: Caller, run_id: RunId, revision: int | None = None) -> PlanRevision:
        """Give a revision of a run's plan, the newest if none is named. Raises InvalidInput."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.PLAN)
        state = await self._core.state(run_id)
        found = [one for one in state.revisions if revision in (None, one.revision)]
        if not found:
            wanted = "a plan" if revision is None else f"revision {revision}"
            raise InvalidInput(
                f"run {run_id} has no {wanted}", hint=f"It has {len(state.revisions)} revisions."
            )
        return found[-1]

    async def report(self, caller: Caller, run_id: RunId, attempt: int | None = None) -> GateReport:
        """Give a gate's report. Raises RunUnknown where the run has none."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.GATE)
        state = await self._core.state(run_id)
        report = await self._core.report(state, attempt=attempt)
        if report is None:
            raise RunUnknown(
                f"run {run_id} has no finished gate" + (f" {attempt}" if attempt else ""),
                hint="Call run_gate.",
            )
        return report

    async def check(self, caller: Caller, run_id: RunId, attempt: int, name: str) -> CheckResult:
        """Give one check's whole result. Raises CheckUnknown."""
        report = await self.report(caller, run_id, attempt)
        for check in report.checks:
            if check.check == name:
                return check
        known = ", ".join(check.check for check in report.checks)
        raise CheckUnknown(f"gate {attempt} of run {run_id} has no check {name!r}", hint=f"It has: {known}.")

    async def log(self, check: CheckResult) -> str:
        """Give the whole log of a check, as harmless text; its excerpt where no log was kept."""
        if check.log is None:
            return check.excerpt
        return (await self._core.blob(check.log)).decode("utf-8", "replace")

    async def diff(self, caller: Caller, run_id: RunId) -> str:
        """Give the change of a run against its base, at most MAX_DIFF bytes."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.CHANGE)
        depot, base, tree = await self._change(run_id)
        return await depot.diff(base, tree, limit_bytes=MAX_DIFF)

    async def _change(self, run_id: RunId) -> tuple[Depot, ObjectId, ObjectId]:
        """Give the depot, and the trees of a run's base and of its work as it is now."""
        state = await self._core.state(run_id)
        depot = await self._core.depot(await self._core.repo_of(state))
        base = await depot.tree_of(state.base_commit)
        if state.worktree is None:
            return depot, base, state.pr.tree if state.pr else base
        tree = await take_snapshot(
            depot,
            worktree_of(state).path,
            base_commit=state.base_commit,
            trusted_commit=state.trusted_commit,
        )
        return depot, base, tree

    async def status(self, caller: Caller, run_id: RunId) -> tuple[ChangedFile, ...]:
        """Give the files in which a run's worktree differs from its base, as git status would."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.CHANGE)
        depot, base, tree = await self._change(run_id)
        changes = await depot.changes(base, tree)
        return tuple(
            ChangedFile(status=one.status.value, path=one.path, old_path=one.old_path) for one in changes
        )

    async def past(self, caller: Caller, run_id: RunId) -> tuple[Commit, ...]:
        """Give the newest commits that lead to a run's base, as git log would."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.RUN)
        state = await self._core.state(run_id)
        depot = await self._core.depot(await self._core.repo_of(state))
        found = await recent(depot, state.base_commit, limit=MAX_COMMITS)
        return tuple(
            Commit(id=one.commit, at=one.at, author=one_line(one.author), subject=one_line(one.subject))
            for one in found
        )

    async def interface(self, caller: Caller, run_id: RunId) -> str:
        """Give the public interface of the base's Python code; nothing of the change."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.INTERFACE)
        state = await self._core.state(run_id)
        depot = await self._core.depot(await self._core.repo_of(state))
        tree = await depot.tree_of(state.base_commit)
        parts, size = [], 0
        for entry in await depot.entries(tree):
            if not entry.path.endswith(".py") or is_test_ground(entry.path) or size > MAX_INTERFACE:
                continue
            data = await depot.read_blob(tree, entry.path)
            part = public_interface((data or b"").decode("utf-8", "replace"), entry.path)
            size += len(part)
            parts.append(part)
        return "\n\n".join(part for part in parts if part)

    async def pr_body(self, caller: Caller, run_id: RunId) -> str:
        """Give the newest body of a run's pull request. Raises RunUnknown where it has none."""
        return (await self._carried(caller, run_id, "body")).decode()

    async def evidence(self, caller: Caller, run_id: RunId) -> bytes:
        """Give the signed evidence of a run's pull request. Raises RunUnknown where it has none."""
        return await self._carried(caller, run_id, "evidence")

    async def _carried(self, caller: Caller, run_id: RunId, part: str) -> bytes:
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.RUN)
        await self._core.state(run_id)
        events = await anyio.to_thread.run_sync(self._core.trail.read, run_stream(run_id))
        for event in reversed(events):
            if event.kind is Kind.PR_OPENED and event.payload is not None and part in event.payload:
                return await self._core.blob(Digest(event.payload[part]))
        raise RunUnknown(f"run {run_id} has no pull request", hint="Call open_pr when its gate has passed.")

    async def query(self, caller: Caller, query: TrailQuery) -> TrailPage:
        """Ask the trail, and record that it was asked."""
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        page = await self._core.query(query)
        asked = query.model_dump(mode="json", exclude_defaults=True)
        await self._was_read(caller, {"query": asked, "found": len(page.events)})
        return page

    async def _was_read(self, caller: Caller, body: dict[str, Any]) -> None:
        event = NewEvent(kind=Kind.TRAIL_READ, actor=Actor.of(caller), payload=body)
        await self._core.append(SERVER_STREAM, [event])

    async def event(self, caller: Caller, seq: int) -> Event:
        """Give one event, and record that it was read. Raises EventUnknown."""
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        found = await self._core.event(_number(seq))
        await self._was_read(caller, {"event": seq})
        return found

    async def export(
        self, caller: Caller, query: TrailQuery, form: str, write: Callable[[Iterator[Event]], None]
    ) -> None:
        """Give `write` all events of a question, as the log is now, and record that they were taken out.

        `form` names what they become. `write` runs in a thread of its own.
        """
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        size = (await self.head(caller)).size
        asked = query.model_dump(mode="json", exclude_defaults=True)
        await self._was_read(caller, {"query": asked, "exported": form, "size": size})
        await anyio.to_thread.run_sync(lambda: write(self._all(query, size)))

    def _all(self, query: TrailQuery, size: int) -> Iterator[Event]:
        """Give every event of a question among the first `size`, page by page."""
        question: TrailQuery | None = query.model_copy(update={"limit": MAX_LIMIT, "newest_first": False})
        while question is not None:
            page = anyio.from_thread.run(self._core.query, question)
            for event in page.events:
                if event.seq >= size:
                    return
                yield event
            question = question.model_copy(update={"cursor": page.cursor}) if page.cursor else None

    async def explain(
        self, caller: Caller, path: str, line: int, *, repo: str | None = None, rev: str = "HEAD"
    ) -> "Explanation":
        """Say why a line of a file is there, and record that it was asked.

        Raises InvalidInput for a path or line that is not there, RefNotFound and RepoUnknown.
        """
        from pev.stages.explaining import explain

        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        found = await explain(self._core, repo, path, line, rev)
        asked = {"path": found.origin.path, "line": line, "commit": found.origin.commit}
        await self._was_read(caller, {"explained": asked, "run": found.run})
        return found

    async def head(self, caller: Caller) -> TreeHead:
        """Give the size of the log and its Merkle root."""
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        return await anyio.to_thread.run_sync(self._core.trail.head)

    async def checkpoint(self, caller: Caller, *, witnessed: bool = False) -> SignedHead:
        """Sign what the log is now; `witnessed` asks the operator's witnesses to cosign it.

        Raises WitnessRefused, TrailCorrupt where witnesses saw another history, and ConfigInvalid.
        """
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        return await anyio.to_thread.run_sync(lambda: self._notary.checkpoint(witnessed=witnessed))

    async def prove(self, caller: Caller, seq: int, *, payload: bool = True, witnessed: bool = False) -> str:
        """Write a proof of one event that stands alone, and record that it was given. Raises EventUnknown."""
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        number = _number(seq)
        await self._core.event(number)
        proof = await anyio.to_thread.run_sync(
            lambda: self._notary.prove(number, payload=payload, witnessed=witnessed)
        )
        await self._was_read(caller, {"event": seq, "proof": True, "with_payload": payload})
        return proof

    async def verify(
        self,
        caller: Caller,
        expected: TreeHead | None = None,
        *,
        kept: bytes | None = None,
        keys: Sequence[VerifierKey] = (),
    ) -> VerifyReport:
        """Check the whole log, against a head, a signed checkpoint or a proof kept elsewhere; one at a time.

        Whose signature counts is what `keys` say, or else the log's own record. A tenant, who sees its own
        runs alone, is told kinds and numbers of faults, and no detail. Whoever goes away ends it. Raises
        InvalidInput if `kept` is none of these.
        """
        return (await self.examine(caller, expected, kept=kept, keys=keys)).report

    async def examine(
        self,
        caller: Caller,
        expected: TreeHead | None = None,
        *,
        kept: bytes | None = None,
        keys: Sequence[VerifierKey] = (),
    ) -> Examined:
        """Verify, and give beside the report what watching the log goes on from."""
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        trail = self._core.trail

        def examine(stop: Stop) -> Examined:
            if kept is None:
                return trail.examine(expected=expected, stop=stop)
            return examine_against(trail, self._notary, kept, keys, stop=stop)

        found = await self._examining.run(examine)
        faults = seen_by(caller, self._core.tenant, found.report.faults)
        return found._replace(report=found.report.model_copy(update={"faults": faults}))

    @cached_property
    def _notary(self) -> Notary:
        return Notary.of(self._core.trail, self._core.config)


def _number(seq: int) -> int:
    if not 0 <= seq < 2**63:
        raise EventUnknown(f"no event has the number {seq}", hint="Events count from 0.")
    return seq
