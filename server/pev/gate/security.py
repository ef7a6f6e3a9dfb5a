"""The check `security`: what does bandit say at medium severity and above, and what hides from it?

Bandit knows calls by their names. A name that is put together at run time out of constants has no honest
reason, so it is a finding of its own; ways around a scanner that honest code knows too are held.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from anyio import to_thread

from pev.findings import Effect, Finding, Severity
from pev.gate.detours import find_detours
from pev.gate.disguise import find_disguises
from pev.gate.extracted import python_in
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured, Side
from pev.gate.outputs import listed, private_name, unusable
from pev.gate.scanned import Memory
from pev.gate.subjects import is_test_file
from pev.gate.syntax import parse
from pev.gate.tools import command, versions
from pev.proc import Ending

_CONFIG: Final = "pyproject.toml"
_MAX_BYTES: Final = 4 * 2**20
_SEVERITY: Final = {"HIGH": Severity.ERROR, "MEDIUM": Severity.WARNING}
_PLANTED: Final = """\
import hashlib
import pickle
import subprocess

subprocess.run(input(), shell=True)
exec(input())
print(eval(input()), pickle.loads(input().encode()), hashlib.md5(b"").hexdigest())
"""
_HELP: Final = "Use the safe form that the rule's page names; a person can allow this one finding."


class Security(Check):
    """`bandit -r -ll`, with the trusted configuration, and a look for disguised names."""

    name = "security"
    weight: ClassVar[int] = 40
    tools: ClassVar[tuple[str, ...]] = ("bandit",)
    planted: ClassVar[str] = _PLANTED

    async def run(self, job: CheckJob) -> Measured:
        """List risky calls, disguised names, and files that bandit could not read."""
        checkout = await job.bench.checkout(job.side)
        folder, paths = job.folder(checkout), job.settings.paths or (".",)
        table = _table(folder)
        if table.get("include"):  # it may look at files of other names
            return await self.look(job, checkout, paths)
        memory = await Memory.of(job, folder, paths, [versions("bandit"), table])
        return await self._scan(job, checkout, paths, memory)

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over some paths, and over the Python in changed files of other kinds."""
        return await self._scan(job, checkout, paths, None)

    async def _scan(
        self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...], memory: Memory | None
    ) -> Measured:
        folder = job.folder(checkout)
        written = await to_thread.run_sync(_extract, job, checkout)
        named = memory.targets if memory is not None else None
        targets = [*(paths if named is None else named), *written]
        config = ["-c", str(folder / _CONFIG)] if _table(folder) else []
        argv = [*command("bandit"), "-r", "-ll", "-f", "json", "-q", *config, *targets]
        report: dict[str, Any] = {"results": [], "errors": [], "metrics": {}}
        said = b""
        if targets:
            done = await job.bench.run(argv, cwd=folder, checkout=checkout, clock=job.clock)
            read = _report(done.stdout) if done.ending is Ending.EXITED else None
            if read is None or done.code not in (0, 1):
                return unusable("bandit", done, job.clock)
            report, said = read, done.stderr
        if memory is not None:
            report["results"] += await memory.complete(report, written)
        make = job.maker(self.name)
        for row in (*report["results"], *report["errors"]):
            row["filename"] = written.get(str(row.get("filename")), row.get("filename"))
        found = [_finding(make, job, row, checkout) for row in report["results"]]
        found += [_unread(make, job, row, checkout) for row in report["errors"]]
        found += await to_thread.run_sync(_disguised, make, job, checkout)
        return Measured(findings=tuple(found), reason=f"{len(found)} findings", log=listed(found, said))


def _extract(job: CheckJob, checkout: Checkout) -> dict[str, str]:
    """Write the Python of changed files that bandit would pass by; give where it stands, and whose it is."""
    out: dict[str, str] = {}
    for change in job.changes:
        name = change.path if job.side is Side.CANDIDATE else change.old_path
        path = checkout.root / name
        if job.in_project(name) and path.is_file() and not path.is_symlink():
            code = python_in(name, path.read_bytes()[:_MAX_BYTES])
            if code is not None:
                target = checkout.scratch / private_name("extracted", job.root) / f"{len(out)}.py"
                target.parent.mkdir(exist_ok=True)
                target.write_text(code, encoding="utf-8")
                out[str(target)] = str(path)
    return out


def _table(folder: Path) -> dict[str, Any]:
    """Give bandit's configuration; {} if there is none."""
    try:
        tools = tomllib.loads((folder / _CONFIG).read_text("utf-8")).get("tool", {})
    except (OSError, ValueError):
        return {}
    table = tools.get("bandit") if isinstance(tools, dict) else None
    return table if isinstance(table, dict) else {}


def _report(raw: bytes) -> dict[str, Any] | None:
    try:
        report = json.loads(raw)
    except ValueError:
        return None
    parts = (report.get("results"), report.get("errors")) if isinstance(report, dict) else ()
    whole = (
        parts and all(isinstance(part, list) for part in parts) and isinstance(report.get("metrics"), dict)
    )
    return report if whole else None


def _finding(make: FindingMaker, job: CheckJob, row: dict[str, Any], checkout: Checkout) -> Finding:
    code = str(row.get("code", ""))
    line = row.get("line_number")
    own = [text.partition(" ")[2] for text in code.splitlines() if text.startswith(f"{line} ")]
    severity = _SEVERITY.get(str(row.get("issue_severity")), Severity.WARNING)
    path = job.repo_path(str(row.get("filename")), checkout)
    return make.make(
        str(row.get("test_id", "bandit")),
        f"{row.get('test_id')} {row.get('issue_text')}",
        path=path,
        line=line if isinstance(line, int) else None,
        context=own[0] if own else code,
        severity=severity,
        # what is doubtful in a product is usual in its tests; a person looks
        effect=Effect.HOLDS if severity is not Severity.ERROR and belongs_to_tests(path) else Effect.BLOCKS,
        remedy=_HELP,
    )


def _unread(make: FindingMaker, job: CheckJob, row: dict[str, Any], checkout: Checkout) -> Finding:
    return make.make(
        "unread",
        f"bandit could not read this file: {row.get('reason')}",
        path=job.repo_path(str(row.get("filename")), checkout),
        context="unread",
        remedy="Make it valid Python.",
    )


def _disguised(make: FindingMaker, job: CheckJob, checkout: Checkout) -> list[Finding]:
    """Look for disguised names and detours in the Python that the change touches."""
    out: list[Finding] = []
    for change in job.changes:
        name = change.path if job.side is Side.CANDIDATE else change.old_path
        path = checkout.root / name
        if not job.in_project(name) or not path.is_file() or path.is_symlink():
            continue
        raw = path.read_bytes()
        is_module = path.suffix in (".py", ".pyi")
        code = _readable(raw[:_MAX_BYTES]) if is_module else python_in(name, raw[:_MAX_BYTES])
        if code is None:
            continue
        if len(raw) > _MAX_BYTES and is_module:
            out.append(_too_large(make, name))
        out += _hidden(make, name, code)
    return out


def _readable(raw: bytes) -> str | bytes:
    """Give a source as Python reads it, by its coding line; what Python cannot read comes as text."""
    return raw if parse(raw) is not None else raw.decode("utf-8", "replace")


def _too_large(make: FindingMaker, path: str) -> Finding:
    return make.make(
        "too-large",
        f"the source is larger than {_MAX_BYTES // 2**20} MiB, and nobody looks at all of it",
        path=path,
        context="too-large",
        effect=Effect.HOLDS,
        remedy="Split it, or keep the data outside of the source; a person can allow this file.",
    )


def _hidden(make: FindingMaker, path: str, code: str | bytes) -> Iterator[Finding]:
    for disguise in find_disguises(code):
        yield make.make(
            "disguised-name",
            f"a name is hidden from scanners: {disguise.what}",
            path=path,
            line=disguise.line,
            context=disguise.what,
            effect=Effect.BLOCKS if disguise.certain else Effect.HOLDS,
            remedy="Write the name out, so that scanners and readers see it.",
        )
    for one in find_detours(code, in_tests=is_test_file(path) or path.startswith(("tests/", "test/"))):
        yield make.make(
            one.rule,
            one.what,
            path=path,
            line=one.line,
            context=one.named,
            effect=one.effect,
            remedy=one.help,
        )
