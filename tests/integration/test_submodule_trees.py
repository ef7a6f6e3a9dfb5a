"""Sub-modules in a user's own checkout, and wherever they stand in a tree."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import SnapshotRefused
from pev.repos.depot import Depot
from pev.repos.snapshot import snapshot_working_tree
from pev.repos.submodules import real_folder
from pev.repos.worktree import make_worktree
from support.depots import RUN, commit_of, git_in, tree_of
from support.parts import (
    LIB,
    PATH,
    SUBMODULES,
    below,
    library,
    materialised,
    open_depot,
    own_git_folder,
    own_snapshot,
    snapshot_of,
    spoil_added,
    spoil_changed,
    spoil_emptied,
    spoil_gone,
    spoil_removed,
)
from support.repos import PROJECT, UserRepoFixture

# The user's own checkout


async def test_the_users_own_checkout_may_have_its_submodules_initialised_or_not(
    depot: Depot, whole: UserRepoFixture
) -> None:
    assert await own_snapshot(depot, whole) == tree_of(whole)
    own_git_folder(whole, PATH)
    assert await own_snapshot(depot, whole) == tree_of(whole)
    spoil_emptied(whole.path / PATH)
    assert await own_snapshot(depot, whole) == tree_of(whole)


@pytest.mark.parametrize("spoil", [spoil_changed, spoil_added, spoil_removed, spoil_gone])
async def test_a_touched_submodule_of_the_users_own_is_refused(
    depot: Depot, whole: UserRepoFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(whole.path / PATH)
    with pytest.raises(SnapshotRefused, match="sub-module 'vendor/lib'"):
        await own_snapshot(depot, whole)


async def test_a_moved_submodule_is_the_commit_that_head_has(
    depot: Depot, whole: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    """It is another tree than the base's, which the gate judges; the files are those of the new commit."""
    base = commit_of(whole)
    newer = lib.commit("newer", {"lib.py": "VALUE = 8\n"})
    git_in(whole.path / PATH, "fetch", "-q", str(lib.path))
    git_in(whole.path / PATH, "checkout", "-q", newer)
    whole.commit("move")
    await depot.refresh()
    head = commit_of(whole)
    tree = await snapshot_working_tree(
        depot, whole.path, base_commit=base, trusted_commit=base, head_commit=head
    )
    assert tree == tree_of(whole)
    assert [change.path for change in await depot.changes(await depot.tree_of(base), tree)] == [PATH]
    written = await materialised(depot, tree, tmp_path / "out")
    assert written[f"{PATH}/lib.py"] == b"VALUE = 8\n"


# Trees in general


_names = st.sampled_from(["a", "b", "lib", "é", "x y", "x-", "[", ".hidden"])
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)


def _apart(paths: set[str]) -> list[str]:
    """Take paths of which none lies in another."""
    out: list[str] = []
    for path in sorted(paths):
        if not any(f"{path}/".startswith(f"{other}/") for other in out):
            out.append(path)
    return out


@given(paths=st.sets(_paths, min_size=1, max_size=4).map(_apart))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_wherever_submodules_stand_the_worktree_is_the_base(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    """Worktree, snapshot and checkout agree about every path that git lets a sub-module have."""
    home = tmp_path_factory.mktemp("case")
    lib = library(home / "library")
    repo = UserRepoFixture.python_project(home / "project")
    rules = ""
    for number, path in enumerate(paths):
        rules += f'[submodule "m{number}"]\n\tpath = "{path}"\n\turl = nowhere\n'
        shutil.copytree(lib.path / ".git", repo.path / ".git" / "modules" / f"m{number}")
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit_of(lib)},{path}")
    (repo.path / ".gitmodules").write_text(rules, "utf-8")
    repo.git("add", ".gitmodules")
    repo.git("commit", "-q", "-m", "links")
    depot = await open_depot(repo, home / "state", SUBMODULES)
    made = await make_worktree(depot, home / "worktrees", RUN, commit_of(repo))
    assert await snapshot_of(depot, made.path) == tree_of(repo)
    written = await materialised(depot, tree_of(repo), home / "out")
    expected = {name: text.encode() for name, text in PROJECT.items()}
    for path in paths:
        expected |= below(path, LIB)
    del written[".gitmodules"]
    assert written == expected


def test_a_real_folder_has_no_link_on_its_way(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    assert real_folder(tmp_path, "a/b") == tmp_path / "a" / "b"
    for inner in ("link", "link/b", "a/absent", "a/b\0"):
        assert real_folder(tmp_path, inner) is None
