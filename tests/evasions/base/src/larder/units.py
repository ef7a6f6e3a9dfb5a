"""Quantities as people write them: a number and a unit."""

import re

GRAMS = {"g": 1, "kg": 1000}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


class BadQuantity(ValueError):
    """The text is no quantity that we know."""


def grams(text: str) -> float:
    """Read a quantity such as `1.5 kg` and give it in grams."""
    found = _QUANTITY.fullmatch(text.strip().lower())
    if found is None or found[2] not in GRAMS:
        raise BadQuantity(text)
    return float(found[1]) * GRAMS[found[2]]


def spoken(amount: float) -> str:
    """Write grams the way a person would."""
    if amount >= 1000:
        return f"{amount / 1000:g} kg"
    return f"{amount:g} g"
