"""The time that a check has."""

import time


class Clock:
    """The time that a check has, from its launch.

    What went into building its environment is charged too, but never more than half of the limit.
    """

    def __init__(self, limit_s: float, spent_s: float = 0.0) -> None:
        self.limit_s = limit_s
        self._begun = time.monotonic()
        self._end = self._begun + limit_s - min(spent_s, limit_s / 2)

    def spent_s(self) -> float:
        """Give the seconds since the launch."""
        return time.monotonic() - self._begun

    def left_s(self) -> float:
        """Give the seconds that are left, at least 0."""
        return max(0.0, self._end - time.monotonic())
