"""Sub-modules that an operator allows: their files are there, their commits carried, nothing changes them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pev.errors import SnapshotRefused
from pev.repos.depot import Depot
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from support.depots import RUN, commit_of, git_in, tree_of
from support.hostile import photograph
from support.parts import (
    LIB,
    PATH,
    SUBMODULES,
    add_submodule,
    below,
    files_in,
    library,
    materialised,
    open_depot,
    own_git_folder,
    snapshot_of,
    spoil_added,
    spoil_changed,
    spoil_emptied,
    spoil_executable,
    spoil_gone,
    spoil_removed,
    write_gitlink,
)
from support.repos import UserRepoFixture

# What works


async def test_a_worktree_and_every_checkout_hold_the_files(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    """From the local copy alone: the place that the URL names is gone."""
    shutil.rmtree(lib.path)
    tree = await snapshot_of(depot, worktree.path)
    assert tree == tree_of(whole)
    written = await materialised(depot, tree, tmp_path / "out")
    assert written == files_in(worktree.path)
    assert below(PATH, LIB).items() <= written.items()
    assert not (worktree.path / PATH / ".git").exists()
    assert git_in(worktree.path, "status", "--porcelain") == ""


async def test_the_users_repository_is_only_read(whole: UserRepoFixture, tmp_path: Path) -> None:
    before = photograph(whole.path)
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert photograph(whole.path) == before


async def test_a_change_beside_a_submodule_carries_it_as_it_was(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture
) -> None:
    (worktree.path / "README.md").write_text("changed\n", "utf-8")
    (worktree.path / "vendor" / "other.py").write_text("x = 1\n", "utf-8")
    tree = await snapshot_of(depot, worktree.path)
    changes = {change.path for change in await depot.changes(tree_of(whole), tree)}
    assert changes == {"README.md", "vendor/other.py"}
    assert git_in(depot.path, "fsck", "--no-dangling", tree) == ""


async def test_the_submodules_own_rules_leave_out_what_is_built_there(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture
) -> None:
    (worktree.path / PATH / "made.out").write_text("built\n", "utf-8")
    (worktree.path / PATH / "__pycache__").mkdir()
    (worktree.path / PATH / "__pycache__" / "x.pyc").write_text("cache", "utf-8")
    assert await snapshot_of(depot, worktree.path) == tree_of(whole)


async def test_nested_submodules_are_there_too(
    user_repo: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    outer = library(tmp_path / "outer", {"outer.py": "1\n"})
    add_submodule(outer, lib, "inner")
    add_submodule(user_repo, outer, "vendor/outer")
    depot = await open_depot(user_repo, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))
    files = files_in(made.path)
    assert below("vendor/outer/inner", LIB).items() <= files.items()
    assert await snapshot_of(depot, made.path) == tree_of(user_repo)
    assert await materialised(depot, tree_of(user_repo), tmp_path / "out") == files
    (made.path / "vendor/outer/inner/lib.py").write_text("changed", "utf-8")
    with pytest.raises(SnapshotRefused, match=r"inner/lib\.py' was changed in .*'vendor/outer/inner'"):
        await snapshot_of(depot, made.path)


async def test_a_submodule_with_a_git_folder_of_its_own_is_found(
    whole: UserRepoFixture, tmp_path: Path
) -> None:
    own_git_folder(whole, PATH)
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert (made.path / PATH / "lib.py").read_text("utf-8") == LIB["lib.py"]


async def test_a_shallow_submodule_is_enough(
    user_repo: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    """Only the files of one commit are needed, and many keep no more."""
    lib.commit("second", {"lib.py": "VALUE = 8\n"})
    url = lib.path.as_uri()
    user_repo.git("-c", "protocol.file.allow=always", "submodule", "add", "--depth", "1", url, PATH)
    user_repo.commit("shallow")
    assert (user_repo.path / ".git/modules" / PATH / "shallow").is_file()
    depot = await open_depot(user_repo, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))
    assert (made.path / PATH / "lib.py").read_text("utf-8") == "VALUE = 8\n"
    assert await depot.git.connected()


async def test_a_linked_checkout_has_submodules_of_its_own(whole: UserRepoFixture, tmp_path: Path) -> None:
    """git keeps them in that checkout's own directory, or only in the main one's."""
    whole.git("worktree", "add", "-q", str(tmp_path / "linked"))
    linked = UserRepoFixture(tmp_path / "linked")
    depot = await open_depot(linked, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(linked))
    assert (made.path / PATH / "lib.py").is_file()


async def test_what_was_copied_once_is_no_longer_needed_there(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture, tmp_path: Path
) -> None:
    shutil.rmtree(whole.path / ".git" / "modules")
    later = await open_depot(whole, tmp_path / "state", SUBMODULES)
    written = await materialised(later, tree_of(whole), tmp_path / "out")
    assert f"{PATH}/lib.py" in written


async def test_work_beside_a_submodule_is_rescued(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture
) -> None:
    (worktree.path / "new.py").write_text("x = 1\n", "utf-8")
    base = commit_of(whole)
    where = await remove_worktree(depot, worktree, base_commit=base, trusted_commit=base, run_id=RUN)
    assert where == f"refs/pev/rescue/{RUN}"
    assert git_in(depot.path, "show", f"{where}:new.py") == "x = 1"


async def test_work_in_a_submodule_is_kept_aside(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture
) -> None:
    """A commit of ours cannot hold it, so its folder stays."""
    (worktree.path / PATH / "lib.py").write_text("work\n", "utf-8")
    base = commit_of(whole)
    where = await remove_worktree(depot, worktree, base_commit=base, trusted_commit=base, run_id=RUN)
    assert where is not None
    kept = Path(where.partition(" (")[0])
    assert (kept / worktree.path.name / PATH / "lib.py").read_text("utf-8") == "work\n"


# What a worktree may not do


def _a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("file\n", "utf-8")


def _a_link(root: Path) -> None:
    root.rename(root.with_name("moved"))
    root.symlink_to("moved")


def _hidden_by_a_rule(root: Path) -> None:
    (root / ".gitignore").write_text("*\n", "utf-8")


def _a_repository(root: Path) -> None:
    git_in(root, "init", "-q")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_changed, r"'vendor/lib/lib\.py' was changed in the sub-module 'vendor/lib'"),
        (spoil_executable, r"'vendor/lib/lib\.py' was changed"),
        (spoil_added, r"'vendor/lib/deep/new\.py' was added to"),
        (spoil_removed, r"'vendor/lib/deep/data\.txt' is missing from"),
        (spoil_emptied, "is missing from the sub-module 'vendor/lib'"),
        (spoil_gone, "is missing from the sub-module 'vendor/lib'"),
        (_a_file, "'vendor/lib' is a sub-module"),
        (_a_link, "'vendor/lib' is a sub-module"),
        (_hidden_by_a_rule, r"'vendor/lib/\.gitignore' was changed"),
        (_a_repository, r"'vendor/lib/\.git' is git's own"),
    ],
)
async def test_a_touched_submodule_is_refused_by_name(
    depot: Depot, worktree: Worktree, spoil: Callable[[Path], None], named: str
) -> None:
    """The pull request could only carry a commit, which would not be what the agent worked with."""
    spoil(worktree.path / PATH)
    with pytest.raises(SnapshotRefused, match=named) as caught:
        await snapshot_of(depot, worktree.path)
    assert caught.value.hint


def _another_address(rules: Path) -> None:
    rules.write_text(rules.read_text("utf-8").replace("url = ", "url = https://example.invalid/"), "utf-8")


def _executable_rules(rules: Path) -> None:
    rules.chmod(0o755)


def _no_rules(rules: Path) -> None:
    rules.unlink()


@pytest.mark.parametrize("spoil", [_another_address, _executable_rules, _no_rules])
async def test_where_a_submodule_comes_from_is_not_changed(
    depot: Depot, worktree: Worktree, spoil: Callable[[Path], None]
) -> None:
    """Whoever updates after the merge would ask another server for the commit."""
    spoil(worktree.path / ".gitmodules")
    with pytest.raises(SnapshotRefused, match=r"'\.gitmodules' (was changed|is gone)") as caught:
        await snapshot_of(depot, worktree.path)
    assert "a person" in caught.value.hint


async def test_a_file_of_rules_that_was_not_there_is_not_added(
    user_repo: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    shutil.copytree(lib.path, user_repo.path / "guest")
    write_gitlink(user_repo, commit_of(lib), "guest")
    depot = await open_depot(user_repo, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))
    assert await snapshot_of(depot, made.path) == tree_of(user_repo)
    (made.path / ".gitmodules").write_text('[submodule "guest"]\n\tpath = guest\n\turl = x\n', "utf-8")
    with pytest.raises(SnapshotRefused, match=r"'\.gitmodules' was changed"):
        await snapshot_of(depot, made.path)


async def test_a_sha256_repository_has_submodules_too(tmp_path: Path) -> None:
    repos = []
    for name in ("lib", "project"):
        repo = UserRepoFixture(tmp_path / name)
        repo.path.mkdir()
        repo.git("init", "-q", "-b", "main", "--object-format=sha256")
        repo.commit("first", LIB)
        repos.append(repo)
    shutil.copytree(repos[0].path, repos[1].path / "guest")
    write_gitlink(repos[1], commit_of(repos[0]), "guest")
    depot = await open_depot(repos[1], tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(repos[1]))
    assert (made.path / "guest" / "lib.py").is_file()
    assert await snapshot_of(depot, made.path) == tree_of(repos[1])


async def test_a_touched_file_is_seen_although_it_was_remembered(depot: Depot, worktree: Worktree) -> None:
    await snapshot_of(depot, worktree.path, rest_s=-1)
    spoil_changed(worktree.path / PATH)
    with pytest.raises(SnapshotRefused, match="was changed"):
        await snapshot_of(depot, worktree.path, rest_s=-1)
