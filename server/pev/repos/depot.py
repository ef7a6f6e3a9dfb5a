"""The depot: a bare git directory of ours for one repository of the user's, and all that PEV reads from it.

It is filled by fetching, which hashes and checks every object anew; nothing is shared with the user's files,
and nothing of an agent's ever points here. Branches, remote branches and tags of the user stand under
`refs/pev/user/`, what PEV itself keeps elsewhere under `refs/pev/`. Every write to refs holds the lock.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio

from pev.errors import CommandTimedOut, PevError, RefInvalid, RepoUnusable
from pev.git import Git, check_branch
from pev.git_settings import ATTRIBUTES
from pev.models import ObjectId
from pev.proc import Completed, Ending
from pev.repos import outbound
from pev.repos.foreign import Foreign
from pev.repos.lock import locked
from pev.repos.parts import Accepted, Parts
from pev.repos.refs import USER, NamedStore
from pev.repos.scratch import remove_folder
from pev.repos.source import UserRefs, UserRepo, read_refs
from pev.repos.source import remote_url as url_of
from pev.repos.storage import storing

Progress = Callable[[float, str], Awaitable[None]]
"""Told how far a first fill is, from 0 to 1, and what to show."""

MAX_PACKS: Final = 40
_POLL_S: Final = 0.25
_ABANDONED_S: Final = 3_600.0
_REFSPECS: Final = tuple(f"+refs/{kind}/*:{USER}/{kind}/*" for kind in ("heads", "remotes", "tags"))


class Depot(NamedStore):
    """The depot of one repository, under `state_dir/depots/<id>.git`; made by the first `refresh`.

    `author` is name and address of the bot that makes our commits; `remote` is the remote whose default
    branch is trusted; `lock_limit_s` bounds the wait for other processes; `accepted` is what may be in the
    repository besides files of its own. Commands that fail raise CommandFailed or CommandTimedOut.
    """

    def __init__(
        self,
        repo: UserRepo,
        state_dir: Path,
        *,
        author: tuple[str, str] = ("PEV", "pev@localhost"),
        remote: str = "origin",
        lock_limit_s: float = 900.0,
        accepted: Accepted | None = None,
    ) -> None:
        self.path = state_dir / "depots" / f"{repo.id}.git"
        self._lock_limit_s = lock_limit_s
        self._filling = self.path.with_suffix(".filling")
        git = Git(self.path, global_config=self.path / "pev-global.config")
        super().__init__(git, author, repo, remote)
        self.accepted = accepted or Accepted()
        self._foreign = Foreign(self, repo, self.accepted, self.take_in)

    # Filling

    async def refresh(self, progress: Progress | None = None) -> None:
        """Bring the depot up to what the user's repository holds now.

        The first time everything is copied, and `progress` is told; who comes meanwhile waits for the same
        copy. Later only what is new is fetched, and nothing at all if no ref has moved. Raises RepoUnusable
        if the repository cannot be copied, for instance because it holds malformed objects.
        """
        seen = await read_refs(self.repo)
        if self.is_current(seen):
            return
        async with self._telling(progress), self._locked():
            if not self.is_current(seen):
                await (self._update(seen) if self.path.is_dir() else self._fill(seen))

    async def _fill(self, seen: UserRefs) -> None:
        """Make the depot aside and move it into place when it is whole."""
        await anyio.to_thread.run_sync(remove_folder, self._filling)
        git = replace(self.git, git_dir=self._filling, global_config=self._filling / "pev-global.config")
        await git.init(self.repo.object_format)
        with storing(self._filling):
            # read by the programs that serve a fetch, which take no configuration from their caller
            git.global_config.write_text("[safe]\n\tdirectory = *\n", "ascii")
            (self._filling / "info").mkdir(exist_ok=True)
            (self._filling / "info" / "attributes").write_text(ATTRIBUTES, "ascii")
        await self._fetch(git, seen)
        await git.pack_refs()
        self._filling.rename(self.path)

    async def _update(self, seen: UserRefs) -> None:
        if seen.head_commit is None:
            await self.git.delete_refs([self.head_name])
        await self._fetch(self.git, seen)
        if sum(1 for _ in (self.path / "objects" / "pack").glob("*.pack")) > MAX_PACKS:
            await self.git.repack()

    async def _fetch(self, git: Git, seen: UserRefs) -> None:
        refspecs = [*_REFSPECS, *([f"+HEAD:{self.head_name}"] if seen.head_commit else [])]
        done = await git.fetch(self.repo.root, refspecs, prune=True)
        if not done.ok:
            raise _not_copied(done, f"{str(self.repo.root)!r} cannot be copied")
        with storing(git.git_dir):
            _write_whole(git.git_dir / "pev-seen.json", self.with_seen(seen).model_dump_json().encode())

    @asynccontextmanager
    async def _telling(self, progress: Progress | None) -> AsyncIterator[None]:
        """Report how much of a first fill has arrived, whoever does the filling."""
        if progress is None or self.path.is_dir():
            yield
            return
        expected = await anyio.to_thread.run_sync(_stored_bytes, self.repo.common_dir)

        async def report() -> None:
            while True:
                here = await anyio.to_thread.run_sync(_stored_bytes, self._filling)
                part = min(1.0, here / max(1, expected))
                await progress(part, f"copying {self.repo.name}: {here >> 20} of about {expected >> 20} MiB")
                await anyio.sleep(_POLL_S)

        failure: PevError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(report)
            try:
                yield
            except PevError as exc:
                failure = exc  # raised again outside, where no group wraps it
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        await progress(1.0, f"{self.repo.name} is copied")

    # The lock, and what a crash leaves

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        async with locked(self.path.with_suffix(".lock"), limit_s=self._lock_limit_s) as crashed:
            if crashed:
                await self._mend()
            yield

    async def _mend(self) -> None:
        """Clear what a killed writer left: half a fill, lock files, temporary objects, broken history.

        A depot that lacks objects is kept under another name, and a new one takes over the refs that are
        still whole.
        """
        await anyio.to_thread.run_sync(remove_folder, self._filling)
        if not self.path.is_dir():
            return
        await anyio.to_thread.run_sync(_clear_leftovers, self.path)
        if await self.git.connected():
            return
        number = sum(1 for _ in self.path.parent.glob(f"{self.path.stem}.damaged-*"))
        damaged = self.path.with_suffix(f".damaged-{number + 1}")
        self.path.rename(damaged)
        await self._fill(await read_refs(self.repo))
        for line in os.fsdecode(await replace(self.git, git_dir=damaged).refs("refs/pev")).splitlines():
            ref = line.split(" ")[1]
            if not ref.startswith(f"{USER}/"):
                await self.git.fetch(damaged, [f"{ref}:{ref}"])

    # Refs of ours

    async def keep(self, ref: str, oid: ObjectId) -> None:
        """Point a ref of ours at an object, so that it stays. Raises RefInvalid outside `refs/pev/`."""
        self._check_own(ref)
        async with self._locked():
            await self.git.update_ref(ref, oid)

    async def drop(self, *refs: str) -> None:
        """Remove refs of ours; absent ones do not matter. Raises RefInvalid outside `refs/pev/`."""
        for ref in refs:
            self._check_own(ref)
        async with self._locked():
            await self.git.delete_refs(refs)

    @staticmethod
    def _check_own(ref: str) -> None:
        check_branch(ref)
        if not ref.startswith("refs/pev/") or ref.startswith(f"{USER}/"):
            raise RefInvalid(f"ref {ref!r} is not one of ours", hint="Use a name under refs/pev/.")

    async def take_in(self, source: Path, refspecs: list[str]) -> Completed:
        """Fetch refs from another git directory into ours, its objects checked; a failure is a result."""
        async with self._locked():
            return await self.git.fetch(source, refspecs)

    # What a tree only names

    async def parts(self, tree: str) -> Parts:
        """Give the accepted sub-modules and LFS pointers of a tree; what is not on this disk is refused."""
        return await self._foreign.parts(tree)

    async def check_present(self, tree: str) -> None:
        """Raise RepoUnusable, naming the path, if the content of an LFS pointer is not on this disk."""
        await self._foreign.check_present(tree)

    async def write_parts(self, tree: str, into: Path) -> None:
        """Add what a tree only names to its files in `into`. Raises RepoUnusable."""
        await self._foreign.write(tree, into)

    # To the user and to the remote

    async def publish(self, commit: ObjectId, branch: str, repo: UserRepo | None = None) -> None:
        """Make `branch` in the user's repository point at `commit`; nothing else of theirs changes.

        A branch that is there is only moved forward. Raises ForgeRefused otherwise.
        """
        await outbound.publish(self.path, repo or self.repo, commit, branch)

    async def push(self, commit: ObjectId, branch: str, remote_url: str) -> None:
        """Push `commit` to `branch` at a URL, forward only, with the person's own credentials.

        Raises RefInvalid unless the branch is `agent/<8 hex>`, and ForgeRefused if the remote says no, or
        if the branch is its default branch.
        """
        last = self.last_seen()
        await outbound.push(self.git, commit, branch, remote_url, last.symbolic if last else {})

    async def remote_url(self, name: str | None = None) -> str | None:
        """Give the URL of a remote in the user's repository (by default ours), or None."""
        return await url_of(self.repo, name or self.remote)


def _not_copied(done: Completed, fact: str) -> Exception:
    if done.ending is Ending.TIMED_OUT:
        return CommandTimedOut(f"{fact} within {done.seconds:.0f} s", hint="Try again.")
    said = done.stderr.decode("utf-8", "replace").strip()[-2_000:]
    return RepoUnusable(f"{fact}: {said}", hint="Check the repository with git fsck.")


def _stored_bytes(git_dir: Path) -> int:
    """Add up what a git directory stores; files that vanish meanwhile do not count."""
    total = 0
    for folder, _, names in os.walk(git_dir / "objects"):
        for name in names:
            try:
                total += os.lstat(Path(folder, name)).st_size
            except OSError:
                continue
    return total


def _write_whole(file: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or the one before."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_bytes(data)
    aside.replace(file)


def _clear_leftovers(git_dir: Path) -> None:
    """Remove locks of refs, which only our lock's holder writes, and what nobody grows any more."""
    for pattern in ("*.lock", "refs/**/*.lock"):
        for leftover in git_dir.glob(pattern):
            leftover.unlink(missing_ok=True)
    clear_abandoned(git_dir)


def clear_abandoned(git_dir: Path) -> int:
    """Remove the temporary files of a depot that nobody has touched for an hour; say how many."""
    count = 0
    for leftover in (*git_dir.glob("objects/**/tmp_*"), *git_dir.glob("pev-tmp/*")):
        with suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_S:
                remove_folder(leftover) if leftover.is_dir() else leftover.unlink()
                count += 1
    return count
