"""Opening beneath a folder: whatever the path and whatever links lie there, nothing outside is reached."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pev.errors import PathEscapes, PevError, WorktreeMissing
from pev.repos.beneath import open_plain, open_root, parent_of, parts_of

SECRET = "secret of another folder"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worktree full of links, beside a folder that must not be reached."""
    top = tmp_path_factory.mktemp("world")
    outside, tree = top / "outside", top / "tree"
    (outside / "deep").mkdir(parents=True)
    for folder in (outside, outside / "deep", top):
        (folder / "secret").write_text(SECRET, "utf-8")
    (tree / "a" / "b").mkdir(parents=True)
    (tree / ".git").mkdir()
    (tree / ".git" / "config").write_text(SECRET, "utf-8")
    for path in ("file", "a/file", "a/b/file"):
        (tree / path).write_text("inside", "utf-8")
    links = {
        "absolute": str(outside),
        "up": "..",
        "a/out": "../../outside",
        "a/b/top": "../..",
        "a/b/sly": "top/../outside",
        "inner": "a/b",
        "a/here": "./file",
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "gitdir": ".git",
        "dangling": "nowhere",
    }
    for path, target in links.items():
        (tree / path).symlink_to(target)
    os.mkfifo(tree / "pipe")
    return tree


def _read(root: Path, path: str) -> str | None:
    """Read a file as the tools do."""
    with parent_of(root, path) as (folder, name):
        fd = open_plain(folder, name)
        if fd is None:
            return None
        with os.fdopen(fd, "rb") as file:
            return file.read().decode()


_parts = st.sampled_from(
    [
        "a",
        "b",
        "file",
        "secret",
        "outside",
        "deep",
        "absolute",
        "up",
        "out",
        "top",
        "sly",
        "inner",
        "here",
        "loop",
        "ping",
        "gitdir",
        "dangling",
        "pipe",
        "..",
        ".",
        "",
        ".git",
        ".GIT",
        "config",
        "a\x00",
        "x" * 300,
        "\ud800",
    ]
)


@pytest.mark.long_search
@given(parts=st.lists(_parts, min_size=1, max_size=8), lead=st.sampled_from(["", "/", "./", "../"]))
@settings(max_examples=400, deadline=None)
def test_no_path_reaches_anything_outside(world: Path, parts: list[str], lead: str) -> None:
    """Not by .., not by links, not by links through links; nor git's own folder."""
    try:
        text = _read(world, lead + "/".join(parts))
    except (PevError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    assert text in (None, "inside")


@given(parts=st.lists(_parts, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_what_is_resolved_is_what_the_system_resolves(world: Path, parts: list[str]) -> None:
    """Where a path is let through, it is the file that anybody else would see under it."""
    path = "/".join(parts)
    try:
        text = _read(world, path)
    except (PevError, OSError):
        return
    if text is not None:
        assert (world / path).resolve().is_relative_to(world)
        assert (world / path).read_text("utf-8") == text


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/secret",
        "/etc/passwd",
        "a/../../secret",
        "a\x00b",
        "absolute/secret",
        "up/secret",
        "a/out/secret",
        "a/b/sly/secret",
        "gitdir/config",
        ".git/config",
        "A/../.GIT/config",
        "loop",
        "ping/x",
        "x" * 256,
        "a/" * 3000,
    ],
)
def test_a_path_that_leads_out_is_refused(world: Path, path: str) -> None:
    with pytest.raises(PathEscapes):
        _read(world, path)


@pytest.mark.parametrize("path", ["file", "./a//file", "inner/file", "a/here", "a/b/top/a/file"])
def test_links_inside_are_followed(world: Path, path: str) -> None:
    assert _read(world, path) == "inside"


def test_a_pipe_is_not_waited_for(world: Path) -> None:
    """Opening a pipe for reading would hang the server until somebody writes."""
    assert _read(world, "pipe") is None


def test_a_folder_swapped_for_a_link_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and opening, an agent can replace a folder by a link out."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "d").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text(SECRET, "utf-8")
    readlink = os.readlink

    def swapping(path: str, *, dir_fd: int | None = None) -> str:
        try:
            return readlink(path, dir_fd=dir_fd)
        finally:
            if path == "d" and (tree / "d").is_dir() and not (tree / "d").is_symlink():
                (tree / "d").rmdir()
                (tree / "d").symlink_to(outside)

    monkeypatch.setattr(os, "readlink", swapping)
    with pytest.raises((PathEscapes, NotADirectoryError)):
        _read(tree, "d/secret")


def test_making_folders_goes_through_no_link_out(world: Path) -> None:
    with pytest.raises(PathEscapes), parent_of(world, "a/out/new/file", make=True):
        pass
    assert not (world.parent / "outside" / "new").exists()


def test_a_missing_worktree_has_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for gone in (tmp_path / "gone", tmp_path / "link"):
        with pytest.raises(WorktreeMissing):
            open_root(gone)


def test_the_parts_of_a_path() -> None:
    assert parts_of("./a//b/.") == ["a", "b"]
    assert parts_of("") == []


def _descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """Whatever is refused, what was opened is closed again."""
    before = _descriptors()
    yield
    assert len(_descriptors() - before) <= 1
