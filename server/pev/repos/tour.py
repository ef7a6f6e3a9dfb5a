"""A tour of a worktree's plain files, for listing and searching: without git's folder, without caches."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pev.repos.beneath import open_folder, open_root
from pev.repos.names import MAX_PATH_BYTES, TOOL_FOLDERS, fault_of_name, fold

MAX_SEEN: Final = 200_000
_MAX_DEPTH: Final = 200


def tour(root: Path) -> Iterator[tuple[int, str]]:
    """Give every plain file below `root` in order of its path, as an open folder and the file's path.

    The folder is open only until the next step. Links are passed by, and so are names that no tool accepts,
    and whatever lies deeper than 200 folders. Ends after 200,000 files. Raises WorktreeMissing.
    """
    top = open_root(root)
    seen = 0
    try:
        todo = [""]
        while todo and seen < MAX_SEEN:
            with _entered(top, todo.pop()) as (fd, folder):
                files, folders = _look(fd, folder) if fd >= 0 else ([], [])
                for path in files:
                    yield fd, path
            seen += len(files)
            todo += reversed(folders)
    finally:
        os.close(top)


@contextmanager
def _entered(top: int, folder: str) -> Iterator[tuple[int, str]]:
    """Open a folder for the body; one that is gone or cannot be entered has the descriptor -1."""
    try:
        fd = open_folder(top, folder)
    except OSError:
        yield -1, folder
        return
    try:
        yield fd, folder
    finally:
        os.close(fd)


def _look(fd: int, folder: str) -> tuple[list[str], list[str]]:
    files, folders = [], []
    with os.scandir(fd) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if fold(entry.name) == ".git" or fault_of_name(entry.name):
                continue
            if entry.is_file(follow_symlinks=False):
                files.append(path)
            elif entry.is_dir(follow_symlinks=False) and _is_worth(path, entry.name):
                folders.append(path)
    return sorted(files), sorted(folders)


def _is_worth(path: str, name: str) -> bool:
    return name not in TOOL_FOLDERS and path.count("/") < _MAX_DEPTH and len(path) < MAX_PATH_BYTES
