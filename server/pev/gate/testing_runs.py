"""One run of a project's tests, whatever runs them: what is asked of it, and what it said.

A report comes from inside the process that runs the code under test, so a run is believed only as far as it
agrees with itself, with its exit code, and with the tests that are written down.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pev.gate.coverage import Lines

_MAX_LINE: Final = 10_000_000


class Result(StrEnum):
    """What became of one test."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Failed:
    """A test that failed, or a file (`is_file`) that could not be run at all.

    `path` is relative to the repository, None where the runner does not name it; `reason` is one line.
    """

    id: str
    reason: str
    path: str | None = None
    line: int | None = None
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which tests a run is of. Empty `files` and `only` mean all.

    `files` are paths of test files, relative to the repository. `only` and `without` are ids; a runner that
    cannot single out a test may run the whole file that holds it. `label` names the run's own files apart
    from those of other runs in the same checkout.
    """

    label: str
    files: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    coverage: bool = False
    stop_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run said. `broken` is the reason why it cannot be believed, or None.

    Ids are `path::name`, the path relative to the project, or whatever names a test once and for all.
    `coverage` holds what was measured of each file, by its path in the repository; None if nothing was.
    `nothing` says that there were no tests to run, `killed` that it ran out of time or was stopped.
    """

    broken: str | None = None
    results: Mapping[str, Result] = field(default_factory=dict)
    failures: tuple[Failed, ...] = ()
    coverage: Mapping[str, Lines] | None = None
    log: bytes = b""
    nothing: bool = False
    killed: bool = False
    seconds: float = 0.0

    @property
    def passed(self) -> frozenset[str]:
        """The ids of the tests that passed."""
        return self._with(Result.PASSED)

    @property
    def skipped(self) -> frozenset[str]:
        """The ids of the tests that were skipped."""
        return self._with(Result.SKIPPED)

    @property
    def failed_ids(self) -> frozenset[str]:
        """The ids of what failed."""
        return frozenset(one.id for one in self.failures)

    def _with(self, result: Result) -> frozenset[str]:
        return frozenset(own for own, was in self.results.items() if was is result)

    def summary(self) -> str:
        """Say in a few words how many passed, failed and were skipped."""
        parts = [
            (len(self.passed), "passed"),
            (len(self.failures), "failed"),
            (len(self.skipped), "skipped"),
        ]
        return ", ".join(f"{count} {word}" for count, word in parts if count)


def total_of(lines: Mapping[str, Lines] | None, counts: Callable[[str], bool]) -> float | None:
    """Give the share of lines that were run, in per cent, of the files that count; None if there are none."""
    chosen = [one for path, one in (lines or {}).items() if counts(path)]
    hit = sum(len(one.executed) for one in chosen)
    every = hit + sum(len(one.missing) for one in chosen)
    return 100 * hit / every if every else None


def read_lcov(text: str, place: Callable[[str], str | None]) -> dict[str, Lines]:
    """Read a coverage report in lcov's format (geninfo(1)), by path in the repository.

    `place` turns the report's paths into such ones, and gives None for files that are not of interest. A line
    that stands there several times was run if one of them says so.
    """
    hits: dict[str, dict[int, int]] = {}
    own: dict[int, int] | None = None
    for row in text.splitlines():
        key, _, value = row.strip().partition(":")
        if key == "SF":
            path = place(value)
            own = hits.setdefault(path, {}) if path is not None else None
        elif key == "DA" and own is not None:
            number, _, count = value.partition(",")
            line, times = _number(number), _number(count.partition(",")[0])
            if line is not None and times is not None and 0 < line < _MAX_LINE:
                own[line] = max(own.get(line, 0), times)
    return {path: lines_from(found.items()) for path, found in hits.items()}


def lines_from(hits: Iterable[tuple[int, int]]) -> Lines:
    """Give the lines that were run, and those that were not, from how often each was."""
    counted = dict(hits)
    return Lines(
        executed=frozenset(line for line, times in counted.items() if times > 0),
        missing=frozenset(line for line, times in counted.items() if times <= 0),
    )


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
