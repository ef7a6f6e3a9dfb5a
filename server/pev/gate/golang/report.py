"""Reads what `go test -json` wrote, and its coverage profile.

The events come from the process under test, so they are held against each other and the exit code. A test
that began and has no end makes the run worthless.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from pev.gate.coverage import Lines
from pev.gate.testing_runs import Failed, Result
from pev.text import one_line

_RESULTS: Final = {"pass": Result.PASSED, "fail": Result.FAILED, "skip": Result.SKIPPED}
_AT: Final = re.compile(r"^\s*(?P<file>[\w./-]+\.go):(?P<line>\d+):? ?(?P<text>.*)$")
_BLOCK: Final = re.compile(r"^(?P<path>.+\.go):(?P<low>\d+)\.\d+,(?P<high>\d+)\.\d+ \d+ (?P<count>\d+)$")
_MARK: Final = re.compile(r"^\s*--- (?:PASS|FAIL|SKIP): (\S+) \(")
_EMPTY: Final = re.compile(r"^[\s{}()\[\],;]*(//.*)?$")
_MAX_OUTPUT: Final = 200


@dataclass(slots=True)
class Story:
    """The events of a run. Packages and tests are named by import path."""

    results: dict[tuple[str, str], Result] = field(default_factory=dict)
    begun: set[tuple[str, str]] = field(default_factory=set)
    marked: set[tuple[str, str]] = field(default_factory=set)
    ended: dict[str, Result] = field(default_factory=dict)
    output: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event in."""
        action, package, test = (str(event.get(key, "")) for key in ("Action", "Package", "Test"))
        key = (package, test)
        if action == "output":
            lines, text = self.output.setdefault(key, []), str(event.get("Output", "")).rstrip("\n")
            if len(lines) < _MAX_OUTPUT:
                lines.append(text)
            if (mark := _MARK.match(text)) is not None and mark[1] == test:
                self.marked.add(key)
        elif not test and action in _RESULTS:
            self.ended[package] = _RESULTS[action]
        elif action == "run":
            self.begun.add(key)
        elif action in _RESULTS and self.results.get(key) is not Result.FAILED:
            self.results[key] = _RESULTS[action]

    def unfinished(self) -> list[str]:
        """Name the tests that began and have no end of their own.

        When the process ends well in the middle of a test, Go calls the test passed.
        """
        lost = {key for key in self.begun if key not in self.results or key not in self.marked}
        return sorted(test for package, test in lost)

    def failures(self, place: Callable[[str], str], repo: Callable[[str, str], str]) -> Iterable[Failed]:
        """Give the tests that failed, and packages that failed without one.

        `place` gives the folder of a package, `repo` the path of a file of one in the repository.
        """
        failed = {key for key, result in self.results.items() if result is Result.FAILED}
        for package, test in sorted(failed):
            reason, file, line = self._why(package, test)
            path = repo(package, file) if file else None
            yield Failed(f"{place(package)}::{test}", reason, path, line)
        for package, result in sorted(self.ended.items()):
            if result is Result.FAILED and not any(own == package for own, _ in failed):
                why = next(iter(self._package_says(package)), "it failed, and none of its tests did")
                yield Failed(place(package), why, is_file=True)

    def _why(self, package: str, test: str) -> tuple[str, str, int | None]:
        lines = [line for line in self.output.get((package, test), []) if not line.lstrip().startswith("---")]
        for line in lines:
            if (at := _AT.match(line)) is not None:
                return one_line(at["text"]) or one_line(line), PurePosixPath(at["file"]).name, int(at["line"])
        telling = [line for line in lines if line.strip() and not line.startswith("===")]
        return one_line(telling[0]) if telling else "no message", "", None

    def _package_says(self, package: str) -> list[str]:
        said = [line for line in self.output.get((package, ""), []) if line.strip()]
        built = [line for line in self.plain if _AT.match(line)]
        return [one_line(line) for line in [*built, *said]]


def read_events(raw: bytes) -> Story:
    """Read the events of a run; lines that are none are kept as they are."""
    story = Story()
    for line in raw.decode("utf-8", "replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict) and isinstance(event.get("Action"), str):
            story.take(event)
        elif line.strip():
            story.plain.append(line)
    return story


def read_profile(
    text: str, place: Callable[[str], str | None], read: Callable[[str], str]
) -> dict[str, Lines] | None:
    """Read a coverage profile, by path in the repository; None if it is none.

    `place` turns import paths of files into paths, None for what is not of interest; `read` gives a source.
    Lines that say nothing, such as closing brackets, do not count.
    """
    if not text.startswith("mode: "):
        return None
    hit: dict[str, set[int]] = {}
    seen: dict[str, set[int]] = {}
    for row in text.splitlines()[1:]:
        block = _BLOCK.match(row)
        path = place(block["path"]) if block else None
        if block is None or path is None:
            continue
        lines = range(int(block["low"]), min(int(block["high"]), int(block["low"]) + 100_000) + 1)
        seen.setdefault(path, set()).update(lines)
        if int(block["count"]):
            hit.setdefault(path, set()).update(lines)
    out = {}
    for path, every in seen.items():
        told = {n for n, line in enumerate(read(path).splitlines(), 1) if not _EMPTY.match(line)}
        ran = hit.get(path, set())
        out[path] = Lines(executed=frozenset(ran & told), missing=frozenset((every - ran) & told))
    return out
