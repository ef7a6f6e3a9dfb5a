"""Worktrees of runs: made outside the user's repository, and removed only after what is in them is safe.

A run has one folder below the worktree root: `<run>/git` is a git directory for it alone, which borrows the
depot's objects, and `<run>/<name>` is the worktree, an ordinary one on branch `agent/<run>`. The git
directory belongs to whoever works there: PEV takes no word of it afterwards, only commits that check out.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from pev.config import Config
from pev.errors import ConfigInvalid, InvalidInput, PevError, RunStateRefused, WorktreeBusy, WorktreeMissing
from pev.git import Git
from pev.git_settings import ATTRIBUTES
from pev.models import RUN_ID, ObjectId, RunId
from pev.repos import mending
from pev.repos.depot import Depot
from pev.repos.holders import find_holders
from pev.repos.lock import new_lock, try_lock
from pev.repos.mending import GOING, HALF_MADE, LEAVING, TRASH
from pev.repos.rescue import keep_aside, rescue
from pev.repos.scratch import remove_folder
from pev.repos.source import RUN_MARK, enclosing_checkout
from pev.repos.storage import storing

_GIT: Final = "git"
_BASE: Final = "pev-base"
_RESERVED: Final = frozenset({_GIT, HALF_MADE, LEAVING})


@dataclass(frozen=True, slots=True)
class Worktree:
    """The workspace of one run: its folder, its branch, and the git directory that belongs to it."""

    path: Path
    branch: str
    git_dir: Path
    base_commit: ObjectId

    @classmethod
    def of(cls, path: Path, branch: str, base_commit: ObjectId) -> "Worktree":
        """Describe the worktree that lies at `path`."""
        return cls(path, branch, path.parent / _GIT, base_commit)

    @property
    def home(self) -> Path:
        """The run's folder, which holds both."""
        return self.path.parent


async def make_worktree(depot: Depot, root: Path, run_id: RunId, base_commit: ObjectId) -> Worktree:
    """Make the worktree of a run below `root`, with the files of `base_commit`, or give the one it has.

    Accepted sub-modules and LFS objects are written too. Raises ConfigInvalid if `root` lies in a git
    repository, RepoUnusable for sub-modules and LFS pointers that are not accepted or not on this disk,
    SnapshotRefused for files that a snapshot could not carry, and RunStateRefused if the run has one with
    another base, or if another process is making it.
    """
    if not RUN_ID.fullmatch(run_id):
        raise InvalidInput(f"{run_id!r} is not a run id", hint="A run id has 8 hex digits.")
    _refuse_nested(root)
    name = depot.repo.root.name or "worktree"
    path = root / run_id / (f"{name}_" if name in _RESERVED else name)
    made = Worktree.of(path, f"agent/{run_id}", base_commit)
    held = await anyio.to_thread.run_sync(_claim, made)
    if held is None:
        return made
    try:
        await _fill(made, depot, run_id)
        (made.home / HALF_MADE).unlink()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(remove_folder, made.home)
        raise
    finally:
        os.close(held)
    return made


def _refuse_nested(root: Path) -> None:
    around = enclosing_checkout(root.absolute().resolve())
    if around is not None:
        raise ConfigInvalid(
            f"the folder for worktrees, {str(root)!r}, lies in the git repository {str(around)!r}",
            hint="Set PEV_WORKTREE_DIR to a folder outside every repository.",
        )


def _claim(made: Worktree) -> int | None:
    """Make a run's folder and hold its mark; None if the very worktree is there already.

    What a maker left who died is removed first: nobody was given it.
    """
    mark = made.home / HALF_MADE
    with storing(made.home.parent):
        made.home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if mark.exists() and (dead := try_lock(mark)) is not None:
        remove_folder(made.home)
        os.close(dead)
    try:
        made.home.mkdir(mode=0o700)
    except FileExistsError as exc:
        if made.path.is_dir() and not mark.exists() and _base_of(made) == made.base_commit:
            return None
        raise RunStateRefused(
            f"run {made.home.name} already has a folder {str(made.home)!r}",
            hint="Wait if another process makes it; else remove it first: remove_worktree.",
        ) from exc
    return new_lock(mark)


async def _fill(made: Worktree, depot: Depot, run_id: RunId) -> None:
    """Write git directory and files, and find out meanwhile whether the base may be used at all.

    git itself writes nothing outside the folder, whatever the tree holds; one that is refused is removed.
    """
    failures: list[PevError] = []
    in_parts = False
    async with anyio.create_task_group() as tasks:

        async def vouch() -> None:
            nonlocal in_parts
            try:
                in_parts = await depot.vouch(made.base_commit)
            except PevError as exc:
                failures.insert(0, exc)
                tasks.cancel_scope.cancel()

        tasks.start_soon(vouch)
        await anyio.to_thread.run_sync(_write_git_dir, made, depot, run_id)
        try:
            await Git(made.git_dir).add_worktree(made.path, made.branch, made.base_commit)
        except PevError as exc:
            failures.append(exc)
    if failures:
        raise failures[0]
    if in_parts:
        tree = await depot.tree_of(made.base_commit)
        await depot.write_parts(tree, made.path)
        await _overlook_large(made, depot, tree)


async def _overlook_large(made: Worktree, depot: Depot, tree: ObjectId) -> None:
    """Have git in the worktree see no change where LFS content stands in place of its pointer."""
    own = {entry.path for entry in await depot.listing(tree)}
    large = [one.path for one in (await depot.parts(tree)).pointers if one.path in own]
    if large:
        git = Git(made.git_dir / "worktrees" / made.path.name, made.path)
        await git.overlook(b"".join(b"%b\0" % os.fsencode(path) for path in large))


def _base_of(made: Worktree) -> str:
    base = made.git_dir / _BASE
    return base.read_text("ascii", "replace").strip() if base.is_file() else ""


def _write_git_dir(made: Worktree, depot: Depot, run_id: RunId) -> None:
    """Write an empty bare git directory that borrows the depot's objects (gitrepository-layout(5))."""
    with storing(made.home):
        _write_layout(made, depot, run_id)


def _write_layout(made: Worktree, depot: Depot, run_id: RunId) -> None:
    git_dir = made.git_dir
    for folder in ("objects/info", "refs/heads", "info"):
        (git_dir / folder).mkdir(parents=True, mode=0o700)
    (git_dir / "HEAD").write_text("ref: refs/heads/none\n", "ascii")
    (git_dir / "objects" / "info" / "alternates").write_bytes(os.fsencode(depot.path / "objects") + b"\n")
    (git_dir / "info" / "attributes").write_text(ATTRIBUTES, "ascii")
    (git_dir / RUN_MARK).write_text(f"{run_id}\n", "ascii")
    (git_dir / _BASE).write_text(f"{made.base_commit}\n", "ascii")
    (git_dir / "config").write_text(_settings(depot), "utf-8")


def _settings(depot: Depot) -> str:
    """Write the configuration that lets whoever works there commit, whatever they set globally."""
    sha256 = depot.object_format == "sha256"
    name, email = (_quoted(value) for value in depot.author)
    lines = ["[core]", f"repositoryFormatVersion = {int(sha256)}", "bare = true", "fileMode = true"]
    lines += ["autocrlf = false", "fsmonitor = false", "hooksPath = /dev/null", "logAllRefUpdates = true"]
    lines += ["[gc]", "auto = 0", "[maintenance]", "auto = false", "[commit]", "gpgSign = false"]
    lines += ["[user]", f"name = {name}", f"email = {email}"]
    lines += ["[extensions]", "objectFormat = sha256"] if sha256 else []
    return "\n".join([*lines, ""])


def _quoted(value: str) -> str:
    """Quote a value for a git configuration file."""
    plain = "".join(char for char in value if char.isprintable())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def remove_worktree(
    depot: Depot, worktree: Worktree, *, base_commit: ObjectId, trusted_commit: ObjectId, run_id: RunId
) -> str | None:
    """Remove the worktree of a run after its work was kept; say where the work is, None if there was none.

    Work is every file that differs from the base, and every commit made there: both go under the ref
    `refs/pev/rescue/<run>`, which is given. What cannot be kept so (a damaged folder, a file that a snapshot
    may not carry) stays where it is, under another name, and the answer names folder and reason.
    Raises WorktreeBusy, naming it, if a live process stands in the folder or has a file of it open, and
    WorktreeMissing if there is nothing.
    """
    home = worktree.home
    held = await anyio.to_thread.run_sync(_take_leave, home, run_id)
    away = home.with_name(f"{GOING}{run_id}")
    try:
        # out of the way first: nobody can open a file by its path while it is being saved
        home.rename(away)
        try:
            await _refuse_busy(away, home)
            found = await rescue(
                depot,
                away / worktree.path.name,
                away / _GIT,
                base_commit=base_commit,
                trusted_commit=trusted_commit,
                run_id=run_id,
            )
        except BaseException:
            (away / LEAVING).unlink(missing_ok=True)
            _put_back(away, home)
            raise
        if found.unsaved:
            (away / LEAVING).unlink(missing_ok=True)
            return f"{keep_aside(away, run_id)} ({found.unsaved})"
        trash = home.with_name(f"{TRASH}{run_id}-{os.getpid()}")
        away.rename(trash)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(remove_folder, trash)
        return found.ref
    finally:
        os.close(held)


def _put_back(away: Path, home: Path) -> None:
    """Give a folder its name again; if somebody made another one there, keep it under a new name."""
    try:
        away.rename(home)
    except OSError:
        keep_aside(away, home.name)


def _take_leave(home: Path, run_id: RunId) -> int:
    """Lock a run's folder for its removal."""
    try:
        held = try_lock(home / LEAVING)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise WorktreeMissing(
            f"run {run_id} has no worktree in {str(home)!r}", hint="It was removed, or its root has moved."
        ) from exc
    if held is None:
        raise RunStateRefused(f"another process removes the worktree of run {run_id}", hint="Wait for it.")
    return held


async def _refuse_busy(away: Path, home: Path) -> None:
    holders = await anyio.to_thread.run_sync(lambda: find_holders(away, but=LEAVING))
    if holders:
        named = ", ".join(str(holder).replace(str(away.resolve()), str(home)) for holder in holders[:5])
        raise WorktreeBusy(
            f"{len(holders)} live processes use {str(home)!r}: {named}",
            hint="End them, or let them leave the folder, then call remove_worktree again.",
        )


async def repair(config: Config, live: frozenset[RunId]) -> tuple[str, ...]:
    """Clear up what a crash left in the folders that `config` names, and say what was done, one line each.

    `live` are the runs that have a worktree, as the trail knows. Half-made worktrees and abandoned scratch
    folders are removed; one whose removal broke off is put back, or kept under another name if no run knows
    it. Nothing is touched that a live process holds.
    """
    return await anyio.to_thread.run_sync(mending.mend, config, live)
