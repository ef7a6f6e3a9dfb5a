"""The checks of Go that run none of its code: `format` (gofmt), `lint` (go vet), `types` (the compiler)."""

from typing import ClassVar, Final

from pev.errors import EnvironmentUnavailable
from pev.findings import Finding
from pev.gate.demands import Language
from pev.gate.golang.rows import GoCheck, Row, finding, rows_of, vet_rows
from pev.gate.golang.toolbox import GoBox
from pev.gate.interface import CheckJob, Checkout, Measured
from pev.gate.outputs import ended_badly, listed, unusable
from pev.proc import Completed, Ending

_FORMAT: Final = "package planted\nfunc  Planted( a int )int{\nreturn a }\n"
_LINT: Final = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Printf("%d\\n", "planted")\n}\n'
_TYPES: Final = 'package main\n\nvar planted int = "no number"\n\nfunc main() {\n\t_ = planted\n}\n'


class GoFormat(GoCheck):
    """`gofmt -l`, which knows no configuration; vendored modules and data of tests are left out."""

    name = "format"
    language: ClassVar[Language | None] = Language.GO
    suffix: ClassVar[str] = ".go"
    weight: ClassVar[int] = 10
    planted: ClassVar[str] = _FORMAT

    async def run(self, job: CheckJob) -> Measured:
        """List files that gofmt would write otherwise."""
        return await self.look(job, await job.bench.checkout(job.side), job.settings.paths or (".",))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over some paths."""
        try:
            box = await self.box(job, checkout)
        except EnvironmentUnavailable as exc:
            return Measured(unmeasured=str(exc), outside=True)
        argv = [str(box.gofmt), "-l", "-e", *paths]
        folder = job.folder(checkout)
        done = await job.bench.run(argv, cwd=folder, checkout=checkout, clock=job.clock, toolbox=box)
        said = done.stderr.decode("utf-8", "replace")
        broken = rows_of(said, "syntax")
        if done.ending is not Ending.EXITED or done.code not in (0, 2) or (done.code == 2 and not broken):
            return unusable("gofmt", done, job.clock)
        make = job.maker(self.name)
        names = done.stdout.decode("utf-8", "replace").splitlines()
        loose = (Row("unformatted", name, 1, "gofmt would write this file otherwise") for name in names)
        rows = [*broken, *loose]
        found = [finding(make, job, row, checkout, "Run `gofmt -w` on this file.") for row in rows]
        return _measured(found, box, done)


class GoLint(GoCheck):
    """`go vet`, in the modules that the project locks."""

    name = "lint"
    language: ClassVar[Language | None] = Language.GO
    suffix: ClassVar[str] = ".go"
    weight: ClassVar[int] = 50
    planted: ClassVar[str] = _LINT

    async def run(self, job: CheckJob) -> Measured:
        """List what go vet reports, in tests too."""
        return await self.look(job, await job.bench.checkout(job.side), _patterns(job))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over some packages or files."""
        try:
            box = await self.box(job, checkout)
            box.require_modules()
        except EnvironmentUnavailable as exc:
            return Measured(unmeasured=str(exc), outside=True)
        argv = [str(box.go), "vet", "-json", *paths]
        folder = job.folder(checkout)
        done = await job.bench.run(argv, cwd=folder, checkout=checkout, clock=job.clock, toolbox=box)
        if done.ending is not Ending.EXITED:
            return unusable("go vet", done, job.clock)
        make = job.maker(self.name)
        remedy = "Correct the code; `go tool vet help` explains the analyzers."
        found = [finding(make, job, row, checkout, remedy) for row in vet_rows(done.text())]
        measured = _measured(found, box, done)
        if done.code != 0 and not measured.findings:
            return _broken(measured, "go vet", done, job)
        return measured


class GoTypes(GoCheck):
    """The compiler, over packages and their tests; nothing that it builds is run."""

    name = "types"
    language: ClassVar[Language | None] = Language.GO
    suffix: ClassVar[str] = ".go"
    weight: ClassVar[int] = 60
    planted: ClassVar[str] = _TYPES

    async def run(self, job: CheckJob) -> Measured:
        """List what does not compile."""
        checkout = await job.bench.checkout(job.side)
        packages = await self.look(job, checkout, _patterns(job))
        if packages.unmeasured is not None:
            return packages
        tests = await self._compile(
            job, checkout, ("test", "-vet=off", "-exec=true", "-run=^$"), _patterns(job)
        )
        known = {one.fingerprint for one in packages.findings}
        more = tuple(one for one in tests.findings if one.fingerprint not in known)
        found = (*packages.findings, *more)
        update = {"findings": found, "unmeasured": tests.unmeasured, "reason": f"{len(found)} findings"}
        return packages.model_copy(update={**update, "log": packages.log + tests.log})

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Compile some packages or files."""
        return await self._compile(job, checkout, ("build", "-o", "/dev/null"), paths)

    async def _compile(
        self, job: CheckJob, checkout: Checkout, words: tuple[str, ...], paths: tuple[str, ...]
    ) -> Measured:
        try:
            box = await self.box(job, checkout)
            box.require_modules()
        except EnvironmentUnavailable as exc:
            return Measured(unmeasured=str(exc), outside=True)
        argv = [str(box.go), words[0], "-gcflags=-e", *words[1:], *paths]
        folder = job.folder(checkout)
        done = await job.bench.run(argv, cwd=folder, checkout=checkout, clock=job.clock, toolbox=box)
        if done.ending is not Ending.EXITED:
            return unusable("go build", done, job.clock)
        make = job.maker(self.name)
        rows = rows_of(done.text(), "compile")
        found = [finding(make, job, row, checkout, "Correct what does not compile.") for row in rows]
        measured = _measured(found, box, done)
        if done.code != 0 and not measured.findings:
            return _broken(measured, f"go {words[0]}", done, job)
        return measured


def _patterns(job: CheckJob) -> tuple[str, ...]:
    return tuple(f"./{path}/..." for path in job.settings.paths) or ("./...",)


def _measured(found: list[Finding | None], box: GoBox, done: Completed) -> Measured:
    findings = tuple(one for one in found if one is not None)
    return Measured(
        findings=findings,
        reason=f"{len(findings)} findings",
        environment=box.key,
        tools=box.tools,
        log=listed(findings, done.stderr),
    )


def _broken(measured: Measured, tool: str, done: Completed, job: CheckJob) -> Measured:
    """Say why a tool could not do its work: its own words are about modules and packages, not code."""
    why = ended_badly(tool, done, job.clock.limit_s, quoted=True)
    return measured.model_copy(update={"unmeasured": why, "log": done.stdout + done.stderr})
