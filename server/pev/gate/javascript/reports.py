"""Reads what the test runners of node report: events of node:test, and the JSON of jest and vitest."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pev.gate.javascript.inventory import JOIN
from pev.gate.testing_runs import Failed, Result
from pev.text import one_line

_MAX_BYTES: Final = 256 * 2**20
_PLACE: Final = re.compile(r":(\d+):\d+\)?$", re.MULTILINE)
Place = Callable[[str], str]
"""Turns a path of a report into one relative to the repository."""


@dataclass(slots=True)
class Told:
    """What a report says: results by id, failures, and whether it is whole."""

    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, Failed] = field(default_factory=dict)
    whole: bool = False

    def note(self, own: str, result: Result, failure: Failed | None = None) -> None:
        """Keep the worst result of tests that have one name."""
        if self.results.get(own) is not Result.FAILED:
            self.results[own] = result
        if failure is not None:
            self.failures.setdefault(own, failure)


def read_events(path: Path, inside: Place, place: Place) -> Told:
    """Read the events of node:test; `inside` makes paths relative to the project, `place` to the whole."""
    told = Told()
    groups: dict[str, list[str]] = {}
    for row in _rows(path):
        kind = row.get("type")
        if kind == "end":
            told.whole = True
        elif kind in ("start", "pass", "fail"):
            _event(told, row, groups, inside, place)
    return told


def _event(
    told: Told, row: dict[str, Any], groups: dict[str, list[str]], inside: Place, place: Place
) -> None:
    file, name = str(row.get("file") or ""), str(row.get("name") or "")
    nesting = row["nesting"] if isinstance(row.get("nesting"), int) else 0
    is_file = nesting == 0 and Path(name).name == Path(file).name and name.endswith(Path(file).name)
    above = groups.setdefault(file, [])
    if row["type"] == "start":
        del above[nesting:]
        above.append(name)
        return
    if is_file:
        if row["type"] == "fail" and row.get("kind") != "subtestsFailed":
            own = inside(file)
            told.note(own, Result.FAILED, Failed(own, _reason(row), place(file), None, is_file=True))
        return
    own = f"{inside(file)}::{JOIN.join([*above[:nesting], name])}"
    if row.get("suite") and (row["type"] == "pass" or row.get("kind") == "subtestsFailed"):
        return  # a group is what its tests are
    if row["type"] == "fail" and not row.get("todo"):
        if row.get("kind") == "subtestsFailed":
            told.note(own, Result.FAILED)
            return
        line = row.get("line") if isinstance(row.get("line"), int) else None
        told.note(own, Result.FAILED, Failed(own, _reason(row), place(file), line))
    else:
        told.note(own, Result.SKIPPED if row.get("skip") or row.get("todo") else Result.PASSED)


def _reason(row: dict[str, Any]) -> str:
    return one_line(str(row.get("message") or row.get("text") or row.get("kind") or "no message"), 400)


def read_jest(path: Path, inside: Place, place: Place) -> Told:
    """Read the JSON report that jest and vitest share."""
    told = Told()
    try:
        report = json.loads(path.read_bytes()[:_MAX_BYTES])
        files = report["testResults"]
    except (OSError, ValueError, KeyError, TypeError):
        return told
    for file in files if isinstance(files, list) else ():
        if isinstance(file, dict):
            _file(told, file, inside, place)
    told.whole = isinstance(files, list) and isinstance(report.get("success"), bool)
    return told


_JEST: Final = {
    "passed": Result.PASSED,
    "failed": Result.FAILED,
    "skipped": Result.SKIPPED,
    "pending": Result.SKIPPED,
    "todo": Result.SKIPPED,
    "disabled": Result.SKIPPED,
    "focused": Result.PASSED,
}


def _file(told: Told, file: dict[str, Any], inside: Place, place: Place) -> None:
    name = str(file.get("name") or "")
    rows = [row for row in file.get("assertionResults") or () if isinstance(row, dict)]
    for row in rows:
        titles = [str(one) for one in row.get("ancestorTitles") or () if one]
        own = f"{inside(name)}::{JOIN.join([*titles, str(row.get('title') or '')])}"
        result = _JEST.get(str(row.get("status")), Result.FAILED)
        failure = None
        if result is Result.FAILED:
            said = [str(one) for one in row.get("failureMessages") or ()]
            failure = Failed(own, _first(said), place(name), _line(said, name))
        told.note(own, result, failure)
    if file.get("status") == "failed" and not any(row.get("status") == "failed" for row in rows):
        own = inside(name)
        told.note(
            own,
            Result.FAILED,
            Failed(own, _first([str(file.get("message") or "")]), place(name), None, is_file=True),
        )


def _first(said: Iterable[str]) -> str:
    text = next((one for one in said if one.strip()), "no message")
    return one_line(" ".join(text.split("\n    at ")[0].splitlines()[:6]), 400)


def _line(said: Iterable[str], file: str) -> int | None:
    """Give the line of a test file in a stack."""
    for text in said:
        for row in text.splitlines():
            if Path(file).name in row and (hit := _PLACE.search(row)) is not None:
                return int(hit[1])
    return None


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    try:
        with path.open("rb") as handle:
            lines = handle.read(_MAX_BYTES).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row
