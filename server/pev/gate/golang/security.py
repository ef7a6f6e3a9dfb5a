"""The check `security` of Go: risky calls and packages, by its syntax trees, and code in other languages."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import ClassVar, Final

from pev.findings import Effect, Finding, Severity
from pev.gate.demands import Language
from pev.gate.interface import CheckJob, Measured, Side
from pev.gate.patterns import Patterns, Rule
from pev.gate.rules import go
from pev.models import digest_of

_FOREIGN: Final = {".s", ".syso", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".m", ".f", ".swig"}
"""What Go builds, or links, into a package that holds it."""


class GoSecurity(Patterns):
    """Rules for Go, on all its files."""

    language: ClassVar[Language | None] = Language.GO
    suffix: ClassVar[str] = ".go"
    rules: ClassVar[tuple[Rule, ...]] = go.RULES
    grammars: ClassVar[Mapping[str, tuple[str, ...]]] = {".go": ("go",)}
    planted: ClassVar[str] = go.PLANTED

    async def run(self, job: CheckJob) -> Measured:
        """List what the rules find, and changed files that Go builds without these rules having a say."""
        measured = await super().run(job)
        return measured.model_copy(update={"findings": (*measured.findings, *await self._foreign(job))})

    async def _foreign(self, job: CheckJob) -> list[Finding]:
        make, out = job.maker(self.name), []
        for change in job.changes:
            path = change.path if job.side is Side.CANDIDATE else change.old_path
            if PurePosixPath(path).suffix.lower() not in _FOREIGN or not job.in_project(path):
                continue
            raw = await job.request.depot.read_blob(job.tree, path)
            if raw is not None:
                found = make.make(
                    "foreign-code",
                    "Go builds this file into its package, and no check looks into it",
                    path=path,
                    context=digest_of(raw),
                    severity=Severity.WARNING,
                    effect=Effect.HOLDS,
                    remedy="Write it in Go, or let a person look at it.",
                )
                out.append(found)
        return out
