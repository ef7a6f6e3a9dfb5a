"""Opening what lies beneath one folder, and never anything else.

Every step goes through the descriptor of the folder above it, without following links, so that a folder that
is swapped for a link between two steps is noticed and not entered.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pev.errors import PathEscapes, WorktreeMissing
from pev.repos.names import MAX_PATH_BYTES, fault_of_name, fold

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAX_LINKS: Final = 40
_SWAPPED: Final = (errno.ELOOP, errno.ENOTDIR)


def _escapes(path: str, fact: str) -> PathEscapes:
    shown = path[:200].encode("utf-8", "backslashreplace").decode()
    return PathEscapes(
        f"path {shown!r} {fact}", hint="Give a path inside the worktree, with / between names."
    )


def open_root(root: Path) -> int:
    """Open the top folder. Raises WorktreeMissing if it is gone, or is a link or a file."""
    try:
        return os.open(root, _FOLDER)
    except OSError as exc:
        raise WorktreeMissing(
            f"{str(root)!r} cannot be opened: {exc.strerror}", hint="Make the worktree anew: make_worktree."
        ) from exc


def open_folder(root: int, path: str) -> int:
    """Open the folder at `path` (`""` is the top) through real folders only. Raises OSError."""
    fd = os.dup(root)
    for name in path.split("/") if path else ():
        above = fd
        try:
            fd = os.open(name, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return fd


def open_plain(folder: int, name: str) -> int | None:
    """Open a plain file for reading; None if there is anything else under that name. Raises OSError."""
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError as exc:
        if exc.errno in (*_SWAPPED, errno.ENXIO):
            return None
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def read_plain(root: Path, path: str, limit: int) -> bytes | None:
    """Read at most `limit` bytes of a plain file beneath a folder; None if something else stands there.

    Raises OSError, PathEscapes, WorktreeMissing.
    """
    with parent_of(root, path) as (folder, name):
        fd = open_plain(folder, name)
    if fd is None:
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(limit)


def parts_of(path: str) -> list[str]:
    """Split a relative path into its names. Raises PathEscapes if it could leave the top folder."""
    if "\0" in path:
        raise _escapes(path, "holds a NUL")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError as exc:
        raise _escapes(path, "is not UTF-8") from exc
    if size > MAX_PATH_BYTES:
        raise _escapes(path, f"has more than {MAX_PATH_BYTES} bytes")
    if path.startswith("/"):
        raise _escapes(path, "is absolute")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _escapes(path, "holds ..")
    for part in parts:
        _check_name(part, path)
    return parts


def _check_name(name: str, path: str) -> None:
    if fold(name) == ".git":
        raise _escapes(path, "names git's own directory")
    fault = fault_of_name(name)
    if fault:
        raise _escapes(path, fault)
    if len(os.fsencode(name)) > 255:
        raise _escapes(path, "has a name of more than 255 bytes")


@contextmanager
def parent_of(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Open the folder that holds `path`, links inside followed, and give it with the last name.

    The name given is never a link; it need not exist, and is `.` for the top folder. With `make`, missing
    folders are made. Raises PathEscapes for whatever leads out, FileNotFoundError or NotADirectoryError
    for what is not there, and WorktreeMissing.
    """
    walk = _Walk(root, path, make=make)
    try:
        yield walk.descend()
    finally:
        walk.close()


class _Walk:
    """One resolution: a stack of open folders, and the names still to go."""

    def __init__(self, root: Path, path: str, *, make: bool) -> None:
        self._path = path
        self._todo = parts_of(path)[::-1]
        self._make = make
        self._links = 0
        self._open = [open_root(root)]

    def close(self) -> None:
        """Close every folder that is open."""
        for fd in self._open:
            os.close(fd)

    def descend(self) -> tuple[int, str]:
        """Go all the way down; give the last folder and the name in it."""
        while self._todo:
            name = self._todo.pop()
            if name == "..":
                self._up()
            elif (link := self._link_at(name)) is not None:
                self._follow(link)
            elif self._todo:
                self._enter(name)
            else:
                return self._open[-1], name
        return self._open[-1], "."

    def _up(self) -> None:
        if len(self._open) == 1:
            raise _escapes(self._path, "leads out of the worktree through a link")
        os.close(self._open.pop())

    def _link_at(self, name: str) -> str | None:
        try:
            return os.readlink(name, dir_fd=self._open[-1])
        except FileNotFoundError:
            return None
        except OSError as exc:
            if exc.errno == errno.EINVAL:
                return None
            raise

    def _follow(self, target: str) -> None:
        self._links += 1
        if target.startswith("/"):
            raise _escapes(self._path, "leads out of the worktree through a link")
        if self._links > _MAX_LINKS:
            raise _escapes(self._path, f"goes through more than {_MAX_LINKS} links")
        names = [name for name in target.split("/") if name not in ("", ".")]
        for name in names:
            if name != "..":
                _check_name(name, self._path)
        self._todo += names[::-1]

    def _enter(self, name: str) -> None:
        here = self._open[-1]
        if self._make:
            with suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=here)
        try:
            self._open.append(os.open(name, _FOLDER, dir_fd=here))
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise _escapes(self._path, "was changed while it was looked up") from exc
            raise
