"""The depot: filled once, kept current, joined by many, and mended after a crash."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from pev.errors import CommandTimedOut, RefNotFound, RepoUnusable, StorageFailed
from pev.models import RunId
from pev.repos.depot import Depot
from pev.repos.lock import is_locked, locked, try_lock
from pev.repos.source import locate
from pev.repos.worktree import make_worktree
from support.depots import commit_of, depot_of, git_in, paths_of, tree_of
from support.repos import PROJECT, UserRepoFixture


async def test_branches_remote_branches_and_tags_are_copied(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.git("branch", "feature/x")
    user_repo.git("tag", "-a", "-m", "one", "v1")
    user_repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    user_repo.git("update-ref", "refs/notes/x", "HEAD")
    depot = await depot_of(user_repo, tmp_path / "state")
    refs = git_in(depot.path, "for-each-ref", "--format=%(refname)").splitlines()
    assert refs == [
        depot.head_name,
        "refs/pev/user/heads/feature/x",
        "refs/pev/user/heads/main",
        "refs/pev/user/remotes/origin/main",
        "refs/pev/user/tags/v1",
    ]


async def test_a_linked_worktree_brings_its_own_head(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """Its repository is shared, the branch that it is on is not."""
    user_repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = UserRepoFixture(tmp_path / "side")
    commit = side.commit("aside", {"b.txt": "2"})
    depot = await depot_of(side, tmp_path / "state")
    assert await depot.resolve("HEAD") == commit
    assert await depot.resolve("main") == commit_of(user_repo)
    other = await depot_of(user_repo, tmp_path / "state")
    assert other.path == depot.path
    assert await other.resolve("HEAD") == commit_of(user_repo)
    assert await depot.resolve("HEAD") == commit, "neither has overwritten the other's"


async def test_refs_that_move_there_and_back_are_noticed_from_every_checkout(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """What one checkout saw last is not what the depot holds, if another has refreshed it since."""
    user_repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    first = commit_of(user_repo)
    mine = await depot_of(user_repo, tmp_path / "state")
    user_repo.git("update-ref", "refs/heads/moving", user_repo.commit("second", {"b": "2"}))
    theirs = await depot_of(tmp_path / "side", tmp_path / "state")
    user_repo.git("update-ref", "-d", "refs/heads/moving")
    user_repo.git("reset", "-q", "--hard", first)
    await mine.refresh()
    assert not await mine.has_branch("moving")
    assert await theirs.resolve("main") == first


@pytest.mark.parametrize("name", ["with space", "100%25", "#x?y", "ünï", "-x", "a:b", "quote'\"$x"])
async def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    repo = UserRepoFixture.python_project(tmp_path / name)
    depot = await depot_of(repo, tmp_path / "state")
    assert await depot.resolve("main") == commit_of(repo)
    await depot.publish(commit_of(repo), "agent/0123abcd")
    made = await make_worktree(depot, tmp_path / "w", RunId("0123abcd"), commit_of(repo))
    assert git_in(made.path, "status", "--porcelain") == ""


async def test_a_state_folder_that_cannot_be_written_is_an_error_with_a_way_out(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file", "utf-8")
    with pytest.raises(StorageFailed, match="state/depots' cannot be written") as caught:
        await Depot(await locate(user_repo.path), tmp_path / "state").refresh()
    assert "PEV_STATE_DIR" in caught.value.hint


async def test_nothing_is_shared_with_the_users_files(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """A hard-linked object can be overwritten from the user's side and be served under its old id."""
    depot = await depot_of(user_repo, tmp_path / "state")
    theirs = {path.stat().st_ino for path in (user_repo.path / ".git").rglob("*")}
    ours = {path.stat().st_ino for path in depot.path.rglob("*") if path.is_file()}
    assert not theirs & ours
    assert not (depot.path / "objects" / "info" / "alternates").exists()
    commit, tree = commit_of(user_repo), tree_of(user_repo)
    for path in (user_repo.path / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"garbage")
    assert await depot.tree_of(commit) == tree
    assert await depot.read_blob(tree, "README.md") == b"# app\n"


async def test_a_malformed_object_is_not_taken_in(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """A tree with an entry `.git` would write hooks wherever it is checked out."""
    blob = user_repo.git("rev-parse", "HEAD:README.md")
    content = b"100644 .git\0" + bytes.fromhex(blob)
    tree = git_in(user_repo.path, "hash-object", "-w", "--literally", "-t", "tree", "--stdin", stdin=content)
    bad = user_repo.git("commit-tree", "-m", "bad", tree)
    user_repo.git("update-ref", "refs/heads/bad", bad)
    depot = Depot(await locate(user_repo.path), tmp_path / "state")
    with pytest.raises(RepoUnusable, match="hasDotgit"):
        await depot.refresh()
    user_repo.git("update-ref", "-d", "refs/heads/bad")
    await depot.refresh()
    assert await depot.resolve("main") == commit_of(user_repo)


async def test_a_refresh_brings_what_is_new_and_drops_what_is_gone(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.git("branch", "old")
    depot = await depot_of(user_repo, tmp_path / "state")
    new = user_repo.commit("second", {"b.txt": "2"})
    user_repo.git("branch", "-D", "old")
    user_repo.git("branch", "old/deeper")
    await depot.refresh()
    assert await depot.resolve("main") == new
    assert await depot.resolve("old/deeper") == new
    with pytest.raises(RefNotFound):
        await depot.resolve("old")
    user_repo.git("checkout", "-q", "--orphan", "fresh")
    await depot.refresh()
    with pytest.raises(RefNotFound):
        await depot.resolve("HEAD")


async def test_an_unchanged_repository_is_not_fetched_again(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """The common call costs two short processes, and takes no lock."""
    depot = await depot_of(user_repo, tmp_path / "state")
    held = try_lock(depot.path.with_suffix(".lock"))
    assert held is not None
    with anyio.fail_after(20):
        await depot.refresh()
    os.close(held)


async def test_a_first_fill_is_joined_and_reported(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """Ten tasks that come at once all get the one depot, and each is told how far it is."""
    repo = await locate(user_repo.path)
    told: dict[int, list[float]] = {number: [] for number in range(10)}

    async def fill(number: int) -> None:
        async def progress(part: float, message: str) -> None:
            assert "project" in message
            told[number].append(part)

        depot = Depot(repo, tmp_path / "state")
        await depot.refresh(progress)
        assert await depot.resolve("main") == commit_of(user_repo)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(fill, number)
    assert all(parts[-1] == 1.0 for parts in told.values())
    assert [path.name for path in (tmp_path / "state" / "depots").glob("*.git")] == [f"{repo.id}.git"]


async def test_a_failed_fill_raises_its_own_error_with_progress_too(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    repo = await locate(user_repo.path)
    shutil.rmtree(user_repo.path / ".git" / "objects")
    (user_repo.path / ".git" / "objects").mkdir()

    async def progress(part: float, message: str) -> None:
        assert part <= 1

    with pytest.raises(RepoUnusable):
        await Depot(repo, tmp_path / "state").refresh(progress)
    assert not list((tmp_path / "state" / "depots").glob("*.git"))


async def test_a_fill_that_was_killed_is_begun_anew(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """The half that lies there is never taken for a depot."""
    program = (
        "import sys, os, anyio\n"
        "from pathlib import Path\n"
        "from pev.repos.depot import Depot\n"
        "from pev.repos.source import locate\n"
        "async def main():\n"
        "    depot = Depot(await locate(Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "    async def die(git, seen):\n"
        "        os.kill(os.getpid(), 9)\n"
        "    depot._fetch = die\n"
        "    await depot.refresh()\n"
        "anyio.run(main)\n"
    )
    state = tmp_path / "state"
    died = subprocess.run([sys.executable, "-c", program, str(user_repo.path), str(state)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert list((state / "depots").glob("*.filling"))
    depot = await depot_of(user_repo, state)
    assert await depot.resolve("main") == commit_of(user_repo)
    assert not list((state / "depots").glob("*.filling"))


async def test_what_a_killed_writer_left_is_cleared(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """A lock file of git's that nobody holds would stop every later write."""
    depot = await depot_of(user_repo, tmp_path / "state")
    await depot.keep("refs/pev/rescue/0123abcd", commit_of(user_repo))
    (depot.path / "refs" / "pev" / "rescue" / "0123abcd.lock").touch()
    (depot.path / "packed-refs.lock").touch()
    # the mark of a holder that died
    depot.path.with_suffix(".lock").write_text("999999", "ascii")
    await depot.keep("refs/pev/rescue/0123abcd", commit_of(user_repo))
    assert not list(depot.path.rglob("*.lock"))
    assert depot.path.with_suffix(".lock").read_bytes() == b""


async def test_a_depot_that_lost_objects_is_kept_aside_and_made_anew(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """What is still whole of our own refs comes along; the rest can be looked for in the old one."""
    depot = await depot_of(user_repo, tmp_path / "state")
    tree = await depot.tree_of(commit_of(user_repo))
    kept = await depot.commit(tree, [commit_of(user_repo)], "kept")
    await depot.keep("refs/pev/rescue/0123abcd", kept)
    user_repo.commit("second", {"b.txt": "2"})
    await depot.refresh()
    newest = max((depot.path / "objects").rglob("*.pack"), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    newest.with_suffix(".idx").unlink()
    depot.path.with_suffix(".lock").write_text("999999", "ascii")
    await depot.keep("refs/pev/x", commit_of(user_repo, "HEAD~1"))
    assert await depot.read_blob(commit_of(user_repo), "b.txt") == b"2"
    assert await depot.resolve(kept) == kept
    assert list(depot.path.parent.glob("*.damaged-1"))


async def test_a_lock_that_is_held_is_waited_for_only_so_long(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    depot = Depot(await locate(user_repo.path), tmp_path / "state", lock_limit_s=0.05)
    await depot.refresh()
    async with locked(depot.path.with_suffix(".lock"), limit_s=1):
        with pytest.raises(CommandTimedOut, match=f"process {os.getpid()} holds it"):
            await depot.keep("refs/pev/x", commit_of(user_repo))


async def test_a_lock_is_free_again_when_its_holder_is_cancelled(tmp_path: Path) -> None:
    """And the next one is told that something may be half done."""
    with anyio.move_on_after(0.01):
        async with locked(tmp_path / "lock", limit_s=1) as crashed:
            assert not crashed
            await anyio.sleep_forever()
    assert not is_locked(tmp_path / "lock")
    async with locked(tmp_path / "lock", limit_s=1) as crashed:
        assert crashed
    async with locked(tmp_path / "lock", limit_s=1) as crashed:
        assert not crashed


async def test_many_small_fetches_do_not_pile_up(
    user_repo: UserRepoFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fetch leaves a pack; with thousands of them git is slow. What no ref leads to stays, too."""
    monkeypatch.setattr("pev.repos.depot.MAX_PACKS", 3)
    depot = await depot_of(user_repo, tmp_path / "state")
    snapshot = await depot.commit(tree_of(user_repo), [], "no ref leads here")
    for number in range(6):
        user_repo.commit(f"change {number}", {"b.txt": f"{number}\n"})
        await depot.refresh()
    assert len(list((depot.path / "objects" / "pack").glob("*.pack"))) <= 4
    assert await depot.tree_of(snapshot) == await depot.tree_of(commit_of(user_repo, "HEAD~6"))
    assert git_in(depot.path, "fsck", "--no-dangling") == ""


async def test_a_sha256_repository_works_the_same(tmp_path: Path) -> None:
    repo = UserRepoFixture(tmp_path / "r")
    repo.path.mkdir()
    repo.git("init", "-q", "-b", "main", "--object-format=sha256")
    commit = repo.commit("first", PROJECT)
    depot = await depot_of(repo, tmp_path / "state")
    assert await depot.resolve("main") == commit
    assert paths_of(depot, await depot.tree_of(commit)) == sorted(PROJECT)


async def test_the_state_of_a_refresh_is_written_whole(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """A file that was torn by a crash means that the refresh is done again."""
    depot = await depot_of(user_repo, tmp_path / "state")
    seen = depot.path / "pev-seen.json"
    assert json.loads(seen.read_bytes())["symbolic"] == {}
    seen.write_bytes(b'{"fingerprint":')
    await depot.refresh()
    assert depot.last_seen() is not None
