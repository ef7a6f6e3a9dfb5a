"""Depots and worktrees over real repositories, for tests."""

import os
import subprocess
from pathlib import Path
from typing import Final

from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.source import locate
from support.repos import UserRepoFixture

RUN: Final = RunId("0123abcd")


async def depot_of(repo: UserRepoFixture | Path, state: Path) -> Depot:
    """Make and fill the depot of a repository."""
    depot = Depot(await locate(repo.path if isinstance(repo, UserRepoFixture) else repo), state)
    await depot.refresh()
    return depot


def commit_of(repo: UserRepoFixture, rev: str = "HEAD") -> ObjectId:
    """Give the commit that a name stands for in the user's repository, as git says."""
    return ObjectId(repo.git("rev-parse", f"{rev}^{{commit}}"))


def tree_of(repo: UserRepoFixture, rev: str = "HEAD") -> ObjectId:
    """Give the tree that a name stands for in the user's repository, as git says."""
    return ObjectId(repo.git("rev-parse", f"{rev}^{{tree}}"))


def git_in(folder: Path, *args: str, stdin: bytes | None = None) -> str:
    """Run the plain git of a user in a folder and give what it printed, stripped."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, input=stdin, env=env)
    return os.fsdecode(done.stdout).strip()


def paths_of(depot: Depot, tree: str) -> list[str]:
    """List the paths of a tree in a depot, as git says."""
    return git_in(depot.path, "ls-tree", "-r", "--name-only", tree).splitlines()
