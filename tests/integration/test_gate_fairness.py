"""What an honest change to old code may do without being stopped, and where the line is."""

from typing import Any, Final

import pytest

from pev.findings import Outcome
from pev.gate import widened
from pev.gate.interface import CheckJob, Measured, Side
from pev.gate.unsuppressed import look_without
from support.gates import GateFixture, plan_for, rules_of
from support.repos import CALC, PYPROJECT

CHOOSY: Final = PYPROJECT.replace('["E", "F", "W", "I"]', '["E", "F", "W", "I", "UP"]')
CHECKS: Final = {"pev.toml": 'checks = ["lint", "types"]\n'}
OLD: Final = 'def show(a: int) -> str:\n    return "%s" % a\n'
SHOW: Final = "src/app/show.py"


def alone(lens: str) -> dict[str, str]:
    """A policy of one check, where the other has nothing to say."""
    return {"pev.toml": f'checks = ["{lens}"]\n'}


@pytest.fixture
def old(gate: GateFixture) -> GateFixture:
    """A repository with an old finding of the linter, and its own policy."""
    gate.on_base({"pyproject.toml": CHOOSY, SHOW: OLD, **CHECKS})
    return gate


async def test_an_edited_line_keeps_its_old_finding(old: GateFixture) -> None:
    """Whoever mends one thing in an old line is not asked to mend another."""
    report = await old.judge({SHOW: OLD.replace("% a", "% max(a, 0)")})

    assert report.outcome is Outcome.PASSED, report.reason


async def test_the_same_finding_elsewhere_is_new(old: GateFixture) -> None:
    kept = "\n\ndef kept(a: int) -> int:\n    return a\n"
    old.on_base({SHOW: OLD + kept})
    more = OLD.replace('"%s" % a', 'f"{a}"') + kept + '\n\ndef more(a: int) -> str:\n    return "%s!" % a\n'

    report = await old.judge({SHOW: more})

    assert report.outcome is Outcome.FAILED
    assert rules_of(report) == {"UP031"}


@pytest.mark.parametrize(
    ("line", "rule", "lens"),
    [
        ("TEN = 10  # noqa: PLR2004\n", "new-noqa", "lint"),
        ("TEN = 10  # type: ignore[misc]\n", "new-type-ignore", "types"),
        ("TEN = 10  # pyright: ignore[reportUnknown]\n", "new-type-ignore", "types"),
    ],
)
async def test_a_suppression_that_hides_nothing_is_told_and_does_not_block(
    old: GateFixture, line: str, rule: str, lens: str
) -> None:
    """It is for a tool that the gate does not run, or for a rule that the project does not choose."""
    old.on_base(alone(lens))
    report = await old.judge({"src/app/ten.py": line})

    assert report.outcome is Outcome.PASSED, report.reason
    assert rules_of(report) - {"unused-ignore"} == {rule}


@pytest.mark.parametrize(
    ("text", "rule", "lens"),
    [
        ("import os  # noqa: F401\n", "new-noqa", "lint"),
        ("import os  # noqa\n", "new-noqa", "lint"),
        ("# ruff: noqa: F401\nimport os\n", "new-noqa", "lint"),
        ('TEN: int = "10"  # type: ignore[assignment]\n', "new-type-ignore", "types"),
        ("TEN = 10  # type: ignore\n", "new-type-ignore", "types"),
    ],
)
async def test_a_suppression_that_hides_something_blocks(
    old: GateFixture, text: str, rule: str, lens: str
) -> None:
    """Or might hide anything: one that does not say what."""
    old.on_base(alone(lens))
    report = await old.judge({"src/app/ten.py": text})

    assert report.outcome is Outcome.FAILED
    assert rule in rules_of(report)


HUSHED: Final = "import os  # noqa: F401\n\nTEN: int = int(\n    10,  # type: ignore[call-overload]\n)\n"
FREELY_EDITED: Final = HUSHED.replace("import os  #", "import os as system  #").replace("    10,", "    20,")


@pytest.mark.parametrize(
    ("was", "becomes", "rule"),
    [
        ("import os  #", "import os, sys  #", "new-noqa"),
        ("    10,  #", "    [],  #", "new-type-ignore"),
        ("TEN: int = int(\n", "TEN: int = int(\n    base=[], x=\n", "new-type-ignore"),
    ],
    ids=["the same line", "another value", "another line of the statement"],
)
async def test_an_old_suppression_must_not_hide_what_is_new(
    old: GateFixture, was: str, becomes: str, rule: str
) -> None:
    """One change adds it where it hides little or nothing; another puts the defect beside it."""
    old.on_base({"src/app/hushed.py": HUSHED})

    edited = await old.judge({"src/app/hushed.py": HUSHED.replace(was, becomes)})

    assert edited.outcome is Outcome.FAILED, edited.reason
    assert rule in rules_of(edited)


async def test_an_edit_beside_an_old_suppression_is_free(old: GateFixture) -> None:
    """What it hid before is old, also where its line is edited."""
    old.on_base({"src/app/hushed.py": HUSHED})

    report = await old.judge({"src/app/hushed.py": FREELY_EDITED})

    assert report.outcome is Outcome.PASSED, report.reason


@pytest.mark.parametrize("side", [Side.BASE, Side.CANDIDATE])
async def test_an_old_suppression_that_cannot_be_looked_behind_counts_as_new(
    old: GateFixture, monkeypatch: pytest.MonkeyPatch, side: Side
) -> None:
    """Who makes the tool stumble where it stands must gain nothing."""

    async def stumble(job: CheckJob, *rest: Any) -> Measured:
        return Measured(unmeasured="it stumbled") if job.side is side else await look_without(job, *rest)

    monkeypatch.setattr(widened, "look_without", stumble)
    old.on_base({"src/app/hushed.py": HUSHED})

    report = await old.judge({"src/app/hushed.py": FREELY_EDITED})

    assert report.outcome is Outcome.FAILED
    assert "new-noqa" in rules_of(report)


async def test_a_suppression_for_a_whole_file_is_for_its_future_too(old: GateFixture) -> None:
    """That it hides nothing yet is no reason to let it stand."""
    report = await old.judge({"src/app/ten.py": "# ruff: noqa: F401\nTEN = 10\n"})

    assert report.outcome is Outcome.FAILED
    assert rules_of(report) == {"new-noqa"}


async def test_in_tests_a_bare_suppression_that_hides_nothing_is_told(old: GateFixture) -> None:
    idle = await old.judge({"tests/test_ten.py": "TEN = 10  # noqa\n"})
    hides = await old.judge({"tests/test_ten.py": "import os  # noqa\n"})

    assert idle.outcome is Outcome.PASSED, idle.reason
    assert rules_of(idle) == {"new-noqa"}
    assert hides.outcome is Outcome.FAILED


async def test_a_suppression_in_a_planned_file_is_for_a_person_to_see(old: GateFixture) -> None:
    """No defect was measured; whether the tool is wrong here, only a person can say."""
    text = {"src/app/ten.py": "import os  # noqa: F401\n"}

    report = await old.judge(text, plan=plan_for("src/app/ten.py"))

    assert report.outcome is Outcome.HELD
    assert "new-noqa" in rules_of(report)


async def test_what_only_type_checkers_read_needs_no_coverage(old: GateFixture) -> None:
    text = (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:  # pragma: no cover\n"
        "    from os import PathLike\n"
        '\n\ndef name(path: "PathLike[str]") -> str:\n    return path.__fspath__()\n'
    )

    report = await old.judge({"src/app/ten.py": text})

    assert report.outcome is Outcome.PASSED, report.reason


async def test_a_release_number_in_setup_cfg_is_no_configuration(old: GateFixture) -> None:
    """Tools of releasing keep it there; no check reads it."""
    old.on_base({"setup.cfg": "[bumpversion]\ncurrent_version = 1.0.0\n\n[bumpversion:file:a.py]\n"})

    report = await old.judge(
        {"setup.cfg": "[bumpversion]\ncurrent_version = 1.0.1\n\n[bumpversion:file:a.py]\n"}
    )

    assert report.outcome is Outcome.PASSED, report.reason


async def test_a_test_that_fails_now_and_then_on_the_base_says_nothing_of_a_change(gate: GateFixture) -> None:
    """The base's one run may have been a lucky one."""
    dice = (
        "import pathlib\nimport random\n\n\ndef test_dice() -> None:\n"
        '    lucky = "changed" not in pathlib.Path("README.md").read_text()\n'
        "    assert lucky and random.random() < 0.1\n"
    )
    # always red on the change, red now and then on the base
    gate.on_base({"tests/test_dice.py": dice, "pev.toml": 'checks = ["tests"]\n'})

    results = [await gate.check("tests", {"README.md": f"# changed {number}\n"}) for number in range(2)]

    assert all(one.outcome is Outcome.PASSED for one in results), [one.reason for one in results]


async def test_a_test_that_is_steady_on_the_base_still_blocks(gate: GateFixture) -> None:
    steady = (
        "import pathlib\n\n\ndef test_readme() -> None:\n"
        '    assert "changed" not in pathlib.Path("README.md").read_text()\n'
    )
    gate.on_base({"tests/test_readme.py": steady, "pev.toml": 'checks = ["tests"]\n'})

    result = await gate.check("tests", {"README.md": "# changed\n"})

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {"test-failed"}


async def test_a_version_that_a_build_writes_is_neither_missed_nor_linted(gate: GateFixture) -> None:
    """It is in no repository; tests import it, and the linter has nothing to say of it."""
    built = '\n[tool.setuptools_scm]\nversion_file = "src/app/_version.py"\n'
    strict = PYPROJECT.replace('["E", "F", "W", "I"]', '["ALL"]')
    front = {"src/app/__init__.py": '"""An application."""\n\nfrom app._version import version as version\n'}
    gate.on_base(
        {"pyproject.toml": strict + built, **front, "pev.toml": 'checks = ["lint", "types", "tests"]\n'}
    )

    report = await gate.judge({"README.md": "# changed\n"})
    mine = "# written in place of a build, for tests alone\nimport os\n"
    hidden = await gate.check("lint", {"src/app/more.py": mine})

    assert report.outcome is Outcome.PASSED, report.reason
    assert "F401" in rules_of(hidden)


async def test_a_change_of_documents_is_no_reason_for_a_flaky_test(gate: GateFixture) -> None:
    """A change of code may be; then a person looks."""
    flaky = (
        "import pathlib\n\n\ndef test_flaky() -> None:\n"
        '    mark = pathlib.Path(__file__).with_name("ran")\n'
        '    first = not mark.exists() and "changed" in pathlib.Path("README.md").read_text()\n'
        "    mark.touch()\n    assert not first\n"
    )
    gate.on_base({"tests/test_flaky.py": flaky, "pev.toml": 'checks = ["tests"]\n'})

    documents = await gate.check("tests", {"README.md": "# changed\n"})
    code = await gate.check("tests", {"README.md": "# changed\n", "src/app/calc.py": CALC + "\n# more\n"})

    assert documents.outcome is Outcome.PASSED, documents.reason
    assert rules_of(documents) == {"flaky"}
    assert code.outcome is Outcome.HELD


async def test_notes_of_mypy_alone_are_a_measurement(gate: GateFixture) -> None:
    """It exits as if it had found errors, and has found none."""
    lax = PYPROJECT.replace("strict = true", "strict = false")
    gate.on_base({"pyproject.toml": lax, "src/app/old.py": "def old():\n    a: int = 1\n    return a\n"})
    gate.on_base({"pev.toml": 'checks = ["types"]\n'})

    fine = await gate.judge({"src/app/more.py": "def more():\n    a: int = 1\n    return a\n"})
    wrong = await gate.judge({"src/app/more.py": 'TEN: int = "10"\n'})

    assert fine.outcome is Outcome.PASSED, fine.reason
    assert wrong.outcome is Outcome.FAILED


async def test_what_is_doubtful_in_a_test_is_for_a_person_to_see(gate: GateFixture) -> None:
    """Tests pickle what they made; a product that does it is stopped."""
    gate.on_base({"pev.toml": 'checks = ["security"]\n'})
    text = "import pickle\n\n\ndef test_it() -> None:\n    assert pickle.loads(pickle.dumps(1)) == 1\n"

    tests = await gate.judge({"tests/test_pickle.py": text})
    product = await gate.judge({"src/app/load.py": "import pickle\n\nVALUE = pickle.loads(b'')\n"})

    assert tests.outcome is Outcome.HELD
    assert product.outcome is Outcome.FAILED
    assert rules_of(tests) == rules_of(product) == {"B301"}


async def test_what_mypy_always_said_of_a_file_is_no_news_where_nobody_uses_it(gate: GateFixture) -> None:
    """A module that is given attributes as it runs has them all the same."""
    dynamic = "import app\n\napp.first = 1\n"
    gate.on_base(
        {"pyproject.toml": PYPROJECT.replace("[tool.mypy]", "[tool.other]"), "src/app/dynamic.py": dynamic}
    )

    told = await gate.check("types", {"src/app/dynamic.py": dynamic + "app.second = 2\n"})
    defect = await gate.check("types", {"src/app/more.py": "import app\n\napp.third = 3\n"})

    assert told.outcome is Outcome.PASSED, told.reason
    assert defect.outcome is Outcome.FAILED


async def test_a_file_that_the_base_s_tests_write_to_may_be_written_to(gate: GateFixture) -> None:
    """Some suites touch their own data, and always did; what only the change writes to is another matter."""
    touch = (
        "import os\nimport pathlib\n\n\ndef test_touch() -> None:\n"
        '    os.utime(pathlib.Path(__file__).with_name("data.txt"))\n'
    )
    gate.on_base({"tests/test_touch.py": touch, "tests/data.txt": "a", "pev.toml": 'checks = ["tests"]\n'})
    sly = touch.replace('.with_name("data.txt")', '.parents[1] / "README.md"').replace(
        "test_touch", "test_sly"
    )

    usual = await gate.check("tests", {"README.md": "# changed\n"})
    odd = await gate.check("tests", {"tests/test_sly.py": sly})

    assert usual.outcome is Outcome.PASSED, usual.reason
    assert odd.outcome is Outcome.FAILED
    assert "tree-changed" in rules_of(odd)
