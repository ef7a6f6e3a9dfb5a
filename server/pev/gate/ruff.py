"""Runs ruff over a checkout and reads its JSON; the two checks that it serves differ only in a word.

Its configuration is what lies in the checkout, where the trusted version of every configuration file was
written; ignore rules of git are not used, so a `.gitignore` hides nothing.
"""

import json
from typing import Any

from pev.findings import Finding
from pev.gate.interface import Check, CheckJob, FindingMaker, Measured
from pev.gate.outputs import listed, source_line, unusable
from pev.gate.tools import command
from pev.proc import Ending


async def run_ruff(check: Check, job: CheckJob, words: tuple[str, ...], help_text: str) -> Measured:
    """Run `ruff` with `words` over a project and give its findings."""
    checkout = await job.bench.checkout(job.side)
    paths = job.settings.paths or (".",)
    argv = (
        *command("ruff"),
        *words,
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
    found = tuple(_finding(make, row, job.repo_path(row["filename"], checkout), help_text) for row in rows)
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
