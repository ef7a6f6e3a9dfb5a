"""Reads what Go's tools say, line by line or as JSON: where, and what."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pev.findings import Finding
from pev.gate.golang.toolbox import GoBox
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker
from pev.gate.outputs import source_line

_ROW: Final = re.compile(r"^(?:vet: )?(?P<path>[^\s:][^:\n]*\.go):(?P<line>\d+)(?::\d+)?: (?P<text>.+)$")
_PLACE: Final = re.compile(r"^(?P<path>.+?):(?P<line>\d+)(?::\d+)?$")
_NOT_OURS: Final = ("vendor/", "testdata/")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a tool said of a line. `path` is as the tool wrote it."""

    rule: str
    path: str
    line: int
    text: str


class GoCheck(Check):
    """A check that runs Go's own tools."""

    needs_environment = True

    async def box(self, job: CheckJob, checkout: Checkout) -> GoBox:
        """Give Go for a checkout, with the modules of the project. Raises EnvironmentUnavailable."""
        box = await job.bench.toolbox(job.side, checkout, job.project)
        assert isinstance(box, GoBox)  # noqa: S101  (whoever makes boxes of Go makes these)
        return box


def rows_of(text: str, rule: str) -> list[Row]:
    """Give the lines that name a place in a source, each once."""
    found = (_ROW.match(line) for line in text.splitlines())
    return list(dict.fromkeys(Row(rule, one["path"], int(one["line"]), one["text"]) for one in found if one))


def vet_rows(text: str) -> list[Row]:
    """Give what `go vet -json` reported, and sources that it could not read, each once."""
    out = []
    for value in _objects(text):
        for package in value.values():
            for rule, said in package.items() if isinstance(package, dict) else ():
                for one in said if isinstance(said, list) else ():
                    place = _PLACE.match(str(one.get("posn"))) if isinstance(one, dict) else None
                    if place:
                        out.append(Row(str(rule), place["path"], int(place["line"]), str(one.get("message"))))
    return list(dict.fromkeys([*out, *rows_of(text, "typecheck")]))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Give the JSON objects that stand in a text among lines of words."""
    decoder = json.JSONDecoder()
    at = 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict):
            yield value


def finding(make: FindingMaker, job: CheckJob, row: Row, checkout: Checkout, remedy: str) -> Finding | None:
    """Make the finding of a row; None if it is not about a source of the project itself."""
    path = job.repo_path(row.path.removeprefix("./"), checkout)
    inner = path if job.root == "." else path.removeprefix(f"{job.root}/")
    if path.startswith(("/", "..")) or any(f"/{part}" in f"/{inner}" for part in _NOT_OURS):
        return None
    # a file is formatted or not: where it first differs is not part of the finding's name
    named = f"{row.text} {source_line(checkout.root / path, row.line)}"
    named = row.rule if row.rule == "unformatted" else named
    return make.make(
        row.rule,
        row.text,
        path=path,
        line=row.line,
        context=named,
        remedy=remedy,
    )
