"""Fixtures of tests that run real tools."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.repos.depot import Depot
from pev.repos.worktree import Worktree, make_worktree
from support.depots import RUN, commit_of
from support.gates import GateFixture
from support.golang import go_module
from support.osv import OsvFixture, serve_osv
from support.parts import PATH, SUBMODULES, add_submodule, library, open_depot
from support.repos import UserRepoFixture


@pytest.fixture
def gate(user_repo: UserRepoFixture, offline: Path) -> GateFixture:
    """A gate over a small project."""
    assert offline.is_dir()
    return GateFixture(user_repo)


@pytest.fixture
def go_gate(tmp_path: Path) -> GateFixture:
    """A gate over a small module in Go."""
    return GateFixture(go_module(tmp_path / "app"))


@pytest.fixture
def lib(tmp_path: Path) -> UserRepoFixture:
    """The repository that is a sub-module."""
    return library(tmp_path / "lib")


@pytest.fixture
def whole(user_repo: UserRepoFixture, lib: UserRepoFixture) -> UserRepoFixture:
    """A user's repository with one sub-module."""
    add_submodule(user_repo, lib, PATH)
    return user_repo


@pytest.fixture
async def depot(whole: UserRepoFixture, tmp_path: Path) -> Depot:
    """Its depot."""
    return await open_depot(whole, tmp_path / "state", SUBMODULES)


@pytest.fixture
async def worktree(depot: Depot, whole: UserRepoFixture, tmp_path: Path) -> Worktree:
    """A worktree of it."""
    return await make_worktree(depot, tmp_path / "worktrees", RUN, commit_of(whole))


@pytest.fixture
def osv(monkeypatch: pytest.MonkeyPatch) -> Iterator[OsvFixture]:
    """An advisory service on loopback, which the gate asks."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serve_osv() as served:
        monkeypatch.setenv("PEV_AUDIT_OSV_URL", served.url)
        yield served
