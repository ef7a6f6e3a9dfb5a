"""The depot: a bare git directory of ours for one repository of the user's, and all that PEV reads from it.

It is filled by fetching, which hashes and checks every object anew; nothing is shared with the user's files,
and nothing of an agent's ever points here. Branches, remote branches and tags of the user stand under
`refs/pev/user/`, what PEV itself keeps elsewhere under `refs/pev/`. Every write to refs holds the lock.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio

from pev.errors import CommandTimedOut, PevError, RefInvalid, RefNotFound, RepoUnusable
from pev.git import Git, check_branch, check_revision, is_hex
from pev.git_settings import ATTRIBUTES
from pev.models import Model, ObjectId
from pev.proc import Completed, Ending
from pev.repos import history, outbound
from pev.repos.lock import locked
from pev.repos.scratch import remove_folder
from pev.repos.source import UserRefs, UserRepo, read_refs
from pev.repos.source import remote_url as url_of
from pev.repos.storage import storing
from pev.repos.store import ObjectStore

Progress = Callable[[float, str], Awaitable[None]]
"""Told how far a first fill is, from 0 to 1, and what to show."""

USER: Final = "refs/pev/user"
MAX_PACKS: Final = 40
_POLL_S: Final = 0.25
_ABANDONED_S: Final = 3_600.0
_SHOWN: Final = 20
_REFSPECS: Final = tuple(f"+refs/{kind}/*:{USER}/{kind}/*" for kind in ("heads", "remotes", "tags"))


class _Seen(Model):
    """What the last refresh saw; kept in the depot."""

    fingerprint: str
    head_ref: str | None
    head_commit: ObjectId | None
    symbolic: dict[str, str]


class Depot(ObjectStore):
    """The depot of one repository, under `state_dir/depots/<id>.git`; made by the first `refresh`.

    `author` is name and address of the bot that makes our commits; `remote` is the remote whose default
    branch is trusted; `lock_limit_s` bounds the wait for other processes. Commands that fail raise
    CommandFailed or CommandTimedOut.
    """

    def __init__(
        self,
        repo: UserRepo,
        state_dir: Path,
        *,
        author: tuple[str, str] = ("PEV", "pev@localhost"),
        remote: str = "origin",
        lock_limit_s: float = 900.0,
    ) -> None:
        self.repo = repo
        self.path = state_dir / "depots" / f"{repo.id}.git"
        self.remote = remote
        self._lock_limit_s = lock_limit_s
        self._filling = self.path.with_suffix(".filling")
        git = Git(self.path, global_config=self.path / "pev-global.config")
        super().__init__(git, author, repo.object_format)

    # Filling

    async def refresh(self, progress: Progress | None = None) -> None:
        """Bring the depot up to what the user's repository holds now.

        The first time everything is copied, and `progress` is told; who comes meanwhile waits for the same
        copy. Later only what is new is fetched, and nothing at all if no ref has moved. Raises RepoUnusable
        if the repository cannot be copied, for instance because it holds malformed objects.
        """
        seen = await read_refs(self.repo)
        if self._is_current(seen):
            return
        async with self._telling(progress), self._locked():
            if not self._is_current(seen):
                await (self._update(seen) if self.path.is_dir() else self._fill(seen))

    def _is_current(self, seen: UserRefs) -> bool:
        last = self._last_seen()
        return last is not None and last.fingerprint == seen.fingerprint

    def _last_seen(self) -> _Seen | None:
        try:
            return _Seen.model_validate_json((self.path / "pev-seen.json").read_bytes())
        except (OSError, ValueError):
            return None

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
            await self.git.delete_refs([f"{USER}/HEAD"])
        await self._fetch(self.git, seen)
        if sum(1 for _ in (self.path / "objects" / "pack").glob("*.pack")) > MAX_PACKS:
            await self.git.repack()

    async def _fetch(self, git: Git, seen: UserRefs) -> None:
        refspecs = [*_REFSPECS, *([f"+HEAD:{USER}/HEAD"] if seen.head_commit else [])]
        done = await git.fetch(self.repo.root, refspecs, prune=True)
        if not done.ok:
            raise _not_copied(done, f"{str(self.repo.root)!r} cannot be copied")
        last = _Seen(
            fingerprint=seen.fingerprint,
            head_ref=seen.head_ref,
            head_commit=seen.head_commit,
            symbolic=seen.symbolic,
        )
        with storing(git.git_dir):
            _write_whole(git.git_dir / "pev-seen.json", last.model_dump_json().encode())

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

    # Names

    async def trusted(self, configured: str | None = None) -> tuple[str, ObjectId]:
        """Give the ref that policy comes from, by its full name in the user's repository, and its commit.

        That is the `configured` one; else the default branch of the remote; else `main`, `master`, the only
        branch, or the branch that HEAD is on; else the same of the remote. Raises RefNotFound with what
        exists.
        """
        refs = await self._user_refs()
        if configured is not None:
            check_revision(configured)
            wanted = [ref for ref in _full_names(configured) if ref in refs]
        else:
            wanted = self._default_refs(refs)
        if not wanted:
            named = f"trusted ref {configured!r}" if configured else "a branch that can be trusted"
            detached = "" if self.repo.head_branch else " and HEAD is detached"
            raise RefNotFound(
                f"{named} is not in {self.repo.name!r}{detached}; it has {_shown(refs)}",
                hint="Name the branch in the configuration: trusted_ref.",
            )
        return wanted[0], await self._find(f"{_ours(wanted[0])}^{{commit}}", f"ref {wanted[0]!r}")

    def _default_refs(self, refs: list[str]) -> list[str]:
        last = self._last_seen()
        symbolic = last.symbolic if last else {}
        local = [
            ref for ref in refs if ref.startswith("refs/heads/") and not ref.startswith("refs/heads/agent/")
        ]
        far = f"refs/remotes/{self.remote}/"
        remote = [ref for ref in refs if ref.startswith(far) and ref != f"{far}HEAD"]
        wanted = [symbolic.get(f"{far}HEAD", ""), "refs/heads/main", "refs/heads/master"]
        wanted += local if len(local) == 1 else []
        wanted += [last.head_ref or ""] if last else []
        wanted += [f"{far}main", f"{far}master", *(remote if len(remote) == 1 else [])]
        return [ref for ref in wanted if ref in refs]

    async def _user_refs(self) -> list[str]:
        if self._last_seen() is None:
            await self.refresh()
        listing = os.fsdecode(await self.git.refs(USER))
        return [line.split(" ")[1].replace(USER, "refs", 1) for line in listing.splitlines()]

    async def resolve(self, rev: str) -> ObjectId:
        """Give the commit that the user means by `rev`: a branch, HEAD, a tag, a remote branch, or a hex id.

        Asked in that order, as of the last refresh; a whole id always means itself. Raises RefInvalid and
        RefNotFound.
        """
        check_revision(rev)
        cut = min((rev.index(mark) for mark in "~^" if mark in rev), default=len(rev))
        name, steps = rev[:cut], rev[cut:]
        known = [f"{_ours(ref)}{steps}" for ref in _full_names(name)]
        hexadecimal = [rev] if is_hex(name) else []
        tried = [*hexadecimal, *known] if len(name) >= 40 else [*known, *hexadecimal]
        answers = os.fsdecode(await self.git.look_up(f"{one}^{{commit}}" for one in tried))
        for answer in answers.splitlines():
            words = answer.split(" ")
            if len(words) == 3 and words[1] == "commit":
                return ObjectId(words[0])
        raise RefNotFound(
            f"{rev!r} is not in {self.repo.name!r}; it has {_shown(await self._user_refs())}",
            hint="Name a branch, a tag or a commit that exists there.",
        )

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

    async def refs_under(self, prefix: str) -> dict[str, ObjectId]:
        """Give our refs below a prefix, with the objects that they point at."""
        listing = os.fsdecode(await self.git.refs(prefix))
        return {line.split(" ")[1]: ObjectId(line.split(" ")[0]) for line in listing.splitlines()}

    async def commits_of(self, oids: Iterable[ObjectId]) -> list[ObjectId]:
        """Give the commits that commits and tags stand for, each once. Raises RefNotFound for others."""
        wanted = list(oids)
        answers = os.fsdecode(await self.git.look_up(f"{oid}^{{commit}}" for oid in wanted)).splitlines()
        found = [answer.split(" ") for answer in answers]
        for oid, words in zip(wanted, found, strict=True):
            if len(words) != 3 or words[1] != "commit":
                raise RefNotFound(f"{oid} is not a commit", hint="Name a branch or a tag.")
        return list(dict.fromkeys(ObjectId(words[0]) for words in found))

    async def take_in(self, source: Path, refspecs: list[str]) -> Completed:
        """Fetch refs from another git directory into ours, its objects checked; a failure is a result."""
        async with self._locked():
            return await self.git.fetch(source, refspecs)

    async def has_branch(self, branch: str) -> bool:
        """Say whether the user's repository had this branch at the last refresh."""
        return f"refs/heads/{check_branch(branch)}" in await self._user_refs()

    async def merged_by(self, commit: ObjectId, target: str) -> str | None:
        """Say who brought `commit`, or a commit with the same changes, into the user's branch `target`.

        Gives name and address of the committer, as of the last refresh; None if it is not there.
        """
        return await history.merged_by(self, commit, await self.resolve(target))

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
        last = self._last_seen()
        await outbound.push(self.git, commit, branch, remote_url, last.symbolic if last else {})

    async def remote_url(self, name: str | None = None) -> str | None:
        """Give the URL of a remote in the user's repository (by default ours), or None."""
        return await url_of(self.repo, name or self.remote)


def _full_names(name: str) -> list[str]:
    """Give the full names that a short one can have in a user's repository, the likeliest first."""
    if name == "HEAD":
        return ["refs/HEAD"]
    exact = [name] if name.startswith("refs/") else []
    return [*exact, *(f"refs/{kind}/{name}" for kind in ("heads", "tags", "remotes"))]


def _ours(ref: str) -> str:
    """Give the name under which the depot has a user's ref."""
    return ref.replace("refs", USER, 1)


def _shown(refs: list[str]) -> str:
    names = [ref.removeprefix("refs/") for ref in refs]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "no ref") + more


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
