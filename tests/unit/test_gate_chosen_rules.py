"""Which rules of ruff a project chose, as its configuration says."""

import pytest

from pev.gate.chosen_rules import LONG_STANDING, chooses


@pytest.mark.parametrize(
    ("selector", "rule", "chosen"),
    [
        ("F", "F401", True),
        ("F", "FA100", False),
        ("FA", "FA100", True),
        ("E7", "E722", True),
        ("E7", "E401", False),
        ("E", "E722", True),
        ("PL", "PLR0913", True),
        ("PLE", "PLR0913", False),
        ("RUF", "RUF010", True),
        ("RUF0", "RUF100", False),
        ("", "ANN001", True),
        ("unformatted", "unformatted", True),
        ("F", "unformatted", False),
    ],
)
def test_a_selector_chooses_the_rules_of_its_family(selector: str, rule: str, chosen: bool) -> None:
    assert chooses((selector,), rule) is chosen


def test_what_ruff_chose_for_years_is_chosen() -> None:
    assert all(chooses(LONG_STANDING, rule) for rule in ("F821", "F401", "E722", "E902", "E402"))
    assert not any(chooses(LONG_STANDING, rule) for rule in ("E501", "FA100", "RUF010", "B006"))
