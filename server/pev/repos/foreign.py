"""Sub-modules and LFS objects of one user's repository: found, copied where git needs them, written out.

Only what the operator accepts is looked for, and only on this disk. The tree of a sub-module's commit is
copied into the depot, every object checked, without its history; the ref `refs/pev/submodules/<commit>`
keeps it. LFS objects stay where they are and are read when files are written.
"""

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread

from pev.errors import RepoUnusable
from pev.models import ObjectId
from pev.proc import Completed
from pev.repos import lfs
from pev.repos.names import shown
from pev.repos.objects import EXECUTABLE, FILE, GITLINK, Entry
from pev.repos.parts import NOTHING, Accepted, Graft, Parts, Pointer
from pev.repos.source import UserRepo
from pev.repos.storage import storing
from pev.repos.store import ObjectStore
from pev.repos.submodules import MAX_COUNT, MAX_DEPTH, Home, borrowing, find_tree, read_names, real_folder

KEPT: Final = "refs/pev/submodules"
_REMEMBERED: Final = 8
TakeIn = Callable[[Path, list[str]], Awaitable[Completed]]


@dataclass(frozen=True, slots=True)
class _Unit:
    """One repository's part of a whole tree: where it begins, its own tree and its home."""

    prefix: str
    tree: ObjectId
    home: Home


class Foreign:
    """Finds the parts of trees. `take_in` fetches refs from a git directory into the store's."""

    def __init__(self, store: ObjectStore, repo: UserRepo, accepted: Accepted, take_in: TakeIn) -> None:
        self._store = store
        self._home = Home.of(repo)
        self._accepted = accepted
        self._take_in = take_in
        self._found: dict[str, Parts] = {}

    async def parts(self, tree: str) -> Parts:
        """Give the sub-modules and pointers of a tree, as far as they are accepted.

        Raises RepoUnusable, naming path and commit, for a sub-module that is not on this disk, and for
        malformed pointers.
        """
        if self._accepted == Accepted():
            return NOTHING
        if tree not in self._found:
            found = await self._find(ObjectId(tree))
            while len(self._found) >= _REMEMBERED:
                del self._found[next(iter(self._found))]
            self._found[tree] = found
        return self._found[tree]

    async def _find(self, tree: ObjectId) -> Parts:
        units = [_Unit("", tree, self._home)]
        grafts: list[Graft] = []
        if self._accepted.submodules:
            known: dict[str, ObjectId] | None = None
            for unit in units:  # grows while it is gone through: sub-modules within sub-modules
                listed = await self._store.listing(unit.tree)
                links = [entry for entry in listed if entry.mode == GITLINK]
                if not links:
                    continue
                known = await self._kept() if known is None else known
                names = await self._names(listed)
                for link in links:
                    inner = unit.home.below(link.path, names.get(link.path))
                    graft = await self._graft(f"{unit.prefix}{link.path}", link.oid, inner, known)
                    grafts.append(graft)
                    units.append(_Unit(f"{graft.path}/", graft.tree, inner))
                    _refuse_tower(units, graft, depth=sum(_holds(one, graft) for one in grafts))
        pointers = [one for unit in units for one in await self._pointers(unit)] if self._accepted.lfs else []
        return Parts(tuple(grafts), tuple(pointers))

    # Sub-modules

    async def _kept(self) -> dict[str, ObjectId]:
        listing = os.fsdecode(await self._store.git.refs(KEPT))
        lines = (line.split(" ") for line in listing.splitlines())
        return {words[1].rpartition("/")[2]: ObjectId(words[0]) for words in lines}

    async def _names(self, listed: Iterable[Entry]) -> dict[str, str]:
        rules = [one for one in listed if one.path == ".gitmodules" and one.mode in (FILE, EXECUTABLE)]
        if not rules:
            return {}
        content = await self._store.blobs(entry.oid for entry in rules)
        return await read_names(content[rules[0].oid], self._store.scratch_dir)

    async def _graft(self, path: str, commit: ObjectId, home: Home, known: dict[str, ObjectId]) -> Graft:
        if commit not in known:
            known[commit] = await self._copy(path, commit, home)
        tree = known[commit]
        entries = tuple(
            entry._replace(path=f"{path}/{entry.path}") for entry in await self._store.listing(tree)
        )
        return Graft(path, commit, tree, entries)

    async def _copy(self, path: str, commit: ObjectId, home: Home) -> ObjectId:
        """Copy the tree of a sub-module's commit into the depot, and give its id."""
        object_format = self._store.object_format
        named = f"commit {commit} of the sub-module at {shown(path)}"
        for git_dir in home.git_dirs:
            async with borrowing(git_dir, self._store.scratch_dir, object_format) as git:
                tree = await find_tree(git, commit, object_format)
                if tree is None:
                    continue
                done = await self._take_in(git.git_dir, [f"+{tree}:{KEPT}/{commit}"])
                if done.ok:
                    return tree
                said = done.stderr.decode("utf-8", "replace").strip()[-1_000:] or done.ending.value
                raise RepoUnusable(
                    f"{named} cannot be copied: {said}",
                    hint="Check the sub-module with git fsck; clone it without --filter.",
                )
        raise RepoUnusable(
            f"{named} is not in the user's repository",
            hint="Run `git submodule update --init --recursive` in the user's checkout, then try again.",
        )

    # LFS

    async def _pointers(self, unit: _Unit) -> list[Pointer]:
        """Give the files of a repository that its own attributes give to LFS and that are pointers."""
        listed = await self._store.listing(unit.tree)
        own = lfs.rules_of(listed)
        contents = await self._store.blobs(entry.oid for entry in own)
        rules = {entry.path: contents[entry.oid] for entry in own}
        if not lfs.name_lfs(rules):
            return []
        small = [
            one for one in listed if one.mode in (FILE, EXECUTABLE) and (one.size or 0) <= lfs.POINTER_BYTES
        ]
        read = await self._store.blobs(entry.oid for entry in small)
        like = [entry for entry in small if lfs.is_pointer(read[entry.oid])]
        store = self._store
        wanted = await lfs.ruled(rules, [one.path for one in like], store.scratch_dir, store.object_format)
        return [
            lfs.parse_pointer(f"{unit.prefix}{one.path}", read[one.oid], one.oid, unit.home.git_dirs)
            for one in like
            if one.path in wanted
        ]

    async def check_present(self, tree: str) -> None:
        """Raise RepoUnusable, naming the path, if an object of LFS is not on this disk."""
        pointers = (await self.parts(tree)).pointers
        await anyio.to_thread.run_sync(lfs.check_present, pointers)

    # Writing out

    async def write(self, tree: str, into: Path) -> None:
        """Add what a tree only names to `into`, a folder of ours that holds the tree's own files.

        Raises RepoUnusable for what is not on this disk, or is not what it should be.
        """
        parts = await self.parts(tree)
        for graft in parts.grafts:
            folder = real_folder(into, graft.path)
            if folder is None or any(folder.iterdir()):
                raise RepoUnusable(
                    f"the sub-module at {shown(graft.path)} has no empty folder", hint="Try again."
                )
            with tempfile.TemporaryDirectory(prefix="index-", dir=self._store.scratch_dir) as home:
                await self._store.git.at(folder, Path(home) / "index").check_out(graft.tree)
        if parts.pointers:
            with storing(into):
                await anyio.to_thread.run_sync(lfs.write_objects, into, parts.pointers)


def _holds(outer: Graft, inner: Graft) -> bool:
    """Say whether a sub-module lies within another, or is that one."""
    return f"{inner.path}/".startswith(f"{outer.path}/")


def _refuse_tower(units: list[_Unit], graft: Graft, *, depth: int) -> None:
    if depth > MAX_DEPTH or len(units) > MAX_COUNT + 1:
        fact = f"more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"one of more than {MAX_COUNT}"
        raise RepoUnusable(
            f"the sub-module at {shown(graft.path)} is {fact}", hint="Work in a repository with fewer."
        )
