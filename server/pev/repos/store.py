"""Objects of one git directory of ours: trees, files and changes read, trees written out, commits made.

Everything is addressed by ids or by names that were checked. Files are written from blobs as they are: no
filter, no attribute, no line ending is applied.
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import anyio

from pev.errors import CommandFailed, FileRefused, RefNotFound, RepoUnusable, SnapshotRefused
from pev.git import Git, check_revision
from pev.models import ObjectId
from pev.repos.names import check_link, check_paths, refused
from pev.repos.objects import (
    GITLINK,
    SYMLINK,
    Change,
    DiffStat,
    Entry,
    parse_changed_lines,
    parse_contents,
    parse_numstat,
    parse_raw,
    parse_tree,
)
from pev.repos.pack import NewObject, write_pack
from pev.repos.parts import LFS_HELP, NOTHING, SUBMODULES_HELP, Accepted, Parts
from pev.repos.storage import storing

_REMEMBERED: Final = 8
_REMEMBERED_BYTES: Final = 8 * 2**20
_SMALL: Final = 2**19
_LOOSE_UP_TO: Final = 100
_RULES: Final = 2
"""Number of the rules in `check_tree` and `refuse_foreign`: with another one, all is asked anew."""
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_LFS_POINTER_BYTES: Final = 1_024


class ObjectStore:
    """Reads and writes objects through one git directory.

    `author` is the name and the address of the bot that makes our commits. What is immutable (trees and
    small files by their ids) is remembered, a few at a time.
    """

    def __init__(self, git: Git, author: tuple[str, str], object_format: str = "sha1") -> None:
        self.git = git
        self.object_format = object_format
        self.author = author
        self.accepted = Accepted()
        self._listings: dict[str, tuple[Entry, ...]] = {}
        self._small: dict[ObjectId, bytes] = {}
        self._sound: set[str] = set()
        self._tree_of: dict[str, ObjectId] = {}

    async def tree_of(self, commit: str) -> ObjectId:
        """Give the tree of a commit. Raises RefNotFound."""
        if commit not in self._tree_of:
            self._tree_of[commit] = await self._find(f"{commit}^{{tree}}", f"commit {commit!r}")
        return self._tree_of[commit]

    async def parent_of(self, commit: str) -> ObjectId:
        """Give the first parent of a commit. Raises RefNotFound for one without."""
        return await self._find(f"{commit}^1^{{commit}}", f"a parent of commit {commit!r}")

    async def _find(self, name: str, called: str) -> ObjectId:
        words = os.fsdecode(await self.git.look_up([name])).split()
        if len(words) != 3 or not words[2].isdigit():
            raise RefNotFound(f"{called} is not in the repository", hint="Name a commit that exists.")
        return ObjectId(words[0])

    async def listing(self, tree: str) -> tuple[Entry, ...]:
        """List everything in a tree with its sizes, folders included."""
        if tree not in self._listings:
            listed = parse_tree(await self.git.list_tree(tree))
            while len(self._listings) >= _REMEMBERED:
                del self._listings[next(iter(self._listings))]
            self._listings[tree] = listed
        return self._listings[tree]

    async def entries(self, tree: str, path: str | None = None) -> tuple[Entry, ...]:
        """List the files, links and sub-modules of a tree, or those at or below `path`, with sizes."""
        below = path.rstrip("/") if path else ""
        return tuple(
            entry
            for entry in await self.listing(tree)
            if entry.kind != "tree"
            and (not below or entry.path == below or entry.path.startswith(f"{below}/"))
        )

    async def read_blob(self, treeish: str, path: str) -> bytes | None:
        """Give the bytes of one file, or a link's target; None if `treeish` has no file there."""
        return (await self.read_blobs(treeish, [path]))[path]

    async def read_blobs(self, treeish: str, paths: Iterable[str]) -> dict[str, bytes | None]:
        """Give the bytes of several files at once, as `read_blob` does for one."""
        wanted = list(paths)
        if any("\n" in path or "\0" in path for path in wanted):
            raise FileRefused("a path holds a line feed or a NUL", hint="Name a file of the tree.")
        if treeish in self._listings:
            return await self._read_listed(treeish, wanted)
        # git would read . and .. as relative to a working directory
        asked = [path for path in wanted if not {".", ".."} & set(path.split("/"))]
        output = await self.git.contents([f"{treeish}:{path}" for path in asked]) if asked else b""
        found = dict(zip(asked, parse_contents(output), strict=True))
        blobs = {path: one.data for path, one in found.items() if one and one.kind == "blob"}
        return {path: blobs.get(path) for path in wanted}

    async def _read_listed(self, tree: str, wanted: list[str]) -> dict[str, bytes | None]:
        """Read files of a tree whose listing is at hand; small ones are remembered by their ids."""
        asked = set(wanted)
        listed = self._listings[tree]
        named = {one.path: one.oid for one in listed if one.path in asked and one.kind == "blob"}
        known = {oid: self._small[oid] for oid in named.values() if oid in self._small}
        fresh = await self.blobs(oid for oid in named.values() if oid not in known)
        self._remember(fresh)
        known |= fresh
        return {path: known[named[path]] if path in named else None for path in wanted}

    def _remember(self, fresh: dict[ObjectId, bytes]) -> None:
        self._small |= {oid: data for oid, data in fresh.items() if len(data) <= _SMALL}
        kept = sum(map(len, self._small.values()))
        while kept > _REMEMBERED_BYTES:
            kept -= len(self._small.pop(next(iter(self._small))))

    async def blobs(self, oids: Iterable[ObjectId]) -> dict[ObjectId, bytes]:
        """Give the contents of blobs by their ids. Raises CommandFailed if one is missing."""
        wanted = list(dict.fromkeys(oids))
        if not wanted:
            return {}
        found = {one.oid: one.data for one in parse_contents(await self.git.contents(wanted)) if one}
        if len(found) != len(wanted):
            raise CommandFailed(f"{len(wanted) - len(found)} objects are missing", hint="Run `pev doctor`.")
        return found

    # Changes

    async def changes(self, old_tree: str, new_tree: str) -> tuple[Change, ...]:
        """List the paths that differ between two trees, renames detected."""
        return parse_raw(await self.git.diff("raw", old_tree, new_tree))

    async def diff(self, old: str, new: str, *, limit_bytes: int, paths: Sequence[str] = ()) -> str:
        """Give the patch between two trees, at most `limit_bytes`, the middle cut out with a mark."""
        patch = await self.git.patch(old, new, limit_bytes=limit_bytes, paths=paths)
        return patch.decode("utf-8", "replace")

    async def diff_stat(self, old: str, new: str) -> DiffStat:
        """Count the lines added and removed in each file."""
        return parse_numstat(await self.git.diff("numstat", old, new))

    async def changed_lines(self, old: str, new: str) -> dict[str, frozenset[int]]:
        """Give, for each file, the numbers of added or changed lines as the new side counts them, from 1."""
        return parse_changed_lines(await self.git.diff("bare", old, new))

    # What a tree only names

    async def parts(self, tree: str) -> Parts:
        """Give the sub-modules and LFS pointers of a tree, as far as they are accepted: here, none."""
        return NOTHING

    async def check_present(self, tree: str) -> None:
        """Raise RepoUnusable if the content of an accepted LFS pointer of a tree is not on this disk."""

    async def write_parts(self, tree: str, into: Path) -> None:
        """Add the files of sub-modules, and the content of LFS pointers, to a tree that was written out."""

    # Writing out

    async def check_tree(self, tree: str) -> None:
        """Raise SnapshotRefused, naming the path, if a tree holds what may not be written out.

        That is: a sub-module that is not accepted, a link that leads out, names that collide but for case,
        hold control characters, or are git's own. What is in accepted sub-modules is checked with the rest.
        """
        if tree in self._sound:
            return
        parts = await self.parts(tree)
        listed = (*await self.listing(tree), *parts.entries)
        await anyio.to_thread.run_sync(check_paths, [entry.path for entry in listed])
        for entry in listed:
            if entry.mode == GITLINK and not self.accepted.submodules:
                raise refused(entry.path, "is a sub-module", SUBMODULES_HELP)
        links = [entry for entry in listed if entry.mode == SYMLINK]
        targets = await self.blobs(entry.oid for entry in links)
        for entry in links:
            check_link(entry.path, os.fsdecode(targets[entry.oid]))
        self._sound.add(tree)

    async def refuse_foreign(self, tree: str) -> None:
        """Raise RepoUnusable if a tree has sub-modules or LFS pointers that are not accepted or not here."""
        listed = (*await self.listing(tree), *(await self.parts(tree)).entries)
        for entry in listed:
            if entry.mode == GITLINK and not self.accepted.submodules:
                raise RepoUnusable(f"the repository has a sub-module at {entry.path!r}", hint=SUBMODULES_HELP)
        if self.accepted.lfs:
            await self.check_present(tree)
            return
        ruled = [entry for entry in listed if entry.path.rpartition("/")[2] == ".gitattributes"]
        rules = await self.blobs(entry.oid for entry in ruled if entry.kind == "blob")
        if not any(b"filter=lfs" in rule for rule in rules.values()):
            return
        small = [one for one in listed if one.kind == "blob" and (one.size or 0) <= _LFS_POINTER_BYTES]
        contents = await self.blobs(entry.oid for entry in small)
        for entry in small:
            if contents[entry.oid].startswith(_LFS_POINTER):
                raise RepoUnusable(
                    f"the file {entry.path!r} is a Git LFS pointer",
                    hint=LFS_HELP,
                )

    async def vouch(self, commit: str) -> bool:
        """Raise RefNotFound, RepoUnusable or SnapshotRefused unless a worktree can be made of a commit.

        Says whether its tree names parts that it does not hold. What was found sound once is remembered in
        the git directory, with what was accepted then: bases are asked for again and again.
        """
        mark = self.git.git_dir / "pev-sound" / check_revision(commit)
        rules = f"{_RULES} {self.accepted}"
        if mark.is_file() and (known := mark.read_text("utf-8", "replace")).startswith(f"{rules}\n"):
            return known != f"{rules}\nwhole\n"
        tree = await self.tree_of(commit)
        await self.refuse_foreign(tree)
        await self.check_tree(tree)
        whole = await self.parts(tree) == NOTHING
        with storing(mark.parent):
            mark.parent.mkdir(exist_ok=True, mode=0o700)
            mark.write_text(f"{rules}\n{'whole' if whole else 'parts'}\n", "utf-8")
        return not whole

    async def materialise(self, tree: str, into: Path) -> None:
        """Write the files of a tree into the empty folder `into`, each with the bytes of its blob.

        Executable bits and links that stay inside are kept; accepted sub-modules and LFS objects are
        written too. Raises SnapshotRefused as `check_tree` does, FileRefused if the folder is not empty,
        and RepoUnusable if what the tree names is not on this disk.
        """
        await self.check_tree(tree)
        if any(into.iterdir()):
            raise FileRefused(f"{str(into)!r} is not empty", hint="Give a new folder.")
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.scratch_dir) as home:
            await self.git.at(into, Path(home) / "index").check_out(tree)
        await self.write_parts(tree, into)

    @property
    def scratch_dir(self) -> Path:
        """A folder of ours for temporary files, within the git directory."""
        path = self.git.git_dir / "pev-tmp"
        with storing(path):
            path.mkdir(exist_ok=True, mode=0o700)
        return path

    # Writing

    async def commit(self, tree: str, parents: Sequence[str], message: str) -> ObjectId:
        """Make a commit as the configured bot and give its id; no ref points at it yet."""
        return ObjectId(await self.git.commit_tree(tree, parents, message, self.author))

    async def add(self, objects: Sequence[NewObject]) -> None:
        """Store new objects; git checks each. Raises SnapshotRefused if it finds one malformed."""
        if not objects:
            return
        pack = await anyio.to_thread.run_sync(write_pack, objects, self.object_format)
        done = await self.git.store(pack, loose=len(objects) <= _LOOSE_UP_TO)
        if not done.ok:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise SnapshotRefused(
                f"git refuses an object: {said or done.ending.value}",
                hint="Look for odd file names, and for room on the disk.",
            )
