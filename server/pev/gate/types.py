"""The check `types`: what does mypy say, in the project's own dependencies?

Exit code 2 means that mypy could not do its work; that is no finding. Plugins are code that runs inside
mypy: those that mypy or PEV does not bring need trust. In a project that never took on mypy only defects
block, unless somebody wrote a policy; and tests are held to their types only where they kept to them before.
"""

import configparser
import json
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Final

from pev.errors import EnvironmentUnavailable
from pev.findings import Effect, Finding, Severity
from pev.gate.adoption import is_asked_for
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Interpreter, Measured, Side, Trust
from pev.gate.outputs import ended_badly, listed, private_name, source_line, unusable
from pev.gate.tools import command
from pev.gate.typeshed import warm
from pev.proc import Ending

_CONFIGS: Final = ("mypy.ini", ".mypy.ini", "pyproject.toml", "setup.cfg")
# where nobody chose mypy: what fails when it runs, whatever one thinks of types
_DEFECTS: Final = ("attr-defined", "call-arg", "name-defined", "syntax", "used-before-def")
_IDLE: Final = ("unused-ignore",)
_NEEDS_TRUST: Final = (
    "mypy plugins of the repository run code; trust this policy first: `pev trust`, or --trust"
)
_TARGETS: Final = ("files", "packages", "modules")
_EXTENDED: Final = (
    "import sys, runpy; sys.path.extend({paths!r}); runpy.run_module('mypy', run_name='__main__')"
)


class Types(Check):
    """`mypy` with the trusted configuration and a cache of its own."""

    name = "types"
    weight: ClassVar[int] = 60
    tools: ClassVar[tuple[str, ...]] = ("mypy",)
    needs_environment: ClassVar[bool] = True
    planted: ClassVar[str] = 'planted: int = "no number"\n'

    async def run(self, job: CheckJob) -> Measured:
        """List the errors that mypy reports."""
        checkout = await job.bench.checkout(job.side)
        _, table = read_config(job.folder(checkout))
        if _plugins(table) and job.request.trust is Trust.TRUSTED:
            # what runs code gets a checkout of its own
            checkout = await job.bench.checkout(job.side, private=private_name(self.name, job.root))
        return await _fair(job, await self.look(job, checkout, job.settings.paths))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run mypy over some paths, or over what its configuration names."""
        folder = job.folder(checkout)
        config, table = read_config(folder)
        plugins = _plugins(table)
        if plugins and job.request.trust is not Trust.TRUSTED:
            return Measured(unmeasured=f"{_NEEDS_TRUST} ({', '.join(plugins)})", outside=True)
        try:
            interpreter = await job.bench.interpreter(job.side, checkout, job.root)
            tool = await job.bench.tool("mypy", job.root)
        except EnvironmentUnavailable as exc:
            return Measured(unmeasured=str(exc), outside=True)
        argv = list(tool.argv)
        if plugins:
            # plugins come from the project's dependencies, behind everything of ours
            behind = [str(interpreter.site), str(job.folder(checkout))]
            argv = [tool.argv[0], "-I", "-B", "-c", _EXTENDED.format(paths=behind)]
        where = folder / config if config else None
        cache = checkout.scratch / private_name("mypy", job.root)
        if not plugins and not cache.exists():
            await warm(job.bench, tool, where, cache)
        argv += _options(checkout, where, table, interpreter, paths, cache)
        done = await job.bench.run(
            argv,
            cwd=folder,
            checkout=checkout,
            clock=job.clock,
            toolbox=interpreter,
            tool=tool,
            reach=job.reach if plugins else None,
        )
        if done.ending is not Ending.EXITED:
            return unusable("mypy", done, job.clock)
        make = job.maker(self.name)
        said = _rows(done.stdout)
        rows = [row for row in said if row.get("severity") == "error"]
        chosen = bool(config) or await is_asked_for(job, "mypy")
        # a version that nobody chose may not need what theirs does
        idle = _IDLE if tool.argv == command("mypy") else ()
        found = tuple(
            _finding(make, job, row, checkout, chosen=chosen and row.get("code") not in idle) for row in rows
        )
        conclusive = done.code == 0 or (done.code == 1 and said)  # it exits so with nothing but notes, too
        return Measured(
            findings=found,
            reason=f"{len(found)} findings",
            unmeasured=None if conclusive else ended_badly("mypy", done, job.clock.limit_s),
            facts={"asked": chosen},
            environment=interpreter.key,
            tools={"mypy": tool.version},
            log=listed(found, done.stderr),
        )


async def _fair(job: CheckJob, measured: Measured) -> Measured:
    """Make notes of what nobody holds anybody to, as the base shows.

    That is what tests get wrong where the base's tests did too; and without a configuration of mypy, what it
    says of a file of which it said the like before.
    """
    blocking = [one for one in measured.findings if one.effect is Effect.BLOCKS]
    base = await job.base() if job.side is Side.CANDIDATE and blocking else None
    if base is None:
        return measured
    tests = any(belongs_to_tests(one.path or "") for one in base.findings)
    known = set() if measured.facts.get("asked") else {(one.rule, one.path) for one in base.findings}
    findings = tuple(
        one.model_copy(update={"effect": Effect.NOTES})
        if (one.rule, one.path) in known or (tests and belongs_to_tests(one.path or ""))
        else one
        for one in measured.findings
    )
    return measured.model_copy(update={"findings": findings})


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """Give the name of mypy's configuration file in a folder, and its main section; ("", {}) if none."""
    for name in _CONFIGS:
        path = folder / name
        try:
            text = path.read_text("utf-8")
            if name == "pyproject.toml":
                table = tomllib.loads(text).get("tool", {}).get("mypy")
            else:
                parser = configparser.RawConfigParser(strict=False)
                parser.read_string(text)
                table = dict(parser.items("mypy")) if parser.has_section("mypy") else None
        except (OSError, ValueError, configparser.Error):
            continue
        if isinstance(table, dict):
            return name, table
    return "", {}


def _plugins(table: dict[str, Any]) -> list[str]:
    """Give the configured plugins that mypy itself does not bring."""
    value = table.get("plugins") or []
    names = value if isinstance(value, list) else str(value).replace("\n", ",").split(",")
    return [
        str(name).strip() for name in names if str(name).strip() and not str(name).strip().startswith("mypy.")
    ]


def _options(
    checkout: Checkout,
    config: Path | None,
    table: dict[str, Any],
    interpreter: Interpreter,
    paths: tuple[str, ...],
    cache: Path,
) -> list[str]:
    empty = checkout.scratch / "no-mypy.ini"
    if config is None:
        empty.write_text("[mypy]\n", encoding="utf-8")
    argv = ["--config-file", str(config or empty), "--cache-dir", str(cache), "--output", "json"]
    argv += ["--python-executable", str(interpreter.python), "--no-error-summary", "--no-pretty"]
    if paths:
        return [*argv, "--", *paths]
    return argv if any(table.get(key) for key in _TARGETS) else [*argv, "--", "."]


def _rows(raw: bytes) -> list[dict[str, Any]]:
    rows = []
    for line in raw.decode("utf-8", "replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("file"), str):
            rows.append(row)
    return rows


def _finding(
    make: FindingMaker, job: CheckJob, row: dict[str, Any], checkout: Checkout, *, chosen: bool
) -> Finding:
    path = job.repo_path(row["file"], checkout)
    line = row.get("line") if isinstance(row.get("line"), int) and row["line"] > 0 else None
    code = str(row.get("code") or "mypy")
    text = f"{row.get('message')} {source_line(checkout.root / path, line)}"
    return make.make(
        code,
        f"{row.get('message')} [{code}]",
        path=path,
        line=line,
        context=text,
        severity=Severity.ERROR,
        effect=Effect.BLOCKS if chosen or code in _DEFECTS else Effect.NOTES,
        remedy="Correct the types; casts and ignores only move the error.",
    )
