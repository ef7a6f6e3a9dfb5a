"""Git LFS without git-lfs: pointers read, and their objects taken from the user's own store.

The store is `lfs/objects` in a git directory of the user's. What is taken is opened without following links
and must have the size and the SHA-256 that its pointer says. Nothing is downloaded or uploaded.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from pev.errors import RepoUnusable, SnapshotRefused
from pev.git import Git
from pev.models import ObjectId
from pev.repos.beneath import open_folder, open_plain, open_root
from pev.repos.names import shown
from pev.repos.objects import EXECUTABLE, FILE, Entry
from pev.repos.parts import Pointer

POINTER_BYTES: Final = 1_024
MAX_OBJECT_BYTES: Final = 2 * 2**30
MAX_TOTAL_BYTES: Final = 16 * 2**30
_MARK: Final = b"version https://git-lfs.github.com/spec/"
_POINTER: Final = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"oid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,15})\n"
)
_RULES: Final = ".gitattributes"
_CHUNK: Final = 2**20


def is_pointer(content: bytes) -> bool:
    """Say whether the bytes of a file look like a pointer, well made or not."""
    return len(content) <= POINTER_BYTES and content.startswith(_MARK)


def parse_pointer(path: str, content: bytes, oid: ObjectId, stores: Sequence[Path]) -> Pointer:
    """Read a pointer. Raises RepoUnusable if it is malformed, or names more than 2 GiB."""
    found = _POINTER.fullmatch(content)
    if found is None:
        raise RepoUnusable(
            f"the Git LFS pointer {shown(path)} is malformed", hint="Make it anew: git lfs track, git add."
        )
    size = int(found.group(2))
    if size > MAX_OBJECT_BYTES:
        raise RepoUnusable(
            f"the LFS object of {shown(path)} has {size} bytes, more than {MAX_OBJECT_BYTES}",
            hint="Work in a repository without it.",
        )
    return Pointer(path, oid, found.group(1).decode("ascii"), size, tuple(stores))


def rules_of(listed: Iterable[Entry]) -> list[Entry]:
    """Give the attribute files of a tree."""
    return [one for one in listed if one.path.rpartition("/")[2] == _RULES and one.mode in (FILE, EXECUTABLE)]


def name_lfs(rules: Mapping[str, bytes]) -> bool:
    """Say whether any of these attribute files could give a file to LFS."""
    return any(b"filter=lfs" in rule for rule in rules.values())


async def ruled(
    rules: Mapping[str, bytes], paths: Sequence[str], scratch: Path, object_format: str
) -> frozenset[str]:
    """Give those of the paths that a tree's attribute files give to LFS, as git understands them.

    git is asked in a folder that holds these files alone, with a git directory made for it.
    """
    if not paths or not name_lfs(rules):
        return frozenset()
    home = Path(await anyio.to_thread.run_sync(tempfile.mkdtemp, None, "lfs-", scratch))
    try:
        files = home / "files"
        for path, rule in {_RULES: b"", **rules}.items():
            (files / path).parent.mkdir(parents=True, exist_ok=True)
            (files / path).write_bytes(rule)
        git = Git(home / "git", files)
        await Git(git.git_dir).init(object_format)
        listing = await git.filters(b"".join(b"%b\0" % os.fsencode(path) for path in paths))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(shutil.rmtree, home)
    fields = listing.split(b"\0")[:-1]
    return frozenset(
        os.fsdecode(path) for path, value in zip(fields[::3], fields[2::3], strict=True) if value == b"lfs"
    )


# The user's store


def _open_object(pointer: Pointer) -> int | None:
    """Open the object of a pointer in the first store that has it; links are not followed."""
    for store in pointer.stores:
        try:
            top = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            below = f"lfs/objects/{pointer.sha256[:2]}/{pointer.sha256[2:4]}"
            folder = open_folder(top, below)
            try:
                fd = open_plain(folder, pointer.sha256)
            finally:
                os.close(folder)
        except OSError:
            continue
        finally:
            os.close(top)
        if fd is not None:
            return fd
    return None


def _opened(pointer: Pointer) -> int:
    fd = _open_object(pointer)
    if fd is None:
        raise RepoUnusable(
            f"the LFS object of {shown(pointer.path)} is not in the user's repository: {pointer.sha256}",
            hint="Run `git lfs pull` in the user's checkout, then try again.",
        )
    size = os.fstat(fd).st_size
    if size != pointer.size_bytes:
        os.close(fd)
        raise _damaged(pointer, f"it has {size} bytes, not {pointer.size_bytes}")
    return fd


def _damaged(pointer: Pointer, fault: str) -> RepoUnusable:
    return RepoUnusable(
        f"the LFS object of {shown(pointer.path)} is damaged: {fault}",
        hint="Run `git lfs fsck` and `git lfs pull` in the user's checkout, then try again.",
    )


def check_present(pointers: Sequence[Pointer]) -> None:
    """Raise RepoUnusable, naming the path, if an object is absent, has another size, or all are too large."""
    total = sum(pointer.size_bytes for pointer in pointers)
    if total > MAX_TOTAL_BYTES:
        raise RepoUnusable(
            f"the LFS objects of one tree have {total} bytes, more than {MAX_TOTAL_BYTES}",
            hint="Work in a repository with less.",
        )
    for pointer in pointers:
        os.close(_opened(pointer))


def write_objects(root: Path, pointers: Sequence[Pointer]) -> None:
    """Replace the pointers below `root`, a folder of ours, by their objects; modes stay.

    Raises RepoUnusable if an object is absent or is not what its pointer says.
    """
    check_present(pointers)
    top = open_root(root)
    try:
        for pointer in pointers:
            above, _, name = pointer.path.rpartition("/")
            folder = open_folder(top, above)
            try:
                _replace(folder, name, pointer)
            finally:
                os.close(folder)
    finally:
        os.close(top)


def _replace(folder: int, name: str, pointer: Pointer) -> None:
    source = _opened(pointer)
    try:
        mode = stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        os.unlink(name, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, mode, dir_fd=folder), "wb") as target:  # noqa: PTH123 - a descriptor
            os.fchmod(target.fileno(), mode)
            digest = hashlib.sha256()
            left = pointer.size_bytes
            while left and (chunk := os.read(source, min(_CHUNK, left))):
                digest.update(chunk)
                target.write(chunk)
                left -= len(chunk)
    finally:
        os.close(source)
    if left or digest.hexdigest() != pointer.sha256:
        raise _damaged(pointer, "its content has another SHA-256")


# Snapshots


def has_content(fd: int, pointer: Pointer) -> bool:
    """Say whether an open file has the content that a pointer stands for."""
    if os.fstat(fd).st_size != pointer.size_bytes:
        return False
    digest = hashlib.sha256()
    left = pointer.size_bytes
    while left and (chunk := os.read(fd, min(_CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return not left and not os.read(fd, 1) and digest.hexdigest() == pointer.sha256


def changed(path: str, fact: str) -> SnapshotRefused:
    """Make the error for a file of LFS that a snapshot cannot carry."""
    return SnapshotRefused(
        f"{shown(path)} {fact}, and PEV cannot upload LFS objects",
        hint="Undo this; a person commits it with git-lfs, on the base branch.",
    )
