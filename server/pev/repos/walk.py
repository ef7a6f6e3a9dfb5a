"""Reading a worktree from its files: which belong to a snapshot, and what trees they make.

Nothing of the worktree's own git is read. Folders are entered and files are opened through descriptors
without following links, so what is read lies in the worktree; what may not be carried is refused by name.
"""

import errno
import os
import stat
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pev.errors import SnapshotRefused
from pev.models import ObjectId
from pev.repos.beneath import open_folder, open_plain, open_root
from pev.repos.carried import Carried
from pev.repos.lfs import POINTER_BYTES, changed, has_content, is_pointer
from pev.repos.names import (
    MAX_FILE_BYTES,
    MAX_PATH_BYTES,
    TOOL_FOLDERS,
    check_link,
    check_paths,
    fold,
    refused,
)
from pev.repos.objects import EXECUTABLE, FILE, FOLDER, GITLINK, SYMLINK, Entry
from pev.repos.pack import NewObject, Node, object_id, tree_content
from pev.repos.parts import Pointer
from pev.repos.statcache import StatCache, stamp_of

MAX_FILES: Final = 500_000
MAX_NEW_BYTES: Final = 2 * 2**30
MAX_DEPTH: Final = 200
_TRIES: Final = 3
_CHUNK: Final = 2**20
_SWAPPED: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(slots=True)
class Scan:
    """What a look at some folders found: files that belong, and paths whose fate the rules decide."""

    files: list[str] = field(default_factory=list)
    unknown_files: list[str] = field(default_factory=list)
    unknown_folders: list[str] = field(default_factory=list)


class Walk:
    """One reading of one worktree.

    `tracked` lists the base's tree: what it names belongs to the snapshot whatever the rules say. Objects
    that it names need not be stored again. `algorithm` is that of git's object ids. `carried` are the base's
    sub-modules and LFS pointers.
    """

    def __init__(
        self,
        root: Path,
        tracked: tuple[Entry, ...],
        cache: StatCache,
        algorithm: str,
        carried: Carried | None = None,
    ) -> None:
        self._carried = carried or Carried()
        tracked = (*tracked, *self._carried.entries)
        self._fd = open_root(root)
        self._cache = cache
        self._algorithm = algorithm
        self._folders = {entry.path for entry in tracked if entry.kind == "tree"} | self._carried.folders
        self._files = {entry.path for entry in tracked if entry.kind == "blob"}
        self._links = {entry.path for entry in tracked if entry.mode == GITLINK}
        self._known = {entry.oid for entry in tracked}
        self._nodes: defaultdict[str, list[Node]] = defaultdict(list)
        self._paths: list[str] = []
        self._seen = 0
        self._new_bytes = 0

    def close(self) -> None:
        """Let go of the top folder."""
        os.close(self._fd)

    # Which files

    def scan(self, folders: list[str]) -> Scan:
        """Look into folders, and into those below that the base tracks. Raises SnapshotRefused."""
        found = Scan()
        todo = list(folders)
        while todo:
            todo += self._scan_one(todo.pop(), found)
        return found

    def _scan_one(self, folder: str, found: Scan) -> list[str]:
        if folder.count("/") >= MAX_DEPTH or len(os.fsencode(folder)) > MAX_PATH_BYTES:
            raise refused(folder[:200], "lies too deep")
        try:
            fd = open_folder(self._fd, folder)
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                return []
            raise _unreadable(folder, exc) from exc
        deeper = []
        self._carried.enter(folder)
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if fold(entry.name) == ".git":
                        self._judge_git(folder, entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        if path in self._folders:
                            deeper.append(path)
                        elif entry.name not in TOOL_FOLDERS:
                            found.unknown_folders.append(path)
                    else:
                        (found.files if path in self._files else found.unknown_files).append(path)
                        self._count_file()
        finally:
            os.close(fd)
        return deeper

    def _judge_git(self, folder: str, name: str) -> None:
        """Pass over the `.git` of a checkout; refuse any other, which makes a repository of its folder."""
        outside = not folder or self._carried.may_have_git(folder)
        if not outside or name != ".git":
            raise refused(
                f"{folder}/{name}" if folder else name, "is git's own: a repository within this one"
            )

    def _count_file(self) -> None:
        self._seen += 1
        if self._seen > MAX_FILES:
            raise _too_much(f"{MAX_FILES} files")

    # What is in them

    def read(self, files: list[str], limit_bytes: int) -> list[NewObject]:
        """Read files from the end of the list, and take them off it, until new content exceeds `limit_bytes`.

        Gives the blobs that may have to be stored. Raises SnapshotRefused.
        """
        new: list[NewObject] = []
        size = 0
        while files and size <= limit_bytes:
            folder = files[-1].rpartition("/")[0]
            try:
                fd = open_folder(self._fd, folder)
            except OSError as exc:
                raise _unreadable(folder, exc) from exc
            try:
                while files and size <= limit_bytes and files[-1].rpartition("/")[0] == folder:
                    blob = self._read_one(fd, files.pop())
                    if blob is not None:
                        new.append(blob)
                        size += len(blob.content)
            finally:
                os.close(fd)
        return new

    def _read_one(self, folder: int, path: str) -> NewObject | None:
        """Add one file to its folder's tree; give its blob if it may be new."""
        name = path.rpartition("/")[2]
        if path in self._links:
            raise refused(path, "is a sub-module")
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(info.st_mode):
                return self._read_link(folder, path)
            if not stat.S_ISREG(info.st_mode):
                raise refused(path, "is neither a file nor a folder nor a link")
            mode = EXECUTABLE if info.st_mode & stat.S_IXUSR else FILE
            pointer = self._carried.pointer(path)
            if pointer is not None:
                self._read_large(folder, pointer, info)
                return None
            known = self._cache.find(path, info)
            if known is not None:
                self._place(path, mode, known)
                return None
            begun = time.time_ns()
            content, info = _content(folder, name, path)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        mode = EXECUTABLE if info.st_mode & stat.S_IXUSR else FILE
        blob = self._add(path, mode, content)
        self._cache.note(path, info, blob.oid, begun)
        return self._if_new(blob)

    def _read_large(self, folder: int, pointer: Pointer, info: os.stat_result) -> None:
        """Carry the pointer of a file that has the content it stands for, or is the pointer itself."""
        key = f"\0lfs/{pointer.path}"  # remembers a digest, not a blob: no path begins so
        if self._cache.find(key, info) != pointer.sha256:
            begun = time.time_ns()
            fd = open_plain(folder, pointer.path.rpartition("/")[2])
            if fd is None:
                raise refused(pointer.path, "was changed while it was read")
            try:
                info = os.fstat(fd)
                content = os.pread(fd, POINTER_BYTES + 1, 0)
                same = object_id("blob", content, self._algorithm) == pointer.oid
                if not same and not has_content(fd, pointer):
                    raise changed(pointer.path, "is a file of Git LFS that was changed")
                if stamp_of(os.fstat(fd)) != stamp_of(info):
                    raise refused(pointer.path, "is being written")
            finally:
                os.close(fd)
            if not same:
                self._cache.note(key, info, ObjectId(pointer.sha256), begun)
        mode = EXECUTABLE if info.st_mode & stat.S_IXUSR else FILE
        self._place(pointer.path, mode, pointer.oid)

    def _read_link(self, folder: int, path: str) -> NewObject | None:
        target = os.readlink(path.rpartition("/")[2], dir_fd=folder)
        check_link(path, target)
        return self._if_new(self._add(path, SYMLINK, os.fsencode(target)))

    def _add(self, path: str, mode: str, content: bytes) -> NewObject:
        blob = NewObject("blob", object_id("blob", content, self._algorithm), content)
        if self._carried.lfs and is_pointer(content) and blob.oid not in self._known:
            raise changed(path, "is a new pointer of Git LFS")
        self._place(path, mode, blob.oid)
        return blob

    def _place(self, path: str, mode: str, oid: ObjectId) -> None:
        self._paths.append(path)
        if self._carried.take(path, mode, oid):
            return
        folder, _, name = path.rpartition("/")
        self._nodes[folder].append(Node(name, mode, oid))

    def _if_new(self, one: NewObject) -> NewObject | None:
        if one.oid in self._known:
            return None
        self._known.add(one.oid)
        self._new_bytes += len(one.content)
        if self._new_bytes > MAX_NEW_BYTES:
            raise _too_much(f"{MAX_NEW_BYTES} bytes of new content")
        return one

    # The trees

    def trees(self) -> tuple[ObjectId, list[NewObject]]:
        """Give the id of the top tree, and the trees that may have to be stored. Raises SnapshotRefused."""
        for above, link in self._carried.finish():
            self._nodes[above].append(link)
            self._paths.append(f"{above}/{link.name}" if above else link.name)
        check_paths(self._paths)
        new = []
        oid = ObjectId("")
        for folder in self._folders_deepest_first():
            content = tree_content(self._nodes[folder])
            oid = object_id("tree", content, self._algorithm)
            tree = self._if_new(NewObject("tree", oid, content))
            if tree is not None:
                new.append(tree)
            if folder:
                above, _, name = folder.rpartition("/")
                self._nodes[above].append(Node(name, FOLDER, oid))
        return oid, new

    def _folders_deepest_first(self) -> list[str]:
        """Every folder with a file at or below it, and the top as the last."""
        folders = {""}
        for folder in self._nodes:
            while folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]  # noqa: PLW2901 - climbs to the top
        return sorted(folders, key=lambda path: -(path.count("/") + 1 if path else 0))


def _too_much(what: str) -> SnapshotRefused:
    return SnapshotRefused(
        f"the worktree has more than {what}",
        hint="Remove what was generated, or let the trusted ref's .gitignore name it.",
    )


def _content(folder: int, name: str, path: str) -> tuple[bytes, os.stat_result]:
    """Read a file that does not change meanwhile, and give what it looked like. Raises SnapshotRefused."""
    for _ in range(_TRIES):
        fd = open_plain(folder, name)
        if fd is None:
            raise refused(path, "was changed while it was read")
        try:
            before = os.fstat(fd)
            if before.st_size > MAX_FILE_BYTES:
                raise refused(path, f"has {before.st_size} bytes, more than {MAX_FILE_BYTES}")
            content = _read_all(fd, before.st_size)
            if stamp_of(os.fstat(fd)) == stamp_of(before) and len(content) == before.st_size:
                return content, before
        finally:
            os.close(fd)
    raise refused(path, "is being written")


def _read_all(fd: int, size: int) -> bytes:
    """Read `size` bytes, or to an earlier end."""
    content = os.read(fd, size)
    while len(content) < size and (chunk := os.read(fd, min(_CHUNK, size - len(content)))):
        content += chunk
    return content


def _unreadable(path: str, exc: OSError) -> SnapshotRefused:
    if exc.errno in _SWAPPED:
        return refused(path or ".", "was changed while it was read")
    return refused(path or ".", f"cannot be read: {exc.strerror}")
