"""Sub-modules that an operator allows: their files are there, their commits are carried, nothing is run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import RepoUnusable, SnapshotRefused
from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.parts import Accepted
from pev.repos.snapshot import snapshot_working_tree
from pev.repos.source import locate
from pev.repos.submodules import Home, is_plain_name, read_names, real_folder
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from support.depots import RUN, commit_of, git_in, tree_of
from support.hostile import Canary, photograph
from support.parts import (
    LIB,
    SUBMODULES,
    add_submodule,
    files_in,
    library,
    open_depot,
    own_git_folder,
    snapshot_of,
)
from support.repos import PROJECT, UserRepoFixture

PATH = "vendor/lib"


@pytest.fixture
def lib(tmp_path: Path) -> UserRepoFixture:
    """The repository that is a sub-module."""
    return library(tmp_path / "lib")


@pytest.fixture
def whole(user_repo: UserRepoFixture, lib: UserRepoFixture) -> UserRepoFixture:
    """A user's repository with one sub-module."""
    add_submodule(user_repo, lib, PATH)
    return user_repo


@pytest.fixture
async def depot(whole: UserRepoFixture, tmp_path: Path) -> Depot:
    """Its depot."""
    return await open_depot(whole, tmp_path / "state", SUBMODULES)


@pytest.fixture
async def worktree(depot: Depot, whole: UserRepoFixture, tmp_path: Path) -> Worktree:
    """A worktree of it."""
    return await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))


def _below(path: str, files: dict[str, str]) -> dict[str, bytes]:
    return {f"{path}/{name}": text.encode() for name, text in files.items()}


async def _materialised(depot: Depot, tree: str, into: Path) -> dict[str, bytes]:
    into.mkdir()
    await depot.materialise(tree, into)
    return files_in(into)


# What works


async def test_a_worktree_and_every_checkout_hold_the_files(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    """From the local copy alone: the place that the URL names is gone."""
    shutil.rmtree(lib.path)
    tree = await snapshot_of(depot, worktree.path)
    assert tree == tree_of(whole)
    written = await _materialised(depot, tree, tmp_path / "out")
    assert written == files_in(worktree.path)
    assert _below(PATH, LIB).items() <= written.items()
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
    assert _below("vendor/outer/inner", LIB).items() <= files.items()
    assert await snapshot_of(depot, made.path) == tree_of(user_repo)
    assert await _materialised(depot, tree_of(user_repo), tmp_path / "out") == files
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
    written = await _materialised(later, tree_of(whole), tmp_path / "out")
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


def _changed(root: Path) -> None:
    (root / "lib.py").write_text("VALUE = 8\n", "utf-8")


def _made_executable(root: Path) -> None:
    (root / "lib.py").chmod(0o755)


def _added(root: Path) -> None:
    (root / "deep" / "new.py").write_text("x\n", "utf-8")


def _removed(root: Path) -> None:
    (root / "deep" / "data.txt").unlink()


def _emptied(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def _gone(root: Path) -> None:
    shutil.rmtree(root)


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
        (_changed, r"'vendor/lib/lib\.py' was changed in the sub-module 'vendor/lib'"),
        (_made_executable, r"'vendor/lib/lib\.py' was changed"),
        (_added, r"'vendor/lib/deep/new\.py' was added to"),
        (_removed, r"'vendor/lib/deep/data\.txt' is missing from"),
        (_emptied, "is missing from the sub-module 'vendor/lib'"),
        (_gone, "is missing from the sub-module 'vendor/lib'"),
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
    _gitlink(user_repo, commit_of(lib), "guest")
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
    _gitlink(repos[1], commit_of(repos[0]), "guest")
    depot = await open_depot(repos[1], tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(repos[1]))
    assert (made.path / "guest" / "lib.py").is_file()
    assert await snapshot_of(depot, made.path) == tree_of(repos[1])


async def test_a_touched_file_is_seen_although_it_was_remembered(depot: Depot, worktree: Worktree) -> None:
    await snapshot_of(depot, worktree.path, rest_s=-1)
    _changed(worktree.path / PATH)
    with pytest.raises(SnapshotRefused, match="was changed"):
        await snapshot_of(depot, worktree.path, rest_s=-1)


# What is refused


async def test_without_leave_it_is_refused_and_the_setting_is_named(
    whole: UserRepoFixture, tmp_path: Path
) -> None:
    depot = await open_depot(whole, tmp_path / "state", Accepted())
    with pytest.raises(RepoUnusable, match="sub-module at 'vendor/lib'") as caught:
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert "allow_submodules" in caught.value.hint
    with pytest.raises(SnapshotRefused, match="'vendor/lib' is a sub-module") as refused:
        await _materialised(depot, tree_of(whole), tmp_path / "out")
    assert "allow_submodules" in refused.value.hint


async def test_leave_that_was_taken_back_counts_at_once(
    depot: Depot, worktree: Worktree, whole: UserRepoFixture, tmp_path: Path
) -> None:
    """What was found sound under another setting is asked anew, also for worktrees that are there."""
    strict = await open_depot(whole, tmp_path / "state", Accepted())
    with pytest.raises(RepoUnusable):
        await make_worktree(strict, tmp_path / "worktrees", RunId("89abcdef"), commit_of(whole))
    with pytest.raises(RepoUnusable):
        await snapshot_of(strict, worktree.path)
    assert await snapshot_of(depot, worktree.path) == tree_of(whole)


async def test_without_leave_its_files_are_not_taken_for_plain_ones(
    whole: UserRepoFixture, tmp_path: Path
) -> None:
    """Else a snapshot of the user's checkout would silently put them in place of the link."""
    depot = await open_depot(whole, tmp_path / "state", Accepted())
    (whole.path / PATH / ".git").unlink()
    with pytest.raises(SnapshotRefused, match="lies in a sub-module, 'vendor/lib'") as caught:
        await _own(depot, whole)
    assert "allow_submodules" in caught.value.hint


@pytest.mark.parametrize("how", ["uninitialised", "unfetched"])
async def test_a_commit_that_is_not_on_this_disk_is_refused_by_name(
    whole: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path, how: str
) -> None:
    if how == "uninitialised":
        shutil.rmtree(whole.path / ".git" / "modules")
    else:
        newer = lib.commit("newer", {"x.py": "1\n"})
        whole.git("update-index", "--cacheinfo", f"160000,{newer},{PATH}")
        whole.git("commit", "-q", "-m", "move")
    commit = whole.git("rev-parse", f"HEAD:{PATH}")
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    with pytest.raises(RepoUnusable, match=f"commit {commit} of the sub-module at 'vendor/lib'") as caught:
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert "git submodule update --init" in caught.value.hint
    assert list((tmp_path / "worktrees").iterdir()) == []


def _gitlink(repo: UserRepoFixture, commit: str, path: str, rules: str = "") -> None:
    """Commit an entry for a sub-module that nobody added."""
    if rules:
        (repo.path / ".gitmodules").write_text(rules, "utf-8")
        repo.git("add", ".gitmodules")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    repo.git("commit", "-q", "-m", "link")


@pytest.mark.parametrize("rules", [True, False])
async def test_a_commit_of_another_repository_is_not_to_be_had(
    user_repo: UserRepoFixture, tmp_path: Path, rules: bool
) -> None:
    """Else whoever writes the tree could read what lies elsewhere on the disk, or in this very history."""
    secret = library(tmp_path / "secret", {"secret.txt": "secret"})
    for number, commit in enumerate((commit_of(secret), commit_of(user_repo))):
        text = f'[submodule "s{number}"]\n\tpath = s{number}\n\turl = {secret.path}\n' if rules else ""
        _gitlink(user_repo, commit, f"s{number}", text)
        depot = await open_depot(user_repo, tmp_path / f"state{number}", SUBMODULES)
        with pytest.raises(RepoUnusable, match=f"commit {commit}"):
            await make_worktree(depot, tmp_path / f"w{number}", RUN, commit_of(user_repo))
        user_repo.git("rm", "-q", "--cached", f"s{number}")


@pytest.mark.parametrize("place", ["modules", "modules/vendor", "modules/vendor/lib", "objects"])
async def test_a_linked_folder_on_the_way_is_not_followed(
    whole: UserRepoFixture, tmp_path: Path, place: str
) -> None:
    folder = whole.path / ".git" / (f"modules/{PATH}/objects" if place == "objects" else place)
    moved = folder.rename(tmp_path / "moved")
    folder.symlink_to(moved)
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    with pytest.raises(RepoUnusable, match="is not in the user's repository"):
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))


async def test_a_checkout_that_leads_elsewhere_is_not_followed(
    user_repo: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    """By a `.git` file, a linked folder, or a git directory that stands for another."""
    _gitlink(user_repo, commit_of(lib), "guest")
    guest = user_repo.path / "guest"

    async def is_refused(number: int) -> None:
        depot = await open_depot(user_repo, tmp_path / f"s{number}", SUBMODULES)
        with pytest.raises(RepoUnusable, match="is not in the user's repository"):
            await make_worktree(depot, tmp_path / f"w{number}", RUN, commit_of(user_repo))

    guest.mkdir()
    (guest / ".git").write_text(f"gitdir: {lib.path}/.git\n", "utf-8")
    await is_refused(0)
    (guest / ".git").unlink()
    (guest / ".git").symlink_to(lib.path / ".git")
    await is_refused(1)
    shutil.rmtree(guest)
    guest.symlink_to(lib.path)
    await is_refused(2)
    guest.unlink()
    shutil.copytree(lib.path / ".git", guest / ".git")
    (guest / ".git" / "commondir").write_text(f"{lib.path}/.git\n", "utf-8")
    await is_refused(3)


async def test_a_partial_submodule_is_never_asked(
    whole: UserRepoFixture, canary: Canary, tmp_path: Path
) -> None:
    """git would fetch what it lacks from a remote, with a program that the repository names."""
    inner = whole.path / ".git" / "modules" / PATH
    for key, value in {
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": str(canary.program),
    }.items():
        git_in(whole.path, "config", "--file", str(inner / "config"), key, value)
    blob = _loosened(whole, tmp_path, "lib.py")
    blob.unlink()
    canary.reset()
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    with pytest.raises(RepoUnusable, match="cannot be copied"):
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert canary.ran == ""


def _loosened(repo: UserRepoFixture, aside: Path, name: str) -> Path:
    """Take the packs of the sub-module apart, and give the file of one of its blobs."""
    objects = repo.path / ".git" / "modules" / PATH / "objects"
    blob = git_in(repo.path / PATH, "rev-parse", f"HEAD:{name}")
    for pack in (objects / "pack").glob("*.pack"):
        content = pack.rename(aside / pack.name).read_bytes()
        git_in(repo.path / PATH, "unpack-objects", "-q", stdin=content)
    return objects / blob[:2] / blob[2:]


async def test_a_damaged_object_is_not_copied(whole: UserRepoFixture, tmp_path: Path) -> None:
    blob = _loosened(whole, tmp_path, "lib.py")
    other = git_in(whole.path / PATH, "hash-object", "-w", "--stdin", stdin=b"VALUE = 666\n")
    blob.chmod(0o644)
    blob.write_bytes((blob.parents[1] / other[:2] / other[2:]).read_bytes())
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    with pytest.raises(RepoUnusable, match="cannot be copied"):
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))


async def test_a_submodule_with_a_link_that_leads_out_is_refused(
    user_repo: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    (lib.path / "out").symlink_to("../../../x")
    lib.commit("link")
    add_submodule(user_repo, lib, PATH)
    depot = await open_depot(user_repo, tmp_path / "state", SUBMODULES)
    with pytest.raises(SnapshotRefused, match="'vendor/lib/out' is a symbolic link that leads out"):
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))


async def test_paths_that_collide_but_for_case_are_refused(
    user_repo: UserRepoFixture, lib: UserRepoFixture, tmp_path: Path
) -> None:
    add_submodule(user_repo, lib, "vendor")
    blob = user_repo.git("rev-parse", "HEAD:README.md")
    user_repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},Vendor/lib.py")
    user_repo.git("commit", "-q", "-m", "collide")
    depot = await open_depot(user_repo, tmp_path / "state", SUBMODULES)
    with pytest.raises(SnapshotRefused, match="only in case"):
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))


async def test_a_tower_of_submodules_is_refused(tmp_path: Path) -> None:
    repo = library(tmp_path / "r0")
    for number in range(1, 7):
        outer = library(tmp_path / f"r{number}", {f"f{number}": "1"})
        add_submodule(outer, repo, "in")
        repo = outer
    depot = await open_depot(repo, tmp_path / "state", SUBMODULES)
    with pytest.raises(RepoUnusable, match="more than 5 deep"):
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(repo))


# Nothing is run


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    """The program that must not run."""
    return Canary.at(tmp_path / "canary")


async def test_a_hostile_submodule_runs_nothing(
    whole: UserRepoFixture, lib: UserRepoFixture, canary: Canary, tmp_path: Path
) -> None:
    """Its hooks, filters, monitors and attributes, and an update command in `.gitmodules`."""
    lib.commit("attributes", {".gitattributes": "* filter=evil diff=evil text eol=crlf ident\n"})
    commit = ObjectId(lib.git("rev-parse", "HEAD"))
    git_in(whole.path / PATH, "fetch", "-q", str(lib.path))
    _gitlink(whole, commit, PATH)
    for git_dir in (whole.path / ".git" / "modules" / PATH, whole.path / ".git"):
        canary.trap(whole.path, git_dir=git_dir)
    whole.git("config", f"submodule.{PATH}.update", f"!{canary.program}")
    canary.reset()
    before = photograph(whole.path)
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert (made.path / PATH / "lib.py").read_bytes() == LIB["lib.py"].encode()
    assert await snapshot_of(depot, made.path) == tree_of(whole)
    await _materialised(depot, tree_of(whole), tmp_path / "out")
    assert canary.ran == ""
    assert photograph(whole.path) == before


@pytest.mark.parametrize(
    "rules",
    [
        '[submodule "../../other"]\n\tpath = vendor/lib\n',
        '[submodule "/etc"]\n\tpath = vendor/lib\n',
        '[submodule "a/../../b"]\n\tpath = vendor/lib\n',
        '[submodule "a\\\\..\\\\b"]\n\tpath = vendor/lib\n',
        '[submodule "-x"]\n\tpath = vendor/lib\n',
        '[submodule ""]\n\tpath = vendor/lib\n',
        '[submodule "a//b"]\n\tpath = vendor/lib\n',
        "[submodule]\n\tpath = vendor/lib\n",
        "[other]\n\tpath = vendor/lib\n",
        "",
    ],
)
async def test_a_name_that_leads_elsewhere_names_nothing(rules: str, tmp_path: Path) -> None:
    assert await read_names(rules.encode(), tmp_path) == {}


async def test_a_rules_file_is_data_and_includes_nothing(tmp_path: Path) -> None:
    (tmp_path / "more").write_text('[submodule "b"]\n\tpath = b\n', "utf-8")
    rules = (
        f"[include]\n\tpath = {tmp_path}/more\n"
        '[submodule "a b/c"]\n\tpath = "x y/"\n\turl = ext::sh -c evil\n\tupdate = !evil\n'
    )
    assert await read_names(rules.encode(), tmp_path) == {"x y": "a b/c"}
    with pytest.raises(RepoUnusable, match="cannot be read by git"):
        await read_names(b"[submodule\n", tmp_path)
    with pytest.raises(RepoUnusable, match="more than"):
        await read_names(b"#" * (2**20 + 1), tmp_path)


_odd = st.text(st.sampled_from("ab./\\-~ \0\n\x1b\u202e:é"), max_size=12)


@given(name=st.one_of(_odd, st.text(max_size=12)))
@settings(max_examples=300, deadline=None)
def test_no_name_leads_out_of_the_folder_for_modules(name: str) -> None:
    if is_plain_name(name):
        path = Path("/r/.git/modules") / name
        assert Path("/r/.git/modules") in path.parents
        assert ".." not in path.parts
        assert "\0" not in name


@given(name=_odd, path=_odd)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_looked_for_lies_below_the_repository(
    tmp_path_factory: pytest.TempPathFactory, name: str, path: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "home"
    for folder in ("modules/a", "modules/a/modules/b", "a/.git"):
        (root / folder / "objects").mkdir(parents=True, exist_ok=True)
    home = Home((root,), root)
    inner = home.below(path, name if is_plain_name(name) else None)
    for found in (*inner.git_dirs, *([inner.checkout] if inner.checkout else [])):
        assert found.resolve().is_relative_to(root.resolve())


# The user's own checkout


async def _own(depot: Depot, repo: UserRepoFixture) -> ObjectId:
    head, user_repo = commit_of(repo), await locate(repo.path)
    return await snapshot_working_tree(
        depot, user_repo.root, base_commit=head, trusted_commit=head, head_commit=head
    )


async def test_the_users_own_checkout_may_have_its_submodules_initialised_or_not(
    depot: Depot, whole: UserRepoFixture
) -> None:
    assert await _own(depot, whole) == tree_of(whole)
    own_git_folder(whole, PATH)
    assert await _own(depot, whole) == tree_of(whole)
    _emptied(whole.path / PATH)
    assert await _own(depot, whole) == tree_of(whole)


@pytest.mark.parametrize("spoil", [_changed, _added, _removed, _gone])
async def test_a_touched_submodule_of_the_users_own_is_refused(
    depot: Depot, whole: UserRepoFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(whole.path / PATH)
    with pytest.raises(SnapshotRefused, match="sub-module 'vendor/lib'"):
        await _own(depot, whole)


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
    written = await _materialised(depot, tree, tmp_path / "out")
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
    written = await _materialised(depot, tree_of(repo), home / "out")
    expected = {name: text.encode() for name, text in PROJECT.items()}
    for path in paths:
        expected |= _below(path, LIB)
    del written[".gitmodules"]
    assert written == expected


def test_a_real_folder_has_no_link_on_its_way(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    assert real_folder(tmp_path, "a/b") == tmp_path / "a" / "b"
    for below in ("link", "link/b", "a/absent", "a/b\0"):
        assert real_folder(tmp_path, below) is None
