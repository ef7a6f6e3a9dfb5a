"""The check `security` of languages without a scanner of ours: rules on syntax trees, matched in the sandbox.

A language brings rules; a child process matches them against every source of the project, and imports or
runs nothing of it. A source that cannot be read is a finding: nobody looked at it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field

from pev.findings import Effect, Finding, Severity
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured
from pev.gate.outputs import listed, private_name, unusable
from pev.models import Model
from pev.proc import Ending

_SCRIPT: Final = Path(__file__).with_name("inside") / "match_rules.py"
_MAX_BYTES: Final = 4 * 2**20
_LOWER: Final = {Effect.BLOCKS: Effect.HOLDS}
_UNREAD: Final = "Make it a source that its compiler reads, or let a person allow this file."


class Rule(Model):
    """One thing to look for. `match` is a rule of ast-grep with its constraints, as its documentation says.

    In tests a finding that would block only holds, and one that would hold is a note.
    """

    id: str
    message: str
    remedy: str
    match: dict[str, Any] = Field(description='{"rule": …, "constraints": …}')
    effect: Effect = Effect.BLOCKS

    def weight(self, *, in_tests: bool) -> Effect:
        """Say what a match does to the outcome."""
        return _LOWER.get(self.effect, Effect.NOTES) if in_tests else self.effect


class Patterns(Check):
    """Looks for `rules` in files that end with one of the suffixes of `grammars`.

    `grammars` gives the grammars that are tried for each suffix, `tests` rules of what inside a source is
    only for tests.
    """

    name = "security"
    weight: ClassVar[int] = 40
    tools: ClassVar[tuple[str, ...]] = ("ast-grep-py",)
    rules: ClassVar[tuple[Rule, ...]]
    grammars: ClassVar[Mapping[str, tuple[str, ...]]]
    tests: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    async def run(self, job: CheckJob) -> Measured:
        """List what the rules find, and sources that could not be read."""
        return await self.look(job, await job.bench.checkout(job.side), job.settings.paths or (".",))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Look through some paths of a project."""
        asked = {
            "root": str(job.folder(checkout)),
            "paths": list(paths),
            "grammars": dict(self.grammars),
            "rules": {rule.id: rule.match for rule in self.rules},
            "tests": [{"rule": dict(one)} for one in self.tests],
            "max_bytes": _MAX_BYTES,
        }
        request = checkout.scratch / f"{private_name(f'rules-{self.label}', job.root)}.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        argv = (sys.executable, "-I", "-B", str(_SCRIPT), str(request))
        done = await job.bench.run(argv, cwd=job.folder(checkout), checkout=checkout, clock=job.clock)
        report = _report(done.stdout) if done.ending is Ending.EXITED and done.code == 0 else None
        if report is None:
            return unusable("ast-grep-py", done, job.clock)
        make = job.maker(self.name)
        found = [one for file in report["files"] for one in self._findings(make, job, file, checkout)]
        return Measured(
            findings=tuple(found),
            reason=f"{len(found)} findings in {report['seen']} files",
            log=listed(found, done.stderr),
        )

    def _findings(
        self, make: FindingMaker, job: CheckJob, file: dict[str, Any], checkout: Checkout
    ) -> Iterator[Finding]:
        """Make the findings of one file."""
        path = job.repo_path(file["path"], checkout)
        rules = {rule.id: rule for rule in self.rules}
        for one in file["matches"]:
            rule = rules[one["rule"]]
            effect = rule.weight(in_tests=one["tests"] or belongs_to_tests(path))
            yield make.make(
                rule.id,
                rule.message,
                path=path,
                line=one["line"],
                context=one["context"],
                severity=Severity.ERROR if effect is Effect.BLOCKS else Severity.WARNING,
                effect=effect,
                remedy=rule.remedy,
            )
        if file["unread"]:
            yield make.make(
                "unread",
                f"nobody could look through this file: {file['unread']}",
                path=path,
                context="unread",
                severity=Severity.WARNING,
                effect=Effect.HOLDS,
                remedy=_UNREAD,
            )


def _report(raw: bytes) -> dict[str, Any] | None:
    """Read what the child wrote; None if it is not whole."""
    try:
        report = json.loads(raw)
    except ValueError:
        return None
    return report if isinstance(report, dict) and isinstance(report.get("files"), list) else None
