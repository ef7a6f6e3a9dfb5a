"""Git LFS that an operator allows: content from the local store in worktrees, pointers in git, no git-lfs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import RepoUnusable, SnapshotRefused
from pev.models import ObjectId, RunId
from pev.repos import lfs
from pev.repos.depot import Depot
from pev.repos.lfs import is_pointer, parse_pointer, ruled
from pev.repos.parts import Accepted
from pev.repos.snapshot import snapshot_working_tree
from pev.repos.statcache import is_steady
from pev.repos.worktree import Worktree, make_worktree, remove_worktree
from support.depots import RUN, commit_of, git_in, tree_of
from support.hostile import Canary, photograph
from support.parts import (
    BOTH,
    LFS,
    RULE,
    add_submodule,
    files_in,
    library,
    open_depot,
    pointer_to,
    snapshot_of,
    store_object,
    stored_at,
)
from support.repos import UserRepoFixture

CONTENT = b"\x00large\r\n" * 5_000
PATH = "data/model.bin"


@pytest.fixture
def large(user_repo: UserRepoFixture) -> UserRepoFixture:
    """A repository with one LFS file, whose object is in the local store."""
    user_repo.commit("large", {".gitattributes": RULE, PATH: pointer_to(CONTENT)})
    store_object(user_repo.path / ".git", CONTENT)
    return user_repo


@pytest.fixture
async def depot(large: UserRepoFixture, tmp_path: Path) -> Depot:
    """Its depot."""
    return await open_depot(large, tmp_path / "state", LFS)


@pytest.fixture
async def worktree(depot: Depot, large: UserRepoFixture, tmp_path: Path) -> Worktree:
    """A worktree of it."""
    return await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(large))


async def _made(repo: UserRepoFixture, home: Path, accepted: Accepted = LFS) -> Worktree:
    depot = await open_depot(repo, home / "state", accepted)
    return await make_worktree(depot, home / "worktrees", RUN, commit_of(repo))


# What works


async def test_content_is_in_the_worktree_and_in_checkouts_and_the_pointer_in_git(
    depot: Depot, worktree: Worktree, large: UserRepoFixture, tmp_path: Path
) -> None:
    assert (worktree.path / PATH).read_bytes() == CONTENT
    tree = await snapshot_of(depot, worktree.path)
    assert tree == tree_of(large)
    assert await depot.read_blob(tree, PATH) == pointer_to(CONTENT).encode()
    (tmp_path / "out").mkdir()
    await depot.materialise(tree, tmp_path / "out")
    assert files_in(tmp_path / "out") == files_in(worktree.path)


async def test_git_in_the_worktree_sees_no_change(worktree: Worktree) -> None:
    """Else the first commit there would put the content into git."""
    assert git_in(worktree.path, "status", "--porcelain") == ""
    git_in(worktree.path, "add", "-A")
    assert git_in(worktree.path, "diff", "--cached", "--name-only") == ""


async def test_neither_the_users_repository_nor_the_depot_holds_more_than_before(
    large: UserRepoFixture, tmp_path: Path
) -> None:
    before = photograph(large.path)
    made = await _made(large, tmp_path)
    assert (made.path / PATH).read_bytes() == CONTENT
    assert photograph(large.path) == before
    for file in (tmp_path / "state").rglob("*"):
        assert not file.is_file() or file.stat().st_size != len(CONTENT)


async def test_mode_and_removal_are_ordinary_changes(
    depot: Depot, worktree: Worktree, large: UserRepoFixture
) -> None:
    (worktree.path / PATH).chmod(0o755)
    tree = await snapshot_of(depot, worktree.path)
    assert f"100755 blob {large.git('rev-parse', f'HEAD:{PATH}')}" in git_in(
        depot.path, "ls-tree", "-r", tree
    )
    (worktree.path / PATH).unlink()
    assert await depot.read_blob(await snapshot_of(depot, worktree.path), PATH) is None


async def test_the_pointer_itself_is_as_good_as_its_content(
    depot: Depot, worktree: Worktree, large: UserRepoFixture
) -> None:
    """Plain git writes it back on a checkout of the file."""
    (worktree.path / PATH).write_text(pointer_to(CONTENT), "utf-8")
    assert await snapshot_of(depot, worktree.path) == tree_of(large)


async def test_a_file_at_rest_is_not_hashed_again(
    depot: Depot, worktree: Worktree, large: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_steady(worktree.path):
        pytest.skip("this file system keeps no reliable times")
    assert await snapshot_of(depot, worktree.path, rest_s=-1) == tree_of(large)
    monkeypatch.setattr("pev.repos.walk.has_content", lambda *args: False)
    assert await snapshot_of(depot, worktree.path, rest_s=-1) == tree_of(large)
    os.utime(worktree.path / PATH)
    with pytest.raises(SnapshotRefused):
        await snapshot_of(depot, worktree.path, rest_s=-1)


async def test_what_is_remembered_is_content_and_no_blob(
    depot: Depot, worktree: Worktree, large: UserRepoFixture
) -> None:
    """The same file on the disk is another blob once a commit takes it out of LFS."""
    root = large.path
    (root / PATH).write_bytes(CONTENT)
    base = commit_of(large)

    async def own(head: ObjectId) -> ObjectId:
        return await snapshot_working_tree(
            depot, root, base_commit=base, trusted_commit=base, head_commit=head
        )

    assert await own(base) == tree_of(large)
    (root / ".gitattributes").write_text("", "utf-8")
    large.git("add", "-A")
    large.git("commit", "-q", "-m", "no longer large")
    await depot.refresh()
    tree = await own(commit_of(large))
    assert await depot.read_blob(tree, PATH) == CONTENT
    assert tree == tree_of(large)


async def test_only_files_under_the_rule_are_large(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """As git reads its attributes: macros, deeper files and later lines count."""
    user_repo.commit(
        "rules",
        {
            ".gitattributes": "[attr]big filter=lfs -text\n*.bin big\ndocs/*.bin -filter\n",
            "a/.gitattributes": "*.dat filter=lfs\nplain.bin filter=other\n",
            **{
                path: pointer_to(CONTENT)
                for path in ("x.bin", "docs/y.bin", "a/z.dat", "b/z.dat", "a/plain.bin", "é [x].bin")
            },
        },
    )
    store_object(user_repo.path / ".git", CONTENT)
    made = await _made(user_repo, tmp_path)
    files = files_in(made.path)
    assert {path for path, content in files.items() if content == CONTENT} == {
        "x.bin",
        "a/z.dat",
        "é [x].bin",
    }


async def test_the_store_of_a_submodule_is_its_own(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """So are its rules: those of the repository around it do not reach into it."""
    other = library(
        tmp_path / "lib",
        {".gitattributes": "*.dat filter=lfs\n", "x.dat": pointer_to(b"sub"), "y.bin": pointer_to(b"sub")},
    )
    add_submodule(user_repo, other, "vendor/lib")
    user_repo.commit("rule", {".gitattributes": RULE})
    with pytest.raises(RepoUnusable, match=r"'vendor/lib/x\.dat'"):
        await _made(user_repo, tmp_path, BOTH)
    store_object(user_repo.path / ".git" / "modules" / "vendor" / "lib", b"sub")
    depot = await open_depot(user_repo, tmp_path / "state", BOTH)
    made = await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(user_repo))
    assert (made.path / "vendor/lib/x.dat").read_bytes() == b"sub"
    assert (made.path / "vendor/lib/y.bin").read_text("utf-8") == pointer_to(b"sub")
    assert await snapshot_of(depot, made.path) == tree_of(user_repo)
    (made.path / "vendor/lib/x.dat").write_bytes(b"new")
    with pytest.raises(SnapshotRefused, match=r"'vendor/lib/x\.dat'"):
        await snapshot_of(depot, made.path)


async def test_lfs_in_a_submodule_needs_leave_too(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    other = library(tmp_path / "lib", {".gitattributes": RULE, "x.bin": pointer_to(b"sub")})
    add_submodule(user_repo, other, "vendor/lib")
    with pytest.raises(RepoUnusable, match=r"'vendor/lib/x\.bin' is a Git LFS pointer"):
        await _made(user_repo, tmp_path, Accepted(submodules=True))


# What a worktree may not do


async def test_a_changed_file_is_refused_by_name(depot: Depot, worktree: Worktree) -> None:
    """Its object is nowhere but here, and a pointer to it would lead nowhere."""
    for content in (b"new", CONTENT[:-1] + b"x", CONTENT + b"x", pointer_to(b"new").encode()):
        (worktree.path / PATH).write_bytes(content)
        with pytest.raises(SnapshotRefused, match=r"'data/model\.bin' .* cannot upload") as caught:
            await snapshot_of(depot, worktree.path)
        assert "git-lfs" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("new.bin", b"raw"),
        ("data/copy.bin", CONTENT),
        ("new.bin", pointer_to(b"other").encode()),
        ("new.txt", pointer_to(b"other").encode()),
    ],
)
async def test_a_new_large_file_or_pointer_is_refused_by_name(
    depot: Depot, worktree: Worktree, path: str, content: bytes
) -> None:
    """A pointer could name any object of the store, and have the gate's tests read it."""
    (worktree.path / path).write_bytes(content)
    with pytest.raises(SnapshotRefused, match=f"'{path}' is a new .* of Git LFS"):
        await snapshot_of(depot, worktree.path)


async def test_rules_of_the_worktree_make_nothing_ordinary(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / ".gitattributes").write_text("*.bin -filter\n", "utf-8")
    (worktree.path / "new.bin").write_bytes(b"raw")
    with pytest.raises(SnapshotRefused, match=r"'new\.bin' is a new file of Git LFS"):
        await snapshot_of(depot, worktree.path)


async def test_where_objects_come_from_is_not_changed(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / ".lfsconfig").write_text("[lfs]\n\turl = https://example.invalid\n", "utf-8")
    with pytest.raises(SnapshotRefused, match=r"'\.lfsconfig' was changed"):
        await snapshot_of(depot, worktree.path)


async def test_a_link_in_its_place_is_a_link(depot: Depot, worktree: Worktree) -> None:
    (worktree.path / PATH).unlink()
    (worktree.path / PATH).symlink_to("../README.md")
    tree = await snapshot_of(depot, worktree.path)
    assert await depot.read_blob(tree, PATH) == b"../README.md"


async def test_changed_content_is_kept_aside_when_the_worktree_goes(
    depot: Depot, worktree: Worktree, large: UserRepoFixture
) -> None:
    (worktree.path / PATH).write_bytes(b"work")
    base = commit_of(large)
    where = await remove_worktree(depot, worktree, base_commit=base, trusted_commit=base, run_id=RUN)
    assert where is not None
    assert (Path(where.partition(" (")[0]) / worktree.path.name / PATH).read_bytes() == b"work"


# What is refused


async def test_without_leave_it_is_refused_and_the_setting_is_named(
    depot: Depot, worktree: Worktree, large: UserRepoFixture, tmp_path: Path
) -> None:
    strict = await open_depot(large, tmp_path / "state", Accepted())
    with pytest.raises(RepoUnusable, match=r"'data/model\.bin' is a Git LFS pointer") as caught:
        await make_worktree(strict, tmp_path / "worktrees", RunId("89abcdef"), commit_of(large))
    assert "allow_lfs" in caught.value.hint
    with pytest.raises(RepoUnusable):
        await snapshot_of(strict, worktree.path)


def _absent(file: Path) -> None:
    file.unlink()


def _short(file: Path) -> None:
    file.write_bytes(CONTENT[:-1])


def _other(file: Path) -> None:
    file.write_bytes(CONTENT[:-1] + b"x")


def _linked(file: Path) -> None:
    file.symlink_to(file.rename(file.with_name("real")))


def _linked_folder(file: Path) -> None:
    lfs_folder = file.parents[3]
    moved = lfs_folder.rename(lfs_folder.with_name("elsewhere"))
    lfs_folder.symlink_to(moved)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "fact"),
    [
        (_absent, "is not in the user's repository"),
        (_short, "is damaged: it has 39999 bytes, not"),
        (_other, "is damaged: its content has another SHA-256"),
        (_linked, "is not in the user's repository"),
        (_linked_folder, "is not in the user's repository"),
        (_pipe, "is not in the user's repository"),
        (_folder, "is not in the user's repository"),
    ],
)
async def test_an_object_that_is_not_what_the_pointer_says_is_refused_by_name(
    large: UserRepoFixture, tmp_path: Path, spoil: Callable[[Path], None], fact: str
) -> None:
    spoil(stored_at(large.path / ".git", CONTENT))
    with pytest.raises(RepoUnusable, match=r"'data/model\.bin'") as caught:
        await _made(large, tmp_path)
    assert fact in caught.value.message
    assert "git lfs pull" in caught.value.hint
    assert list((tmp_path / "worktrees").iterdir()) == []


async def test_an_object_that_went_away_later_is_refused_in_checkouts(
    depot: Depot, worktree: Worktree, large: UserRepoFixture, tmp_path: Path
) -> None:
    _absent(stored_at(large.path / ".git", CONTENT))
    (tmp_path / "out").mkdir()
    with pytest.raises(RepoUnusable, match="is not in the user's repository"):
        await depot.materialise(tree_of(large), tmp_path / "out")


async def test_sizes_are_bounded(
    large: UserRepoFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lfs, "MAX_TOTAL_BYTES", len(CONTENT) - 1)
    with pytest.raises(RepoUnusable, match="of one tree have 40000 bytes"):
        await _made(large, tmp_path)
    monkeypatch.setattr(lfs, "MAX_OBJECT_BYTES", len(CONTENT) - 1)
    with pytest.raises(RepoUnusable, match="has 40000 bytes, more than 39999"):
        await _made(large, tmp_path)


_DIGEST = "0" * 64
_HEAD = "version https://git-lfs.github.com/spec/v1\n"


@pytest.mark.parametrize(
    "text",
    [
        _HEAD,
        f"{_HEAD}oid sha256:{_DIGEST}\n",
        f"{_HEAD}oid sha256:{_DIGEST}\nsize -1\n",
        f"{_HEAD}oid sha256:{_DIGEST}\nsize 01\n",
        f"{_HEAD}oid sha256:{_DIGEST}\nsize 1",
        f"{_HEAD}oid sha256:{_DIGEST}\nsize 1\nextra 1\n",
        f"{_HEAD}oid sha256:../../../../etc/passwd\nsize 1\n",
        f"{_HEAD}oid sha256:{_DIGEST.upper()[:-1]}A\nsize 1\n",
        f"{_HEAD}ext-0-x sha256:{_DIGEST}\noid sha256:{_DIGEST}\nsize 1\n",
        f"{_HEAD}oid md5:{_DIGEST}\nsize 1\n",
        f"{_HEAD}oid sha256:{_DIGEST}\nsize {10**15}\n",
    ],
)
async def test_a_malformed_pointer_is_refused_by_name(text: str) -> None:
    content = text.encode()
    assert is_pointer(content)
    with pytest.raises(RepoUnusable, match=r"'x\.bin'"):
        parse_pointer("x.bin", content, ObjectId("0" * 40), ())


@given(content=st.binary(max_size=200))
def test_a_pointer_says_what_its_content_is(content: bytes) -> None:
    text = pointer_to(content).encode()
    assert is_pointer(text)
    pointer = parse_pointer("x", text, ObjectId("0" * 40), ())
    assert pointer_to(content) == f"{_HEAD}oid sha256:{pointer.sha256}\nsize {pointer.size_bytes}\n"
    assert not is_pointer(content) or content.startswith(_HEAD.encode()[:30])


async def test_rules_are_asked_without_running_anything(tmp_path: Path) -> None:
    """A filter is a name here and never a program; what the machine configures does not count."""
    canary = Canary.at(tmp_path / "canary")
    rules = {".gitattributes": RULE.encode(), "a/.gitattributes": b"* -filter\n"}
    paths = ["x.bin", "a/x.bin", "x.txt", "-x.bin", ":(glob)x.bin", "a b\n.bin"]
    assert await ruled(rules, paths, tmp_path, "sha1") == {"x.bin", "-x.bin", ":(glob)x.bin", "a b\n.bin"}
    assert canary.ran == ""
    assert await ruled({".gitattributes": b"*.bin text\n"}, paths, tmp_path, "sha1") == frozenset()
