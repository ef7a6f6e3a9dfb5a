"""Trees in a depot: read, compared and written out as they are, or refused by name."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import anyio
import pytest

from pev.errors import FileRefused, RefInvalid, RepoUnusable, SnapshotRefused
from pev.git import Git
from pev.models import ObjectId
from pev.repos.depot import Depot
from pev.repos.objects import Status
from pev.repos.scratch import scratch_checkout
from pev.repos.source import locate
from support.depots import commit_of, depot_of, git_in, tree_of
from support.repos import PROJECT, UserRepoFixture


async def test_files_are_read_by_tree_and_path(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    tree = await depot.tree_of(commit_of(user_repo))
    paths = ["README.md", "absent", "src", "../x", "odd\ud800"]
    assert await depot.read_blob(tree, "README.md") == b"# app\n"
    assert await depot.read_blobs(tree, paths[:4]) == {
        "README.md": b"# app\n",
        "absent": None,
        "src": None,
        "../x": None,
    }
    with pytest.raises(FileRefused):
        await depot.read_blob(tree, "a\nb")
    with pytest.raises(RefInvalid):
        await depot.read_blob(tree, paths[4])


async def test_files_of_a_listed_tree_are_the_same_and_are_read_once(
    user_repo: UserRepoFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate asks for the same few files again and again; git is a process each time."""
    link = user_repo.path / "link"
    link.symlink_to("README.md")
    user_repo.commit("a large one", {"large.bin": "x" * 600_000})
    depot = await depot_of(user_repo, tmp_path / "state")
    tree = await depot.tree_of(commit_of(user_repo))
    paths = ["README.md", "absent", "src", "../x", "link", "large.bin"]
    plain = await depot.read_blobs(tree, paths)
    asked: list[str] = []
    contents = Git.contents

    async def counted(git: Git, names: Iterable[str]) -> bytes:
        asked.extend(names := list(names))
        return await contents(git, names)

    monkeypatch.setattr(Git, "contents", counted)
    await depot.entries(tree)

    assert await depot.read_blobs(tree, paths) == plain
    assert len(asked) == 3
    assert await depot.read_blobs(tree, paths) == plain
    assert len(asked) == 4, "only what is large is read again"


async def test_entries_are_all_files_or_those_below_a_path(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    tree = await depot.tree_of(commit_of(user_repo))
    entries = await depot.entries(tree)
    assert sorted(entry.path for entry in entries) == sorted(PROJECT)
    assert {entry.path: entry.size for entry in entries}["README.md"] == 6
    assert [entry.path for entry in await depot.entries(tree, "src/app")] == [
        "src/app/__init__.py",
        "src/app/calc.py",
    ]
    assert [entry.path for entry in await depot.entries(tree, "README.md")] == ["README.md"]
    assert await depot.entries(tree, "src/ap") == ()


async def test_a_change_is_told_in_paths_lines_and_text(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    old = tree_of(user_repo)
    calc = PROJECT["src/app/calc.py"]
    user_repo.git("mv", "tests/test_calc.py", "tests/test_sums.py")
    (user_repo.path / "README.md").unlink()
    (user_repo.path / "README.md").symlink_to("pyproject.toml")
    user_repo.commit("change", {"src/app/calc.py": calc.replace("a + b", "b + a"), "új név.txt": "x\ny"})
    depot = await depot_of(user_repo, tmp_path / "state")
    new = tree_of(user_repo)
    changes = {change.path: (change.status, change.old_path) for change in await depot.changes(old, new)}
    assert changes == {
        "README.md": (Status.TYPE_CHANGED, "README.md"),
        "src/app/calc.py": (Status.MODIFIED, "src/app/calc.py"),
        "tests/test_sums.py": (Status.RENAMED, "tests/test_calc.py"),
        "új név.txt": (Status.ADDED, "új név.txt"),
    }
    lines = await depot.changed_lines(old, new)
    assert lines["src/app/calc.py"] == frozenset({5})
    assert lines["új név.txt"] == frozenset({1, 2})
    stat = await depot.diff_stat(old, new)
    assert {file.path: (file.added, file.removed) for file in stat.files}["src/app/calc.py"] == (1, 1)
    text = await depot.diff(old, new, limit_bytes=100_000)
    assert "+    return b + a" in text
    assert "új név.txt" in text
    only = await depot.diff(old, new, limit_bytes=100_000, paths=["README.md"])
    assert "calc.py" not in only
    cut = await depot.diff(old, new, limit_bytes=200)
    assert len(cut) < 400
    assert "bytes cut out" in cut


async def test_attributes_of_the_change_hide_nothing_in_a_diff(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """`-diff` in .gitattributes would show a changed source file as binary."""
    old = tree_of(user_repo)
    user_repo.commit("hide", {".gitattributes": "* -diff binary\n", "src/app/calc.py": "evil = 1\n"})
    depot = await depot_of(user_repo, tmp_path / "state")
    new = tree_of(user_repo)
    assert "+evil = 1" in await depot.diff(old, new, limit_bytes=100_000)
    assert (await depot.changed_lines(old, new))["src/app/calc.py"] == frozenset({1})


async def test_a_tree_is_written_as_its_blobs_are(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """No filter, no line ending, no keyword and no export rule may stand between blob and file."""
    user_repo.write({"run.sh": "#!/bin/sh\n", "id.txt": "$Id$\r\n\n"})
    (user_repo.path / "run.sh").chmod(0o755)
    (user_repo.path / "link").symlink_to("src/app")
    user_repo.commit("files", {".gitattributes": "* ident text eol=crlf export-ignore\n"})
    content = user_repo.git("cat-file", "-p", "HEAD:.gitattributes")
    depot = await depot_of(user_repo, tmp_path / "state")
    into = tmp_path / "out"
    into.mkdir()
    tree = tree_of(user_repo)
    await depot.materialise(tree, into)
    for path in git_in(user_repo.path, "ls-files").splitlines():
        if not (into / path).is_symlink():
            blob = subprocess.run(
                ["git", "cat-file", "blob", f"HEAD:{path}"],
                cwd=user_repo.path,
                check=True,
                capture_output=True,
            )
            assert (into / path).read_bytes() == blob.stdout, path
    assert content
    assert os.access(into / "run.sh", os.X_OK)
    assert not os.access(into / "id.txt", os.X_OK)
    assert (into / "link").readlink() == Path("src/app")
    assert not (into / ".git").exists()


async def test_a_tree_is_written_only_into_an_empty_folder(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    with pytest.raises(FileRefused, match="is not empty"):
        await depot.materialise(tree_of(user_repo), tmp_path / "out")


def _tree_with(repo: UserRepoFixture, *lines: str) -> ObjectId:
    listing = "".join(f"{line}\n" for line in lines)
    return ObjectId(git_in(repo.path, "mktree", "--missing", stdin=listing.encode()))


async def _depot_with(repo: UserRepoFixture, tree: str, state: Path) -> Depot:
    repo.git("update-ref", "refs/heads/odd", repo.git("commit-tree", "-m", "odd", tree))
    return await depot_of(repo, state)


@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [
        ("120000", "out", "leads out"),
        ("100644", "a\\tb", "control"),
        ("100644", "\\342\\200\\256x", "invisible"),
        ("100644", "\\351", "is not UTF-8"),
    ],
)
async def test_a_tree_with_a_dangerous_entry_is_refused_by_name(
    user_repo: UserRepoFixture, tmp_path: Path, mode: str, name: str, reason: str
) -> None:
    blob = git_in(user_repo.path, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    depot = await _depot_with(
        user_repo, _tree_with(user_repo, f'{mode} blob {blob}\t"{name}"'), tmp_path / "s"
    )
    (tmp_path / "out").mkdir()
    with pytest.raises(SnapshotRefused, match=reason):
        await depot.materialise(tree_of(user_repo, "odd"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


async def test_names_that_collide_but_for_case_are_refused(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    blob = user_repo.git("rev-parse", "HEAD:README.md")
    tree = _tree_with(user_repo, f"100644 blob {blob}\tA.py", f"100644 blob {blob}\ta.py")
    depot = await _depot_with(user_repo, tree, tmp_path / "state")
    with pytest.raises(SnapshotRefused, match="only in case"):
        await depot.check_tree(tree)


async def test_a_submodule_is_refused(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    tree = _tree_with(user_repo, f"160000 commit {commit_of(user_repo)}\tvendor")
    depot = await _depot_with(user_repo, tree, tmp_path / "state")
    with pytest.raises(SnapshotRefused, match="'vendor' is a sub-module"):
        await depot.check_tree(tree)
    with pytest.raises(RepoUnusable, match="sub-module at 'vendor'"):
        await depot.refuse_foreign(tree)


async def test_lfs_pointers_are_refused_but_the_mere_rule_is_not(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """A repository may have the rule for files that it does not have yet."""
    user_repo.commit("rule", {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    depot = await depot_of(user_repo, tmp_path / "state")
    await depot.refuse_foreign(tree_of(user_repo))
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    user_repo.commit("pointer", {"big.bin": pointer})
    await depot.refresh()
    with pytest.raises(RepoUnusable, match=r"'big\.bin' is a Git LFS pointer"):
        await depot.refuse_foreign(tree_of(user_repo))


async def test_a_commit_is_the_bots_and_carries_the_tree(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    repo = await locate(user_repo.path)
    depot = Depot(repo, tmp_path / "state", author=("Bot B", "bot@example.invalid"))
    await depot.refresh()
    parent, tree = commit_of(user_repo), tree_of(user_repo)
    commit = await depot.commit(tree, [parent], "Title\n\nPEV-Run: 0123abcd\n")
    assert await depot.tree_of(commit) == tree
    shown = git_in(depot.path, "log", "-1", "--format=%an <%ae> %cn %P%n%B", commit)
    assert shown == f"Bot B <bot@example.invalid> Bot B {parent}\nTitle\n\nPEV-Run: 0123abcd"


async def test_a_scratch_checkout_is_private_and_always_gone(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    under = tmp_path / "cache" / "scratch"
    async with scratch_checkout(depot, tree_of(user_repo), under) as checkout:
        assert (checkout / "README.md").read_text("utf-8") == "# app\n"
        assert checkout.parent.stat().st_mode & 0o777 == 0o700
        (checkout / "locked").mkdir()
        (checkout / "locked" / "file").touch()
        (checkout / "locked").chmod(0o500)
    assert list(under.iterdir()) == []
    with anyio.move_on_after(5) as scope:
        async with scratch_checkout(depot, tree_of(user_repo), under):
            scope.cancel()
            await anyio.sleep_forever()
    assert list(under.iterdir()) == []
