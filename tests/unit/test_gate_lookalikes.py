"""Names of packages that are nearly well-known ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.lookalikes import twin_of


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("reqeusts", "requests"),
        ("request5", "requests"),
        ("requets", "requests"),
        ("requestss", "requests"),
        ("nurnpy", None),
        ("numpyy", "numpy"),
        ("python-requests", "requests"),
        ("djang0", "django"),
        ("beautifulsoup", "beautifulsoup4"),
        ("Pil1ow", "pillow"),
        ("urlib3", "urllib3"),
        ("python-dateutill", "python-dateutil"),
        ("typing_extension", "typing-extensions"),
    ],
)
def test_a_slip_is_noticed(name: str, known: str | None) -> None:
    assert twin_of(name) == known


@pytest.mark.parametrize(
    "name", ["requests", "PyYAML", "markupsafe", "click", "tomli", "toml", "flit", "rich", "uv"]
)
def test_a_well_known_name_has_no_twin(name: str) -> None:
    """Although some are near to each other."""
    assert twin_of(name) is None


@pytest.mark.parametrize(
    "name",
    ["my-company-tools", "mcp", "hatchling", "pre-commit", "types-requests", "pytest-randomly", "textual"],
)
def test_an_honest_name_has_no_twin(name: str) -> None:
    assert twin_of(name) is None


@given(st.sampled_from(["requests", "cryptography", "sqlalchemy"]), st.data())
def test_any_one_slip_is_noticed(known: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(known) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    changed = data.draw(
        st.sampled_from(
            [
                known[:at] + letter + known[at:],
                known[:at] + known[at + 1 :],
                known[:at] + letter + known[at + 1 :],
            ]
        )
    )
    assert twin_of(changed) is not None or changed == known
