"""What an agent's command finds in a worktree: the project, its dependencies, and what setup made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from pev.config import Config
from pev.engine import Engine
from pev.events import Kind
from pev.models import RunId
from pev.sandbox.select import bwrap_paths
from pev.trail.query import TrailQuery
from pev.views import CommandResult
from support.engines import AGENT, PERSON, approved, engine_at, trusted
from support.plans import plan
from support.repos import PYPROJECT, UserRepoFixture
from support.wheels import make_wheel

pytestmark = [
    pytest.mark.skipif(not bwrap_paths(Config()), reason="no bubblewrap"),
    pytest.mark.needs_host,
]
WITH_EXTRA: Final = PYPROJECT.replace("dependencies = []", 'dependencies = ["extra-thing==1.0"]')
SETUP: Final = "[environment]\nsetup = [[\"python\", \"-c\", \"open('made.txt', 'w').write('made')\"]]\n"


class Agent:
    """An agent with a worktree."""

    def __init__(self, engine: Engine, run_id: RunId, folder: Path) -> None:
        self.engine, self.run_id, self.folder = engine, run_id, folder

    async def run(self, *argv: str) -> CommandResult:
        return await self.engine.executing.command(AGENT, self.run_id, argv, limit_s=60)


@asynccontextmanager
async def working(repo: UserRepoFixture, *, trust: bool = False) -> AsyncIterator[Agent]:
    async with engine_at(repo.path, sandbox="bubblewrap") as engine:
        if trust:
            await trusted(engine)
        state = await approved(engine, plan())
        state, _ = await engine.executing.make(AGENT, state.id)
        assert state.worktree is not None
        yield Agent(engine, state.id, Path(state.worktree.path))


async def test_the_project_and_its_test_runner_are_there(user_repo: UserRepoFixture) -> None:
    """An agent runs the tests as it would anywhere, without installing anything."""
    async with working(user_repo) as agent:
        tests = await agent.run("pytest", "-q", "-p", "no:cacheprovider")
        where = await agent.run("python", "-c", "import app, sys; print(app.__file__, sys.executable)")

    assert tests.code == 0, tests
    assert "3 passed" in tests.output
    module, python = where.output.split()
    assert Path(module).is_relative_to(agent.folder)
    assert not Path(python).is_relative_to(agent.folder)


async def test_a_dependency_that_the_change_declares_is_there(
    user_repo: UserRepoFixture, offline: Path
) -> None:
    """In the next command, as it will be in the gate."""
    make_wheel(offline, "extra_thing", "1.0", {"extra_thing.py": "NAME = 'extra'\n"})
    async with working(user_repo) as agent:
        before = await agent.run("python", "-c", "import extra_thing")
        await agent.engine.executing.write(AGENT, agent.run_id, "pyproject.toml", WITH_EXTRA)
        after = await agent.run("python", "-c", "import extra_thing; print(extra_thing.NAME)")

    assert before.code != 0
    assert (after.code, after.output.strip()) == (0, "extra"), after


async def test_a_command_runs_although_the_environment_cannot_be_had(user_repo: UserRepoFixture) -> None:
    """And says why: what cannot be had is not hidden."""
    broken = PYPROJECT.replace("dependencies = []", 'dependencies = ["no-such-thing==9"]')
    user_repo.commit("Ask for what is not there", {"pyproject.toml": broken})
    async with working(user_repo) as agent:
        done = await agent.run("/bin/sh", "-c", "echo here")

    assert (done.code, done.output.strip()) == (0, "here")
    assert "the project's environment is not there" in done.hint
    assert "no-such-thing" in done.hint


@pytest.mark.parametrize("trust", [False, True])
async def test_setup_runs_once_in_the_sandbox_after_a_person_trusted_it(
    user_repo: UserRepoFixture, trust: bool
) -> None:
    user_repo.commit("Set up", {"pev.toml": SETUP})
    async with working(user_repo, trust=trust) as agent:
        done = await agent.run("/bin/sh", "-c", "cat made.txt; rm -f made.txt")
        again = await agent.run("/bin/sh", "-c", "ls made.txt")
        page = await agent.engine.reading.query(PERSON, TrailQuery(kinds=(Kind.COMMAND_RAN,)))

    assert (done.output == "made") is trust, done
    assert again.code != 0
    assert ("need a person's trust" in done.hint) is not trust
    setups = [one.payload or {} for one in page.events if (one.payload or {}).get("setup")]
    assert [one["code"] for one in setups] == ([0] if trust else [])


async def test_a_setup_that_fails_is_told_and_tried_again(user_repo: UserRepoFixture) -> None:
    user_repo.commit("Set up", {"pev.toml": SETUP.replace("made.txt", "no/such/folder")})
    async with working(user_repo, trust=True) as agent:
        hints = [(await agent.run("/bin/true")).hint for _ in range(2)]

    assert all("setup " in hint and "No such file" in hint for hint in hints), hints


async def test_a_command_cannot_change_what_the_next_one_is_run_with(user_repo: UserRepoFixture) -> None:
    async with working(user_repo) as agent:
        await agent.run("/bin/true")
        folder = agent.engine.core.config.state_dir / "outfits" / agent.run_id
        before = content(folder)
        await agent.run(
            "python",
            "-c",
            "import sys, pathlib\n"
            "place = pathlib.Path(sys.executable)\n"
            "for path in (place, place.parent / 'pytest', place.parents[2] / 'outfit.json'):\n"
            "    for act in (path.unlink, lambda: path.write_text('x')):\n"
            "        try: act()\n"
            "        except OSError: pass\n",
        )

        assert content(folder) == before
        assert (await agent.run("python", "-c", "print(1)")).output.strip() == "1"


def content(folder: Path) -> dict[str, bytes | str]:
    """Give what stands in each file below a folder, and where each link leads."""
    return {
        str(path): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


async def test_what_a_worktree_was_outfitted_with_goes_with_it(user_repo: UserRepoFixture) -> None:
    async with working(user_repo) as agent:
        await agent.run("/bin/true")
        folder = agent.engine.core.config.state_dir / "outfits"
        assert [path.name for path in folder.iterdir()] == [agent.run_id]
        await agent.engine.executing.remove(AGENT, agent.run_id)
        assert list(folder.iterdir()) == []


async def test_a_repository_without_python_gets_no_interpreter(tmp_path: Path) -> None:
    """And no package is fetched for it."""
    repo = UserRepoFixture.empty(tmp_path / "plain")
    repo.commit("Begin", {"README.md": "# plain\n"})
    async with working(repo) as agent:
        done = await agent.run("/bin/sh", "-c", "echo $PATH")

    assert "outfits" not in done.output
    assert done.hint == ""
