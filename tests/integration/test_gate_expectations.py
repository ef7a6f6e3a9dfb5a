"""What the gate says of repositories that are not as it would like them: docs/expected-outcomes.md."""

import json
from typing import Any, Final

import pytest

from pev.errors import CheckUnknown
from pev.findings import GateReport, Outcome
from pev.gate.tools import version_of
from support.gates import GateFixture, of, rules_of
from support.repos import CALC, PYPROJECT, TEST_CALC

MORE: Final = CALC.replace("    return a + b", "    total = a + b\n    return total")
BLACK: Final = PYPROJECT.replace(
    "[tool.ruff.lint]\nselect", "[tool.black]\nline-length = 99\n\n[tool.other]\nselect"
)
NO_RUFF: Final = PYPROJECT.replace("[tool.ruff.lint]", "[tool.other]")


def only(*names: str) -> dict[str, str]:
    return {"pev.toml": f"checks = {json.dumps(names)}\n"}


async def change(gate: GateFixture, **files: str) -> GateReport:
    """Judge a small honest change."""
    return await gate.judge({"src/app/calc.py": MORE, **files})


async def test_without_tests_the_check_does_not_apply(gate: GateFixture) -> None:
    """Under a detected policy, and the gate says so; the other checks decide."""
    gate.repo.git("rm", "-q", "-r", "tests")
    gate.on_base({"README.md": "# no tests\n"})

    report = await change(gate)

    assert of(report, "tests").outcome is Outcome.SKIPPED
    assert "cannot run on the base" in of(report, "tests").reason
    assert report.outcome is Outcome.PASSED, report.reason


async def test_without_tests_an_explicit_policy_blocks(gate: GateFixture) -> None:
    gate.repo.git("rm", "-q", "-r", "tests")
    gate.on_base(only("tests"))

    report = await change(gate)

    assert of(report, "tests").outcome is Outcome.INCONCLUSIVE
    assert "no tests were collected" in of(report, "tests").reason


async def test_old_code_without_type_hints_does_not_block(gate: GateFixture) -> None:
    """What was untyped stays so; what the change adds is held to the project's own settings."""
    gate.on_base({"src/app/old.py": "def old(a, b):\n    return a + b\n", **only("types")})

    report = await change(gate, **{"src/app/old.py": "def old(a, b):\n    return b + a\n"})

    assert report.outcome is Outcome.PASSED, report.reason


UNTYPED_TEST: Final = "from app.calc import add\n\n\ndef test_sum():\n    assert add(1, 1) == 2\n"


async def test_tests_that_never_kept_to_their_types_need_not_begin_to(gate: GateFixture) -> None:
    """A strict project whose tests are untyped gets a new test in their style."""
    gate.on_base({"tests/test_old.py": UNTYPED_TEST, **only("types")})
    more = UNTYPED_TEST.replace("test_sum", "test_more")

    tests = await gate.judge({"tests/test_new.py": more})
    product = await gate.judge({"src/app/more.py": "def more(a):\n    return a\n"})

    assert tests.outcome is Outcome.PASSED, tests.reason
    assert rules_of(tests) == {"no-untyped-def"}
    assert product.outcome is Outcome.FAILED


async def test_tests_that_are_typed_stay_so(gate: GateFixture) -> None:
    gate.on_base(only("types"))

    report = await gate.judge({"tests/test_new.py": UNTYPED_TEST})

    assert report.outcome is Outcome.FAILED


async def test_types_that_nobody_checks_are_told_and_do_not_block(gate: GateFixture) -> None:
    """Without a word of mypy in the project, only what fails when it runs blocks."""
    gate.on_base({"pyproject.toml": PYPROJECT.replace("[tool.mypy]", "[tool.other]")})

    told = await gate.check("types", {"src/app/more.py": "def more(a: int) -> str:\n    return a\n"})
    defect = await gate.check("types", {"src/app/more.py": "def more() -> int:\n    return less()\n"})

    assert told.outcome is Outcome.PASSED
    assert rules_of(told) == {"return-value"}
    assert defect.outcome is Outcome.FAILED
    assert rules_of(defect) == {"name-defined"}


async def test_with_black_nothing_asks_for_ruff_s_format(gate: GateFixture) -> None:
    gate.on_base({"pyproject.toml": BLACK})

    with pytest.raises(CheckUnknown, match="no check 'format'"):
        await gate.check("format", {"src/app/calc.py": MORE})


async def test_a_style_that_nobody_chose_is_told_and_does_not_block(gate: GateFixture) -> None:
    """A project that configures no ruff follows other rules, or none; defects are defects everywhere."""
    gate.on_base({"pyproject.toml": NO_RUFF})
    odd = "import sys\nimport os\n\nx = { 'a' : (os, sys) }\n"

    lint, style = [await gate.check(name, {"src/app/odd.py": odd}) for name in ("lint", "format")]
    defect = await gate.check("lint", {"src/app/odd.py": "def f():\n    return undefined\n"})

    assert {"I001"} <= rules_of(lint)
    assert lint.outcome is Outcome.PASSED
    assert rules_of(style) == {"unformatted"}
    assert style.outcome is Outcome.PASSED
    assert defect.outcome is Outcome.FAILED
    assert rules_of(defect) == {"F821"}


async def test_a_written_policy_asks_for_the_style_of_ruff(gate: GateFixture) -> None:
    gate.on_base({"pyproject.toml": NO_RUFF, **only("format", "lint")})

    report = await change(gate, **{"src/app/odd.py": "import sys\nimport os\n\nx = { 'a' : (os, sys) }\n"})

    assert of(report, "lint").outcome is Outcome.FAILED
    assert of(report, "format").outcome is Outcome.FAILED


@pytest.mark.parametrize("table", ["[tool.ruff]", "[tool.ruff.lint]", '[dependency-groups]\ndev = ["ruff"]'])
async def test_a_table_of_a_tool_says_that_it_is_used(gate: GateFixture, table: str) -> None:
    """A project that configures a tool is held to it, whoever wrote the policy."""
    gate.on_base({"pyproject.toml": PYPROJECT.partition("[tool.")[0] + f"\n{table}\n"})

    result = await gate.check("lint", {"src/app/more.py": "import os\n"})

    assert (result.outcome, rules_of(result)) == (Outcome.FAILED, {"F401"})


FUTURE: Final = (
    "from typing import List\n\n\ndef largest(of: List[int]) -> int:\n"
    '    """Give the largest."""\n    return max(of)\n'
)


@pytest.mark.parametrize(
    ("ruff", "pin", "outcome"),
    [
        ("[tool.ruff.lint]\nextend-select = ['I']", "ruff>=0.6", Outcome.PASSED),
        ("[tool.ruff.lint]\nextend-select = ['I', 'UP']", "ruff>=0.6", Outcome.FAILED),
        ("[tool.ruff.lint]\nselect = ['ALL']", "ruff>=0.6", Outcome.FAILED),
        ("[tool.ruff]\nline-length = 100", f"ruff=={version_of('ruff')}", Outcome.FAILED),
    ],
    ids=["newer default", "family chosen", "all chosen", "version pinned"],
)
async def test_what_only_a_newer_default_of_ruff_asks_for_does_not_block(
    gate: GateFixture, ruff: str, pin: str, outcome: Outcome
) -> None:
    """UP035 became a default; a project that names no version of ruff never chose it."""
    base = PYPROJECT.partition("[tool.")[0]
    gate.on_base({"pyproject.toml": f"{base}\n[dependency-groups]\ndev = ['{pin}']\n\n{ruff}\n"})

    result = await gate.check("lint", {"src/app/more.py": FUTURE})

    assert (result.outcome, "UP035" in rules_of(result, counting=False)) == (outcome, True), result.reason


async def test_without_a_lock_file_dependencies_are_resolved(gate: GateFixture) -> None:
    gate.on_base(only("deps"))

    report = await change(gate)

    assert of(report, "deps").outcome is Outcome.PASSED


async def test_several_projects_are_judged_one_by_one(gate: GateFixture) -> None:
    """A reason names the project that it is about."""
    one = PYPROJECT.replace('name = "app"', 'name = "two"')
    two = {"two/pyproject.toml": one, "two/src/app/calc.py": CALC, "two/tests/test_calc.py": TEST_CALC}
    policy = 'checks = ["tests"]\n[[project]]\nroot = "."\n[[project]]\nroot = "two"\n'
    gate.on_base({"pev.toml": policy, "two/src/app/__init__.py": "", **two})

    report = await gate.judge({"two/src/app/calc.py": CALC.replace("a / b", "a % b")})

    assert report.outcome is Outcome.FAILED
    assert of(report, "tests").reason.startswith("two: ")


async def test_without_python_a_detected_policy_has_no_checks(gate: GateFixture) -> None:
    """A gate without checks proves nothing, and says how to get one."""
    gate.repo.git("rm", "-q", "-r", "src", "tests", "pyproject.toml")
    gate.on_base({"package.json": '{"name": "app", "scripts": {"test": "node --test"}}\n'})

    report = await gate.judge({"index.js": "export const a = 1;\n"})

    assert report.outcome is Outcome.FAILED
    assert "names no check" in report.reason


@pytest.mark.parametrize(
    "need",
    [
        "import socket\n\n\ndef test_new() -> None:\n    socket.create_connection(('db.example', 5432), 2)\n",
        "import os\n\n\ndef test_new() -> None:\n    assert os.environ['DATABASE_URL']\n",
        "import subprocess\n\n\ndef test_new() -> None:\n    subprocess.run(['docker', 'ps'], check=True)\n",
    ],
    ids=["network", "variable", "docker"],
)
async def test_an_old_test_that_needs_the_world_is_unmeasured_not_passed(
    gate: GateFixture, need: str
) -> None:
    """It fails on base and change alike: the change is not blamed for it."""
    gate.on_base({"tests/test_world.py": need, **only("tests")})

    report = await change(gate)

    assert report.outcome is Outcome.PASSED, report.reason
    assert "1 failed" in of(report, "tests").reason


async def test_lines_that_only_such_tests_reach_are_inconclusive(gate: GateFixture) -> None:
    needs = "import os\n\nfrom app.far import far\n\n\ndef test_far() -> None:\n"
    needs += "    far()\n    assert os.environ['DB']\n"
    gate.on_base(
        {
            "src/app/far.py": "def far() -> int:\n    return 1\n",
            "tests/test_far.py": needs,
            "pev.toml": 'checks = ["tests"]\ncoverage_floor = 0\n',
        }
    )

    report = await gate.judge({"src/app/far.py": "def far() -> int:\n    return 2\n"})

    assert of(report, "tests").outcome is Outcome.INCONCLUSIVE
    assert "reached only by tests that fail on the base too" in of(report, "tests").reason


async def test_a_base_that_mypy_cannot_read_blocks_under_an_explicit_policy_alone(gate: GateFixture) -> None:
    """Two files of one module name make mypy give up with exit code 2."""
    twice = {"one/same.py": "x = 1\n", "two/same.py": "x = 1\n"}
    gate.on_base(twice)
    detected = await gate.check("types", {"src/app/calc.py": MORE})
    gate.on_base(only("types"))
    explicit = await gate.check("types", {"src/app/calc.py": MORE})

    assert detected.outcome is Outcome.SKIPPED
    assert "cannot run on the base" in detected.reason
    assert explicit.outcome is Outcome.INCONCLUSIVE


async def test_a_test_that_fails_on_the_base_is_old(gate: GateFixture) -> None:
    gate.on_base({"tests/test_old.py": "def test_old() -> None:\n    assert False\n", **only("tests")})

    report = await change(gate)

    assert report.outcome is Outcome.PASSED, report.reason


async def test_a_flaky_test_that_is_new_is_held(gate: GateFixture) -> None:
    flaky = (
        "import pathlib\n\n\ndef test_flaky(tmp_path_factory) -> None:\n"
        "    mark = pathlib.Path(__file__).with_name('ran')\n"
        "    first = not mark.exists()\n    mark.touch()\n    assert not first\n"
    )
    gate.on_base(only("tests"))

    report = await change(gate, **{"tests/test_flaky.py": flaky})

    assert report.outcome is Outcome.HELD, report.reason
    assert "flaky" in rules_of(of(report, "tests"))


async def test_a_suite_longer_than_its_limit_is_inconclusive(gate: GateFixture) -> None:
    slow = "import time\n\n\ndef test_slow() -> None:\n    time.sleep(60)\n"
    gate.on_base({"pev.toml": 'checks = ["tests"]\n[check.tests]\nlimit_s = 3\n', "tests/test_slow.py": slow})

    report = await change(gate)

    assert of(report, "tests").outcome is Outcome.INCONCLUSIVE
    assert "ran past its limit of 3 s" in of(report, "tests").reason


async def test_a_first_policy_no_looser_than_the_default_passes(gate: GateFixture) -> None:
    """And a looser one is held for a person."""
    strict = await gate.check("integrity", {"pev.toml": "coverage_floor = 90\n"})
    loose = await gate.check("integrity", {"pev.toml": "coverage_floor = 10\n"})

    assert (strict.outcome, loose.outcome) == (Outcome.PASSED, Outcome.HELD)


async def test_a_notebook_is_linted_and_scanned(gate: GateFixture) -> None:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": ["import os\n"],
        }
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    gate.on_base(only("lint"))

    report = await gate.judge({"look.ipynb": json.dumps(book)})

    assert "F401" in rules_of(of(report, "lint"))


async def test_vendored_and_generated_code_is_judged_as_the_project_configures(gate: GateFixture) -> None:
    """What the trusted configuration excludes is not looked at; nothing is excluded by its name alone."""
    excluding = PYPROJECT + '\n[tool.ruff]\nextend-exclude = ["src/app/_vendor"]\n'
    gate.on_base({**only("lint"), "pyproject.toml": excluding})

    report = await gate.judge({"src/app/_vendor/x.py": "import os\n", "src/app/_gen/x.py": "import sys\n"})

    paths = {one.path for one in of(report, "lint").findings}
    assert paths == {"src/app/_gen/x.py"}
