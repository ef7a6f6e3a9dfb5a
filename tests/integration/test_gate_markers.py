"""Tests that a policy leaves out by their markers: visibly, and no further than the policy says."""

import pytest

from pev.findings import Outcome
from support.engines import PERSON, engine_at
from support.repos import TEST_CALC, UserRepoFixture

pytestmark = [pytest.mark.needs_host, pytest.mark.needs_index]
POLICY = '[check.tests]\nwithout_markers = ["needs_network"]\n'
MARKED = f"import pytest\n\n{TEST_CALC}" + (
    "\n\n@pytest.mark.filterwarnings('ignore')\n@pytest.mark.needs_network\n"
    "def test_elsewhere() -> None:\n    raise RuntimeError('no network in a gate')\n"
).replace("'", '"')


async def test_marked_tests_are_left_out_and_the_result_says_so(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY, "tests/test_calc.py": MARKED})
    user_repo.write({"README.md": "# app, described\n"})
    async with engine_at(user_repo.path) as engine:
        result = await engine.verifying.check_path(PERSON, "tests", repo=None, trusted=True)
    assert result.outcome is Outcome.PASSED, result
    assert "3 passed" in result.reason
    assert "not run by policy: tests marked needs_network" in result.reason


async def test_a_marker_that_the_change_adds_does_not_hide_a_test_that_it_breaks(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    broken = "import pytest\n\n" + TEST_CALC.replace(
        "def test_divide(", "@pytest.mark.needs_network\ndef test_divide("
    )
    calc = (user_repo.path / "src/app/calc.py").read_text(encoding="utf-8").replace("a / b", "a // b")
    user_repo.write({"tests/test_calc.py": broken, "src/app/calc.py": calc})
    async with engine_at(user_repo.path) as engine:
        result = await engine.verifying.check_path(PERSON, "tests", repo=None, trusted=True)
    assert result.outcome is Outcome.FAILED
    assert any("test_divide" in one.message for one in result.findings if one.counts())
