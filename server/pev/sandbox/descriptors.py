"""Descriptors that a started program inherits, or is itself."""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_MAY_RUN: Final = 0x10  # MFD_EXEC, since Linux 6.3
_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def in_memory(name: str, content: bytes) -> int:
    """Give a descriptor that reads `content` from its beginning."""
    fd = os.memfd_create(f"pev-{name}")
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def sealed_copy(program: Path) -> int:
    """Give a descriptor of a copy of a program in memory that nobody can change any more. Raises OSError.

    It is started as `/proc/PID/fd/N` by our own process id, so that no started program inherits it.
    """
    content = program.read_bytes()
    try:
        fd = os.memfd_create("pev-program", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | _MAY_RUN)
    except OSError:
        fd = os.memfd_create("pev-program", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, 0o500)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that may be closed already, or were never opened (-1)."""
    for fd in fds:
        with contextlib.suppress(OSError):
            if fd >= 0:
                os.close(fd)
