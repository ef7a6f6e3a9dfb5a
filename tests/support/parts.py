"""Repositories with real sub-modules, and with LFS files as git-lfs would leave them."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

from pev.models import ObjectId
from pev.repos.depot import Depot
from pev.repos.parts import Accepted
from pev.repos.snapshot import snapshot_working_tree, take_snapshot
from pev.repos.source import locate
from support.depots import commit_of, git_in
from support.repos import UserRepoFixture

SUBMODULES: Final = Accepted(submodules=True)
LFS: Final = Accepted(lfs=True)
BOTH: Final = Accepted(submodules=True, lfs=True)
PATH = "vendor/lib"
"""Where a sub-module stands."""
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


def spoil_changed(root: Path) -> None:
    """Change a file."""
    (root / "lib.py").write_text("VALUE = 8\n", "utf-8")


def spoil_executable(root: Path) -> None:
    """Make a file executable."""
    (root / "lib.py").chmod(0o755)


def spoil_added(root: Path) -> None:
    """Add a file."""
    (root / "deep" / "new.py").write_text("x\n", "utf-8")


def spoil_removed(root: Path) -> None:
    """Remove a file."""
    (root / "deep" / "data.txt").unlink()


def spoil_emptied(root: Path) -> None:
    """Remove everything in the folder."""
    shutil.rmtree(root)
    root.mkdir()


def spoil_gone(root: Path) -> None:
    """Remove the folder."""
    shutil.rmtree(root)


def write_gitlink(repo: UserRepoFixture, commit: str, path: str, rules: str = "") -> None:
    """Commit an entry for a sub-module that nobody added."""
    if rules:
        (repo.path / ".gitmodules").write_text(rules, "utf-8")
        repo.git("add", ".gitmodules")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    repo.git("commit", "-q", "-m", "link")


async def own_snapshot(depot: Depot, repo: UserRepoFixture) -> ObjectId:
    """Take a snapshot of a user's own checkout."""
    head, user_repo = commit_of(repo), await locate(repo.path)
    return await snapshot_working_tree(
        depot, user_repo.root, base_commit=head, trusted_commit=head, head_commit=head
    )


def below(path: str, files: dict[str, str]) -> dict[str, bytes]:
    """Give files below a folder, as bytes."""
    return {f"{path}/{name}": text.encode() for name, text in files.items()}


async def materialised(depot: Depot, tree: str, into: Path) -> dict[str, bytes]:
    """Write a tree, and give what lies there then."""
    into.mkdir()
    await depot.materialise(tree, into)
    return files_in(into)
