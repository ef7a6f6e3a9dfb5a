"""What a caller reads of a gate: bounded whatever was found, with the most telling first."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.findings import Age, CheckResult, Effect, Finding, GateReport, Outcome, fingerprint
from pev.gateview import MAX_BYTES, view_check, view_gate
from pev.models import Digest, ObjectId

OID = ObjectId("a" * 40)
KEY = Digest("b" * 64)
NAMES = ("format", "lint", "types", "tests", "security", "deps", "integrity")
TEXTS = st.text(max_size=40).map(lambda text: text * 40)


def finding(check: str, rule: str, number: int, **more: Any) -> Finding:
    name = fingerprint(check, rule, "a.py", f"{number}")
    given = {"message": f"{rule} number {number}", **more}
    return Finding(check=check, rule=rule, path="a.py", line=1, fingerprint=name, **given)


def report(*checks: CheckResult) -> GateReport:
    return GateReport(
        outcome=Outcome.FAILED,
        reason="tests: 2 failed",
        key=KEY,
        snapshot=OID,
        base_commit=OID,
        trusted_commit=OID,
        policy_hash=KEY,
        policy_source="detected",
        checks=checks,
    )


FINDINGS = st.builds(
    Finding,
    check=st.sampled_from(NAMES),
    rule=st.sampled_from(["F401", "test-failed", "unnoticed-change"]),
    path=st.none() | st.text(min_size=1, max_size=20).map(lambda text: text * 60),
    line=st.none() | st.integers(1, 10**6),
    message=TEXTS,
    effect=st.sampled_from(Effect),
    age=st.sampled_from(Age),
    help=TEXTS,
    fingerprint=st.sampled_from([KEY]),
)
RESULTS = st.builds(
    CheckResult,
    check=st.text("abcdefgh-", min_size=1, max_size=40),
    outcome=st.sampled_from(Outcome),
    reason=TEXTS,
    hint=TEXTS,
    excerpt=st.text(max_size=40).map(lambda text: text * 500),
    findings=st.lists(FINDINGS, max_size=12).map(tuple),
    seconds=st.floats(0, 10**6),
)


@pytest.mark.long_search
@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(RESULTS, max_size=16, unique_by=lambda one: one.check))
def test_a_gate_is_told_in_two_thousand_tokens_whatever_its_size(results: list[CheckResult]) -> None:
    view = view_gate(report(*results), attempt=3, log_uri="pev://runs/01234567/gate/3")
    counting = sum(one.counts() for result in results for one in result.findings)

    assert len(view.model_dump_json().encode()) <= MAX_BYTES
    assert len(view.findings) + view.findings_left_out == counting
    assert len(view.checks) + view.checks_left_out == len(results)


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(RESULTS)
def test_so_is_a_check(result: CheckResult) -> None:
    view = view_check(result)

    assert len(view.model_dump_json().encode()) <= MAX_BYTES
    assert len(view.findings) + view.findings_left_out == view.new + view.old == len(result.findings)


def test_a_check_with_findings_that_count_and_old_ones_keeps_its_bound_to_the_byte() -> None:
    """What stands between two findings counts too."""
    for length in range(100, 140):
        text = "x" * length
        new = [finding("lint", "F401", number, message=text) for number in range(3)]
        old = [finding("lint", "F401", 9 + number, message=text, age=Age.OLD) for number in range(40)]
        view = view_check(CheckResult(check="lint", outcome=Outcome.FAILED, findings=(*new, *old)))
        assert MAX_BYTES - 500 < len(view.model_dump_json().encode()) <= MAX_BYTES


def test_what_blocks_comes_first_and_one_of_each_kind_before_the_second() -> None:
    """A thousand equal findings must not hide the one that explains them."""
    held = [finding("integrity", "opaque", 1, effect=Effect.HOLDS)]
    many = [finding("lint", "F401", number) for number in range(1_000)]
    telling = [finding("tests", "test-failed", 1)]
    results = [
        CheckResult(check=name, outcome=Outcome.FAILED, findings=tuple(found))
        for name, found in (("integrity", held), ("lint", many), ("tests", telling))
    ]

    view = view_gate(report(*results))

    assert [one.rule for one in view.findings[:3]] == ["F401", "test-failed", "F401"]
    assert view.findings_left_out == 1_002 - len(view.findings)
    assert len(view.findings) >= 8


def test_the_worst_checks_are_told_when_there_are_very_many() -> None:
    fine = [CheckResult(check=f"own-{number}", outcome=Outcome.PASSED) for number in range(30)]
    bad = CheckResult(check="tests", outcome=Outcome.FAILED)

    view = view_gate(report(*fine, bad))

    assert "tests" in {one.check for one in view.checks}
    assert view.checks_left_out == 31 - len(view.checks) > 0


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INCONCLUSIVE])
def test_a_log_is_quoted_only_where_no_finding_says_it(outcome: Outcome) -> None:
    log = "Traceback: the tool fell over"
    bare = CheckResult(check="own", outcome=outcome, excerpt=log)
    told = bare.model_copy(update={"findings": (finding("own", "exit-code", 1),)})

    assert view_check(bare).excerpt == log
    assert view_check(told).excerpt == ""
    assert json.loads(view_check(told).model_dump_json())["findings"][0]["rule"] == "exit-code"
