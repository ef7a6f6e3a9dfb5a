"""Runs ruff over a checkout and reads its JSON; the two checks that it serves differ only in a word.

Its configuration is what lies in the checkout, where the trusted version of every configuration file was
written; ignore rules of git are not used, so a `.gitignore` hides nothing.
"""

import json
from typing import Any, ClassVar

from pev.findings import Finding
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured
from pev.gate.outputs import listed, source_line, unusable
from pev.gate.tools import command
from pev.proc import Ending


class Ruff(Check):
    """A check that is `ruff` with some `words`."""

    tools: ClassVar[tuple[str, ...]] = ("ruff",)
    words: ClassVar[tuple[str, ...]]
    remedy: ClassVar[str]

    async def run(self, job: CheckJob) -> Measured:
        """Run it over the project."""
        return await self.look(job, await job.bench.checkout(job.side), job.settings.paths or (".",))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over some paths."""
        return await _run(self, job, checkout, paths)


async def _run(check: Ruff, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
    argv = (
        *command("ruff"),
        *check.words,
        "--no-cache",
        "--no-respect-gitignore",
        "--output-format",
        "json",
        "--",
        *paths,
    )
    done = await job.bench.run(argv, cwd=job.folder(checkout), checkout=checkout, clock=job.clock)
    rows = _rows(done.stdout) if done.ending is Ending.EXITED else None
    if rows is None or (done.code not in (0, 1) and not rows):
        return unusable("ruff", done, job.clock)
    make = job.maker(check.name)
    found = tuple(_finding(make, row, job.repo_path(row["filename"], checkout), check.remedy) for row in rows)
    return Measured(findings=found, reason=f"{len(found)} findings", log=listed(found, done.stderr))


def _rows(raw: bytes) -> list[dict[str, Any]] | None:
    try:
        rows = json.loads(raw or b"[]")
    except ValueError:
        return None
    return (
        rows
        if isinstance(rows, list) and all(isinstance(row, dict) and "filename" in row for row in rows)
        else None
    )


def _finding(make: FindingMaker, row: dict[str, Any], path: str, help_text: str) -> Finding:
    rule = str(row.get("code") or "syntax")
    line = (row.get("location") or {}).get("row")
    # a file is formatted or not: where it first differs is not part of the finding's name
    context = rule if rule == "unformatted" else source_line(row["filename"], line)
    return make.make(
        rule, f"{rule} {row.get('message')}", path=path, line=line, context=context, remedy=help_text
    )
