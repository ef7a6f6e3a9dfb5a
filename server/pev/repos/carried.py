"""What a snapshot carries as its base has it: sub-modules and LFS pointers, each checked to be untouched."""

from typing import Final

from pev.errors import SnapshotRefused
from pev.models import ObjectId
from pev.repos.names import shown
from pev.repos.objects import GITLINK, Entry
from pev.repos.pack import Node
from pev.repos.parts import NOTHING, SUBMODULES_HELP, Parts, Pointer

_HELP: Final = "Undo it, and change the sub-module in its own repository; a person moves it in a commit."
_ORIGIN_HELP: Final = "Undo it; a person changes where sub-modules or LFS objects come from."


class Carried:
    """The parts of the tree that `listed` lists, while a worktree is read.

    In an agent's worktree every file of a sub-module must be there as it was, and so must the file that says
    where sub-modules come from: with another address the same link would mean something else. In the
    `own_checkout` of a user a sub-module may be an empty folder, as git leaves it before `git submodule
    update`, and may have a `.git` of its own, which is not read. With `lfs` pointers mean what LFS means by
    them.
    """

    def __init__(
        self,
        listed: tuple[Entry, ...] = (),
        parts: Parts = NOTHING,
        *,
        lfs: bool = False,
        own_checkout: bool = False,
    ) -> None:
        self.listed = listed
        self.entries = parts.entries
        self.lfs = lfs
        self._own_checkout = own_checkout
        self._links = {entry.path for entry in (*listed, *self.entries) if entry.mode == GITLINK}
        self._grafts = {graft.path: graft for graft in parts.grafts}
        inner = [entry for entry in self.entries if entry.kind == "blob"]
        self._expected = {entry.path: (entry.mode, entry.oid) for entry in inner}
        self._missing = dict.fromkeys(self._expected)
        self._entered: set[str] = set()
        self._filled: set[str] = set()
        self._pointers = {pointer.path: pointer for pointer in parts.pointers}
        origins = {".gitmodules": parts.grafts, ".lfsconfig": parts.pointers}
        kept = {path for path, users in origins.items() if users and not own_checkout}
        self._origins = dict.fromkeys(kept, ("", ObjectId("")))
        self._origins |= {one.path: (one.mode, one.oid) for one in listed if one.path in kept}

    @property
    def folders(self) -> frozenset[str]:
        """The folders of sub-modules, which belong to the worktree whatever the rules say."""
        return frozenset(self._grafts)

    def pointer(self, path: str) -> Pointer | None:
        """Give what is a pointer at a path."""
        return self._pointers.get(path)

    # While folders are looked at

    def enter(self, folder: str) -> None:
        """Note that a folder is there."""
        if folder in self._grafts:
            self._entered.add(folder)

    def may_have_git(self, folder: str) -> bool:
        """Say whether a folder may hold a `.git`: that of a sub-module in the user's own checkout."""
        if not self._own_checkout or folder not in self._grafts:
            return False
        self._filled.add(folder)
        return True

    # While files are read

    def holders(self, path: str) -> list[str]:
        """Give the paths of the sub-modules that a path lies in, the innermost first."""
        found = []
        while self._links and (path := path.rpartition("/")[0]):
            if path in self._links:
                found.append(path)
        return found

    def take(self, path: str, mode: str, oid: ObjectId) -> bool:
        """Say whether a file lies in a sub-module, which is carried whole.

        Raises SnapshotRefused unless it is the file that the sub-module's commit has there.
        """
        holders = self.holders(path)
        if not holders:
            if self._origins.pop(path, (mode, oid)) != (mode, oid):
                raise SnapshotRefused(f"{shown(path)} was changed", hint=_ORIGIN_HELP)
            return False
        holder = shown(holders[0])
        if holders[0] not in self._grafts:
            raise SnapshotRefused(f"{shown(path)} lies in a sub-module, {holder}", hint=SUBMODULES_HELP)
        expected = self._expected.get(path)
        if expected != (mode, oid):
            fact = "was added to" if expected is None else "was changed in"
            raise SnapshotRefused(f"{shown(path)} {fact} the sub-module {holder}", hint=_HELP)
        self._missing.pop(path, None)
        self._filled.update(holders)
        return True

    # At the end

    def finish(self) -> list[tuple[str, Node]]:
        """Give the folder and the entry of each outermost sub-module.

        Raises SnapshotRefused, naming it, if a file of a sub-module or of its origin is gone.
        """
        for path, (mode, _) in self._origins.items():
            if mode:
                raise SnapshotRefused(f"{shown(path)} is gone", hint=_ORIGIN_HELP)
        bare = self._entered - self._filled if self._own_checkout else set()
        for path in self._missing:
            holders = self.holders(path)
            if bare.isdisjoint(holders):
                raise SnapshotRefused(
                    f"{shown(path)} is missing from the sub-module {shown(holders[0])}", hint=_HELP
                )
        out = []
        for graft in self._grafts.values():
            if not self.holders(graft.path):
                above, _, name = graft.path.rpartition("/")
                out.append((above, Node(name, GITLINK, graft.commit)))
        return out
