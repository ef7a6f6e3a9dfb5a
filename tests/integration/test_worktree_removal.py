"""Removing a worktree: the work in it is safe first, and nothing is deleted that a live process holds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from pev.errors import CommandFailed, WorktreeBusy, WorktreeMissing
from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.holders import find_holders
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from support.depots import RUN, commit_of, depot_of, git_in, paths_of
from support.repos import PROJECT, UserRepoFixture

RESCUE = f"refs/pev/rescue/{RUN}"


@pytest.fixture
async def depot(user_repo: UserRepoFixture, tmp_path: Path) -> Depot:
    """The depot of the user's repository."""
    return await depot_of(user_repo, tmp_path / "state")


@pytest.fixture
async def worktree(depot: Depot, user_repo: UserRepoFixture, tmp_path: Path) -> Worktree:
    """A fresh worktree."""
    return await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))


async def _remove(depot: Depot, worktree: Worktree) -> str | None:
    base = worktree.base_commit
    return await remove_worktree(depot, worktree, base_commit=base, trusted_commit=base, run_id=RUN)


async def _rescued(depot: Depot) -> ObjectId:
    [commit] = (await depot.refs_under(RESCUE)).values()
    return commit


async def test_an_untouched_worktree_just_goes(depot: Depot, worktree: Worktree) -> None:
    assert await _remove(depot, worktree) is None
    assert list(worktree.home.parent.iterdir()) == []
    assert await depot.refs_under("refs/pev/rescue") == {}
    assert await depot.refs_under("refs/pev/incoming") == {}


async def test_uncommitted_work_is_kept_under_a_ref(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / "new.py").write_text("work\n", "utf-8")
    (worktree.path / "README.md").unlink()
    assert await _remove(depot, worktree) == RESCUE
    commit = await _rescued(depot)
    assert paths_of(depot, commit) == sorted({*PROJECT, "new.py"} - {"README.md"})
    assert git_in(depot.path, "log", "-1", "--format=%P", commit) == worktree.base_commit
    assert f"PEV-Run: {RUN}" in git_in(depot.path, "log", "-1", "--format=%B", commit)
    assert not worktree.home.exists()


async def test_commits_are_kept_also_those_that_no_file_shows(depot: Depot, worktree: Worktree) -> None:
    """An agent that committed, stashed, branched and went back has done work that lies in no file."""
    tips = []
    (worktree.path / "a.txt").write_text("committed\n", "utf-8")
    git_in(worktree.path, "add", "-A")
    git_in(worktree.path, "commit", "-q", "-m", "on the branch")
    tips.append(git_in(worktree.path, "rev-parse", "HEAD"))
    git_in(worktree.path, "checkout", "-q", "-b", "idea", worktree.base_commit)
    git_in(worktree.path, "commit", "-q", "--allow-empty", "-m", "an idea")
    tips.append(git_in(worktree.path, "rev-parse", "HEAD"))
    (worktree.path / "README.md").write_text("stashed\n", "utf-8")
    git_in(worktree.path, "stash", "-q")
    tips.append(git_in(worktree.path, "rev-parse", "refs/stash"))
    git_in(worktree.path, "checkout", "-q", "--detach", worktree.base_commit)
    git_in(worktree.path, "commit", "-q", "--allow-empty", "-m", "on no branch")
    tips.append(git_in(worktree.path, "rev-parse", "HEAD"))
    git_in(worktree.path, "tag", "-a", "-m", "tag", "v1", tips[0])
    assert await _remove(depot, worktree) == RESCUE
    commit = await _rescued(depot)
    for tip in tips:
        assert await depot.git.is_ancestor(tip, commit)
    assert await depot.refs_under("refs/pev/incoming") == {}


async def test_a_second_rescue_keeps_the_first(
    depot: Depot, worktree: Worktree, user_repo: UserRepoFixture
) -> None:
    (worktree.path / "new.py").write_text("first\n", "utf-8")
    await _remove(depot, worktree)
    first = await _rescued(depot)
    again = await make_worktree(depot, worktree.home.parent, RUN, worktree.base_commit)
    (again.path / "new.py").write_text("second\n", "utf-8")
    await _remove(depot, again)
    second = await _rescued(depot)
    assert await depot.git.is_ancestor(first, second)
    assert await depot.read_blob(second, "new.py") == b"second\n"


async def test_a_file_that_only_looks_unchanged_is_rescued(depot: Depot, worktree: Worktree) -> None:
    """Before something is deleted, every file is read, whatever its time stamps say."""
    readme = worktree.path / "README.md"
    info = readme.stat()
    readme.write_text("# pap\n", "utf-8")
    os.utime(readme, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert await _remove(depot, worktree) == RESCUE


def _pipe(worktree: Worktree) -> None:
    os.mkfifo(worktree.path / "pipe")


def _nested(worktree: Worktree) -> None:
    (worktree.path / "vendor").mkdir()
    git_in(worktree.path / "vendor", "init", "-q")


def _no_git_dir(worktree: Worktree) -> None:
    shutil.rmtree(worktree.git_dir)


def _broken_git_dir(worktree: Worktree) -> None:
    git_in(worktree.path, "commit", "-q", "--allow-empty", "-m", "work")
    shutil.rmtree(worktree.git_dir / "objects")


def _linked_git_dir(worktree: Worktree) -> None:
    linked = worktree.git_dir / "worktrees" / worktree.path.name
    shutil.rmtree(linked)
    linked.symlink_to("/")


def _a_file(worktree: Worktree) -> None:
    shutil.rmtree(worktree.path)
    worktree.path.write_text("a file in its place", "utf-8")


@pytest.mark.parametrize(
    "damage",
    [_pipe, _nested, _no_git_dir, _broken_git_dir, _linked_git_dir, _a_file],
    ids=lambda one: one.__name__,
)
async def test_what_cannot_be_rescued_whole_is_not_deleted(
    depot: Depot, worktree: Worktree, damage: Callable[[Worktree], None]
) -> None:
    """It stays as it is under another name, and the answer says where and why."""
    (worktree.path / "new.py").write_text("work\n", "utf-8")
    damage(worktree)
    work = sorted(path.name for path in worktree.path.iterdir()) if worktree.path.is_dir() else []
    where = await _remove(depot, worktree)
    assert where is not None
    kept, _, reason = where.partition(" (")
    assert Path(kept).name == f"kept-{RUN}-1"
    assert len(reason) > 10
    assert not worktree.home.exists()
    moved = Path(kept) / worktree.path.name
    if work:
        assert sorted(path.name for path in moved.iterdir()) == work
        assert (moved / "new.py").read_text("utf-8") == "work\n"
    else:
        assert moved.read_text("utf-8") == "a file in its place"
    again = await make_worktree(depot, worktree.home.parent, RUN, worktree.base_commit)
    assert again.path.is_dir()


async def test_a_deleted_worktree_still_gives_back_its_commits(depot: Depot, worktree: Worktree) -> None:
    git_in(worktree.path, "commit", "-q", "--allow-empty", "-m", "work")
    tip = git_in(worktree.path, "rev-parse", "HEAD")
    shutil.rmtree(worktree.path)
    assert await _remove(depot, worktree) == RESCUE
    assert await depot.git.is_ancestor(tip, await _rescued(depot))
    assert paths_of(depot, await _rescued(depot)) == sorted(PROJECT)


async def test_there_must_be_something_to_remove(depot: Depot, worktree: Worktree) -> None:
    await _remove(depot, worktree)
    with pytest.raises(WorktreeMissing, match=f"run {RUN} has no worktree"):
        await _remove(depot, worktree)


_STANDING = "import sys, os; os.chdir(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
_HOLDING = "import sys; file = open(sys.argv[1] + '/README.md'); print('ready', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("program", [_STANDING, _HOLDING], ids=["working directory", "open file"])
async def test_a_live_process_keeps_its_worktree(depot: Depot, worktree: Worktree, program: str) -> None:
    """Deleting under a shell or an editor loses what it writes next."""
    (worktree.path / "new.py").write_text("work\n", "utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(worktree.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(WorktreeBusy, match=f"process {process.pid} .*{RUN}/project") as caught:
            await _remove(depot, worktree)
        assert caught.value.hint
        assert (worktree.path / "new.py").read_text("utf-8") == "work\n"
        assert git_in(worktree.path, "status", "--porcelain") == "?? new.py"
        process.communicate()
    assert await _remove(depot, worktree) == RESCUE


async def test_of_two_removals_one_wins(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / "new.py").write_text("work\n", "utf-8")
    answers: list[str | None] = []
    failures: list[Exception] = []

    async def remove() -> None:
        try:
            answers.append(await _remove(depot, worktree))
        except Exception as exc:  # noqa: BLE001 - which one it is depends on who was first
            failures.append(exc)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(remove)
    assert answers == [RESCUE]
    assert {type(failure).__name__ for failure in failures} <= {"WorktreeMissing", "RunStateRefused"}
    assert await depot.read_blob(await _rescued(depot), "new.py") == b"work\n"


async def test_ten_removals_at_once_all_succeed(
    depot: Depot, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    base = commit_of(user_repo)
    made = [await make_worktree(depot, tmp_path / "w", RunId(f"{number:08x}"), base) for number in range(10)]
    refs: list[str | None] = []

    async def remove(one: Worktree, number: int) -> None:
        (one.path / "new.py").write_text(f"{number}\n", "utf-8")
        run_id = RunId(one.home.name)
        refs.append(await remove_worktree(depot, one, base_commit=base, trusted_commit=base, run_id=run_id))

    async with anyio.create_task_group() as tasks:
        for number, one in enumerate(made):
            tasks.start_soon(remove, one, number)
    assert sorted(ref or "" for ref in refs) == [f"refs/pev/rescue/{number:08x}" for number in range(10)]
    assert list((tmp_path / "w").iterdir()) == []


async def test_a_cancelled_removal_puts_the_folder_back(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / "new.py").write_text("work\n", "utf-8")
    with anyio.move_on_after(60) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_remove, depot, worktree)
            while worktree.home.exists():
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert (worktree.path / "new.py").read_text("utf-8") == "work\n"
    assert [path.name for path in worktree.home.parent.iterdir()] == [RUN]
    assert await _remove(depot, worktree) == RESCUE


async def test_a_folder_that_somebody_made_in_between_costs_nothing(
    depot: Depot, worktree: Worktree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor can write its file again, by its path, while the folder is being saved."""

    async def interrupted(*args: object, **more: object) -> None:
        worktree.path.mkdir(parents=True)
        (worktree.path / "again.py").touch()
        raise CommandFailed("no room")

    (worktree.path / "new.py").write_text("work\n", "utf-8")
    monkeypatch.setattr("pev.repos.worktree.rescue", interrupted)
    with pytest.raises(CommandFailed):
        await _remove(depot, worktree)
    kept = worktree.home.with_name(f"kept-{RUN}-1")
    assert (kept / "project" / "new.py").read_text("utf-8") == "work\n"
    assert (worktree.path / "again.py").exists()


async def test_folders_that_cannot_be_written_are_removed_too(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / "__pycache__" / "deep").mkdir(parents=True)
    (worktree.path / "__pycache__" / "deep" / "file").touch()
    (worktree.path / "__pycache__" / "deep").chmod(0o500)
    (worktree.path / "__pycache__").chmod(0o000)
    assert await _remove(depot, worktree) is None
    assert not worktree.home.exists()


def test_a_process_elsewhere_holds_nothing(tmp_path: Path) -> None:
    """Also not one in a folder whose name merely begins alike."""
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    with (tmp_path / "ab" / "file").open("w"):
        assert find_holders(tmp_path / "a") == ()
        [holder] = find_holders(tmp_path / "ab")
    assert holder.pid == os.getpid()
    assert holder.what == str(tmp_path / "ab" / "file")
