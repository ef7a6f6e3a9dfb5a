"""The check `tests`: whose tests count, and what becomes of tests that go with their code."""

import pytest

from pev.findings import Outcome
from support.gates import GateFixture, of, plan_for, rules_of
from support.repos import CALC, TEST_CALC

ONLY_TESTS = 'checks = ["tests"]\n'
BUG = CALC.replace("a / b", "a % b")
DIVIDE = "def test_divide() -> None:\n    assert divide(7, 2) == 3.5\n"
WEAK = TEST_CALC.replace("== 3.5", "is not None")


@pytest.fixture
def tests_gate(gate: GateFixture) -> GateFixture:
    gate.on_base({"pev.toml": ONLY_TESTS})
    return gate


# Existing tests are the base's


@pytest.mark.parametrize(
    "edited",
    [
        pytest.param(TEST_CALC.replace(DIVIDE, ""), id="deleted"),
        pytest.param(WEAK, id="weakened", marks=pytest.mark.slow),
        pytest.param(
            TEST_CALC.replace("test_divide()", "check_divide()"), id="renamed", marks=pytest.mark.slow
        ),
    ],
)
async def test_an_edited_test_does_not_hide_what_the_change_breaks(
    tests_gate: GateFixture, edited: str
) -> None:
    """The change faces the tests as they stood before it."""
    report = await tests_gate.judge({"src/app/calc.py": BUG, "tests/test_calc.py": edited})

    assert of(report, "tests").outcome is Outcome.FAILED
    assert "base-test-failed" in rules_of(of(report, "tests"))
    assert rules_of(of(report, "integrity")) & {"test-removed", "test-weakened"}


async def test_a_skipped_test_is_seen_and_its_old_form_is_run(tests_gate: GateFixture) -> None:
    marked = "import pytest\n\n" + TEST_CALC.replace(DIVIDE, f'@pytest.mark.skip(reason="flaky")\n{DIVIDE}')

    report = await tests_gate.judge({"src/app/calc.py": BUG, "tests/test_calc.py": marked})

    assert "base-test-failed" in rules_of(of(report, "tests"))
    assert rules_of(of(report, "integrity")) == {"test-skipped"}


@pytest.mark.slow
async def test_a_helper_of_tests_cannot_be_bent(tests_gate: GateFixture) -> None:
    """What tests lean on is a part of them."""
    helper = "def same(a: float, b: float) -> bool:\n    return a == b\n"
    test = "from aid import same\n\nfrom app.calc import divide\n\n\ndef test_same() -> None:\n"
    test += "    assert same(divide(7, 2), 3.5)\n"
    tests_gate.on_base({"tests/aid.py": helper, "tests/test_same.py": test, "tests/test_calc.py": WEAK})

    report = await tests_gate.judge(
        {"src/app/calc.py": BUG, "tests/aid.py": helper.replace("a == b", "True")}
    )

    assert "base-test-failed" in rules_of(of(report, "tests"))


async def test_an_approved_plan_may_change_what_a_test_demands(tests_gate: GateFixture) -> None:
    """Behaviour changes are honest work where a person approved them."""
    changed = CALC.replace("return a / b", "return a // b")
    test = TEST_CALC.replace("== 3.5", "== 3")

    without = await tests_gate.judge({"src/app/calc.py": changed, "tests/test_calc.py": test})
    plan = plan_for("src/app/calc.py", "tests/test_calc.py")
    report = await tests_gate.judge({"src/app/calc.py": changed, "tests/test_calc.py": test}, plan=plan)

    assert (without.outcome, report.outcome) == (Outcome.FAILED, Outcome.PASSED)


async def test_moved_and_added_tests_pass(tests_gate: GateFixture) -> None:
    more = TEST_CALC + "\n\ndef test_more() -> None:\n    assert divide(9, 3) == 3\n"

    moved = await tests_gate.judge({"tests/test_calc.py": None, "tests/unit/test_calc.py": TEST_CALC})
    added = await tests_gate.judge({"tests/test_calc.py": more})

    assert (moved.outcome, added.outcome) == (Outcome.PASSED, Outcome.PASSED), (moved.reason, added.reason)
    assert "4 passed" in of(added, "tests").reason


@pytest.mark.slow
async def test_fewer_cases_of_a_kept_test_are_held(tests_gate: GateFixture) -> None:
    test = (
        "import pytest\n\nfrom app.calc import add\n\n\n@pytest.mark.parametrize('n', [1, 2, 3])\n"
        "def test_n(n: int) -> None:\n    assert add(n, 0) == n\n"
    )
    tests_gate.on_base({"tests/test_n.py": test})

    report = await tests_gate.judge({"tests/test_n.py": test.replace("[1, 2, 3]", "[1]")})

    assert report.outcome is Outcome.HELD
    assert rules_of(report) == {"collection-shrunk"}


# Code that goes or moves, with its tests


NO_ADD = CALC.replace("def add", "def plus")


async def test_a_removed_function_and_its_tests_are_held(tests_gate: GateFixture) -> None:
    """Nobody but a person can say whether it should go; what is left is judged."""
    test = "import pytest\n\nfrom app.calc import divide\n\n\n" + TEST_CALC[TEST_CALC.index(DIVIDE) :]
    calc = CALC[CALC.index("def divide") :]

    report = await tests_gate.judge({"src/app/calc.py": calc, "tests/test_calc.py": test})

    assert report.outcome is Outcome.HELD, report.reason
    assert "removed-code-test" in rules_of(of(report, "tests"))


async def test_removing_code_does_not_take_other_tests_along(tests_gate: GateFixture) -> None:
    """A test that is deleted beside those of removed code still faces the change."""
    test = "from app.calc import plus\n\n\ndef test_plus() -> None:\n    assert plus(1, 2) == 3\n"
    files = {"src/app/calc.py": NO_ADD.replace("a / b", "a % b"), "tests/test_calc.py": test}

    report = await tests_gate.judge(files)

    assert report.outcome is Outcome.FAILED
    assert rules_of(of(report, "tests")) >= {"base-test-failed", "removed-code-test"}


async def test_a_moved_module_is_tested_at_its_new_place(tests_gate: GateFixture) -> None:
    moved = TEST_CALC.replace("app.calc", "app.sums")
    files = {
        "src/app/calc.py": None,
        "src/app/sums.py": CALC,
        "tests/test_calc.py": None,
        "tests/test_sums.py": moved,
    }

    report = await tests_gate.judge(files)
    broken = await tests_gate.judge(
        {**files, "src/app/sums.py": BUG, "tests/test_sums.py": moved.replace("== 3.5", "is not None")}
    )

    assert (report.outcome, rules_of(of(report, "tests"))) == (Outcome.HELD, {"moved-code-test"})
    assert "base-test-failed" in rules_of(of(broken, "tests"))


async def test_a_removed_method_is_held_and_a_missing_one_fails(tests_gate: GateFixture) -> None:
    """That a test misses an attribute counts only where the change removes it."""
    shop = "class Shop:\n    def take(self) -> int:\n        return 1\n\n"
    shop += "    def low(self) -> int:\n        return 2\n"
    test = "from app.shop import Shop\n\n\ndef test_take() -> None:\n    assert Shop().take() == 1\n"
    low = "\n\ndef test_low() -> None:\n    assert Shop().low() == 2\n"
    tests_gate.on_base({"src/app/shop.py": shop, "tests/test_shop.py": test + low})
    lost = "        raise AttributeError(\"'Shop' object has no attribute 'low'\")\n"
    smaller = shop.partition("\n\n")[0] + "\n"

    removed = await tests_gate.judge({"src/app/shop.py": smaller, "tests/test_shop.py": test})
    hidden = await tests_gate.judge(
        {
            "src/app/shop.py": smaller.replace("        return 1\n", lost),
            "tests/test_shop.py": "def test_nothing() -> None:\n    assert True\n",
        }
    )

    assert removed.outcome is Outcome.HELD, removed.reason
    assert "removed-code-test" in rules_of(of(removed, "tests"))
    assert hidden.outcome is Outcome.FAILED
    assert "base-test-failed" in rules_of(of(hidden, "tests"))


async def test_what_an_extended_test_file_runs_on_import_helps_no_other_file(tests_gate: GateFixture) -> None:
    """All old tests are run without it."""
    tests_gate.on_base({"tests/test_more.py": "def test_more() -> None:\n    assert 1 + 1 == 2\n"})
    patch = "import app.calc\n\n\ndef good(a: float, b: float) -> float:\n    return a / b\n\n\n"
    patch += "class TestMore:\n    calc = app.calc\n    calc.divide = good\n\n\n"
    patch += "def test_more() -> None:\n    assert 1 + 1 == 2\n"

    report = await tests_gate.judge({"src/app/calc.py": BUG, "tests/test_more.py": patch})

    assert "base-test-failed" in rules_of(of(report, "tests"))


async def test_a_fixture_that_moves_to_a_conftest_is_used(tests_gate: GateFixture) -> None:
    fixture = "@pytest.fixture\ndef seven() -> int:\n    return 7\n\n\n"
    test = "def test_seven(seven: int) -> None:\n    assert divide(seven, 2) == 3.5\n"
    head = "from app.calc import divide\n\n\n"
    tests_gate.on_base({"tests/test_seven.py": "import pytest\n\n" + head + fixture + test})

    report = await tests_gate.judge(
        {"tests/conftest.py": "import pytest\n\n\n" + fixture, "tests/test_seven.py": head + test}
    )

    assert report.outcome is Outcome.PASSED, report.reason
