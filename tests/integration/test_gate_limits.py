"""`pev init` sets the limits of checks from a run on the default branch."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.demands import parse_policy
from pev.gate.policy import limit_for
from support.cli import pev
from support.repos import UserRepoFixture


@given(st.floats(min_value=0, max_value=10_000))
def test_a_limit_has_room_for_what_the_gate_does_besides(seconds: float) -> None:
    """The base's tests, controls and confirmations, on a machine that is busy."""
    limit = limit_for(seconds)

    assert limit >= 60
    assert limit >= seconds * 6
    assert limit <= max(60, seconds * 6 + 10)


def test_limits_follow_from_what_was_measured(user_repo: UserRepoFixture) -> None:
    done = pev("init", cwd=user_repo.path)

    text = (user_repo.path / "pev.toml").read_text("utf-8")
    policy = parse_policy(text, file="pev.toml")
    assert done.code == 0, done
    assert policy is not None
    assert {name for name, one in policy.check.items() if one.limit_s} >= {"lint", "types", "tests"}
    assert all((one.limit_s or 60) >= 60 for one in policy.check.values())
    assert "on the default branch" in text
    assert "tests: PASSED on the default branch" in done.err


def test_what_cannot_be_measured_is_said_and_gets_no_limit(user_repo: UserRepoFixture) -> None:
    user_repo.git("rm", "-q", "-r", "tests")
    user_repo.commit("No tests", {"README.md": "# none\n"})

    text = pev("init", "--print", cwd=user_repo.path).out

    assert "# tests could not be measured here: " in text
    assert "tests" not in tomllib.loads(text).get("check", {})


@pytest.mark.parametrize("there", [False, True])
def test_a_policy_that_is_there_is_kept(user_repo: UserRepoFixture, there: bool) -> None:
    """And nothing is run before that is known."""
    if there:
        (user_repo.path / "pev.toml").write_text("# mine\n", encoding="utf-8")

    done = pev("init", "--no-measure", cwd=user_repo.path)

    assert (done.code == 0) is not there
    assert ((user_repo.path / "pev.toml").read_text("utf-8") == "# mine\n") is there
