"""The gate shows that tests can fail: with the changed code replaced, and with mutants of it."""

import pytest

from pev.findings import CheckResult, Outcome
from support.gates import GateFixture, rules_of
from support.repos import CALC, TEST_CALC

POLICY = 'checks = ["tests"]\n'
DOUBLE = CALC + "\n\ndef double(a: int) -> int:\n    if a < 0:\n        return 0\n    return a * 2\n"
IMPORT = TEST_CALC.replace("import add, divide", "import add, divide, double")
CHECKED = IMPORT + "\n\ndef test_double() -> None:\n    assert double(-1) == 0\n    assert double(4) == 8\n"
UNCHECKED = IMPORT + "\n\ndef test_double() -> None:\n    double(-1)\n    double(4)\n"
SWALLOWED = IMPORT + (
    "\n\ndef test_double() -> None:\n"
    "    for a in (-1, 4):\n"
    "        try:\n            assert double(a) in (0, 8)\n"
    "        except BaseException as exc:\n            print(exc)\n"
)


@pytest.fixture
def tests_gate(gate: GateFixture) -> GateFixture:
    gate.on_base({"pev.toml": POLICY})
    return gate


async def judged(gate: GateFixture, tests: str, **files: str) -> CheckResult:
    return await gate.check("tests", {"src/app/calc.py": DOUBLE, "tests/test_calc.py": tests} | files)


async def test_tests_that_check_the_change_pass_and_say_so(tests_gate: GateFixture) -> None:
    result = await judged(tests_gate, CHECKED)

    assert result.outcome is Outcome.PASSED, result
    assert "tests fail without the change, and with mutant 1 of it (controls took " in result.reason


async def test_tests_that_only_call_the_change_do_not_notice_it(tests_gate: GateFixture) -> None:
    """They fail when it raises, and with no mutant of it."""
    result = await judged(tests_gate, UNCHECKED)

    assert result.outcome is Outcome.HELD, result
    (found,) = [one for one in result.findings if one.rule == "mutants-survive"]
    assert (found.path, found.line) == ("src/app/calc.py", 16)
    assert "tests do not notice this change" in found.message


async def test_tests_that_swallow_whatever_happens_do_not_notice_the_change(tests_gate: GateFixture) -> None:
    result = await judged(tests_gate, SWALLOWED)

    assert result.outcome is Outcome.HELD, result
    assert "unnoticed-change" in rules_of(result)


async def test_code_that_turns_failures_into_passes_is_noticed(tests_gate: GateFixture) -> None:
    """Green whatever the change does: so it is green with the change replaced, too."""
    rig = (
        "import pytest\n\n_run = pytest.Function.runtest\n\n\n"
        "def _quiet(item: pytest.Function) -> None:\n"
        "    try:\n        _run(item)\n    except BaseException as exc:\n        str(exc)\n\n\n"
        "setattr(pytest.Function, 'run' + 'test', _quiet)\n"
    )
    wrong = CHECKED.replace("double(4) == 8", "double(4) == 9")

    result = await judged(tests_gate, wrong, **{"src/app/calc.py": DOUBLE + rig})

    assert result.outcome is Outcome.HELD, result
    assert rules_of(result) & {"unnoticed-change", "mutants-survive"}


async def test_a_change_of_constants_is_controlled_by_its_module(tests_gate: GateFixture) -> None:
    changed = CALC + "\n\nLIMIT = 3\n"
    with_limit = (
        TEST_CALC + "\n\ndef test_limit() -> None:\n    from app.calc import LIMIT\n\n    assert LIMIT == 3\n"
    )

    result = await tests_gate.check("tests", {"src/app/calc.py": changed, "tests/test_calc.py": with_limit})

    assert result.outcome is Outcome.PASSED, result
    assert "tests fail without the change" in result.reason


async def test_a_change_of_docs_needs_no_control(tests_gate: GateFixture) -> None:
    result = await tests_gate.check("tests", {"README.md": "# app\n\nMore.\n"})

    assert result.outcome is Outcome.PASSED, result
    assert "without the change" not in result.reason


async def test_a_policy_can_do_without_mutants(tests_gate: GateFixture) -> None:
    tests_gate.on_base({"pev.toml": POLICY + "[check.tests]\nmutation_s = 0\n"})

    result = await judged(tests_gate, UNCHECKED)

    assert result.outcome is Outcome.PASSED, result
    assert "tests fail without the change" in result.reason
