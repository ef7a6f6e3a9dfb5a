"""The trail at 1,000, 100,000 and 1,000,000 events: the same figures. Takes a quarter of an hour."""

from typing import Final

from benchmarks.trail import measure

SIZES: Final = (1_000, 100_000, 1_000_000)


def main() -> None:
    """Print the figures for each size."""
    measure(SIZES)
