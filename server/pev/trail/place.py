"""Where the trail's file may lie: a folder of the user's own, on a file system with real locks.

SQLite's write-ahead log needs shared memory and working locks, which network file systems do not give
(https://www.sqlite.org/wal.html). So the type of the file system is looked up, and those are refused.
"""

import ctypes
import os
import re
import sys
import threading
from pathlib import Path
from typing import Final

from pev.errors import TrailUnavailable

MOUNTS: Final = Path("/proc/self/mounts")
NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "coda", "webdav", "davfs"),
        *("ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "ocfs2", "acfs"),
        *("9p", "drvfs", "vboxsf", "vmhgfs", "prl_fs", "osxfs", "macfuse"),
        *("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.juicefs", "fuse.seaweedfs"),
        *("fuse.ceph", "fuse.glusterfs", "fuse.davfs", "fuse.davfs2", "fuse.grpcfuse"),
    }
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_CREATING: Final = threading.Lock()
_DARWIN_STATFS_BYTES: Final = 4096
_DARWIN_FSTYPE_AT: Final = 72
_DARWIN_FSTYPE_BYTES: Final = 16


def prepare_place(path: Path) -> None:
    """Make the folders (mode 0700) and the empty file (0600) for a trail, and tighten an existing file.

    Raises TrailUnavailable if the place is on a network file system, or cannot be made.
    """
    try:
        refuse_network(next(one for one in path.parents if one.exists()))
        _make_folders(path.parent)
        _make_file(path)
    except OSError as exc:
        raise TrailUnavailable(
            f"trail {str(path)!r} cannot be made: {exc.strerror or exc}",
            hint="Choose a state directory that you can write to: PEV_STATE_DIR.",
        ) from exc


def refuse_network(folder: Path) -> None:
    """Raise TrailUnavailable if `folder` is on a file system that reaches over a network."""
    found = file_system_type(folder)
    if found in NETWORK:
        raise TrailUnavailable(
            f"folder {str(folder)!r} is on a network file system ({found})",
            hint="Choose a state directory on a local disk: PEV_STATE_DIR.",
        )


def file_system_type(folder: Path) -> str:
    """Give the type of the file system that `folder` is on, as its platform names it; empty if unknown."""
    if sys.platform == "darwin":
        return _darwin_type(folder)
    try:
        table = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return type_in_mounts(table, folder.resolve())


def type_in_mounts(table: str, folder: Path) -> str:
    """Find the type of `folder`'s file system in a mount table (proc(5)): the deepest and latest counts."""
    best, depth = "", 0
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1]))
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            best, depth = fields[2], len(point.parts)
    return best


def type_in_statfs(buffer: bytes) -> str:
    """Read `f_fstypename` out of a `struct statfs` of macOS (statfs(2), 64-bit inodes)."""
    field = buffer[_DARWIN_FSTYPE_AT : _DARWIN_FSTYPE_AT + _DARWIN_FSTYPE_BYTES]
    return field.split(b"\0", 1)[0].decode("ascii", "replace")


def _darwin_type(folder: Path) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    # Intel Macs keep the old layout under the plain name
    statfs = getattr(libc, "statfs$INODE64", None) or libc.statfs
    buffer = ctypes.create_string_buffer(_DARWIN_STATFS_BYTES)
    return type_in_statfs(buffer.raw) if statfs(os.fsencode(folder), buffer) == 0 else ""


def _make_folders(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(0, "its folder is not a folder")


def _make_file(path: Path) -> None:
    # Closing any descriptor of a database drops this process's locks on it, so the file is only opened
    # here when it is new (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    with _CREATING:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            status = path.stat()
            if status.st_mode & 0o077 and status.st_uid == os.geteuid():
                path.chmod(0o600)
