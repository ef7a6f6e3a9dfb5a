"""A hostile repository and a hostile worktree run nothing, and nothing of the user's changes."""

import shutil
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pev.errors import ForgeRefused
from pev.repos.depot import Depot
from pev.repos.snapshot import snapshot_working_tree, take_snapshot
from pev.repos.source import locate, uncommitted
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from support.depots import RUN, commit_of, depot_of, git_in
from support.hostile import Canary, hostile_repo, photograph
from support.repos import UserRepoFixture


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    """The program that must not run."""
    return Canary.at(tmp_path / "canary")


@pytest.fixture
def hostile(tmp_path: Path, canary: Canary) -> UserRepoFixture:
    """A repository that leads to the canary wherever git can be led."""
    return hostile_repo(tmp_path / "project", canary)


def test_the_traps_work(hostile: UserRepoFixture, canary: Canary) -> None:
    """A plain git falls into them: what the other tests show is not for want of bait."""
    subprocess.run(["git", "status"], cwd=hostile.path, capture_output=True, check=False)
    assert canary.ran
    canary.reset()
    subprocess.run(["git", "branch", "x"], cwd=hostile.path, capture_output=True, check=False)
    assert "reference-transaction" in canary.ran


async def test_looking_at_a_hostile_repository_runs_nothing(hostile: UserRepoFixture, canary: Canary) -> None:
    before = photograph(hostile.path)
    repo = await locate(hostile.path)
    assert "README.md" in await uncommitted(repo)
    assert canary.ran == ""
    assert photograph(hostile.path) == before


async def test_copying_and_reading_a_hostile_repository_runs_nothing(
    hostile: UserRepoFixture, canary: Canary, tmp_path: Path
) -> None:
    before = photograph(hostile.path)
    depot = await depot_of(hostile, tmp_path / "state")
    commit = commit_of(hostile)
    canary.reset()
    _, trusted = await depot.trusted()
    into = tmp_path / "out"
    into.mkdir()
    await depot.materialise(await depot.tree_of(trusted), into)
    tree = await snapshot_working_tree(
        depot, hostile.path, base_commit=commit, trusted_commit=trusted, head_commit=commit
    )
    assert await depot.diff(await depot.tree_of(commit), tree, limit_bytes=10_000)
    assert await depot.changed_lines(await depot.tree_of(commit), tree)
    assert await depot.read_blob(tree, "new.txt") == b"new\n"
    assert canary.ran == ""
    assert photograph(hostile.path) == before


async def test_publishing_into_a_hostile_repository_runs_nothing(
    hostile: UserRepoFixture, canary: Canary, tmp_path: Path
) -> None:
    """Also where its configuration knows the very URL that we fetch from."""
    depot = await depot_of(hostile, tmp_path / "state")
    url = depot.path.as_uri()
    for key, value in {
        f"remote.{url}.uploadpack": str(canary.program),
        f"remote.{url}.fetch": "+refs/*:refs/stolen/*",
        f"remote.{url}.tagOpt": "--tags",
        f"remote.{url}.prune": "true",
        f"remote.{url}.vcs": "ext",
        "fetch.prune": "true",
        "fetch.writeCommitGraph": "true",
        "submodule.recurse": "true",
    }.items():
        hostile.git("config", key, value)
    hostile.git("config", "--unset-all", "url.ext::sh -c evil %.insteadOf")
    hostile.git("config", "--unset", f"remote.{url}.vcs")
    commit = await depot.commit(await depot.tree_of(commit_of(hostile)), [commit_of(hostile)], "Change")
    canary.reset()
    before = photograph(hostile.path)
    await depot.publish(commit, f"agent/{RUN}")
    assert canary.ran == ""
    after = photograph(hostile.path)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    allowed = (".git/objects/", ".git/refs/heads/agent", ".git/logs/refs/heads/agent")
    assert {path for path in changed if not path.startswith(allowed)} == set()
    assert (hostile.path / ".git" / "refs" / "heads" / "agent" / RUN).read_text("ascii").strip() == commit


@pytest.mark.parametrize("key", ["vcs", "insteadOf", "proxy"])
async def test_a_url_that_is_rewritten_leads_to_no_other_program(
    hostile: UserRepoFixture, canary: Canary, tmp_path: Path, key: str
) -> None:
    """Then publishing fails, but nothing runs: only plain files are an allowed way."""
    depot = await depot_of(hostile, tmp_path / "state")
    hostile.git("config", "--unset-all", "url.ext::sh -c evil %.insteadOf")
    url = depot.path.as_uri()
    if key == "insteadOf":
        hostile.git("config", f"url.ext::{canary.program} %.insteadOf", "file://")
        hostile.git("config", "url.ssh://example.invalid/.insteadOf", "file:///")
    else:
        hostile.git("config", f"remote.{url}.{key}", "ext")
    canary.reset()
    new = await depot.commit(await depot.tree_of(commit_of(hostile)), [commit_of(hostile)], "Change")
    with suppress(ForgeRefused):
        await depot.publish(new, f"agent/{RUN}")
    assert canary.ran == ""


async def _hostile_worktree(
    user_repo: UserRepoFixture, canary: Canary, state: Path
) -> tuple[Depot, Worktree]:
    """Make a worktree, and do to it all that whoever works there can do."""
    depot = await depot_of(user_repo, state)
    worktree = await make_worktree(depot, state / "worktrees", RUN, commit_of(user_repo))
    canary.trap(worktree.path, git_dir=worktree.git_dir)
    (worktree.path / ".gitattributes").write_text("* filter=evil diff=evil text eol=crlf\n", "utf-8")
    (worktree.path / ".gitignore").write_text("*\n", "utf-8")
    (worktree.path / "new.py").write_text("x = 1\n", "utf-8")
    canary.reset()
    return depot, worktree


async def _own_config(worktree: Worktree, canary: Canary) -> None:
    """The worktree as it was made, with a configuration of the agent's."""


async def _own_git_dir(worktree: Worktree, canary: Canary) -> None:
    """`.git` leads to a git directory of the agent's."""
    own = worktree.path / ".." / "own.git"
    git_in(worktree.home, "init", "-q", str(own))
    canary.trap(worktree.path, git_dir=own / ".git")
    (worktree.path / ".git").write_text(f"gitdir: {own.resolve()}/.git\n", "utf-8")


async def _real_git_dir(worktree: Worktree, canary: Canary) -> None:
    """`.git` is a folder now."""
    (worktree.path / ".git").unlink()
    git_in(worktree.path, "init", "-q")
    canary.trap(worktree.path)


async def _no_git_dir(worktree: Worktree, canary: Canary) -> None:
    """Everything of git's is gone."""
    (worktree.path / ".git").unlink()
    shutil.rmtree(worktree.git_dir)


@pytest.mark.parametrize("spoil", [_own_config, _own_git_dir, _real_git_dir, _no_git_dir])
async def test_a_hostile_worktree_is_read_and_removed_without_running_anything(
    user_repo: UserRepoFixture,
    canary: Canary,
    tmp_path: Path,
    spoil: Callable[[Worktree, Canary], Awaitable[None]],
) -> None:
    depot, worktree = await _hostile_worktree(user_repo, canary, tmp_path / "state")
    await spoil(worktree, canary)
    canary.reset()
    mine = photograph(user_repo.path)
    base = commit_of(user_repo)
    tree = await take_snapshot(depot, worktree.path, base_commit=base, trusted_commit=base)
    assert await depot.read_blob(tree, "new.py") == b"x = 1\n"
    assert canary.ran == ""
    where = await remove_worktree(depot, worktree, base_commit=base, trusted_commit=base, run_id=RUN)
    assert where is not None
    assert canary.ran == ""
    assert photograph(user_repo.path) == mine
    if where.startswith("refs/"):
        [rescued] = (await depot.refs_under(where)).values()
        assert await depot.tree_of(rescued) == tree
    else:
        kept = Path(where.partition(" (")[0])
        assert (kept / "project" / "new.py").read_text("utf-8") == "x = 1\n"


async def test_the_depot_does_not_change_when_the_worktree_is_configured(
    user_repo: UserRepoFixture, canary: Canary, tmp_path: Path
) -> None:
    """What is configured in a linked worktree is written where it hangs: that must not be the depot."""
    depot = await depot_of(user_repo, tmp_path / "state")
    worktree = await make_worktree(depot, tmp_path / "state" / "worktrees", RUN, commit_of(user_repo))
    before = photograph(depot.path)
    git_in(worktree.path, "config", "core.fsmonitor", str(canary.program))
    git_in(worktree.path, "config", "alias.x", "!true")
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=worktree.path, check=True)
    assert photograph(depot.path) == before


async def test_an_environment_full_of_git_variables_changes_nothing(
    user_repo: UserRepoFixture, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host may start the server from within a git hook, or with variables of its own."""
    evil = tmp_path / "evil.config"
    evil.write_text(f"[core]\n\tfsmonitor = {canary.program}\n\thooksPath = {tmp_path}\n", "utf-8")
    for name, value in {
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": "/",
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_CONFIG_GLOBAL": str(evil),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(canary.program),
        "GIT_EXTERNAL_DIFF": str(canary.program),
        "GIT_SSH_COMMAND": str(canary.program),
        "GIT_TRACE2": str(tmp_path / "trace"),
        "GIT_EXEC_PATH": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    repo = await locate(user_repo.path)
    depot = Depot(repo, tmp_path / "state")
    await depot.refresh()
    await uncommitted(repo)
    _, trusted = await depot.trusted()
    tree = await depot.tree_of(trusted)
    await depot.publish(await depot.commit(tree, [trusted], "Change"), f"agent/{RUN}")
    assert canary.ran == ""
    assert not (tmp_path / "trace").exists()


async def test_a_git_in_the_working_directory_is_not_the_git_that_runs(
    user_repo: UserRepoFixture, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `.` in PATH, a repository could bring its own git."""
    shutil.copy(canary.program, user_repo.path / "git")
    monkeypatch.setenv("PATH", f".::{Path(shutil.which('git') or '/usr/bin/git').parent}")
    monkeypatch.chdir(user_repo.path)
    await depot_of(user_repo.path, tmp_path / "state")
    assert canary.ran == ""
