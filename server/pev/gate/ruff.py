"""Runs ruff over a checkout and reads its JSON; the two checks that it serves differ only in a word.

Its configuration is what lies in the checkout, where the trusted version of every configuration file was
written; ignore rules of git are not used, so a `.gitignore` hides nothing. A project that does not configure
ruff never took on its style: unless somebody wrote it into a policy, only defects block there.
"""

import json
import tomllib
from pathlib import PurePosixPath
from typing import Any, ClassVar, Final

from pev.findings import Effect, Finding
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured
from pev.gate.outputs import listed, source_line, unusable
from pev.gate.tools import command
from pev.proc import Ending

_FILES: Final = ("ruff.toml", ".ruff.toml", "pyproject.toml")


class Ruff(Check):
    """A check that is `ruff` with some `words`.

    Where nobody chose ruff, only rules that begin with one of `defects` block.
    """

    tools: ClassVar[tuple[str, ...]] = ("ruff",)
    words: ClassVar[tuple[str, ...]]
    remedy: ClassVar[str]
    defects: ClassVar[tuple[str, ...]]

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
    chosen = not rows or job.request.policy.explicit or await _is_configured(job)
    found = tuple(
        _finding(make, row, job.repo_path(row["filename"], checkout), check, chosen=chosen) for row in rows
    )
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


async def _is_configured(job: CheckJob) -> bool:
    """Say whether the project, or the repository above it, configures ruff."""
    root = PurePosixPath(job.root)
    for name in (f"{folder}/{file}" for folder in (root, *root.parents) for file in _FILES):
        raw = await job.bench.read(job.side, name.removeprefix("./"))
        if raw is not None and (not name.endswith("pyproject.toml") or _has_table(raw)):
            return True
    return False


def _has_table(raw: bytes) -> bool:
    try:
        return "ruff" in tomllib.loads(raw.decode("utf-8", "replace")).get("tool", {})
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        return False


def _finding(make: FindingMaker, row: dict[str, Any], path: str, check: Ruff, *, chosen: bool) -> Finding:
    rule = str(row.get("code") or "syntax")
    line = (row.get("location") or {}).get("row")
    # a file is formatted or not: where it first differs is not part of the finding's name
    context = rule if rule == "unformatted" else source_line(row["filename"], line)
    return make.make(
        rule,
        f"{rule} {row.get('message')}",
        path=path,
        line=line,
        context=context,
        remedy=check.remedy,
        effect=Effect.BLOCKS if chosen or rule.startswith(check.defects) else Effect.NOTES,
    )
