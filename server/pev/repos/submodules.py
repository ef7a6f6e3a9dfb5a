"""Sub-modules in the user's own repository: where their git directories lie, what their commits hold.

A `.gitmodules` file is data: only names and paths are read from it, never a URL, and nothing is fetched from
afar. Folders are entered only where every step is a real folder below the user's git directory or checkout.
"""

import os
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pev.errors import CommandFailed, RepoUnusable
from pev.git import Git, read_config
from pev.models import ObjectId
from pev.repos.names import MAX_PATH_BYTES
from pev.repos.objects import parse_contents
from pev.repos.pack import object_id
from pev.repos.source import UserRepo, is_git_dir

MAX_DEPTH: Final = 5
MAX_COUNT: Final = 100
MAX_RULES_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Home:
    """Where a repository lies on the user's disk: git directories that may be its, and its checkout."""

    git_dirs: tuple[Path, ...]
    checkout: Path | None

    @classmethod
    def of(cls, repo: UserRepo) -> "Home":
        """Give the home of a user's repository; a linked checkout has sub-modules of its own."""
        return cls(tuple(dict.fromkeys((repo.git_dir, repo.common_dir))), repo.root)

    def below(self, path: str, name: str | None) -> "Home":
        """Give the home of the sub-module at `path` with this name in `.gitmodules`."""
        found: list[Path] = []
        if name is not None:
            found += (inner for one in self.git_dirs if (inner := real_folder(one, f"modules/{name}")))
        checkout = real_folder(self.checkout, path) if self.checkout else None
        own = real_folder(checkout, ".git") if checkout else None
        found += [own] if own else []
        return Home(tuple(one for one in found if _is_own_git_dir(one)), checkout)


def real_folder(base: Path, below: str) -> Path | None:
    """Give the folder `below` a folder if each step there is a real one down, and no link; else None."""
    names = below.split("/")
    if {"", ".", ".."} & set(names):
        return None
    for name in names:
        base = base / name
        try:
            if not stat.S_ISDIR(base.lstat().st_mode):
                return None
        except (OSError, ValueError):
            return None
    return base


def _is_own_git_dir(folder: Path) -> bool:
    """Say whether a git directory has its objects itself, and does not lead to another one's."""
    whole = is_git_dir(folder) and real_folder(folder, "objects") is not None
    return whole and not (folder / "commondir").exists()


def is_plain_name(name: str) -> bool:
    """Say whether the name of a sub-module can be that of a folder below `modules`, and nowhere else."""
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and len(name.encode("utf-8", "replace")) <= MAX_PATH_BYTES
    return plain and not name.startswith("-") and not {"", ".", ".."} & set(parts)


async def read_names(rules: bytes, scratch: Path) -> dict[str, str]:
    """Give the names of sub-modules by their paths, as a `.gitmodules` file says.

    Names that could lead elsewhere are left out. `scratch` is a folder of ours. Raises RepoUnusable if git
    cannot read the file.
    """
    if len(rules) > MAX_RULES_BYTES:
        raise _unreadable(f"has {len(rules)} bytes, more than {MAX_RULES_BYTES}")
    with tempfile.NamedTemporaryFile(prefix="gitmodules-", dir=scratch) as file:
        file.write(rules)
        file.flush()
        try:
            pairs = await read_config(Path(file.name))
        except CommandFailed as exc:
            raise _unreadable("cannot be read by git") from exc
    names = {}
    for key, value in pairs:
        name = key.removeprefix("submodule.").removesuffix(".path")
        if key == f"submodule.{name}.path" and is_plain_name(name):
            names[value.rstrip("/")] = name
    return names


def _unreadable(fault: str) -> RepoUnusable:
    return RepoUnusable(f"the file '.gitmodules' {fault}", hint="Correct it on the base branch.")


@asynccontextmanager
async def borrowing(git_dir: Path, scratch: Path, object_format: str) -> AsyncIterator[Git]:
    """Give a git directory of ours that has another one's objects, and nothing of its configuration."""
    with tempfile.TemporaryDirectory(prefix="borrow-", dir=scratch) as home:
        git = Git(Path(home) / "git")
        await git.init(object_format)
        alternates = git.git_dir / "objects" / "info" / "alternates"
        alternates.write_bytes(os.fsencode(git_dir / "objects") + b"\n")
        yield git


async def find_tree(git: Git, commit: ObjectId, algorithm: str) -> ObjectId | None:
    """Give the tree of a commit, which is hashed here; None if the git directory does not have it."""
    try:
        [found] = parse_contents(await git.contents([commit]))
    except CommandFailed:
        return None
    if found is None or found.kind != "commit" or object_id("commit", found.data, algorithm) != commit:
        return None
    return ObjectId(found.data[5 : 5 + len(commit)].decode("ascii"))
