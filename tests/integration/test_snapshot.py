"""Snapshots: every file that counts, as its bytes lie on the disk, and the same tree for the same content."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.models import ObjectId
from pev.repos.depot import Depot
from pev.repos.ignore import IgnoreRules
from pev.repos.snapshot import snapshot_working_tree, take_snapshot
from pev.repos.source import locate
from pev.repos.statcache import StatCache, is_steady
from pev.repos.worktree import Worktree, make_worktree
from support.depots import RUN, commit_of, depot_of, git_in, paths_of, tree_of
from support.hostile import photograph
from support.repos import PROJECT, UserRepoFixture

RULES: Final = "build/\n*.log\n!keep.log\n/top\n"


@pytest.fixture
async def depot(user_repo: UserRepoFixture, tmp_path: Path) -> Depot:
    """The depot of a repository that ignores some paths, and tracks one of them."""
    user_repo.write({".gitignore": RULES, "sub/.gitignore": "local/\n!build/\n", "tracked.log": "1\n"})
    user_repo.git("add", "-f", "tracked.log")
    user_repo.commit("rules")
    return await depot_of(user_repo, tmp_path / "state")


@pytest.fixture
async def worktree(depot: Depot, user_repo: UserRepoFixture, tmp_path: Path) -> Worktree:
    """A fresh worktree."""
    return await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


async def _snapshot(depot: Depot, root: Path, *, rest_s: float = 60) -> ObjectId:
    trusted = await depot.resolve("main")
    return await take_snapshot(depot, root, base_commit=trusted, trusted_commit=trusted, rest_s=rest_s)


async def _added(depot: Depot, root: Path) -> set[str]:
    base = await depot.tree_of(await depot.resolve("main"))
    return {change.path for change in await depot.changes(base, await _snapshot(depot, root))}


async def test_an_untouched_worktree_is_the_tree_of_its_base(
    depot: Depot, worktree: Worktree, user_repo: UserRepoFixture
) -> None:
    assert await _snapshot(depot, worktree.path) == tree_of(user_repo)


async def test_new_files_need_not_be_added_and_deleted_ones_are_gone(
    depot: Depot, worktree: Worktree
) -> None:
    _write(worktree.path, {"new/deep/x.py": "x = 1\n", "README.md": "changed\n"})
    (worktree.path / "tests" / "test_calc.py").unlink()
    (worktree.path / "run.sh").write_text("#!/bin/sh\n", "utf-8")
    (worktree.path / "run.sh").chmod(0o755)
    (worktree.path / "link").symlink_to("src/app")
    (worktree.path / "empty").mkdir()
    tree = await _snapshot(depot, worktree.path)
    listing = git_in(depot.path, "ls-tree", "-r", tree)
    entries = {line.split("\t")[1]: line.split()[0] for line in listing.splitlines()}
    assert entries["run.sh"] == "100755"
    assert entries["link"] == "120000"
    assert entries["new/deep/x.py"] == "100644"
    assert "tests/test_calc.py" not in entries
    assert not any(path.startswith("empty") for path in entries)
    assert await depot.read_blob(tree, "README.md") == b"changed\n"


async def test_only_the_trusted_rules_leave_something_out(depot: Depot, worktree: Worktree) -> None:
    """A worktree that could say what is ignored could hide what it brings."""
    _write(worktree.path, {".gitignore": "*\n", "evil.py": "1", "sub2/.gitignore": "*", "sub2/x.py": "1"})
    exclude = worktree.git_dir / "info" / "exclude"
    exclude.write_text("*\n", "utf-8")
    git_in(worktree.path, "config", "core.excludesFile", str(exclude))
    assert await _added(depot, worktree.path) == {".gitignore", "evil.py", "sub2/.gitignore", "sub2/x.py"}


async def test_the_rules_mean_what_git_means_by_them(depot: Depot, worktree: Worktree) -> None:
    _write(
        worktree.path,
        {
            "build/x": "ignored",
            "a/build/x": "ignored",
            "a.log": "ignored",
            "keep.log": "kept",
            "top": "ignored",
            "a/top": "kept",
            "sub/local/x": "ignored",
            "sub/build/x": "kept: the deeper rule says so",
            "local/x": "kept",
            "tracked.log": "tracked, so it counts whatever the rules say",
        },
    )
    assert await _added(depot, worktree.path) == {
        "keep.log",
        "a/top",
        "sub/build/x",
        "local/x",
        "tracked.log",
    }


async def test_a_rule_removed_from_the_worktree_still_counts(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / ".gitignore").unlink()
    _write(worktree.path, {"build/x": "still ignored"})
    assert await _added(depot, worktree.path) == {".gitignore"}


async def test_caches_of_tools_never_belong_to_a_change(depot: Depot, worktree: Worktree) -> None:
    """They hide themselves with ignore files of their own, which do not count here."""
    _write(
        worktree.path,
        {
            ".venv/.gitignore": "*",
            ".venv/x.py": "1",
            "src/app/__pycache__/x.pyc": "1",
            "node_modules/x": "1",
        },
    )
    (worktree.path / ".pytest_cache").mkdir()
    (worktree.path / ".pytest_cache" / "x").touch()
    assert await _added(depot, worktree.path) == set()
    _write(worktree.path, {"src/.venv": "a file of that name is a file"})
    assert await _added(depot, worktree.path) == {"src/.venv"}


async def test_bytes_are_carried_as_they_lie(depot: Depot, worktree: Worktree) -> None:
    """Neither a filter nor an attribute nor a line ending may stand between the file and what is judged."""
    git_in(worktree.path, "config", "core.autocrlf", "true")
    git_in(worktree.path, "config", "filter.swap.clean", "sed s/a/b/")
    _write(
        worktree.path,
        {".gitattributes": "* text=auto eol=lf ident filter=swap working-tree-encoding=UTF-16\n"},
    )
    content = b"a\r\n$Id: 0 $\r\n\xff\xfe\0"
    (worktree.path / "src" / "app" / "calc.py").write_bytes(content)
    tree = await _snapshot(depot, worktree.path)
    assert await depot.read_blob(tree, "src/app/calc.py") == content


async def test_the_index_of_the_worktree_does_not_count(depot: Depot, worktree: Worktree) -> None:
    """What was added, forgotten or marked as unchanged there says nothing about the files."""
    calc = worktree.path / "src" / "app" / "calc.py"
    calc.write_text("staged\n", "utf-8")
    git_in(worktree.path, "add", "-A")
    calc.write_text("on the disk\n", "utf-8")
    git_in(worktree.path, "update-index", "--assume-unchanged", "README.md")
    git_in(worktree.path, "update-index", "--skip-worktree", "pyproject.toml")
    _write(worktree.path, {"README.md": "changed\n", "pyproject.toml": "changed\n"})
    tree = await _snapshot(depot, worktree.path)
    assert await depot.read_blob(tree, "src/app/calc.py") == b"on the disk\n"
    assert await depot.read_blob(tree, "README.md") == b"changed\n"
    assert await depot.read_blob(tree, "pyproject.toml") == b"changed\n"


async def test_a_snapshot_touches_nothing(depot: Depot, worktree: Worktree) -> None:
    _write(worktree.path, {"new.py": "1"})
    files, theirs = photograph(worktree.path), photograph(worktree.git_dir)
    await _snapshot(depot, worktree.path)
    assert photograph(worktree.path) == files
    assert photograph(worktree.git_dir) == theirs


async def test_what_was_tracked_may_become_a_folder_and_the_other_way(
    depot: Depot, worktree: Worktree
) -> None:
    (worktree.path / "README.md").unlink()
    _write(worktree.path, {"README.md/inner": "1"})
    for name in ("__init__.py", "calc.py"):
        (worktree.path / "src" / "app" / name).unlink()
    (worktree.path / "src" / "app").rmdir()
    _write(worktree.path, {"src/app": "now a file"})
    paths = paths_of(depot, await _snapshot(depot, worktree.path))
    assert {"README.md/inner", "src/app"} <= set(paths)
    assert "src/app/calc.py" not in paths


async def test_an_emptied_worktree_is_the_empty_tree(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    (tmp_path / "empty").mkdir()
    assert await _snapshot(depot, tmp_path / "empty") == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


async def test_many_new_objects_are_stored_in_one_pack(depot: Depot, worktree: Worktree) -> None:
    _write(worktree.path, {f"many/{number}.txt": f"{number}\n" for number in range(300)})
    tree = await _snapshot(depot, worktree.path)
    assert len(paths_of(depot, tree)) == len(PROJECT) + 2 + 300
    assert git_in(depot.path, "fsck", "--no-dangling", tree) == ""


async def test_an_equal_size_edit_within_one_tick_is_seen(depot: Depot, worktree: Worktree) -> None:
    """The classic race: same size, same second, even the same time stamps set back by hand."""
    path = worktree.path / "race.txt"
    trees = set()
    for number in range(20):
        path.write_text(f"{number % 10}\n", "utf-8")
        os.utime(path, ns=(10**18, 10**18))
        trees.add(await _snapshot(depot, worktree.path, rest_s=0))
    assert len(trees) == 10


async def test_files_at_rest_are_not_read_again(
    depot: Depot, worktree: Worktree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is what makes a second look fast; a file whose time stamps moved is read."""
    if not is_steady(worktree.path):
        pytest.skip("this file system keeps no reliable times")
    first = await _snapshot(depot, worktree.path, rest_s=-1)
    read: list[str] = []
    original = os.read

    def watching(fd: int, size: int) -> bytes:
        read.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        return original(fd, size)

    monkeypatch.setattr("pev.repos.walk.os.read", watching)
    assert await _snapshot(depot, worktree.path, rest_s=-1) == first
    assert [path for path in read if path.startswith(str(worktree.path))] == []
    os.utime(worktree.path / "README.md")
    assert await _snapshot(depot, worktree.path, rest_s=-1) == first
    assert {path for path in read if path.startswith(str(worktree.path))} == {
        str(worktree.path / "README.md")
    }


async def test_a_file_is_remembered_only_once_it_has_rested(worktree: Worktree, tmp_path: Path) -> None:
    """A write right after the look, within the clock's grain, would not change the time stamps."""
    path = worktree.path / "README.md"
    cache = StatCache(tmp_path / "cache", worktree.path, rest_s=60)
    info = path.stat()
    cache.note("README.md", info, ObjectId("0" * 40), info.st_ctime_ns + 59 * 10**9)
    cache.save()
    assert StatCache(tmp_path / "cache", worktree.path).find("README.md", info) is None
    cache.note("README.md", info, ObjectId("0" * 40), info.st_ctime_ns + 61 * 10**9)
    cache.save()
    later = StatCache(tmp_path / "cache", worktree.path)
    assert later.find("README.md", info) == ("0" * 40 if is_steady(worktree.path) else None)


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"README.md": 7}', b"\xff"])
async def test_a_torn_memory_is_no_memory(depot: Depot, worktree: Worktree, torn: bytes) -> None:
    first = await _snapshot(depot, worktree.path, rest_s=-1)
    for file in (depot.path / "pev-stat").iterdir():
        file.write_bytes(torn)
    assert await _snapshot(depot, worktree.path, rest_s=-1) == first


async def test_ten_snapshots_at_once_agree(depot: Depot, worktree: Worktree) -> None:
    _write(worktree.path, {"new.py": "1"})
    trees: set[ObjectId] = set()

    async def take() -> None:
        trees.add(await _snapshot(depot, worktree.path))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(take)
    assert len(trees) == 1


async def test_the_users_own_checkout_is_taken_with_what_its_head_tracks(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """Their `.git` is passed over, a file that only HEAD tracks counts, and nothing of theirs changes."""
    base = commit_of(user_repo)
    user_repo.write({"data.coverage/x": "1", ".coverage": "tracked by force"})
    user_repo.git("add", "-f", ".coverage")
    head = ObjectId(user_repo.commit("second"))
    user_repo.write({"new.py": "1", "__pycache__/x.pyc": "1", ".coverage": "changed"})
    depot = await depot_of(user_repo, tmp_path / "state")
    before = photograph(user_repo.path)
    repo = await locate(user_repo.path)
    tree = await snapshot_working_tree(
        depot, repo.root, base_commit=base, trusted_commit=base, head_commit=head
    )
    assert photograph(user_repo.path) == before
    assert {change.path for change in await depot.changes(await depot.tree_of(base), tree)} == {
        ".coverage",
        "data.coverage/x",
        "new.py",
    }


async def test_a_sha256_snapshot_is_gits_own_tree(tmp_path: Path) -> None:
    repo = UserRepoFixture(tmp_path / "r")
    repo.path.mkdir()
    repo.git("init", "-q", "-b", "main", "--object-format=sha256")
    repo.commit("first", PROJECT)
    depot = await depot_of(repo, tmp_path / "state")
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(repo))
    assert git_in(made.path, "status", "--porcelain") == ""
    assert await _snapshot(depot, made.path) == tree_of(repo)


_parts = st.sampled_from(
    ["a", "b", "build", "x.log", "keep.log", "sub", "local", "top", "-x", ":x", "[", "é", " "]
)
_paths = st.lists(_parts, min_size=1, max_size=4).map("/".join)


@given(paths=st.sets(_paths, max_size=12))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_snapshot_is_what_git_add_would_have_taken(
    user_repo: UserRepoFixture, tmp_path_factory: pytest.TempPathFactory, paths: set[str]
) -> None:
    """With the trusted rules in the worktree too, plain git is the judge of what belongs."""
    home = tmp_path_factory.mktemp("case")
    user_repo.write({".gitignore": RULES, "sub/.gitignore": "local/\n!build/\n"})
    user_repo.commit("rules")
    depot = await depot_of(user_repo, home / "state")
    worktree = await make_worktree(depot, home / "worktrees", RUN, commit_of(user_repo))
    for path in paths:
        target = worktree.path / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path, "utf-8")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    tree = await _snapshot(depot, worktree.path)
    git_in(worktree.path, "add", "-A")
    assert git_in(worktree.path, "write-tree") == tree


async def test_a_folder_named_like_a_rules_file_does_no_harm(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / ".gitignore").unlink()
    _write(worktree.path, {".gitignore/x": "1", "new/.gitignore/y": "1"})
    async with IgnoreRules(depot, await depot.tree_of(await depot.resolve("main"))) as rules:
        assert await rules.ignored(["a.log"], ["build"]) == {"a.log", "build"}
    assert await _added(depot, worktree.path) == {".gitignore", ".gitignore/x", "new/.gitignore/y"}


async def test_nothing_temporary_is_left_in_the_depot(depot: Depot, worktree: Worktree) -> None:
    _write(worktree.path, {"a.log": "1", "new.py": "1"})
    await _snapshot(depot, worktree.path)
    assert list((depot.path / "pev-tmp").iterdir()) == []


async def test_a_snapshot_works_while_files_come_and_go(depot: Depot, worktree: Worktree) -> None:
    """An agent's tools may be running: what vanishes is not there, and nothing worse happens."""
    program = (
        "import pathlib, sys, itertools\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "for n in itertools.count():\n"
        "    (root / f'busy{n % 7}').write_text(str(n))\n"
        "    (root / f'busy{(n + 3) % 7}').unlink(missing_ok=True)\n"
    )
    busy = subprocess.Popen([sys.executable, "-c", program, str(worktree.path)], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        for _ in range(10):
            paths = paths_of(depot, await _snapshot(depot, worktree.path))
            assert set(PROJECT) <= set(paths)
    finally:
        busy.kill()
        busy.communicate()
