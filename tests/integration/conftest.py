"""Fixtures of tests that run real tools: a gate, and wheels that stand in for a package index."""

from pathlib import Path

import pytest

from support.gates import GateFixture
from support.repos import UserRepoFixture
from support.wheels import TEST_TOOLS, pack_installed


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels that every environment of the gate needs."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in TEST_TOOLS:
        pack_installed(name, folder)
    return folder


@pytest.fixture
def offline(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let environments be built from the folder of wheels, and from nowhere else."""
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return wheels


@pytest.fixture
def gate(user_repo: UserRepoFixture, offline: Path) -> GateFixture:
    """A gate over a small project."""
    assert offline.is_dir()
    return GateFixture(user_repo)
