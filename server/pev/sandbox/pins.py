"""Holds on to granted folders that a command may swap: what was checked is what is shown.

A grant below a folder that commands write to can be a link by the time that it is looked at again, planted
by another command of the same worktree. Each such grant is opened without following links and held; what a
mechanism really shows is compared with that before the command begins.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pev.errors import SandboxUnavailable
from pev.sandbox.grants import BLANK
from pev.sandbox.interface import Command

Inode = tuple[int, int]


@contextlib.contextmanager
def pins(command: Command) -> Iterator[dict[Path, Inode]]:
    """Give device and inode of each grant that lies below a writable folder, held for as long.

    Raises SandboxUnavailable for one that a link leads to.
    """
    out = {}
    with contextlib.ExitStack() as stack:
        for path in (*command.writable, *command.readable):
            for root in command.writable:
                if path != root and path.is_relative_to(root):
                    out[path] = _held(root, path, stack)
        yield out


def _held(root: Path, path: Path, stack: contextlib.ExitStack) -> Inode:
    try:
        fd = os.open(root, os.O_PATH | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        for part in path.relative_to(root).parts:
            fd = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            stack.callback(os.close, fd)
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                raise moved(path)
    except OSError as exc:
        raise moved(path) from exc
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def moved(path: Path) -> SandboxUnavailable:
    """Give the refusal of a grant that is not what it was when it was checked."""
    return SandboxUnavailable(
        f"{path} leads elsewhere by a link, or was moved meanwhile", hint="Replace it by a plain folder."
    )


def check_mounts(first: int, command: Command, held: Mapping[Path, Inode]) -> None:
    """Compare what is mounted below writable folders, as the first process inside sees it, with what is held.

    Masks are an empty file of PEV's or empty file systems of their own. Raises SandboxUnavailable.
    """
    blank = BLANK.stat()
    known = {*held.values(), (blank.st_dev, blank.st_ino)}
    for line in Path(f"/proc/{first}/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields, _, kind = line.partition(" - ")
        root, point = (_plain(word) for word in fields.split(" ")[3:5])
        below = any(Path(point) != one and Path(point).is_relative_to(one) for one in command.writable)
        if not below or (root == "/" and kind.startswith("tmpfs ")):
            continue
        try:
            found = os.stat(f"/proc/{first}/root{point}")  # noqa: PTH116 - the root of another process
        except OSError as exc:
            raise moved(Path(point)) from exc
        if (found.st_dev, found.st_ino) not in known:
            raise moved(Path(point))


def _plain(word: str) -> str:
    r"""Undo how mountinfo writes blanks and backslashes: three octal digits."""
    return (
        word.encode("utf-8", "surrogateescape")
        .decode("unicode_escape")
        .encode("latin-1")
        .decode("utf-8", "surrogateescape")
    )
