"""The approved plan is a contract: files, steps and criteria are held against the change."""

import pytest

from pev.findings import CheckResult, Effect, Outcome
from pev.plan import Plan, parse_plan
from support.gates import GateFixture, rules_of
from support.repos import CALC, TEST_CALC

MORE = CALC + "\n\ndef double(a: int) -> int:\n    return a * 2\n"
IMPORT = TEST_CALC.replace("import add, divide", "import add, divide, double")


def plan(*steps: tuple[str, str], criteria: tuple[str, ...] = ("a1",)) -> Plan:
    return parse_plan(
        {
            "goal": "double numbers",
            "approach": "multiply",
            "non_goals": ["halves"],
            "steps": [{"id": own, "description": "do", "files_touched": [path]} for own, path in steps],
            "acceptance_criteria": [{"id": own, "description": f"what {own} says"} for own in criteria],
        }
    )


async def integrity(gate: GateFixture, given: Plan | None) -> CheckResult:
    return await gate.check("integrity", {"src/app/calc.py": MORE, "README.md": "# more\n"}, plan=given)


async def test_a_file_that_no_step_names_is_told(gate: GateFixture) -> None:
    result = await integrity(gate, plan(("s1", "src/app/")))

    assert [(one.rule, one.path) for one in result.findings] == [("outside-plan", "README.md")]
    assert result.outcome is Outcome.PASSED


async def test_a_step_that_left_no_trace_is_told(gate: GateFixture) -> None:
    result = await integrity(gate, plan(("s1", "src/app/"), ("s2", "README.md"), ("s3", "docs/")))

    (found,) = result.findings
    assert (found.rule, found.effect) == ("step-without-trace", Effect.NOTES)
    assert "step s3 of the approved plan is not done" in found.message


async def test_a_policy_can_block_what_the_plan_does_not_say(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'outside_plan = "block"\n'})

    result = await integrity(gate, plan(("s1", "src/app/"), ("s3", "docs/")))

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {"outside-plan", "step-without-trace"}


async def test_without_a_plan_there_is_no_contract(gate: GateFixture) -> None:
    assert (await integrity(gate, None)).findings == ()


@pytest.mark.parametrize(
    "test",
    [
        "def test_a1_doubles() -> None:\n    assert double(2) == 4\n",
        "import pytest as p\n\n@p.mark.criterion('a1')\ndef test_two() -> None:\n    assert double(1) == 2\n",
        "class TestA1:\n    def test_doubles(self) -> None:\n        assert double(2) == 4\n",
    ],
    ids=["name", "marker", "class"],
)
async def test_a_passed_test_that_carries_its_id_shows_a_criterion(gate: GateFixture, test: str) -> None:
    gate.on_base({"pev.toml": 'checks = ["tests"]\n'})
    given = plan(("s1", "src/app/"), ("s2", "tests/"), criteria=("a1", "a11"))
    files = {"src/app/calc.py": MORE, "tests/test_double.py": f"from app.calc import double\n\n\n{test}"}

    result = await gate.check("tests", files, plan=given)

    said = {one.rule: one.message for one in result.findings}
    assert result.outcome is Outcome.PASSED, result
    assert "criterion a1 (what a1 says) is shown by tests/test_double.py::" in said["criterion-shown"]
    assert "criterion a11 (what a11 says) is shown by no test" in said["criterion-not-shown"]
