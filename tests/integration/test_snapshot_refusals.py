"""What a snapshot may not carry is refused by name, and nothing outside the worktree is ever read."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pev.errors import SnapshotRefused, WorktreeMissing
from pev.models import ObjectId
from pev.repos.depot import Depot
from pev.repos.snapshot import take_snapshot
from pev.repos.walk import Walk
from support.depots import depot_of, git_in, paths_of
from support.repos import UserRepoFixture

SECRET = "the secret of another folder"


@pytest.fixture
async def depot(user_repo: UserRepoFixture, tmp_path: Path) -> Depot:
    """The depot of a repository whose rules ignore `ignored/`."""
    user_repo.commit("rules", {".gitignore": "ignored/\n"})
    return await depot_of(user_repo, tmp_path / "state")


@pytest.fixture
def tree(user_repo: UserRepoFixture, tmp_path: Path) -> Path:
    """A plain copy of the user's files."""
    return Path(shutil.copytree(user_repo.path, tmp_path / "tree", ignore=shutil.ignore_patterns(".git")))


async def _snapshot(depot: Depot, root: Path) -> ObjectId:
    trusted = await depot.resolve("main")
    return await take_snapshot(depot, root, base_commit=trusted, trusted_commit=trusted)


def _pipe(root: Path) -> None:
    os.mkfifo(root / "src" / "odd")


def _socket(root: Path) -> None:
    here = Path.cwd()
    os.chdir(root / "src")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("odd")
    os.chdir(here)


def _link_out(root: Path) -> None:
    (root / "src" / "odd").symlink_to("../../outside")


def _absolute_link(root: Path) -> None:
    (root / "src" / "odd").symlink_to("/etc/passwd")


def _link_to_git(root: Path) -> None:
    (root / "src" / "odd").symlink_to("../.git/config")


def _line_feed(root: Path) -> None:
    (root / "src" / "odd\nname").touch()


def _escape(root: Path) -> None:
    (root / "src" / "odd\x1b[31m").touch()


def _not_utf8(root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root / "src") + b"/odd\xe9"))).touch()


def _nested(root: Path) -> None:
    (root / "src" / "odd").mkdir()
    git_in(root / "src" / "odd", "init", "-q")


def _nested_file(root: Path) -> None:
    (root / "src" / "odd").mkdir()
    (root / "src" / "odd" / ".git").write_text("gitdir: /elsewhere\n", "utf-8")


def _case(root: Path) -> None:
    (root / "src" / "ODD").touch()
    (root / "src" / "odd").touch()


def _git_in_capitals(root: Path) -> None:
    (root / "src" / ".GIT").mkdir()
    (root / "src" / ".GIT" / "odd").touch()


def _huge(root: Path) -> None:
    with (root / "src" / "odd").open("wb") as file:
        file.truncate(100 * 2**20 + 1)


def _short_name_of_git(root: Path) -> None:
    (root / "src" / "git~1").mkdir()
    (root / "src" / "git~1" / "odd").touch()


ODD: list[tuple[Callable[[Path], None], str]] = [
    (_pipe, "src/odd.* is neither a file"),
    (_socket, "src/odd.* is neither a file"),
    (_link_out, "src/odd.* leads out, to '../../outside'"),
    (_absolute_link, "src/odd.* leads out"),
    (_link_to_git, "src/odd.* into git's directory"),
    (_line_feed, r"src/odd\\nname.* holds control"),
    (_escape, r"src/odd\\x1b.* holds control"),
    (_not_utf8, r"src/odd.*e9.* is not UTF-8"),
    (_nested, r"src/odd/\.git"),
    (_nested_file, r"src/odd/\.git"),
    (_git_in_capitals, r"src/\.GIT"),
    (_case, "(?i)src/odd.* differs from 'src/odd' only in case"),
    (_huge, "src/odd.* has 104857601 bytes"),
    (_short_name_of_git, "(?i)hasdotgit|git~1"),
]


@pytest.mark.parametrize(("make", "reason"), ODD, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_may_not_be_carried_is_refused_by_name(
    depot: Depot, tree: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tree)
    with pytest.raises(SnapshotRefused, match=reason) as caught:
        await _snapshot(depot, tree)
    assert caught.value.hint
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("make", [one for one, _ in ODD], ids=lambda make: make.__name__)
async def test_in_an_ignored_folder_it_does_not_matter(
    depot: Depot, tree: Path, make: Callable[[Path], None]
) -> None:
    """What the trusted rules leave out is not looked at."""
    (tree / "ignored" / "src").mkdir(parents=True)
    make(tree / "ignored")
    assert "ignored" not in " ".join(paths_of(depot, await _snapshot(depot, tree)))


async def test_a_tracked_file_that_became_a_pipe_is_refused(depot: Depot, tree: Path) -> None:
    (tree / "README.md").unlink()
    os.mkfifo(tree / "README.md")
    with pytest.raises(SnapshotRefused, match=r"README.md"):
        await _snapshot(depot, tree)


async def test_the_git_of_the_top_is_never_read(
    depot: Depot, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is: a folder, a file, a link to the user's own."""
    clean = await _snapshot(depot, tree)
    os.mkfifo(tree / ".git")
    assert await _snapshot(depot, tree) == clean
    (tree / ".git").unlink()
    (tree / ".git").symlink_to("/etc")
    assert await _snapshot(depot, tree) == clean


async def test_a_folder_swapped_for_a_link_while_it_is_read_gives_nothing_away(
    depot: Depot, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the reading, an agent can put a link to another folder in its place."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "calc.py").write_text(SECRET, "utf-8")
    original = Walk.read

    def swapping(self: Walk, files: list[str], limit_bytes: int) -> object:
        if not (tree / "src" / "app").is_symlink():
            shutil.rmtree(tree / "src" / "app")
            (tree / "src" / "app").symlink_to(outside)
        return original(self, files, limit_bytes)

    monkeypatch.setattr(Walk, "read", swapping)
    with pytest.raises(SnapshotRefused, match=r"src/app.* was changed while it was read"):
        await _snapshot(depot, tree)


async def test_a_file_swapped_for_a_link_is_taken_as_the_link_or_not_at_all(
    depot: Depot, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(SECRET, "utf-8")
    original = os.stat

    def swapping(path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        info = original(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        if path == "README.md" and not (tree / "README.md").is_symlink():
            (tree / "README.md").unlink()
            (tree / "README.md").symlink_to(tmp_path / "secret")
        return info

    monkeypatch.setattr("pev.repos.walk.os.stat", swapping)
    with pytest.raises(SnapshotRefused, match=r"README.md"):
        await _snapshot(depot, tree)


async def test_a_worktree_that_is_gone_or_replaced_is_missing(
    depot: Depot, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tree)
    for root in (tmp_path / "gone", tmp_path / "link", tree / "README.md"):
        with pytest.raises(WorktreeMissing):
            await _snapshot(depot, root)


async def test_a_file_that_cannot_be_read_is_not_left_out_silently(
    depot: Depot, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail closed: a snapshot without it would be judged as if it had been deleted."""
    original = os.open

    def refusing(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "calc.py":
            raise PermissionError(13, "Permission denied")
        return original(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr("pev.repos.beneath.os.open", refusing)
    with pytest.raises(SnapshotRefused, match=r"calc.py.* cannot be read: Permission denied"):
        await _snapshot(depot, tree)


FLOODS = [("MAX_FILES", "more than 8 files"), ("MAX_NEW_BYTES", "more than 8 bytes")]


@pytest.mark.parametrize(("limit", "reason"), FLOODS)
async def test_a_flood_is_refused(
    depot: Depot, tree: Path, monkeypatch: pytest.MonkeyPatch, limit: str, reason: str
) -> None:
    """A worktree that was filled up must not fill our disk too."""
    monkeypatch.setattr(f"pev.repos.walk.{limit}", 8)
    for number in range(10):
        (tree / f"{number}.bin").write_bytes(bytes([number]))
    with pytest.raises(SnapshotRefused, match=reason):
        await _snapshot(depot, tree)


async def test_a_tower_of_folders_is_refused(depot: Depot, tree: Path) -> None:
    (tree / "/".join(["d"] * 250)).mkdir(parents=True)
    with pytest.raises(SnapshotRefused, match="lies too deep"):
        await _snapshot(depot, tree)
