"""Worktrees of runs: ordinary to whoever works there, outside the user's repository, many at a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from pev.config import load_config
from pev.errors import (
    ConfigInvalid,
    InvalidInput,
    RefNotFound,
    RepoUnusable,
    RunStateRefused,
    SnapshotRefused,
)
from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.lock import try_lock
from pev.repos.mending import GOING, HALF_MADE, LEAVING, TRASH
from pev.repos.source import locate
from pev.repos.worktree import Worktree, make_worktree, repair
from support.depots import RUN, commit_of, depot_of, git_in
from support.hostile import photograph
from support.repos import PROJECT, UserRepoFixture


@pytest.fixture
async def depot(user_repo: UserRepoFixture, tmp_path: Path) -> Depot:
    """The depot of the user's repository."""
    return await depot_of(user_repo, tmp_path / "state")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where worktrees are made."""
    return tmp_path / "worktrees"


async def test_it_is_an_ordinary_worktree_on_a_branch_of_ours(
    depot: Depot, user_repo: UserRepoFixture, root: Path
) -> None:
    """Editors and hosts see what they know: status, diff and commit work."""
    mine = photograph(user_repo.path)
    made = await make_worktree(depot, root, RUN, commit_of(user_repo))
    assert made.branch == f"agent/{RUN}"
    assert made.path.name == "project"
    assert git_in(made.path, "rev-parse", "--abbrev-ref", "HEAD") == made.branch
    assert git_in(made.path, "rev-parse", "HEAD") == commit_of(user_repo)
    assert git_in(made.path, "status", "--porcelain") == ""
    assert sorted(git_in(made.path, "ls-files").splitlines()) == sorted(PROJECT)
    (made.path / "README.md").write_text("changed\n", "utf-8")
    assert "+changed" in git_in(made.path, "diff")
    assert photograph(user_repo.path) == mine


async def test_commits_there_are_the_bots_whatever_the_person_set(
    user_repo: UserRepoFixture, tmp_path: Path, root: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a missing identity nor a signing key nor a global hook may stop an agent's commit."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME")
        monkeypatch.delenv(f"GIT_{who}_EMAIL")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n", "utf-8")
    (hooks / "pre-commit").chmod(0o755)
    (own_home / ".gitconfig").write_text(
        f"[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = /bin/false\n[core]\n\thooksPath = {hooks}\n", "utf-8"
    )
    depot = Depot(
        await locate(user_repo.path), tmp_path / "state", author=('Bot "B" X', "bot@example.invalid")
    )
    await depot.refresh()
    made = await make_worktree(depot, root, RUN, commit_of(user_repo))
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=made.path, check=True)
    assert git_in(made.path, "log", "-1", "--format=%an <%ae>") == 'Bot "B" X <bot@example.invalid>'


async def test_files_are_the_blobs_as_they_are(
    user_repo: UserRepoFixture, tmp_path: Path, root: Path
) -> None:
    """Else an untouched worktree would already differ from its base."""
    user_repo.commit("attributes", {".gitattributes": "* text eol=crlf ident\n", "a.txt": "$Id$\n"})
    depot = await depot_of(user_repo, tmp_path / "state")
    made = await make_worktree(depot, root, RUN, commit_of(user_repo))
    assert (made.path / "a.txt").read_bytes() == b"$Id$\n"
    assert git_in(made.path, "status", "--porcelain") == ""


async def test_nothing_there_points_at_the_users_repository(
    depot: Depot, user_repo: UserRepoFixture, root: Path
) -> None:
    made = await make_worktree(depot, root, RUN, commit_of(user_repo))
    for path in made.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert os.fsencode(user_repo.path) + b"/" not in path.read_bytes(), path
    assert made.home.stat().st_mode & 0o777 == 0o700


async def test_twenty_at_the_same_time_all_succeed(
    depot: Depot, user_repo: UserRepoFixture, root: Path
) -> None:
    base = commit_of(user_repo)
    made: list[Worktree] = []

    async def make(number: int) -> None:
        made.append(await make_worktree(depot, root, RunId(f"{number:08x}"), base))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(make, number)
    assert len({one.path for one in made}) == 20
    for one in made:
        assert git_in(one.path, "status", "--porcelain", "--branch") == f"## {one.branch}"


async def test_asked_again_it_is_the_same_worktree(
    depot: Depot, user_repo: UserRepoFixture, root: Path
) -> None:
    """A crash between making it and recording it must not make the run unusable."""
    base = commit_of(user_repo)
    made = await make_worktree(depot, root, RUN, base)
    (made.path / "README.md").write_text("work\n", "utf-8")
    assert await make_worktree(depot, root, RUN, base) == made
    assert (made.path / "README.md").read_text("utf-8") == "work\n"
    other = await depot.commit(await depot.tree_of(base), [base], "other")
    with pytest.raises(RunStateRefused, match="already has a folder"):
        await make_worktree(depot, root, RUN, other)


@pytest.mark.parametrize("inside", ["", "worktrees", ".git/worktrees"])
async def test_a_root_inside_a_repository_is_refused(
    depot: Depot, user_repo: UserRepoFixture, inside: str
) -> None:
    """Edits of an agent would land in the user's checkout, and their tools would find its files."""
    before = photograph(user_repo.path)
    with pytest.raises(ConfigInvalid, match="lies in the git repository") as caught:
        await make_worktree(depot, user_repo.path / inside, RUN, commit_of(user_repo))
    assert "PEV_WORKTREE_DIR" in caught.value.hint
    assert photograph(user_repo.path) == before


async def test_a_link_into_a_repository_is_inside_it(
    depot: Depot, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    (tmp_path / "door").symlink_to(user_repo.path)
    with pytest.raises(ConfigInvalid):
        await make_worktree(depot, tmp_path / "door" / "worktrees", RUN, commit_of(user_repo))


async def test_a_base_that_cannot_be_used_is_refused_and_nothing_stays(
    user_repo: UserRepoFixture, tmp_path: Path, root: Path
) -> None:
    first = commit_of(user_repo)
    user_repo.git("update-index", "--add", "--cacheinfo", f"160000,{first},vendor")
    user_repo.git("commit", "-q", "-m", "sub-module")
    second = commit_of(user_repo)
    user_repo.git("rm", "-q", "--cached", "vendor")
    (user_repo.path / "out").symlink_to("/etc")
    third = ObjectId(user_repo.commit("link"))
    depot = await depot_of(user_repo, tmp_path / "state")
    with pytest.raises(RepoUnusable, match="sub-module at 'vendor'"):
        await make_worktree(depot, root, RUN, second)
    with pytest.raises(SnapshotRefused, match="'out' is a symbolic link that leads out"):
        await make_worktree(depot, root, RUN, third)
    with pytest.raises(RefNotFound):
        await make_worktree(depot, root, RUN, ObjectId("f" * 40))
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("run_id", ["", "x", "../../etc", "0123ABCD", "0123abcde", "-123abcd"])
async def test_only_a_run_id_names_a_folder(
    depot: Depot, user_repo: UserRepoFixture, root: Path, run_id: str
) -> None:
    with pytest.raises(InvalidInput):
        await make_worktree(depot, root, RunId(run_id), commit_of(user_repo))


async def test_a_failed_making_leaves_nothing(depot: Depot, user_repo: UserRepoFixture, root: Path) -> None:
    """A commit that is not there, a cancelled caller: the run can be tried again."""
    made = None
    with anyio.move_on_after(60) as scope:
        async with anyio.create_task_group() as tasks:

            async def make() -> None:
                nonlocal made
                made = await make_worktree(depot, root, RUN, commit_of(user_repo))

            tasks.start_soon(make)
            while not (root / RUN / HALF_MADE).exists():
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert made is None
    assert list(root.iterdir()) == []
    assert (await make_worktree(depot, root, RUN, commit_of(user_repo))).path.is_dir()


async def test_a_project_named_like_our_own_folder_gets_another(tmp_path: Path, root: Path) -> None:
    repo = UserRepoFixture.python_project(tmp_path / "git")
    depot = await depot_of(repo, tmp_path / "state")
    made = await make_worktree(depot, root, RUN, commit_of(repo))
    assert made.path.name == "git_"
    assert git_in(made.path, "status", "--porcelain") == ""


_DYING = """
import os, sys, anyio
from pathlib import Path
from pev.models import RunId
from pev.repos import worktree
from pev.repos.depot import Depot
from pev.repos.source import locate

async def main():
    repo, state, root, where = sys.argv[1:]
    depot = Depot(await locate(Path(repo)), Path(state))
    _, base = await depot.trusted()
    if where == "making":
        worktree.Git.add_worktree = lambda *args: os.kill(os.getpid(), 9)
        await worktree.make_worktree(depot, Path(root), RunId("0123abcd"), base)
    made = await worktree.make_worktree(depot, Path(root), RunId("0123abcd"), base)
    (made.path / "work.txt").write_text("work")
    if where == "saving":
        worktree.rescue = lambda *args, **more: os.kill(os.getpid(), 9)
    else:
        worktree.remove_folder = lambda *args: os.kill(os.getpid(), 9)
    run_id = RunId("0123abcd")
    await worktree.remove_worktree(depot, made, base_commit=base, trusted_commit=base, run_id=run_id)

anyio.run(main)
"""


def _die(repo: UserRepoFixture, state: Path, root: Path, where: str) -> None:
    """Be killed at the worst moment."""
    argv = [sys.executable, "-c", _DYING, str(repo.path), str(state), str(root), where]
    died = subprocess.run(argv, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()


async def test_a_half_made_worktree_is_cleared_and_can_be_made_again(
    depot: Depot, user_repo: UserRepoFixture, tmp_path: Path, root: Path
) -> None:
    _die(user_repo, tmp_path / "state", root, "making")
    assert (root / RUN / HALF_MADE).exists()
    config = load_config(state_dir=tmp_path / "state", worktree_dir=root)
    assert await repair(config, frozenset()) == (f"removed the half-made worktree of run {RUN}",)
    assert list(root.iterdir()) == []
    _die(user_repo, tmp_path / "state", root, "making")
    made = await make_worktree(depot, root, RUN, commit_of(user_repo))
    assert git_in(made.path, "status", "--porcelain") == ""


@pytest.mark.parametrize("live", [True, False])
async def test_a_removal_that_broke_off_loses_nothing(
    depot: Depot, user_repo: UserRepoFixture, tmp_path: Path, root: Path, live: bool
) -> None:
    """Killed before the work was safe: the folder comes back, or stays under another name."""
    _die(user_repo, tmp_path / "state", root, "saving")
    assert not (root / RUN).exists()
    config = load_config(state_dir=tmp_path / "state", worktree_dir=root)
    [said] = await repair(config, frozenset({RUN}) if live else frozenset())
    home = root / (RUN if live else f"kept-{RUN}-1")
    assert (home / "project" / "work.txt").read_text("utf-8") == "work"
    assert said.startswith("put back" if live else "kept")
    assert not (home / LEAVING).exists()
    assert await repair(config, frozenset({RUN})) == ()


async def test_a_removal_that_broke_off_late_is_finished(
    depot: Depot, user_repo: UserRepoFixture, tmp_path: Path, root: Path
) -> None:
    """Killed after the work was safe: what is left is rubbish."""
    _die(user_repo, tmp_path / "state", root, "deleting")
    assert next(root.iterdir()).name.startswith(TRASH)
    [rescued] = (await depot.refs_under(f"refs/pev/rescue/{RUN}")).values()
    assert await depot.read_blob(rescued, "work.txt") == b"work"
    config = load_config(state_dir=tmp_path / "state", worktree_dir=root)
    [said] = await repair(config, frozenset())
    assert said.startswith("finished removing")
    assert list(root.iterdir()) == []


async def test_repair_touches_nothing_that_is_in_use(
    depot: Depot, user_repo: UserRepoFixture, tmp_path: Path, root: Path
) -> None:
    """Another server may be making or removing a worktree, or running a gate, at this very moment."""
    made = await make_worktree(depot, root, RUN, commit_of(user_repo))
    busy = root / "00000001"
    going = root / f"{GOING}00000002"
    scratch = tmp_path / "cache" / "scratch" / "scratch-x"
    for folder in (busy, going, scratch):
        folder.mkdir(parents=True)
    held = [try_lock(busy / HALF_MADE), try_lock(going / LEAVING), try_lock(scratch / "lock")]
    fresh = tmp_path / "cache" / "scratch" / "gate-y"
    fresh.mkdir()
    config = load_config(state_dir=tmp_path / "state", worktree_dir=root, cache_dir=tmp_path / "cache")
    assert await repair(config, frozenset({RUN})) == ()
    assert all(folder.is_dir() for folder in (made.path, busy, going, scratch, fresh))
    for fd in held:
        assert fd is not None
        os.close(fd)
    assert len(await repair(config, frozenset({RUN}))) == 3
    assert not any(folder.exists() for folder in (busy, going, scratch))
    assert made.path.is_dir()
    assert fresh.is_dir()


async def test_abandoned_files_are_cleared_after_a_while(depot: Depot, tmp_path: Path, root: Path) -> None:
    old = tmp_path / "cache" / "scratch" / "gate-old"
    old.mkdir(parents=True)
    leftover = depot.path / "pev-tmp" / "index-x"
    leftover.mkdir(parents=True)
    fresh = depot.path / "pev-tmp" / "index-y"
    fresh.mkdir()
    for path in (old, leftover):
        os.utime(path, (0, 0))
    config = load_config(state_dir=tmp_path / "state", worktree_dir=root, cache_dir=tmp_path / "cache")
    done = await repair(config, frozenset())
    assert len(done) == 2
    assert not old.exists()
    assert not leftover.exists()
    assert fresh.exists()


async def test_repair_of_nothing_does_nothing(tmp_path: Path) -> None:
    config = load_config(
        state_dir=tmp_path / "none", worktree_dir=tmp_path / "none" / "w", cache_dir=tmp_path / "c"
    )
    assert await repair(config, frozenset()) == ()
    assert not (tmp_path / "none").exists()


async def test_what_runs_left_behind_is_cleared_and_that_of_live_ones_stays(tmp_path: Path) -> None:
    """Environments and homes are large, and a run that has no worktree uses neither."""
    state, cache = tmp_path / "state", tmp_path / "cache"
    gone = [state / "outfits" / "00000001", state / "homes" / "00000001"]
    kept = [state / "outfits" / RUN, state / "homes" / RUN, state / "outfits" / RUN / "an-environment"]
    broken = [state / "outfits" / RUN / "scratch-a", cache / "trial" / "scratch-b"]
    for folder in (*gone, *kept, *broken):
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))
    held = [state / "outfits" / "00000002", state / "homes" / "00000003"]
    for folder in held:
        folder.mkdir(parents=True)
    lock = try_lock(held[0] / "lock")
    assert lock is not None
    os.utime(held[0], (0, 0))
    for folder in kept:
        os.utime(folder, (0, 0))
    config = load_config(state_dir=state, worktree_dir=tmp_path / "w", cache_dir=cache)
    done = await repair(config, frozenset({RUN}))
    os.close(lock)
    assert not any(folder.exists() for folder in (*gone, *broken))
    assert all(folder.is_dir() for folder in (*kept, *held)), done
    assert len(done) == 4
