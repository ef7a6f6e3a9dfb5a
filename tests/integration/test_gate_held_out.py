"""Held-out tests in the gate: on the author's code, apart, and without a word of them in any result."""

import pytest

from pev.findings import GateReport, Outcome
from pev.gate.demands import HELD_OUT
from pev.gate.held_out import MISSING
from pev.gate.held_set import HeldOutSet
from support.gates import GateFixture, of, rules_of
from support.repos import CALC

MARK = "wunderbar"
TESTS = f"""\
from app.calc import add


def test_c1_adds() -> None:
    assert add(20, 22) == 42, "{MARK}"


def test_c2_keeps_zero() -> None:
    assert add(0, 0) == 0, "{MARK}"
"""
HELD = HeldOutSet(source=TESTS, tests={"c1": ("test_c1_adds",), "c2": ("test_c2_keeps_zero",)})
WRONG = CALC.replace("return a + b", "return a * b")
LINT_ONLY = '[environment]\ngroups = []\n\n[roles]\nreveal = "{reveal}"\n'
NOSY = """\
import inspect
import os
import sys


def add(a: int, b: int) -> int:
    for info in inspect.stack():
        try:
            text = open(info.filename, encoding="utf-8").read()
        except OSError:
            text = ""
        print(text)
        print(text, file=sys.stderr)
        os.write(1, text.encode())
        os.write(2, text.encode())
        if "held_out" in info.filename:
            raise AssertionError(text)
    return a * b
"""


def _light(gate: GateFixture, reveal: str = "criterion") -> None:
    """A policy of one cheap check, so that what is measured here is the held-out run."""
    gate.on_base({"pev.toml": f'checks = ["format"]\n{LINT_ONLY.format(reveal=reveal)}'})


async def _judge(gate: GateFixture, calc: str, held: HeldOutSet = HELD) -> GateReport:
    return await gate.judge({"src/app/calc.py": calc}, held_out=held)


async def test_the_author_learns_the_criterion_and_nothing_else(gate: GateFixture) -> None:
    _light(gate)
    report = await _judge(gate, WRONG)
    found = of(report, HELD_OUT)
    assert found.outcome is Outcome.FAILED
    assert [one.message for one in found.findings if one.counts() and one.rule == "criterion-not-met"] == [
        "criterion c1 is not met"
    ]
    assert "criterion-met" in rules_of(found)
    assert report.outcome is Outcome.FAILED
    whole = report.model_dump_json()
    for secret in (MARK, "20, 22", "test_c1_adds", "test_held_out"):
        assert secret not in whole
    assert found.log is None
    assert found.excerpt == ""
    again = await _judge(gate, WRONG.replace("divide", "divide"), HELD)
    assert again.cached
    other = await _judge(gate, WRONG, HELD.model_copy(update={"source": TESTS + "\n"}))
    assert other.key != report.key


async def test_code_that_reads_the_tests_and_prints_them_gains_nothing(gate: GateFixture) -> None:
    """It runs in the same process, so it can read them: what it says then goes nowhere."""
    _light(gate)
    report = await _judge(gate, NOSY)
    assert of(report, HELD_OUT).outcome is Outcome.FAILED
    assert MARK not in report.model_dump_json()
    assert not any(MARK.encode() in log for log in gate.logs.values())
    assert not gate.environments()


async def test_a_policy_can_let_the_author_see_what_was_expected(gate: GateFixture) -> None:
    _light(gate, "expectation")
    report = await _judge(gate, WRONG)
    (found,) = [one for one in report.findings if one.rule == "criterion-not-met"]
    assert found.message == "criterion c1 is not met; expected: add(20, 22) == 42"
    assert MARK not in report.model_dump_json()


@pytest.mark.parametrize(
    ("calc", "why"),
    [
        (CALC.replace("def add", "def plus"), "could not be run"),
        (CALC + "\nimport os\n\nos._exit(0)\n", "could not be run"),
        ("import pytest\n\n" + CALC.replace("return a + b", "pytest.skip('no')"), "could not be run"),
    ],
    ids=["not-there", "exits", "skips"],
)
async def test_held_out_tests_that_did_not_run_are_no_pass(gate: GateFixture, calc: str, why: str) -> None:
    _light(gate)
    found = of(await _judge(gate, calc), HELD_OUT)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert why in found.reason
    assert MARK not in found.model_dump_json()


async def test_a_policy_that_wants_held_out_tests_is_not_satisfied_without(gate: GateFixture) -> None:
    _light(gate)
    report = await gate.judge({"src/app/calc.py": CALC + "\n\nLIMIT = 3\n"}, wants_held_out=True)
    assert of(report, HELD_OUT).outcome is Outcome.INCONCLUSIVE
    assert of(report, HELD_OUT).reason == MISSING
    assert report.outcome is Outcome.INCONCLUSIVE


async def test_without_a_sandbox_they_are_not_run_even_if_trusted(
    gate: GateFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _light(gate)
    monkeypatch.setenv("PEV_SANDBOX", "none")
    open_gate = GateFixture(gate.repo)
    found = of(await _judge(open_gate, WRONG), HELD_OUT)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "would not stay held out" in found.reason
