"""What a tree names but does not hold: the files of its sub-modules, and the objects of Git LFS.

Facts only; `pev.repos.foreign` finds and writes them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pev.models import ObjectId
from pev.repos.objects import Entry

SUBMODULES_HELP: Final = (
    "An operator allows sub-modules with allow_submodules = true (PEV_ALLOW_SUBMODULES);"
    " else work in a repository without them."
)
LFS_HELP: Final = (
    "An operator allows Git LFS with allow_lfs = true (PEV_ALLOW_LFS);"
    " else work in a repository whose files are in git."
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the operator accepts in a user's repository besides files of its own."""

    submodules: bool = False
    lfs: bool = False


@dataclass(frozen=True, slots=True)
class Graft:
    """A sub-module: where it stands, its commit, that commit's tree, and all that is in it by whole paths."""

    path: str
    commit: ObjectId
    tree: ObjectId
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Pointer:
    """A file that git has as a pointer only: the pointer's blob, and digest and size of the true content.

    `stores` are the git directories whose `lfs/objects` may hold it.
    """

    path: str
    oid: ObjectId
    sha256: str
    size_bytes: int
    stores: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What one tree names and does not hold, sub-modules from the outermost inwards."""

    grafts: tuple[Graft, ...] = ()
    pointers: tuple[Pointer, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything in the sub-modules, by whole paths."""
        return tuple(entry for graft in self.grafts for entry in graft.entries)


NOTHING: Final = Parts()
