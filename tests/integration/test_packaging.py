"""The wheel: it holds every package, installs anew, and is not fooled by where it is started."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Final

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from support.repos import UserRepoFixture

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = {"pev", "pev_server", "pev_tools", "pev_resources", "pev_prompts"}
HOSTILE: Final = "raise SystemExit('a module of the working directory was imported')\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.needs_host
def test_the_wheel_holds_our_packages_and_nothing_generic(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == PACKAGES


@pytest.mark.needs_host
def test_every_source_file_is_in_the_wheel(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("server", "tools", "resources", "prompts"):
        for path in (ROOT / folder).rglob("*.py"):
            assert path.relative_to(ROOT / folder).as_posix() in held


@pytest.mark.needs_index
async def test_an_installed_server_is_not_fooled_by_a_hostile_working_directory(
    wheel: Path, user_repo: UserRepoFixture, tmp_path: Path, shared_cache: Path
) -> None:
    """A host may start us in the user's repository, which may hold packages of our names."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    uv = str(Path(sys.executable).parent / "uv")
    env = {**os.environ, "UV_CACHE_DIR": str(shared_cache / "uv")}
    install = [uv, "pip", "install", "-q", "--python", str(home / "bin/python"), str(wheel)]
    subprocess.run(install, check=True, env=env)
    hostile = {
        f"{name}/__init__.py": HOSTILE for name in ("server", "tools", "resources", "prompts", *PACKAGES)
    }
    user_repo.commit("hostile", {**hostile, "fastmcp.py": HOSTILE, "typing_extensions.py": HOSTILE})
    transport = StdioTransport(
        str(home / "bin/pev"), ["serve"], env=dict(os.environ), cwd=str(user_repo.path), keep_alive=False
    )
    async with Client(transport, timeout=60) as client:
        names = {tool.name for tool in await client.list_tools()}
    assert {"make_worktree", "run_gate", "open_pr"} <= names
