"""The check `tests`: what a report is worth, what coverage is demanded, in which harness and environment."""

from pathlib import Path

import pytest

from pev.findings import Outcome
from support.gates import GateFixture, of, plan_for, rules_of
from support.repos import CALC, PYPROJECT, TEST_CALC

ONLY_TESTS = 'checks = ["tests"]\n'
BUG = CALC.replace("a / b", "a % b")
DIVIDE = "def test_divide() -> None:\n    assert divide(7, 2) == 3.5\n"
WEAK = TEST_CALC.replace("== 3.5", "is not None")


@pytest.fixture
def tests_gate(gate: GateFixture) -> GateFixture:
    gate.on_base({"pev.toml": ONLY_TESTS})
    return gate


# What a run of tests is worth


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os\n\n\ndef test_end() -> None:\n    os._exit(0)\n", "ended by itself"),
        ("import os\n\nos._exit(0)\n", "did not start its tests"),
        ("import sys\n\nsys.exit(0)\n", ""),
        (
            "import os, signal\n\n\ndef test_end() -> None:\n    os.kill(os.getpid(), signal.SIGKILL)\n",
            "signal 9",
        ),
        (
            "import atexit, os\n\natexit.register(os._exit, 0)\n\n\ndef test_x() -> None:\n    assert 0\n",
            "exit code",
        ),
    ],
    ids=["exit in a test", "exit on import", "sys.exit on import", "killed", "exit code rewritten"],
)
async def test_a_run_that_ends_itself_never_passes(tests_gate: GateFixture, body: str, said: str) -> None:
    """No answer is not a yes."""
    report = await tests_gate.judge({"tests/test_end.py": body})

    assert report.outcome in (Outcome.INCONCLUSIVE, Outcome.FAILED)
    assert said in of(report, "tests").reason or of(report, "tests").findings


async def test_an_endless_test_is_inconclusive_and_named(tests_gate: GateFixture) -> None:
    body = "import time\n\n\ndef test_wait() -> None:\n    while True:\n        time.sleep(1)\n"

    report = await tests_gate.judge({"tests/test_wait.py": body}, limit_s=2.5)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert "past its limit of 2.5 s during tests/test_wait.py::test_wait" in of(report, "tests").reason
    assert report.seconds < 6
    assert tests_gate.environments() == []


async def test_no_tests_is_inconclusive_where_the_policy_asks_for_them(gate: GateFixture) -> None:
    """Under a detected policy the check does not apply; under a written one it blocks."""
    gate.repo.git("rm", "-q", "-r", "tests")
    gate.on_base({})

    detected = await gate.check("tests", {"README.md": "# x\n"})
    gate.on_base({"pev.toml": ONLY_TESTS})
    written = await gate.check("tests", {"README.md": "# y\n"})

    assert detected.outcome is Outcome.SKIPPED
    assert detected.reason == "cannot run on the base: no tests were collected"
    assert (written.outcome, written.reason) == (Outcome.INCONCLUSIVE, "no tests were collected")


async def test_a_test_that_fails_once_is_held_as_flaky(tests_gate: GateFixture) -> None:
    """What passes the second time has not passed."""
    body = (
        "import os\nfrom pathlib import Path\n\n\ndef test_second() -> None:\n"
        "    flag = Path(os.environ['HOME']) / 'flag'\n    seen = flag.exists()\n    flag.touch()\n"
        "    assert seen\n"
    )

    report = await tests_gate.judge({"tests/test_second.py": body})

    assert report.outcome is Outcome.HELD
    assert rules_of(report) == {"flaky"}


async def test_a_failure_of_the_base_is_no_fault_of_the_change(tests_gate: GateFixture) -> None:
    tests_gate.on_base({"tests/test_old.py": "def test_old() -> None:\n    assert False\n"})

    report = await tests_gate.judge({"README.md": "# x\n"})

    assert report.outcome is Outcome.PASSED
    assert rules_of(report, counting=False) == {"test-failed"}


async def test_lines_that_only_broken_tests_reach_are_unmeasured(tests_gate: GateFixture) -> None:
    """A test that fails on base and change alike says nothing about the change."""
    more = CALC + "\n\ndef half(a: int) -> float:\n    return a / 2\n"
    old = "from app import calc\n\n\ndef test_old() -> None:\n    calc.half(3)\n    assert False\n"
    tests_gate.on_base({"src/app/calc.py": more, "tests/test_old.py": old})

    report = await tests_gate.judge({"src/app/calc.py": more.replace("a / 2", "a / 2.0")})

    assert report.outcome is Outcome.INCONCLUSIVE
    assert "reached only by tests that fail on the base too" in of(report, "tests").reason


# Coverage


async def test_untested_code_is_named_by_its_lines(tests_gate: GateFixture) -> None:
    body = '"""Reports."""\n\n\ndef report(n: int) -> int:\n' + "    n += 1\n" * 30 + "    return n\n"

    report = await tests_gate.judge({"src/app/report.py": body})

    assert rules_of(report) == {"coverage-fell", "changed-lines-not-run"}
    lines = next(one for one in report.findings if one.rule == "changed-lines-not-run")
    assert (lines.path, lines.line) == ("src/app/report.py", 4)
    assert "5-35" in lines.message or "4-35" in lines.message


async def test_a_base_under_the_floor_is_only_held_to_what_it_had(tests_gate: GateFixture) -> None:
    body = '"""Reports."""\n\n\ndef report(n: int) -> int:\n' + "    n += 1\n" * 30 + "    return n\n"
    tests_gate.on_base({"src/app/report.py": body})

    report = await tests_gate.judge({"src/app/calc.py": CALC.replace("a + b", "b + a")})

    assert report.outcome is Outcome.PASSED, report.reason


# Harness and environment


async def test_a_hook_in_a_new_conftest_is_held_and_not_used(tests_gate: GateFixture) -> None:
    hook = (
        "import pytest\n\n\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport():\n"
        "    report = yield\n    report.outcome = 'passed'\n    return report\n"
    )

    bad = await tests_gate.judge({"src/app/calc.py": BUG, "tests/conftest.py": hook})
    good = await tests_gate.judge({"tests/conftest.py": hook})
    planned = await tests_gate.judge(
        {"src/app/calc.py": BUG, "tests/conftest.py": hook.replace("'passed'", "'failed'")},
        plan=plan_for("tests/conftest.py"),
    )

    assert rules_of(bad) == {"protected-conftest", "test-failed"}
    assert (bad.outcome, good.outcome) == (Outcome.FAILED, Outcome.HELD)
    assert len([one for one in planned.findings if one.rule == "test-failed"]) == 3


async def test_a_new_fixture_is_used(tests_gate: GateFixture) -> None:
    """Offering a fixture that nobody had before changes no existing test."""
    conftest = "import pytest\n\n\n@pytest.fixture\ndef seven() -> int:\n    return 7\n"
    test = "def test_seven(seven: int) -> None:\n    assert seven == 7\n"

    report = await tests_gate.judge({"tests/conftest.py": conftest, "tests/test_seven.py": test})

    assert report.outcome is Outcome.PASSED, report.reason


async def test_child_processes_and_metadata_see_the_project_of_this_checkout(
    tests_gate: GateFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else may be tested than what is judged, and no secret of the operator is there."""
    monkeypatch.setenv("GH_TOKEN", "canary-secret")
    script = PYPROJECT.replace(
        "[build-system]", '[project.scripts]\ncalc = "app.calc:main"\n\n[build-system]'
    )
    body = (
        "import importlib.metadata\nimport os\nimport subprocess\nimport sys\n\n\ndef test_child() -> None:\n"
        "    code = 'import app.calc; print(app.calc.__file__)'\n"
        "    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd='/')\n"
        "    assert out.stdout.startswith(os.getcwd()), out\n"
        "    assert importlib.metadata.version('app') == '1.0.0'\n"
        "    assert subprocess.run(['calc'], capture_output=True, text=True).stdout == 'calc\\n'\n"
        "    assert 'canary-secret' not in str(dict(os.environ))\n"
    )
    main = CALC + "\n\ndef main() -> None:\n    print('calc')\n"

    report = await tests_gate.judge(
        {"tests/test_child.py": body, "pyproject.toml": script, "src/app/calc.py": main}
    )

    assert rules_of(report) == {"changed-lines-not-run"}, report.reason


@pytest.mark.slow
async def test_setup_commands_run_first_and_must_succeed(gate: GateFixture) -> None:
    policy = ONLY_TESTS + '[environment]\nsetup = [["python", "make.py"]]\n'
    test = "def test_made() -> None:\n    assert open('made.txt').read() == 'x'\n"
    gate.on_base(
        {"pev.toml": policy, "make.py": "from pathlib import Path\n\nPath('made.txt').write_text('x')\n"}
    )

    good = await gate.check("tests", {"tests/test_made.py": test})
    bad = await gate.check("tests", {"make.py": "raise SystemExit('no')\n"})

    assert good.outcome is Outcome.PASSED, good.reason
    assert bad.outcome is Outcome.INCONCLUSIVE
    assert "setup 'python make.py': python ended with exit code 1; its log says more" in bad.reason


async def test_dependencies_come_from_the_change_as_wheels(tests_gate: GateFixture, offline: Path) -> None:
    """The candidate's requirements make its environment; what cannot be had is not passed over."""
    from support.wheels import make_wheel

    make_wheel(offline, "pevdemo", "1.0", {"pevdemo.py": "VALUE = 5\n"})
    test = "import pevdemo\n\n\ndef test_value() -> None:\n    assert pevdemo.VALUE == 5\n"
    with_it = PYPROJECT.replace("dependencies = []", 'dependencies = ["pevdemo"]')

    good = await tests_gate.check("tests", {"tests/test_value.py": test, "pyproject.toml": with_it})
    absent = await tests_gate.check(
        "tests", {"tests/test_value.py": test, "pyproject.toml": with_it.replace("pevdemo", "pevabsent")}
    )

    assert good.outcome is Outcome.PASSED, good.reason
    assert absent.outcome is Outcome.INCONCLUSIVE
    assert "cannot be resolved from wheels" in absent.reason


HOOKED = "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef seven() -> int:\n    return 7\n"


async def test_new_tests_that_need_a_held_conftest_wait_with_it(tests_gate: GateFixture) -> None:
    """One decision of a person settles both; a failing test of the base is no such case."""
    new = "from app.calc import add\n\n\ndef test_seven(seven):\n    assert add(seven, 0) == 7\n"
    wrong = new.replace("== 7", "== 8")

    waits = await tests_gate.judge({"tests/conftest.py": HOOKED, "tests/test_seven.py": new})
    fails = await tests_gate.judge({"tests/conftest.py": HOOKED, "tests/test_seven.py": wrong})

    assert (waits.outcome, rules_of(waits)) == (Outcome.HELD, {"protected-conftest", "needs-held-harness"})
    assert fails.outcome is Outcome.FAILED
    assert "test-failed" in rules_of(fails)
