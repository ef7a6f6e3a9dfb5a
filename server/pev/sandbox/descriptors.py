"""Descriptors that a started program inherits."""

import contextlib
import os
from collections.abc import Iterable


def in_memory(name: str, content: bytes) -> int:
    """Give a descriptor that reads `content` from its beginning."""
    fd = os.memfd_create(f"pev-{name}")
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that may be closed already, or were never opened (-1)."""
    for fd in fds:
        with contextlib.suppress(OSError):
            if fd >= 0:
                os.close(fd)
