"""`pev run`: needs a model of the operator's, works with no more rights than an agent, and can be resumed."""

import pytest

from support.cli import pev
from support.loops import POLICY
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


def test_without_a_provider_it_says_what_to_configure(user_repo: UserRepoFixture) -> None:
    ended = pev("run", "Add slugify", cwd=user_repo.path)
    assert ended.code == 5
    assert "[config.invalid] no model provider is configured" in ended.err


def test_a_task_or_a_run_is_named(user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEV_PROVIDER", '{"model": "test"}')
    assert pev("run", cwd=user_repo.path).code == 2
    assert pev("run", "task", "--resume", "0a0a0a0a", cwd=user_repo.path).code == 2


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
    again = pev("run", "--resume", run_id, cwd=user_repo.path)
    assert "[plan.invalid]" in again.err
    shown = pev("show", run_id, "--json", cwd=user_repo.path).json()
    assert shown["status"] == "drafted"
    trail = pev("trail", run_id, "--json", cwd=user_repo.path)
    assert trail.out.count('"model.answered"') == 4
