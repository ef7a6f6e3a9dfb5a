"""What coverage says: of the total, and of what no test runs."""

import pytest

from pev.gate.coverage import missing_of, total_findings, total_of
from pev.gate.interface import FindingMaker


def report(covered: int, missing: int, branches: int = 0) -> dict[str, object]:
    share = 100 * covered / (covered + missing) if covered + missing else 100.0
    totals = {
        "percent_covered": share,
        "num_statements": covered + missing,
        "missing_lines": missing,
        "missing_branches": branches,
    }
    return {"totals": totals}


def test_a_total_that_falls_because_covered_code_is_gone_is_no_finding() -> None:
    """Whoever removes tested code leaves the rest as it was."""
    make = FindingMaker("tests")

    assert total_findings(make, 70.0, 75.0, 80, grown=0) == []
    assert total_findings(make, 70.0, 75.0, 80, grown=-3) == []


@pytest.mark.parametrize("grown", [1, None])
def test_a_total_that_falls_otherwise_is_one(grown: int | None) -> None:
    (one,) = total_findings(FindingMaker("tests"), 70.0, 75.0, 80, grown=grown)

    assert one.rule == "coverage-fell"


def test_without_a_base_there_is_nothing_that_was_missing() -> None:
    assert total_findings(FindingMaker("tests"), 70.0, None, 80, grown=0)


def test_what_is_missing_is_counted_in_lines_and_branches() -> None:
    assert missing_of(report(8, 2, 3)) == 5


@pytest.mark.parametrize("nothing", [None, {}, {"totals": {}}, report(0, 0)])
def test_a_report_of_nothing_says_nothing(nothing: dict[str, object] | None) -> None:
    assert missing_of(nothing) is None
    assert total_of(nothing) is None
