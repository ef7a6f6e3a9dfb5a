"""A server that is killed while it ships: nothing is done twice, at the forge or in the trail."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.events import Kind
from pev.models import RunId
from pev.run import Status
from pev.trail.query import TrailQuery
from support.depots import git_in
from support.engines import AGENT, PERSON, approved, engine_at
from support.forges import TOKEN, ForgeFixture, serve_forge
from support.plans import plan
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
TESTS = Path(__file__).resolve().parents[1]
CHANCE = secrets.SystemRandom()
SLUG = '"""Addresses."""\n'


@pytest.fixture
def forge(
    user_repo: UserRepoFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ForgeFixture]:
    """A forge with a repository behind it, which both this process and its children are configured for."""
    git_in(tmp_path, "init", "-q", "--bare", "far.git")
    user_repo.git("remote", "add", "origin", str(tmp_path / "far.git"))
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    user_repo.git("push", "-q", "origin", "main")
    with serve_forge("github") as served:
        monkeypatch.setenv("PEV_FORGE_TOKEN", TOKEN)
        settings = {"kind": "github", "api_url": served.url, "project": "acme/app", "labels": ["pev"]}
        monkeypatch.setenv("PEV_FORGE", json.dumps(settings))
        yield served


async def passed(user_repo: UserRepoFixture) -> RunId:
    """Bring a run to where its gate has passed."""
    async with engine_at(user_repo.path) as engine:
        state = await approved(engine, plan())
        await engine.executing.make(AGENT, state.id)
        await engine.executing.write(AGENT, state.id, "src/app/slug.py", SLUG)
        judged = await engine.verifying.run_gate(AGENT, state.id, wait_s=120)
    assert judged.state.status is Status.PASSED, judged.report
    return state.id


def shipping(repo: Path, run: RunId) -> subprocess.Popen[str]:
    """Start a server that ships a run."""
    argv = [sys.executable, "-m", "support.ship_driver", str(repo), run]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(argv, cwd=repo.parent, env=env, stdout=subprocess.PIPE, text=True)


def killed_after(seconds: float, repo: Path, run: RunId) -> bool:
    """Start a server that ships, and kill it some time after it began; say whether it was done before."""
    with shipping(repo, run) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(seconds)
        child.kill()
        return "done" in child.stdout.read()


async def check(user_repo: UserRepoFixture, forge: ForgeFixture, far: Path, run: RunId) -> None:
    """Ship for good, and check that there is one of everything, and that all of it is the same."""
    async with engine_at(user_repo.path) as engine:
        state, _ = await engine.shipping.open_pr(AGENT, run)
        opened = await engine.reading.query(PERSON, TrailQuery(run=run, kinds=(Kind.PR_OPENED,)))
        report = await engine.reading.verify(PERSON)
    assert state.pr is not None
    assert report.intact, report.summary
    assert len(opened.events) == 1
    assert [row["head"]["ref"] for row in forge.pulls] == [f"agent/{run}"]
    assert git_in(far, "rev-parse", f"agent/{run}").strip() == state.pr.commit
    assert user_repo.git("rev-parse", f"agent/{run}") == state.pr.commit
    assert git_in(far, "notes", f"--ref=pev/{run}", "list").split()[1::2] == [state.pr.commit]


async def shipped_with_kills(user_repo: UserRepoFixture, forge: ForgeFixture, far: Path, most: int) -> int:
    """Ship a run whose server is killed at most so many times; give how often it was."""
    run = await passed(user_repo)
    kills = 0
    while kills < most and not killed_after(CHANCE.uniform(0.0, 1.0), user_repo.path, run):
        kills += 1
    await check(user_repo, forge, far, run)
    return kills


async def test_a_server_killed_while_it_ships_leaves_one_pull_request(
    forge: ForgeFixture, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    await shipped_with_kills(user_repo, forge, tmp_path / "far.git", 3)


async def test_two_servers_that_ship_at_once_open_one_pull_request(
    forge: ForgeFixture, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """Each would make a commit of its own, a second later than the other's."""
    run = await passed(user_repo)
    with shipping(user_repo.path, run) as one, shipping(user_repo.path, run) as other:
        said = [child.communicate()[0] for child in (one, other)]

    assert said == ["begun\ndone\n"] * 2
    await check(user_repo, forge, tmp_path / "far.git", run)


@pytest.mark.slow
async def test_so_does_one_that_is_killed_a_thousand_times(
    forge: ForgeFixture, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    kills = 0
    while kills < 1000:
        forge.pulls.clear()
        kills += await shipped_with_kills(user_repo, forge, tmp_path / "far.git", 8)
