"""The total of covered lines: held to the floor, or to the base where the base is under it."""

import pytest

from pev.gate.coverage import total_findings
from pev.gate.interface import FindingMaker


@pytest.mark.parametrize(
    ("total", "base", "floor", "falls"),
    [
        (80.0, None, 80.0, False),
        (79.8, None, 80.0, True),
        (81.0, 95.0, 80.0, False),
        (79.0, 95.0, 80.0, True),
        (60.0, 60.0, 80.0, False),
        (59.95, 60.0, 80.0, False),  # lines that depend on timing
        (59.5, 60.0, 80.0, True),
        (0.0, 0.0, 80.0, False),
    ],
)
def test_a_total_may_not_fall_under_floor_or_base(
    total: float, base: float | None, floor: float, falls: bool
) -> None:
    found = total_findings(FindingMaker("tests"), total, base, floor)
    assert bool(found) is falls
    if falls:
        assert found[0].rule == "coverage-fell"
