"""Whether a person of this machine has the page open: told by the page's process, read by servers beside it.

What is told is an address that lets nobody in: only the browser that came in by the link has the session.
"""

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_FILE: Final = "page.json"
_MOST: Final = 1_000


class Presence:
    """Tells, as long as this process lives, where the page is. Used as a context; of several, one tells."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE
        self._fd: int | None = None

    def __enter__(self) -> Self:
        """Take the right to tell, if nobody has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take()
        return self

    def _take(self) -> None:
        if self._fd is not None:
            return
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return
        os.ftruncate(fd, 0)
        self._fd = fd

    def tell(self, url: str) -> None:
        """Say that the person came in, and where the page is; the page before may have ended meanwhile."""
        self._take()
        if self._fd is not None:
            os.pwrite(self._fd, json.dumps({"url": url}).encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say nothing more."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def find_page(state_dir: Path) -> str | None:
    """Give the address of a page that a person of this machine has open; None if there is none."""
    try:
        fd = os.open(state_dir / _FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        seen = os.fstat(fd)
        if seen.st_uid != os.getuid() or seen.st_mode & 0o077:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _address(os.pread(fd, _MOST, 0))
        return None  # nobody holds it: the page is gone
    finally:
        os.close(fd)


def _address(raw: bytes) -> str | None:
    try:
        url = json.loads(raw)["url"]
    except (ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) and url.startswith("http://127.0.0.1:") else None
