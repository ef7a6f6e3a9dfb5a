"""File tools: work inside one worktree, lose nothing, and reach nothing else."""

import os
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pev.errors import FileRefused, InvalidInput, PathEscapes, WorktreeMissing
from pev.repos import files

SECRET = "the secret of another folder"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A worktree beside a folder that must not be reached."""
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (outside / "secret").write_text(SECRET, "utf-8")
    (tree / "src").mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {outside}\n", "utf-8")
    (tree / "src" / "calc.py").write_text(
        "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n", "utf-8"
    )
    (tree / "README.md").write_text("# app\n", "utf-8")
    return tree


# Reading


async def test_a_file_is_read_by_lines(tree: Path) -> None:
    whole = await files.read_file(tree, "src/calc.py")
    assert (whole.lines, whole.total_lines, whole.truncated, whole.first_line) == (6, 6, False, 1)
    assert whole.text == (tree / "src" / "calc.py").read_text("utf-8")
    part = await files.read_file(tree, "./src//calc.py", offset=1, limit=2)
    assert (part.text, part.first_line, part.truncated) == ("    return a + b\n\n", 2, True)
    after = await files.read_file(tree, "src/calc.py", offset=6)
    assert (after.text, after.lines, after.truncated) == ("", 0, False)


async def test_an_empty_file_and_one_without_a_last_line_end(tree: Path) -> None:
    (tree / "empty").touch()
    (tree / "short").write_bytes(b"a\nb")
    assert (await files.read_file(tree, "empty")).total_lines == 0
    short = await files.read_file(tree, "short")
    assert (short.total_lines, short.text) == (2, "a\nb")


async def test_a_long_text_is_cut_at_a_line(tree: Path) -> None:
    (tree / "long").write_text("x" * 99 + "\n" * 1 + ("y" * 99 + "\n") * 9_999, "utf-8")
    part = await files.read_file(tree, "long", limit=10_000)
    assert part.truncated
    assert len(part.text) <= files.MAX_TEXT
    assert part.text.endswith("\n")
    (tree / "one").write_text("x" * (files.MAX_TEXT + 1), "utf-8")
    with pytest.raises(FileRefused, match="line 1"):
        await files.read_file(tree, "one")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent", "there is no file"),
        ("src", "is a folder"),
        ("", "is a folder"),
        ("README.md/x", "there is no file"),
    ],
)
async def test_what_is_no_file_cannot_be_read(tree: Path, path: str, reason: str) -> None:
    with pytest.raises(FileRefused, match=reason) as caught:
        await files.read_file(tree, path)
    assert caught.value.hint


async def test_binary_and_huge_files_are_refused(tree: Path) -> None:
    (tree / "image").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(FileRefused, match="is a binary file"):
        await files.read_file(tree, "image")
    with (tree / "huge").open("wb") as file:
        file.truncate(files.MAX_FILE_BYTES + 1)
    with pytest.raises(FileRefused, match="more than"):
        await files.read_file(tree, "huge")


# Writing


async def test_a_new_file_gets_its_folders(tree: Path) -> None:
    written = await files.write_file(tree, "a/b/new.txt", "text\n")
    assert (written.created, written.size_bytes) == (True, 5)
    assert (tree / "a" / "b" / "new.txt").read_text("utf-8") == "text\n"
    assert not os.access(tree / "a" / "b" / "new.txt", os.X_OK)


async def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tree: Path) -> None:
    script = tree / "run.sh"
    script.write_text("#!/bin/sh\n", "utf-8")
    script.chmod(0o755)
    with script.open("rb") as reader:
        written = await files.write_file(tree, "run.sh", "#!/bin/sh\nexit 1\n")
        assert reader.read() == b"#!/bin/sh\n", "who reads it meanwhile sees the old file"
    assert not written.created
    assert script.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in tree.iterdir()) == [".git", "README.md", "run.sh", "src"]


async def test_a_hard_link_is_broken_not_written_through(tree: Path) -> None:
    """The other name may be a file of the user's, or an object of a repository."""
    outside = tree.parent / "outside" / "secret"
    (tree / "twin").hardlink_to(outside)
    await files.write_file(tree, "twin", "changed\n")
    assert outside.read_text("utf-8") == SECRET
    (tree / "other").hardlink_to(outside)
    await files.edit_file(tree, "other", "secret", "lie")
    assert outside.read_text("utf-8") == SECRET
    assert (tree / "other").read_text("utf-8") == SECRET.replace("secret", "lie")


async def test_a_link_inside_is_written_through(tree: Path) -> None:
    (tree / "alias").symlink_to("src/calc.py")
    await files.write_file(tree, "alias", "x = 1\n")
    assert (tree / "alias").is_symlink()
    assert (tree / "src" / "calc.py").read_text("utf-8") == "x = 1\n"


async def test_a_binary_file_may_be_replaced(tree: Path) -> None:
    (tree / "image").write_bytes(b"\0\0")
    assert not (await files.write_file(tree, "image", "text now\n")).created
    assert (tree / "image").read_text("utf-8") == "text now\n"


@pytest.mark.parametrize("path", ["src", "", ".", "README.md/x"])
async def test_a_folder_is_not_replaced_by_a_file(tree: Path, path: str) -> None:
    with pytest.raises(FileRefused):
        await files.write_file(tree, path, "x")
    assert (tree / "src" / "calc.py").exists()


async def test_a_text_that_no_encoding_holds_is_refused(tree: Path) -> None:
    with pytest.raises(FileRefused, match="utf-8"):
        await files.write_file(tree, "new.txt", "lone \ud800")
    (tree / "latin.txt").write_bytes("größe\n".encode("latin-1"))
    with pytest.raises(FileRefused, match="latin-1"):
        await files.write_file(tree, "latin.txt", "日本\n")
    assert (tree / "latin.txt").read_bytes() == "größe\n".encode("latin-1")


async def test_a_full_or_read_only_disk_loses_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pev.repos.files.os.fchmod", full)
    with pytest.raises(FileRefused, match="No space left on device"):
        await files.write_file(tree, "README.md", "new\n")
    assert (tree / "README.md").read_text("utf-8") == "# app\n"
    assert sorted(path.name for path in tree.iterdir()) == [".git", "README.md", "src"]


async def test_a_change_in_between_is_not_overwritten(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person may be editing the same file."""
    original = os.fchmod

    def meanwhile(fd: int, mode: int) -> None:
        original(fd, mode)
        (tree / "README.md").write_text("by a person\n", "utf-8")

    monkeypatch.setattr("pev.repos.files.os.fchmod", meanwhile)
    with pytest.raises(FileRefused, match="changed meanwhile"):
        await files.edit_file(tree, "README.md", "app", "lib")
    assert (tree / "README.md").read_text("utf-8") == "by a person\n"


# Editing


async def test_an_edit_replaces_one_text(tree: Path) -> None:
    await files.edit_file(tree, "src/calc.py", "return a + b", "return b + a")
    assert "return b + a" in (tree / "src" / "calc.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "reason"),
    [("absent", "stands 0 times"), ("return a", "stands 2 times .*at lines 2, 6"), ("", "stands 0 times")],
)
async def test_an_edit_needs_a_text_that_stands_once(tree: Path, old: str, reason: str) -> None:
    before = (tree / "src" / "calc.py").read_bytes()
    with pytest.raises(FileRefused, match=reason):
        await files.edit_file(tree, "src/calc.py", old, "new")
    assert (tree / "src" / "calc.py").read_bytes() == before


async def test_an_edit_that_changes_nothing_says_so(tree: Path) -> None:
    with pytest.raises(FileRefused, match="the same"):
        await files.edit_file(tree, "README.md", "app", "app")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
async def test_an_edit_keeps_encoding_and_line_ends(tree: Path, encoding: str) -> None:
    """A model gives lines with line feeds, whatever the file has."""
    if encoding == "utf-16-be":
        data = b"\xfe\xff" + "größe = 1\r\nende\r\n".encode(encoding)
        wanted = b"\xfe\xff" + "größe = 2\r\nneu\r\nende\r\n".encode(encoding)
    else:
        data = "größe = 1\r\nende\r\n".encode(encoding)
        wanted = "größe = 2\r\nneu\r\nende\r\n".encode(encoding)
    (tree / "file.txt").write_bytes(data)
    read = await files.read_file(tree, "file.txt")
    assert read.text == "größe = 1\r\nende\r\n"
    await files.edit_file(tree, "file.txt", "größe = 1\nende", "größe = 2\nneu\nende")
    assert (tree / "file.txt").read_bytes() == wanted
    await files.write_file(tree, "file.txt", (await files.read_file(tree, "file.txt")).text)
    assert (tree / "file.txt").read_bytes() == wanted


# Staying inside


def _odd_files(tree: Path) -> None:
    outside = tree.parent / "outside"
    (tree / "out").symlink_to(outside)
    (tree / "up").symlink_to("..")
    (tree / "file-out").symlink_to(outside / "secret")
    (tree / "new-out").symlink_to(outside / "new")
    (tree / "dotgit").symlink_to(".git")
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tree)
        server.bind("socket")
        os.chdir(here)


OUTSIDE = [
    "../outside/secret",
    "/etc/passwd",
    "src/../../outside/secret",
    "out/secret",
    "out/new",
    "up/outside/secret",
    "up/new",
    "file-out",
    "new-out",
    ".git",
    ".GIT",
    "src/.git/hooks/x",
    "dotgit",
    "loop",
    "pipe",
    "socket",
    "a\0b",
    "a\nb",
    "x" * 300,
    "d/" * 3_000 + "x",
    "\udcff",
    "\ud800",
]


@pytest.mark.parametrize(
    "act",
    [
        files.read_file,
        lambda tree, path: files.write_file(tree, path, "evil"),
        lambda tree, path: files.edit_file(tree, path, "secret", "evil"),
    ],
    ids=["read", "write", "edit"],
)
async def test_no_tool_leaves_the_worktree(tree: Path, act: Callable[[Path, str], Awaitable[object]]) -> None:
    """Links out, pipes that would block, git's own files, names that deceive: refused, nothing changed."""
    _odd_files(tree)
    inside = sorted(path.name for path in tree.iterdir())
    for path in OUTSIDE:
        with pytest.raises(PathEscapes) as caught:
            await act(tree, path)
        assert caught.value.hint
        assert "\n" not in caught.value.message
    assert (tree.parent / "outside" / "secret").read_text("utf-8") == SECRET
    assert sorted(path.name for path in (tree.parent / "outside").iterdir()) == ["secret"]
    assert sorted(path.name for path in tree.iterdir()) == inside


async def test_a_missing_worktree_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for act in (
        files.list_files(gone),
        files.search_files(gone, "x"),
        files.read_file(gone, "x"),
        files.write_file(gone, "x", "y"),
    ):
        with pytest.raises(WorktreeMissing):
            await act
    assert not gone.exists()


# Listing and searching


async def test_a_listing_has_the_files_of_the_project(tree: Path) -> None:
    """Not git's own, not what tools cache, not what links lead to."""
    _odd_files(tree)
    for folder in (".venv/lib", "src/__pycache__", "sub/.git"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "x.py").touch()
    (tree / "sub" / "deep").mkdir()
    (tree / "sub" / "deep" / "y.py").touch()
    assert (await files.list_files(tree)).files == ("README.md", "src/calc.py", "sub/deep/y.py")
    assert (await files.list_files(tree, pattern="**/*.py")).files == ("src/calc.py", "sub/deep/y.py")
    cut = await files.list_files(tree, limit=2)
    assert (cut.files, cut.truncated) == (("README.md", "src/calc.py"), True)


async def test_a_search_gives_path_line_and_text(tree: Path) -> None:
    found = await files.search_files(tree, r"return a [+-] b$")
    assert [(match.path, match.line, match.text) for match in found.matches] == [
        ("src/calc.py", 2, "    return a + b"),
        ("src/calc.py", 6, "    return a - b"),
    ]
    assert not found.truncated
    assert not found.timed_out
    assert (await files.search_files(tree, "app", glob="*.py")).matches == ()
    cut = await files.search_files(tree, "return", limit=1)
    assert (len(cut.matches), cut.truncated) == (1, True)


async def test_a_search_reads_every_encoding_and_no_secret(tree: Path) -> None:
    _odd_files(tree)
    (tree / "latin.txt").write_bytes("straße secret\r\n".encode("latin-1"))
    (tree / "wide.txt").write_bytes("straße secret\r\n".encode("utf-16"))
    (tree / "binary").write_bytes(b"\0secret\n")
    found = await files.search_files(tree, "stra.e secret$|the secret")
    assert [match.path for match in found.matches] == ["latin.txt", "wide.txt"]


async def test_a_long_line_is_shown_around_its_hit(tree: Path) -> None:
    (tree / "min.js").write_text("x" * 100_000 + "needle" + "y" * 100_000, "utf-8")
    [match] = (await files.search_files(tree, "needle")).matches
    assert "needle" in match.text
    assert len(match.text) == 500


async def test_an_expression_that_never_ends_is_stopped(tree: Path) -> None:
    """The server lives on, the process is gone, and what was found before counts."""
    (tree / "a.txt").write_text("b\n" + "a" * 60 + "!\n", "utf-8")
    found = await files.search_files(tree, r"^b$|^(a+)+$", limit_s=1.5)
    assert found.timed_out
    assert [match.path for match in found.matches] == ["a.txt"]
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tree) not in listing


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "(?P<x>a)(?P<x>b)", "a{99999999999999}"])
async def test_an_expression_that_does_not_compile_is_bad_input(tree: Path, pattern: str) -> None:
    with pytest.raises(InvalidInput, match="does not compile") as caught:
        await files.search_files(tree, pattern)
    assert caught.value.hint
