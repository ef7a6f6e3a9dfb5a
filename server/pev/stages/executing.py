"""Executing: the worktree of an approved run, the files in it, and the commands of an agent."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pev import proc
from pev.core import Core
from pev.errors import InvalidInput, WorktreeMissing
from pev.events import Actor, Kind, NewEvent
from pev.gate.policy import LoadedPolicy, load_policy
from pev.models import Caller, RunId, Scope, digest_of, require_scope, run_stream
from pev.repos import files
from pev.repos.source import uncommitted
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from pev.run import RunState, Status
from pev.sandbox.interface import Command
from pev.sandbox.permits import Grants
from pev.sandbox.probe import interpreter_folders
from pev.sandbox.reach import Reach
from pev.text import clip, harmless
from pev.views import CommandResult

MAX_ARGV = 200
_WORKING = (Status.EXECUTING, Status.FAILED, Status.PASSED, Status.PR_OPEN)


class Executing:
    """The second stage of a run."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._policies: dict[RunId, LoadedPolicy] = {}

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
        body = {"rescue": rescued or ""}
        event = NewEvent(kind=Kind.WORKTREE_REMOVED, actor=Actor.of(caller), payload=body)
        after = await self._core.decide(run_id, lambda now: [event] if now.worktree else ())
        return after, rescued or ""

    async def root(self, caller: Caller, run_id: RunId, scope: Scope = Scope.EXECUTE) -> Path:
        """Give the worktree's folder of a run that may be worked on. Raises WorktreeMissing."""
        require_scope(caller, scope)
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

        `limit_s` is wall time in seconds, cut to the operator's maximum. It gets what the policy requests and
        the operator grants. A failing command is a result; each host that it was denied is an event.
        """
        if not argv or len(argv) > MAX_ARGV or any("\0" in part for part in argv):
            raise InvalidInput(
                f"a command has 1 to {MAX_ARGV} arguments without NUL", hint="Give program and arguments."
            )
        root = await self.root(caller, run_id)
        limit_s = min(limit_s, self._core.config.max_command_s)
        home = self._core.config.state_dir / "homes" / run_id
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        grants = await self._grants(run_id)
        reach = Reach(grants)
        command = Command(
            argv=tuple(argv),
            cwd=root,
            env=proc.base_env({"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}),
            limit_s=limit_s,
            writable=(root, home),
            readable=interpreter_folders(),
            output_bytes=self._core.config.output_bytes,
        )
        done = await self._core.sandbox.run(reach.widened(command))
        reach.heard(done)
        text = harmless(done.stdout + done.stderr)
        log = await self._core.put_blob(text.encode(), "text/plain")
        result = CommandResult(
            argv=tuple(argv),
            code=done.code,
            ending=done.ending.value,
            output=clip(text, 16_000),
            log=log,
            seconds=round(done.seconds, 3),
            sandboxed=self._core.sandbox.confines,
            sandbox=self._core.sandbox.name,
            hint=reach.hint if self._core.sandbox.confines else "",
            denied=tuple(map(str, reach.denials)),
        )
        body = result.model_dump(mode="json", exclude={"output"}) | {"grants": grants.model_dump(mode="json")}
        kinds = [(Kind.NETWORK_DENIED, asdict(one)) for one in reach.denials] + [(Kind.COMMAND_RAN, body)]
        events = [NewEvent(kind=kind, actor=Actor.of(caller), payload=payload) for kind, payload in kinds]
        await self._core.append(run_stream(run_id), events)
        return result

    async def _grants(self, run_id: RunId) -> Grants:
        """Give what the policy of the run's trusted commit requests and commands get."""
        state = await self._core.state(run_id)
        if run_id not in self._policies:  # the commit is the run's for good
            depot = await self._core.depot(await self._core.repo_of(state))
            self._policies[run_id] = await load_policy(depot, state.trusted_commit)
        policy = self._policies[run_id]
        return await self._core.grants(state.repo, policy.hash, policy.policy.sandbox)


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
