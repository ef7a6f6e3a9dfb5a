"""Runs ruff over a checkout and reads its JSON; the two checks that it serves differ only in a word.

Its configuration is what lies in the checkout, where the trusted version of every configuration file was
written; ignore rules of git are not used, so a `.gitignore` hides nothing. In a project that never
took on ruff only defects block, unless somebody wrote a policy; in one that names no version of it, only what
it chose.
"""

import json
import re
from pathlib import Path
from typing import Any, ClassVar, Final

from packaging.version import Version

from pev.errors import EnvironmentUnavailable
from pev.findings import Effect, Finding
from pev.gate.adoption import is_asked_for
from pev.gate.chosen_rules import chooses, chosen_rules
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured
from pev.gate.outputs import listed, source_line, unusable
from pev.gate.tools import command
from pev.gate.version_file import is_written
from pev.proc import Ending

_UNUSED: Final = "RUF100"
"""A suppression that this version does not need; one that nobody chose is no measure for it."""
_PYTHON: Final = (".py", ".pyi", ".ipynb")
_FORMATS_IN_JSON: Final = Version("0.16")
_WOULD: Final = re.compile(r"^Would reformat: (.+)$", re.MULTILINE)
_FAILED: Final = re.compile(r"^error: Failed to parse (.+?):\d+:\d+: ", re.MULTILINE)


class Ruff(Check):
    """A check that is `ruff` with some `words`.

    Where nobody chose ruff, only rules that begin with one of `defects` block. `own_rules` are not for a
    configuration to choose.
    """

    tools: ClassVar[tuple[str, ...]] = ("ruff",)
    words: ClassVar[tuple[str, ...]]
    remedy: ClassVar[str]
    defects: ClassVar[tuple[str, ...]]
    own_rules: ClassVar[tuple[str, ...]] = ()

    async def run(self, job: CheckJob) -> Measured:
        """Run it over the project."""
        return await self.look(job, await job.bench.checkout(job.side), job.settings.paths or (".",))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over some paths."""
        return await _run(self, job, checkout, paths)


async def _run(check: Ruff, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
    try:
        tool = await job.bench.tool("ruff", job.root)
    except EnvironmentUnavailable as exc:
        return Measured(unmeasured=str(exc), outside=True)
    plain = check.words[0] == "format" and Version(tool.version) < _FORMATS_IN_JSON
    form = () if plain else ("--output-format", "json")
    argv = (*tool.argv, *check.words, "--no-cache", "--no-respect-gitignore", *form, "--", *paths)
    done = await job.bench.run(argv, cwd=job.folder(checkout), checkout=checkout, clock=job.clock, tool=tool)
    rows = None
    if done.ending is Ending.EXITED:
        rows = _plain_rows(done.text(), job.folder(checkout)) if plain else _rows(done.stdout)
    if rows is None or (done.code not in (0, 1) and not rows):
        return unusable("ruff", done, job.clock)
    rows = [row for row in rows if not await _is_of_a_build(job, checkout, row["filename"])]
    make = job.maker(check.name)
    chosen = not rows or await is_asked_for(job, "ruff", "ruff.toml", ".ruff.toml")
    known = tool.pinned or job.request.policy.explicit
    rules = ("",) if known or not rows else (*await chosen_rules(job), *check.own_rules)
    found = tuple(
        _finding(
            make,
            row,
            job.repo_path(row["filename"], checkout),
            check,
            chosen=chosen
            and chooses(rules, _rule_of(row))
            and (known or row["filename"].endswith(_PYTHON))
            and (row.get("code") != _UNUSED or tool.argv != command("ruff")),
        )
        for row in rows
    )
    return Measured(
        findings=found,
        reason=f"{len(found)} findings",
        tools={"ruff": tool.version},
        log=listed(found, done.stderr),
    )


async def _is_of_a_build(job: CheckJob, checkout: Checkout, file: str) -> bool:
    """Say whether a file is in no tree, and was only written because a build would have."""
    if not is_written(job.folder(checkout) / file):
        return False
    return await job.bench.read(job.side, job.repo_path(file, checkout)) is None


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


def _plain_rows(text: str, folder: Path) -> list[dict[str, Any]]:
    """Read what an older `ruff format --check` says."""
    said = {"unformatted": "File would be reformatted", "invalid-syntax": "it cannot be parsed"}
    found = [("unformatted", match[1]) for match in _WOULD.finditer(text)]
    found += [("invalid-syntax", match[1]) for match in _FAILED.finditer(text)]
    return [{"code": code, "filename": str(folder / path), "message": said[code]} for code, path in found]


def _rule_of(row: dict[str, Any]) -> str:
    return str(row.get("code") or "syntax")


def _finding(make: FindingMaker, row: dict[str, Any], path: str, check: Ruff, *, chosen: bool) -> Finding:
    rule = _rule_of(row)
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
