"""`pev doctor --gate`: known cheats in copies of this repository, caught here with these tools."""

import pytest

from pev.findings import CheckResult, Outcome
from pev.gate.engine import Gate
from support.cli import pev
from support.engines import PERSON, engine_at
from support.repos import UserRepoFixture


async def test_every_cheat_is_caught_in_a_plain_project(user_repo: UserRepoFixture) -> None:
    """And nothing of it is left, neither in the repository nor beside it."""
    before = user_repo.git("status", "--porcelain", "--ignored")
    async with engine_at(user_repo.path) as engine:
        tried = [one async for one in engine.verifying.try_cheats(PERSON, repo=None, trusted=True)]
        left = list((engine.core.config.cache_dir / "trial").iterdir())

    not_caught = [one for one in tried if one.caught is False]
    assert not_caught == []
    assert sum(one.caught is True for one in tried) >= 14, tried
    assert {one.check for one in tried} >= {
        "integrity",
        "lint",
        "format",
        "types",
        "security",
        "deps",
        "tests",
    }
    assert left == []
    assert user_repo.git("status", "--porcelain", "--ignored") == before


async def test_a_gate_that_catches_nothing_is_told(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial itself can fail."""

    async def blind(_self: Gate, _request: object, name: str) -> CheckResult:
        return CheckResult(check=name, outcome=Outcome.PASSED, reason="all is well")

    monkeypatch.setattr(Gate, "check_one", blind)
    async with engine_at(user_repo.path) as engine:
        tried = [one async for one in engine.verifying.try_cheats(PERSON, repo=None)]

    assert {one.caught for one in tried} == {False}


async def test_a_check_that_the_policy_leaves_out_is_not_tried(user_repo: UserRepoFixture) -> None:
    user_repo.commit("Lint only", {"pev.toml": 'checks = ["lint"]\n'})
    async with engine_at(user_repo.path) as engine:
        tried = {one.cheat: one async for one in engine.verifying.try_cheats(PERSON, repo=None, trusted=True)}

    assert tried["an unused import"].caught is True
    assert tried["a wrong type"].caught is None
    assert "this policy has no check 'types'" in tried["a wrong type"].said


def test_doctor_lists_what_was_caught(user_repo: UserRepoFixture) -> None:
    user_repo.commit("Lint only", {"pev.toml": 'checks = ["lint"]\n'})

    done = pev("doctor", "--gate", "--json", cwd=user_repo.path)

    facts = [one["text"] for one in done.json() if one["name"] == "gate"]
    assert any(text.startswith("an unused import: caught (FAILED: lint/") for text in facts), facts
    assert all("NOT CAUGHT" not in text for text in facts)
