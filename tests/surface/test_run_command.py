"""`pev run`: needs a model of the operator's, works with no more rights than an agent, and can be resumed."""

import json
from typing import Any

import anyio
import pytest
import typer
from typer.testing import CliRunner

from pev.config import Config
from pev.models import RunId
from pev_server.cli import running
from support.cli import pev
from support.engines import APPROVE, decide, engine_at
from support.loops import POLICY, RIGHT, WRONG, script, writes
from support.repos import UserRepoFixture
from support.roles import Script

APP = typer.Typer()
APP.command("run")(running.run)

pytestmark = pytest.mark.needs_host


def test_without_a_provider_it_says_what_to_configure(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user_repo.path)
    ended = CliRunner().invoke(APP, ["Add slugify"])
    assert ended.exit_code == 5
    assert "[config.invalid] no model provider is configured" in ended.output


@pytest.mark.parametrize("args", [[], ["task", "--resume", "0a0a0a0a"]])
def test_a_task_or_a_run_is_named(
    args: list[str], user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user_repo.path)
    monkeypatch.setenv("PEV_PROVIDER", '{"model": "test"}')
    assert CliRunner().invoke(APP, args).exit_code == 2


@pytest.mark.slow
def test_a_model_that_writes_no_plan_ends_it_with_an_error_and_a_run_to_resume(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own test model says something, and that is no plan."""
    monkeypatch.setenv("PEV_PROVIDER", '{"model": "test"}')
    user_repo.commit("policy", {"pev.toml": POLICY})
    ended = pev("run", "Add slugify", cwd=user_repo.path)
    assert ended.code == 5
    assert "[plan.invalid]" in ended.err
    run_id = ended.err.split()[1]
    shown = pev("show", run_id, "--json", cwd=user_repo.path).json()
    assert shown["status"] == "drafted"


def _runs(monkeypatch: pytest.MonkeyPatch, model: Script, *args: str) -> Any:
    """Run the command in this process, with a scripted model in place of the operator's."""

    async def scripted(_config: Config) -> Script:
        return model

    monkeypatch.setattr("pev_server.provider.provider_of", scripted)
    return CliRunner().invoke(APP, list(args))


def test_a_task_goes_to_a_pull_request_with_one_stop_for_the_person(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEV_PROVIDER", '{"model": "test"}')
    monkeypatch.chdir(user_repo.path)
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Script(**script())
    first = _runs(monkeypatch, model, "Add slugify", "--attempts", "2")
    assert first.exit_code == 4, first.output
    run_id = first.output.split("pev approve ")[1][:8]

    async def approve() -> None:
        async with engine_at(user_repo.path) as engine:
            await decide(engine, RunId(run_id), APPROVE)

    anyio.run(approve)
    done = _runs(monkeypatch, model, "--resume", run_id, "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(next(line for line in done.output.splitlines() if line.startswith("{")))
    assert shown["status"] == "pr_open"
    assert user_repo.git("show", f"agent/{run_id}:src/app/slug.py") == RIGHT.strip()
    assert len(model.prompts("planner")) == 1


@pytest.mark.slow
def test_used_up_attempts_end_with_what_a_person_is_to_decide(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEV_PROVIDER", '{"model": "test"}')
    monkeypatch.chdir(user_repo.path)
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Script(**script(author=[writes(WRONG), "one"]))
    first = _runs(monkeypatch, model, "Add slugify", "--attempts", "1")
    run_id = first.output.split("pev approve ")[1][:8]

    async def approve() -> None:
        async with engine_at(user_repo.path) as engine:
            await decide(engine, RunId(run_id), APPROVE)

    anyio.run(approve)
    ended = _runs(monkeypatch, model, "--resume", run_id)
    assert ended.exit_code == 4, ended.output
    assert f"pev decide {run_id}" in ended.output
    assert "1 attempts are used up" in ended.output
