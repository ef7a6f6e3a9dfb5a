"""Outcomes: what counts, what outweighs what."""

from itertools import permutations

import pytest

from pev.findings import (
    Age,
    CheckResult,
    Effect,
    Finding,
    Outcome,
    fingerprint,
    outcome_of_checks,
    outcome_of_findings,
)


def _check(outcome: Outcome, *, blocking: bool = True) -> CheckResult:
    return CheckResult(check="lint", outcome=outcome, blocking=blocking)


def _finding(effect: Effect = Effect.BLOCKS, age: Age = Age.NEW, allowed_by: str | None = None) -> Finding:
    return Finding(
        check="lint",
        rule="F401",
        message="unused",
        effect=effect,
        age=age,
        allowed_by=allowed_by,
        fingerprint=fingerprint("lint", "F401", "a.py", "import os"),
    )


def test_a_gate_without_checks_fails() -> None:
    assert outcome_of_checks([]) is Outcome.FAILED


def test_a_gate_whose_checks_were_all_skipped_fails() -> None:
    assert outcome_of_checks([_check(Outcome.SKIPPED)]) is Outcome.FAILED


def test_the_worst_outcome_wins_in_whatever_order() -> None:
    ranked = [Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.HELD, Outcome.PASSED]
    for size in range(1, len(ranked) + 1):
        for some in permutations(ranked, size):
            assert outcome_of_checks(map(_check, some)) is min(some, key=ranked.index)


def test_a_check_that_does_not_block_does_not_count() -> None:
    checks = [_check(Outcome.PASSED), _check(Outcome.FAILED, blocking=False)]
    assert outcome_of_checks(checks) is Outcome.PASSED


@pytest.mark.parametrize(
    ("finding", "outcome"),
    [
        (_finding(), Outcome.FAILED),
        (_finding(Effect.HOLDS), Outcome.HELD),
        (_finding(Effect.NOTES), Outcome.PASSED),
        (_finding(age=Age.OLD), Outcome.PASSED),
        (_finding(allowed_by="local:ada"), Outcome.PASSED),
    ],
)
def test_only_new_findings_that_nobody_let_through_count(finding: Finding, outcome: Outcome) -> None:
    assert outcome_of_findings([finding]) is outcome


def test_a_fingerprint_survives_white_space_and_tells_twins_apart() -> None:
    one = fingerprint("lint", "F401", "a.py", "  import   os")
    assert one == fingerprint("lint", "F401", "a.py", "import os")
    assert one != fingerprint("lint", "F401", "a.py", "import os", 1)
    assert one != fingerprint("lint", "F401", "b.py", "import os")
