"""Says whether a version satisfies a range, as npm's semver does, for the ranges that are commonly written.

A range that is not understood is taken as satisfied: npm itself refuses to install what does not fit.
"""

import re
from typing import Final

_VERSION: Final = re.compile(r"v?(\d+)(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")
_PART: Final = re.compile(r"(\^|~|>=|<=|>|<|=)?\s*(v?\d[^\s]*)")
Triple = tuple[int, int, int]


def satisfies(version: str, spec: str) -> bool:
    """Say whether a version lies in a range."""
    own = _triple(version)
    if own is None:
        return True
    text = spec.rpartition("@")[2] if spec.startswith("npm:") else spec
    return any(_fits(own, one.strip()) for one in text.split("||"))


def _fits(own: Triple, text: str) -> bool:
    if not text or (not text[0].isdigit() and text[0] not in "^~<>=v") or " - " in text:
        return True
    parts = _PART.findall(text)
    return all(_holds(own, operator, value) for operator, value in parts)


def _holds(own: Triple, operator: str, text: str) -> bool:
    low = _triple(text)
    if low is None:
        return True
    given = _given(text)
    if operator == "^":
        first = next((at for at, number in enumerate(low) if number), given - 1)
        return low <= own < _next(low, min(first, given - 1))
    if operator == "~":
        return low <= own < _next(low, min(1, given - 1))
    if operator in ("", "="):
        return low <= own < _next(low, given - 1) if given < len(low) else own == low
    if operator == ">=":
        return own >= low
    if operator == "<=":
        return own < _next(low, given - 1)
    return own > low if operator == ">" else own < low


def _given(text: str) -> int:
    """Count the numbers that are written out."""
    found = _VERSION.fullmatch(text)
    return sum(part is not None and part.isdigit() for part in found.groups()[:3]) if found else 3


def _next(low: Triple, at: int) -> Triple:
    """Give the lowest version above all that begin with the first numbers, up to `at`."""
    numbers = [*low[:at], low[at] + 1, 0, 0, 0]
    return (numbers[0], numbers[1], numbers[2])


def _triple(text: str) -> Triple | None:
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    numbers = [int(part) if part is not None and part.isdigit() else 0 for part in found.groups()[:3]]
    return (numbers[0], numbers[1], numbers[2])
