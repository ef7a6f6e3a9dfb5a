"""What every test stands on: a home of its own, a pinned git identity, and no touch of the real home."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from support.repos import UserRepoFixture
from support.wheels import TEST_TOOLS, pack_installed

REAL_HOME: Final = Path.home()
# a test says what holds, not how fast: a busy machine is no defect
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
_WATCHED: Final = {"os.mkdir": 0, "os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.symlink": 1}
_touched: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    """Note every write below the real home, in this process."""
    if event == "open":
        path, mode, flags = args
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else False
        if not writes and not (isinstance(mode, str) and set(mode) & set("wax+")):
            return
    elif event in _WATCHED:
        path = args[_WATCHED[event]]
    else:
        return
    if isinstance(path, str | bytes | os.PathLike):
        name = os.fsdecode(path)
        if name.startswith(f"{REAL_HOME}/") and "__pycache__" not in name:
            _touched.append(f"{event} {name}")


sys.addaudithook(_watch)


_HOST_TESTS: Final = (
    "test_gate_",
    "test_sandbox_",
    "test_breakout_",
    "test_files",
    "test_snapshot_refusals",
    "test_worktree_removal",
)
"""Integration tests that need a sandbox or sockets of their own, which no gate allows."""


_SLOW_TESTS: Final = tuple(
    f"test_breakout_{topic}.py" for topic in ("leftovers", "processes", "resources", "swaps", "terminal")
)
"""Attempts to break out that take long or want a quiet machine; `make test` samples the other topics."""


_PROGRAMS: Final = {"needs_cargo": "cargo", "needs_go": "go", "needs_node": "npm"}
"""Programs without which tests with these markers are skipped."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what cannot run inside a gate, and what takes long."""
    missing = {mark: name for mark, name in _PROGRAMS.items() if shutil.which(name) is None}
    for item in items:
        for mark in [mark for mark in missing if item.get_closest_marker(mark) is not None]:
            item.add_marker(pytest.mark.skip(reason=f"{missing[mark]} is not installed here"))
        if item.path.name in _SLOW_TESTS:
            item.add_marker(pytest.mark.slow)
        if item.path.parent.name == "integration" and item.path.name.startswith(_HOST_TESTS):
            item.add_marker(pytest.mark.needs_host)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for environments and downloads that all tests of one session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_home(
    tmp_path_factory: pytest.TempPathFactory, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Give each test a home of its own, and fail it if it writes to the real one."""
    home = tmp_path_factory.mktemp("home")
    for name in [key for key in os.environ if key.startswith(("PEV_", "GIT_", "XDG_"))]:
        if name != "GIT_SSL_CAINFO":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PEV_STATE_DIR", str(home / "state"))
    monkeypatch.setenv("PEV_CACHE_DIR", str(shared_cache))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada Test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.invalid")
    _touched.clear()
    yield home
    assert not _touched, f"the test wrote to the real home: {_touched[:5]}"


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


@pytest.fixture(autouse=True)
def _own_index(request: pytest.FixtureRequest) -> None:
    """Let no test that builds environments reach for a package index, unless it says that it needs one."""
    folder = request.path.parent.name
    if folder in ("integration", "surface") and request.node.get_closest_marker("needs_index") is None:
        request.getfixturevalue("offline")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a session keeps the repository that its tests get copies of, once one has asked for it."""
    return tmp_path_factory.mktemp("prepared") / "project"


@pytest.fixture
def user_repo(tmp_path: Path, prepared: Path) -> UserRepoFixture:
    """A small Python project in a real git repository, on branch `main`, with one commit."""
    if not prepared.exists():  # by a test, not for the session: only a test has a home of its own
        UserRepoFixture.python_project(prepared)
    return UserRepoFixture(prepared).copied(tmp_path / "project")
