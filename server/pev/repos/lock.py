"""Locks between processes and tasks: `flock` on a file, which the kernel drops when its holder dies."""

import fcntl
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from pev.errors import CommandTimedOut, PevError
from pev.repos.storage import storing

_PAUSES_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1)


def try_lock(path: Path) -> int | None:
    """Take the lock of `path`, made if it is absent. Gives a descriptor to close, or None if held."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # the file may have been removed, with its folder, between open and lock
        if os.fstat(fd).st_ino == path.lstat().st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def new_lock(path: Path) -> int:
    """Make the file `path` with its lock held from its first moment; give a descriptor to close.

    For a folder that is the caller's alone: a file of this name is replaced.
    """
    fd, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(name).rename(path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_locked(path: Path) -> bool:
    """Say whether some live process holds the lock of `path`."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@asynccontextmanager
async def locked(path: Path, *, limit_s: float, passing: bool = False) -> AsyncIterator[bool]:
    """Hold the lock of `path` for the body; wait for it at most `limit_s` seconds.

    Gives True if an earlier holder died or was cancelled within: what it was at may be half done. A `passing`
    lock's file is removed afterwards. Raises CommandTimedOut that names the holder.
    """
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = await _wait(path, limit_s)
    try:
        crashed = bool(os.pread(fd, 32, 0))
        os.pwrite(fd, str(os.getpid()).encode("ascii").ljust(12), 0)
        try:
            yield crashed
        except PevError as exc:
            # refused in good order, nothing half done; but a program that was killed may leave something
            if not crashed and not isinstance(exc, CommandTimedOut):
                os.ftruncate(fd, 0)
            raise
        os.ftruncate(fd, 0)
    finally:
        if passing:
            path.unlink(missing_ok=True)
        os.close(fd)


async def _wait(path: Path, limit_s: float) -> int:
    begun = anyio.current_time()
    tries = 0
    while (fd := try_lock(path)) is None:
        if anyio.current_time() - begun > limit_s:
            holder = path.read_text("ascii", "replace").strip() or "unknown"
            raise CommandTimedOut(
                f"{str(path)!r} was not free within {limit_s:g} s: process {holder} holds it",
                hint="Wait for that process to end, then try again.",
            )
        await anyio.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
        tries += 1
    return fd
