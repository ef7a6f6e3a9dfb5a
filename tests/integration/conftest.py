"""Fixtures of tests that run real tools."""

from pathlib import Path

import pytest

from support.gates import GateFixture
from support.repos import UserRepoFixture


@pytest.fixture
def gate(user_repo: UserRepoFixture, offline: Path) -> GateFixture:
    """A gate over a small project."""
    assert offline.is_dir()
    return GateFixture(user_repo)
