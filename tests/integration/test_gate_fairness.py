"""What an honest change to old code may do without being stopped, and where the line is."""

from typing import Final

import pytest

from pev.findings import Outcome
from support.gates import GateFixture, plan_for, rules_of
from support.repos import PYPROJECT

CHOOSY: Final = PYPROJECT.replace('["E", "F", "W", "I"]', '["E", "F", "W", "I", "UP"]')
CHECKS: Final = {"pev.toml": 'checks = ["lint", "types"]\n'}
OLD: Final = 'def show(a: int) -> str:\n    return "%s" % a\n'
SHOW: Final = "src/app/show.py"


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
    ("line", "rule"),
    [
        ("TEN = 10  # noqa: PLR2004\n", "new-noqa"),
        ("TEN = 10  # type: ignore[misc]\n", "new-type-ignore"),
        ("TEN = 10  # pyright: ignore[reportUnknown]\n", "new-type-ignore"),
    ],
)
async def test_a_suppression_that_hides_nothing_is_told_and_does_not_block(
    old: GateFixture, line: str, rule: str
) -> None:
    """It is for a tool that the gate does not run, or for a rule that the project does not choose."""
    report = await old.judge({"src/app/ten.py": line})

    assert report.outcome is Outcome.PASSED, report.reason
    assert rules_of(report) - {"unused-ignore"} == {rule}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import os  # noqa: F401\n", "new-noqa"),
        ("import os  # noqa\n", "new-noqa"),
        ("# ruff: noqa: F401\nimport os\n", "new-noqa"),
        ('TEN: int = "10"  # type: ignore[assignment]\n', "new-type-ignore"),
        ("TEN = 10  # type: ignore\n", "new-type-ignore"),
    ],
)
async def test_a_suppression_that_hides_something_blocks(old: GateFixture, text: str, rule: str) -> None:
    """Or might hide anything: one that does not say what."""
    report = await old.judge({"src/app/ten.py": text})

    assert report.outcome is Outcome.FAILED
    assert rule in rules_of(report)


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
