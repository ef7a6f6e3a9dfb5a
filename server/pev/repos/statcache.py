"""Remembers which blob a file was, so that an unchanged file need not be read again.

An entry is believed only while device, inode, size, mode and both times are what they were, and it is made
only for a file that had been at rest for a while: a write within one tick of the clock, or through memory
that was mapped before, could otherwise go unseen. On file systems that do not keep such promises (in memory,
over a network) nothing is remembered. The worst that a wrong entry could do is to leave an edit out of a
snapshot; what is judged and shipped is the snapshot.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from pev.models import ObjectId

REST_S: Final = 60.0
"""Longer than the kernel keeps a written page before it watches it again (about 35 s)."""

_STEADY: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "overlay"})
Stamp = tuple[int, int, int, int, int, int]


def stamp_of(info: os.stat_result) -> Stamp:
    """Give what must not have changed for a file to count as unchanged."""
    return (info.st_dev, info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


class StatCache:
    """The remembered files of one worktree, kept in `file`; without one nothing is remembered.

    A file that cannot be read means an empty memory.
    """

    def __init__(self, file: Path | None, root: Path, *, rest_s: float = REST_S) -> None:
        self._file = file if file is not None and is_steady(root) else None
        self._rest_ns = int(rest_s * 1e9)
        self._old: dict[str, tuple[Stamp, ObjectId]] = self._load(self._file) if self._file else {}
        self._new: dict[str, tuple[Stamp, ObjectId]] = {}

    @staticmethod
    def _load(file: Path) -> dict[str, tuple[Stamp, ObjectId]]:
        try:
            stored = json.loads(file.read_bytes())
            return {path: (tuple(stamp), ObjectId(oid)) for path, (stamp, oid) in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def find(self, path: str, info: os.stat_result) -> ObjectId | None:
        """Give the blob that the file at `path` is known to be, or None."""
        known = self._old.get(path)
        if known is None or known[0] != stamp_of(info):
            return None
        self._new[path] = known
        return known[1]

    def note(self, path: str, info: os.stat_result, oid: ObjectId, read_at_ns: int) -> None:
        """Remember a file, if it had rested before it was read at `read_at_ns` (of the system's clock)."""
        if max(info.st_ctime_ns, info.st_mtime_ns) + self._rest_ns < read_at_ns:
            self._new[path] = (stamp_of(info), oid)

    def save(self) -> None:
        """Write down what this walk found, once its objects are stored."""
        if self._file is None or self._new == self._old:
            return
        aside = self._file.with_name(f"{self._file.name}.{os.getpid()}.{time.monotonic_ns()}")
        with suppress(OSError):  # a memory that cannot be kept costs time, not truth
            aside.write_text(json.dumps(self._new), "ascii")
            aside.replace(self._file)


def is_steady(root: Path) -> bool:
    """Say whether the file system of `root` is known to change a file's times with its content."""
    try:
        device = root.stat().st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            fields, _, rest = line.partition(" - ")
            if fields.split(" ")[2] == wanted:
                return rest.split(" ")[0] in _STEADY
    except (OSError, IndexError):
        return False
    return False
