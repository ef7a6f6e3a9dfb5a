"""Executing: the worktree of an approved run, the files in it, and the commands of an agent."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anyio import to_thread

from pev import proc
from pev.core import Core
from pev.errors import InvalidInput, WorktreeMissing
from pev.events import Actor, Kind, NewEvent
from pev.gate.policy import LoadedPolicy, load_policy
from pev.models import Caller, RunId, Scope, digest_of, require_scope, run_stream
from pev.proc import Completed
from pev.repos import files
from pev.repos.depot import Depot
from pev.repos.scratch import remove_folder
from pev.repos.source import uncommitted
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from pev.roles.sight import Sight, require_sight
from pev.run import RunState, Status
from pev.sandbox.interface import Command
from pev.sandbox.permits import Grants
from pev.sandbox.probe import interpreter_folders
from pev.sandbox.reach import Reach
from pev.stages.outfitting import Outfit, Outfitter, setup_of
from pev.text import clip, harmless, one_line
from pev.views import CommandResult

MAX_ARGV = 200
_WORKING = (Status.EXECUTING, Status.FAILED, Status.PASSED, Status.PR_OPEN)


class Executing:
    """The second stage of a run."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._policies: dict[RunId, LoadedPolicy] = {}
        self._outfitter = Outfitter(core.config)

    async def make(self, caller: Caller, run_id: RunId) -> tuple[RunState, tuple[str, ...]]:
        """Make the worktree of an approved run, or give the one that it has.

        Returns the run and notes for the agent: uncommitted work of the user that is not part of it.
        Raises RunStateRefused without an approved plan.
        """
        require_scope(caller, Scope.EXECUTE)
        state = await self._core.state(run_id)
        if state.worktree is not None and state.status in _WORKING:
            return state, ()
        state.require(Status.APPROVED, to="make a worktree")
        repo = await self._core.repo_of(state)
        depot = await self._core.depot(repo)
        made = None
        if state.worktree is None:
            made = await make_worktree(depot, self._core.config.worktrees, run_id, state.base_commit)
        after = await self._core.decide(run_id, lambda now: _making(now, caller, made))
        left = await uncommitted(repo)
        notes = (f"not used: {len(left)} uncommitted files of the user's checkout",) if left else ()
        return after, notes

    async def remove(self, caller: Caller, run_id: RunId) -> tuple[RunState, str]:
        """Remove a run's worktree; what is not yet in a pull request is rescued first.

        Returns the run and the ref that holds the rescued work, or an empty string.
        """
        require_scope(caller, Scope.EXECUTE)
        state = await self._core.state(run_id)
        if state.worktree is None:
            return state, ""
        state.require(*(set(Status) - {Status.VERIFYING}), to="remove its worktree")
        depot = await self._core.depot(await self._core.repo_of(state))
        try:
            rescued = await remove_worktree(
                depot,
                worktree_of(state),
                base_commit=state.base_commit,
                trusted_commit=state.trusted_commit,
                run_id=run_id,
            )
        except WorktreeMissing:
            # somebody else removed it, or we did and died before it was recorded: then the rescue is there
            ref = f"refs/pev/rescue/{run_id}"
            rescued = ref if await depot.refs_under(ref) else None
        await self._outfitter.remove(run_id)
        with suppress(OSError):  # what cannot be removed now is swept later
            await to_thread.run_sync(remove_folder, self._home(run_id))
        body = {"rescue": rescued or ""}
        event = NewEvent(kind=Kind.WORKTREE_REMOVED, actor=Actor.of(caller), payload=body)
        after = await self._core.decide(run_id, lambda now: [event] if now.worktree else ())
        return after, rescued or ""

    async def root(self, caller: Caller, run_id: RunId, scope: Scope = Scope.EXECUTE) -> Path:
        """Give the worktree's folder of a run that may be worked on. Raises WorktreeMissing."""
        require_scope(caller, scope)
        require_sight(caller, Sight.CHANGE)
        state = await self._core.state(run_id)
        if scope is Scope.EXECUTE:
            state.require(*_WORKING, to="work in its worktree")
        return worktree_of(state).path

    async def write(self, caller: Caller, run_id: RunId, path: str, content: str) -> files.Written:
        """Write a text file of the worktree, whole. Raises PathEscapes, FileRefused."""
        root = await self.root(caller, run_id)
        written = await files.write_file(root, path, content)
        await self._wrote(caller, run_id, path, content)
        return written

    async def edit(self, caller: Caller, run_id: RunId, path: str, old: str, new: str) -> files.Written:
        """Replace a text that stands exactly once in a file. Raises PathEscapes, FileRefused."""
        root = await self.root(caller, run_id)
        written = await files.edit_file(root, path, old, new)
        await self._wrote(caller, run_id, path, f"{old}\0{new}")
        return written

    async def _wrote(self, caller: Caller, run_id: RunId, path: str, content: str) -> None:
        body = {"path": path, "digest": digest_of(content.encode("utf-8", "surrogatepass"))}
        event = NewEvent(kind=Kind.FILE_WRITTEN, actor=Actor.of(caller), payload=body)
        await self._core.append(run_stream(run_id), [event])

    async def command(
        self, caller: Caller, run_id: RunId, argv: Sequence[str], *, limit_s: float
    ) -> CommandResult:
        """Run a command in the worktree, confined as the operator's sandbox can.

        `limit_s` is wall time in seconds, cut to the operator's maximum; the environment of the project,
        which stands first in its PATH, is built before. It gets what the policy requests and the operator
        grants. A failing command is a result; each host that it was denied is an event.
        """
        if not argv or len(argv) > MAX_ARGV or any("\0" in part for part in argv):
            raise InvalidInput(
                f"a command has 1 to {MAX_ARGV} arguments without NUL", hint="Give program and arguments."
            )
        root = await self.root(caller, run_id)
        state = await self._core.state(run_id)
        policy = await self._policy(state)
        grants = await self._core.grants(state.repo, policy.hash, policy.policy.sandbox)
        outfit = await self._outfit(caller, state, policy, grants)
        reach = Reach(grants)
        limit_s = min(limit_s, self._core.config.max_command_s)
        done = await self._confined(state, root, argv, outfit, reach, limit_s=limit_s)
        text = harmless(done.stdout + done.stderr)
        log = await self._core.put_blob(text.encode(), "text/plain")
        hints = [reach.hint if self._core.sandbox.confines else ""]
        hints += [f"the project's environment is not there: {outfit.fault}"] if outfit.fault else []
        result = CommandResult(
            argv=tuple(argv),
            code=done.code,
            ending=done.ending.value,
            output=clip(text, 16_000),
            log=log,
            seconds=round(done.seconds, 3),
            sandboxed=self._core.sandbox.confines,
            sandbox=self._core.sandbox.name,
            hint="; ".join(filter(None, hints)),
            denied=tuple(map(str, reach.denials)),
        )
        body = result.model_dump(mode="json", exclude={"output"}) | {"grants": grants.model_dump(mode="json")}
        await self._core.append(run_stream(run_id), _ran(caller, reach, body))
        return result

    def _home(self, run_id: RunId) -> Path:
        """Give the home of a run's commands, outside of its worktree."""
        return self._core.config.state_dir / "homes" / run_id

    async def _confined(
        self,
        state: RunState,
        cwd: Path,
        argv: Sequence[str],
        outfit: Outfit,
        reach: Reach,
        *,
        limit_s: float,
    ) -> Completed:
        home = self._home(state.id)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        base = proc.base_env()
        command = Command(
            argv=tuple(argv),
            cwd=cwd,
            env={**base, **own, "PATH": outfit.path(base["PATH"])},
            limit_s=limit_s,
            writable=(worktree_of(state).path, home),
            readable=(*interpreter_folders(), *outfit.readable),
            output_bytes=self._core.config.output_bytes,
        )
        done = await self._core.sandbox.run(reach.widened(command))
        reach.heard(done)
        return done

    async def _outfit(self, caller: Caller, state: RunState, policy: LoadedPolicy, grants: Grants) -> Outfit:
        """Give the worktree its environments; when they are new, run the policy's setup if it is trusted."""
        worktree = worktree_of(state)

        async def depot() -> Depot:
            return await self._core.depot(await self._core.repo_of(state))

        async def set_up(outfit: Outfit) -> str:
            wanted = setup_of(policy.policy)
            if wanted and not await self._core.is_trusted(state.repo, policy.hash):
                return "setup commands need a person's trust in this policy: `pev trust`"
            for root, argv in wanted:
                reach = Reach(grants)
                limit_s = self._core.config.max_command_s
                done = await self._confined(state, worktree.path / root, argv, outfit, reach, limit_s=limit_s)
                body = {"argv": list(argv), "code": done.code, "ending": done.ending.value, "setup": True}
                await self._core.append(run_stream(state.id), _ran(caller, reach, body))
                if not done.ok:
                    said = "; ".join(filter(None, (one_line(done.text(), 300), reach.hint)))
                    return f"setup {' '.join(argv)!r} failed: {said}"
            return ""

        return await self._outfitter.outfit(state, worktree, policy.policy, depot, set_up)

    async def _policy(self, state: RunState) -> LoadedPolicy:
        """Give the policy of the run's trusted commit, which is the run's for good."""
        if state.id not in self._policies:
            depot = await self._core.depot(await self._core.repo_of(state))
            self._policies[state.id] = await load_policy(depot, state.trusted_commit)
        return self._policies[state.id]


def _ran(caller: Caller, reach: Reach, body: dict[str, Any]) -> list[NewEvent]:
    """Give the events of a command: what it was denied, and that it ran."""
    kinds = [(Kind.NETWORK_DENIED, asdict(one)) for one in reach.denials] + [(Kind.COMMAND_RAN, body)]
    return [NewEvent(kind=kind, actor=Actor.of(caller), payload=payload) for kind, payload in kinds]


def worktree_of(state: RunState) -> Worktree:
    """Give the worktree of a run. Raises WorktreeMissing if it has none, or if it is gone from the disk."""
    if state.worktree is None:
        raise WorktreeMissing(f"run {state.id} has no worktree", hint="Call make_worktree.")
    path = Path(state.worktree.path)
    if not path.is_dir():
        raise WorktreeMissing(
            f"the worktree of run {state.id} is gone from {path}",
            hint="Call remove_worktree, then make_worktree.",
        )
    return Worktree.of(path, state.worktree.branch, state.worktree.base_commit)


def _making(state: RunState, caller: Caller, made: Worktree | None) -> Sequence[NewEvent]:
    if state.status in _WORKING:
        return ()
    state.require(Status.APPROVED, to="make a worktree")
    if made is not None:
        worktree = {"path": str(made.path), "branch": made.branch, "base_commit": state.base_commit}
    elif state.worktree is not None:
        worktree = state.worktree.model_dump(mode="json")
    else:
        raise WorktreeMissing(f"the worktree of run {state.id} was removed", hint="Call make_worktree.")
    return [NewEvent(kind=Kind.WORKTREE_MADE, actor=Actor.of(caller), payload={"worktree": worktree})]
