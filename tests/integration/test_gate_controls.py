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
    assert "tests fail without 1 changed function (controls took " in result.reason


async def test_tests_that_only_call_the_change_do_not_notice_it(tests_gate: GateFixture) -> None:
    """They fail when it raises, and with no mutant of it."""
    result = await judged(tests_gate, UNCHECKED)

    assert result.outcome is Outcome.HELD, result
    (found,) = [one for one in result.findings if one.rule == "mutants-survive"]
    assert (found.path, found.line) == ("src/app/calc.py", 15)
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


async def test_a_well_tested_function_does_not_speak_for_another(tests_gate: GateFixture) -> None:
    """Each changed function is held against the tests by itself."""
    half = "\n\ndef half(a: int) -> int:\n    if a > 100:\n        return 50\n    return a // 2\n"
    tests = CHECKED.replace("divide, double", "divide, double, half") + (
        "\n\ndef test_half() -> None:\n    half(400)\n    half(4)\n"
    )

    result = await judged(tests_gate, tests, **{"src/app/calc.py": DOUBLE + half})

    assert result.outcome is Outcome.HELD, result
    (found,) = [one for one in result.findings if one.counts()]
    assert (found.rule, "mutants of half" in found.message) == ("mutants-survive", True)


async def test_lambdas_are_functions_too(tests_gate: GateFixture) -> None:
    table = "\n\nSTEPS = [lambda a: a + 1 if a > 3 else a - 2]\n"
    tests = TEST_CALC + "\n\ndef test_steps() -> None:\n    from app.calc import STEPS\n\n    STEPS[0](4)\n"

    result = await judged(tests_gate, tests, **{"src/app/calc.py": CALC + table})

    assert result.outcome is Outcome.HELD, result
    assert "mutants-survive" in rules_of(result)


async def test_a_token_assertion_does_not_count_as_noticing(tests_gate: GateFixture) -> None:
    """That something came back is seen by any look at it."""
    token = UNCHECKED.replace("double(-1)", "assert double(-1) is not None")
    token = token.replace("    double(4)", "    assert double(4) is not None")

    result = await judged(tests_gate, token)

    assert result.outcome is Outcome.HELD, result


async def test_tests_that_the_product_skips_are_held(tests_gate: GateFixture) -> None:
    """A test that skips itself is its own affair; code under test has no say in it."""
    lazy = "from unittest import SkipTest\n\n\n" + DOUBLE.replace("return a * 2", "raise SkipTest(a)")

    result = await judged(tests_gate, CHECKED, **{"src/app/calc.py": lazy})

    assert result.outcome is Outcome.HELD, result
    assert "skipped-by-product" in rules_of(result)


async def test_lines_that_are_only_said_to_have_run_are_noticed(tests_gate: GateFixture) -> None:
    """Whoever tells coverage what ran cannot tell the tests to fail."""
    forged = "\n\ntry:\n    from coverage import Coverage\n\n    _now = Coverage.current()\n"
    forged += "    if _now is not None:\n        _now.get_data().add_lines({__file__: range(1, 40)})\n"
    forged += "except ImportError:\n    pass\n"

    result = await judged(tests_gate, TEST_CALC, **{"src/app/calc.py": DOUBLE + forged})

    assert result.outcome is not Outcome.PASSED, result
    assert rules_of(result) & {"unnoticed-change", "changed-lines-not-run"}


async def test_an_old_failure_does_not_stand_in_for_noticing(tests_gate: GateFixture) -> None:
    """A test that fails on the base fails with every replacement too, and says nothing about any."""
    old = "def test_old() -> None:\n    assert False\n"
    tests_gate.on_base({"tests/test_old.py": old, "tests/test_none.py": "import no_such_module\n"})

    unnoticed = await judged(tests_gate, UNCHECKED)
    noticed = await judged(tests_gate, CHECKED)

    assert "mutants-survive" in rules_of(unnoticed), unnoticed
    assert noticed.outcome is Outcome.PASSED, noticed
    assert "tests fail without 1 changed function" in noticed.reason


async def test_a_change_of_constants_is_controlled_by_its_module(tests_gate: GateFixture) -> None:
    changed = CALC + "\n\nLIMIT = 3\n"
    with_limit = (
        TEST_CALC + "\n\ndef test_limit() -> None:\n    from app.calc import LIMIT\n\n    assert LIMIT == 3\n"
    )

    result = await tests_gate.check("tests", {"src/app/calc.py": changed, "tests/test_calc.py": with_limit})

    assert result.outcome is Outcome.PASSED, result
    assert "tests fail without the changed modules" in result.reason


async def test_a_change_of_docs_needs_no_control(tests_gate: GateFixture) -> None:
    result = await tests_gate.check("tests", {"README.md": "# app\n\nMore.\n"})

    assert result.outcome is Outcome.PASSED, result
    assert "tests fail without" not in result.reason


async def test_a_policy_can_do_without_mutants(tests_gate: GateFixture) -> None:
    tests_gate.on_base({"pev.toml": POLICY + "[check.tests]\nmutation_s = 0\n"})

    result = await judged(tests_gate, UNCHECKED)

    assert result.outcome is Outcome.PASSED, result
    assert "tests fail without 1 changed function" in result.reason
