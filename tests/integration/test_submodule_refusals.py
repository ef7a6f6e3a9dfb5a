"""Sub-modules that cannot be had, or are not what they seem, are refused by name; nothing of them is run."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import RepoUnusable, SnapshotRefused
from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.parts import Accepted
from pev.repos.submodules import Home, is_plain_name, read_names
from pev.repos.worktree import Worktree, make_worktree
from support.depots import RUN, commit_of, git_in, tree_of
from support.hostile import Canary, photograph
from support.parts import (
    LIB,
    PATH,
    SUBMODULES,
    add_submodule,
    library,
    materialised,
    open_depot,
    own_snapshot,
    snapshot_of,
    write_gitlink,
)
from support.repos import UserRepoFixture

# What is refused


async def test_without_leave_it_is_refused_and_the_setting_is_named(
    whole: UserRepoFixture, tmp_path: Path
) -> None:
    depot = await open_depot(whole, tmp_path / "state", Accepted())
    with pytest.raises(RepoUnusable, match="sub-module at 'vendor/lib'") as caught:
        await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert "allow_submodules" in caught.value.hint
    with pytest.raises(SnapshotRefused, match="'vendor/lib' is a sub-module") as refused:
        await materialised(depot, tree_of(whole), tmp_path / "out")
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
        await own_snapshot(depot, whole)
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


@pytest.mark.parametrize("rules", [True, False])
async def test_a_commit_of_another_repository_is_not_to_be_had(
    user_repo: UserRepoFixture, tmp_path: Path, rules: bool
) -> None:
    """Else whoever writes the tree could read what lies elsewhere on the disk, or in this very history."""
    secret = library(tmp_path / "secret", {"secret.txt": "secret"})
    for number, commit in enumerate((commit_of(secret), commit_of(user_repo))):
        text = f'[submodule "s{number}"]\n\tpath = s{number}\n\turl = {secret.path}\n' if rules else ""
        write_gitlink(user_repo, commit, f"s{number}", text)
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
    write_gitlink(user_repo, commit_of(lib), "guest")
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
    write_gitlink(whole, commit, PATH)
    for git_dir in (whole.path / ".git" / "modules" / PATH, whole.path / ".git"):
        canary.trap(whole.path, git_dir=git_dir)
    whole.git("config", f"submodule.{PATH}.update", f"!{canary.program}")
    canary.reset()
    before = photograph(whole.path)
    depot = await open_depot(whole, tmp_path / "state", SUBMODULES)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))
    assert (made.path / PATH / "lib.py").read_bytes() == LIB["lib.py"].encode()
    assert await snapshot_of(depot, made.path) == tree_of(whole)
    await materialised(depot, tree_of(whole), tmp_path / "out")
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
