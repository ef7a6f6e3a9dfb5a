"""Repositories with real sub-modules, and with LFS files as git-lfs would leave them."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

from pev.models import ObjectId
from pev.repos.depot import Depot
from pev.repos.parts import Accepted
from pev.repos.snapshot import take_snapshot
from pev.repos.source import locate
from support.depots import git_in
from support.repos import UserRepoFixture

SUBMODULES: Final = Accepted(submodules=True)
LFS: Final = Accepted(lfs=True)
BOTH: Final = Accepted(submodules=True, lfs=True)
LIB: Final = {"lib.py": "VALUE = 7\n", "deep/data.txt": "data\n", ".gitignore": "*.out\n"}
RULE: Final = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


async def open_depot(repo: UserRepoFixture, state: Path, accepted: Accepted) -> Depot:
    """Make and fill the depot of a repository whose operator accepts something."""
    depot = Depot(await locate(repo.path), state, accepted=accepted)
    await depot.refresh()
    return depot


async def snapshot_of(depot: Depot, root: Path, base: str = "main", *, rest_s: float = 60) -> ObjectId:
    """Take a snapshot of a worktree against a branch of the user's."""
    commit = await depot.resolve(base)
    return await take_snapshot(depot, root, base_commit=commit, trusted_commit=commit, rest_s=rest_s)


def library(path: Path, files: dict[str, str] | None = None) -> UserRepoFixture:
    """Make a repository that others have as a sub-module."""
    repo = UserRepoFixture.empty(path)
    repo.commit("library", LIB if files is None else files)
    return repo


def add_submodule(repo: UserRepoFixture, other: UserRepoFixture, path: str, *options: str) -> ObjectId:
    """Add a sub-module with plain git, nested ones included, commit it, and give its commit."""
    allowed = ("-c", "protocol.file.allow=always")
    repo.git(*allowed, "submodule", "--quiet", "add", *options, "--", str(other.path), path)
    repo.git(*allowed, "submodule", "--quiet", "update", "--init", "--recursive")
    repo.commit(f"add {path}")
    return ObjectId(git_in(repo.path / path, "rev-parse", "HEAD"))


def own_git_folder(repo: UserRepoFixture, path: str) -> Path:
    """Give a sub-module a `.git` folder of its own, as old versions of git made it."""
    dot_git = repo.path / path / ".git"
    kept = repo.path / ".git" / "modules" / path
    dot_git.unlink()
    shutil.move(kept, dot_git)
    git_in(repo.path, "config", "--file", str(dot_git / "config"), "--unset", "core.worktree")
    return dot_git


def pointer_to(content: bytes) -> str:
    """Write the pointer that stands for some content."""
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"


def stored_at(git_dir: Path, content: bytes) -> Path:
    """Say where the local store of a git directory has some content."""
    digest = hashlib.sha256(content).hexdigest()
    return git_dir / "lfs" / "objects" / digest[:2] / digest[2:4] / digest


def store_object(git_dir: Path, content: bytes) -> Path:
    """Put content into the local store of a git directory."""
    file = stored_at(git_dir, content)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def files_in(root: Path) -> dict[str, bytes]:
    """Give every file below a folder, links left out, `.git` too."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and ".git" not in path.relative_to(root).parts
    }
