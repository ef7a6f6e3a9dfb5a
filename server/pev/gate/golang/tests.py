"""The check `tests` of Go: `go test -json` with a coverage profile over all packages of the module."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from anyio import to_thread

from pev.errors import EnvironmentUnavailable
from pev.findings import Effect, Finding, Severity
from pev.gate.demands import Language
from pev.gate.face import Face
from pev.gate.golang.breaks import breaks, statements, without_module
from pev.gate.golang.face import GO
from pev.gate.golang.modfile import read_mod
from pev.gate.golang.report import Story, read_events, read_profile
from pev.gate.golang.source import harness, top_names
from pev.gate.golang.toolbox import GoBox
from pev.gate.interface import CheckJob, Checkout, Measured, Side, Toolbox
from pev.gate.outputs import ended_badly
from pev.gate.sabotage import Mutant, Unit
from pev.gate.swaps import swaps
from pev.gate.testing import RunnerTests
from pev.gate.testing_runs import Chosen, Run
from pev.proc import Completed, Ending
from pev.repos.objects import Status

_HARNESS: Final = (
    "Undo it, or let a person decide: it runs before the tests of the package, and can end them."
)


@dataclass(frozen=True, slots=True)
class _Module:
    """Where packages lie: the path of the module, its folder on the disk, its root in the repository."""

    path: str
    folder: Path
    root: str

    def place(self, package: str) -> str:
        """Give the folder of a package, relative to the project."""
        if package == self.path:
            return "."
        return package.removeprefix(f"{self.path}/")

    def repo(self, package: str, file: str) -> str:
        """Give the path of a file of a package in the repository."""
        inner = PurePosixPath(self.place(package)) / file
        return (PurePosixPath(self.root) / inner).as_posix()

    def source(self, path: str) -> str | None:
        """Give the path in the repository of a source named by import path; None if it is not ours."""
        if not path.startswith(f"{self.path}/"):
            return None
        return (PurePosixPath(self.root) / path.removeprefix(f"{self.path}/")).as_posix()


class GoTests(RunnerTests):
    """`go test`, without its cache, over the packages of the module."""

    language: ClassVar[Language | None] = Language.GO
    suffix: ClassVar[str] = ".go"
    face: ClassVar[Face] = GO

    def __init__(self) -> None:
        self._nested: dict[str, tuple[str, ...]] = {}

    async def run(self, job: CheckJob) -> Measured:
        """Run the tests, and tell what steers them from within."""
        measured = await super().run(job)
        return measured.model_copy(update={"findings": (*measured.findings, *await self._harness(job))})

    async def _harness(self, job: CheckJob) -> list[Finding]:
        """Hold each TestMain, and each init of a test file, in files that the change touches."""
        make, out = job.maker(self.name), []
        for change in job.changes:
            path = change.path if job.side is Side.CANDIDATE else change.old_path
            exists = change.status is not (Status.DELETED if job.side is Side.CANDIDATE else Status.ADDED)
            if not exists or not path.endswith("_test.go") or not job.in_project(path):
                continue
            raw = await job.request.depot.read_blob(job.tree, path) or b""
            named = job.request.plan is not None and job.request.plan.covers(path)
            for name, line, code in await to_thread.run_sync(_steering, raw):
                message = f"{name} runs before the tests of its package"
                found = make.make(
                    "steers-tests",
                    message + ("; the approved plan names this file" if named else ""),
                    path=path,
                    line=line,
                    context=code,
                    severity=Severity.NOTE if named else Severity.WARNING,
                    effect=Effect.NOTES if named else Effect.HOLDS,
                    remedy=_HARNESS,
                )
                out.append(found)
        return out

    async def launch(self, job: CheckJob, checkout: Checkout, toolbox: Toolbox, chosen: Chosen) -> Run:
        """Run `go test` over packages; single tests are chosen by their names alone."""
        if not isinstance(toolbox, GoBox):
            raise EnvironmentUnavailable("this is no Go", hint="Name the project's language in the policy.")
        toolbox.require_modules()
        folder = job.folder(checkout)
        raw = await to_thread.run_sync((folder / "go.mod").read_bytes)
        module = _Module(read_mod(raw).module, folder, job.root)
        if chosen.files:
            await _make_room(job, checkout, chosen.files)
        nested = await to_thread.run_sync(_nested, folder)
        self._nested[job.root] = tuple((PurePosixPath(job.root) / one).as_posix() for one in nested)
        profile = checkout.scratch / f"cover-{chosen.label}.out"
        argv = [str(toolbox.go), "test", "-json", "-count=1", "-vet=off", "-timeout=0"]
        argv += [f"-coverprofile={profile}", "-coverpkg=./..."] if chosen.coverage else []
        argv += ["-failfast"] if chosen.stop_early else []
        if only := await self._names(job, checkout, toolbox, chosen):
            argv += [f"-run=^({'|'.join(map(re.escape, only))})$"]
        done = await job.bench.run(
            [*argv, *_packages(job, chosen)],
            cwd=folder,
            checkout=checkout,
            clock=job.clock,
            toolbox=toolbox,
            writable=True,
            reach=job.reach,
        )
        return await to_thread.run_sync(_read, module, done, profile if chosen.coverage else None, job)

    async def _names(self, job: CheckJob, checkout: Checkout, box: GoBox, chosen: Chosen) -> list[str]:
        """Give the names of the tests that are to run; none for all. Old Go cannot leave single ones out."""
        if chosen.only:
            return sorted({_top(own) for own in chosen.only})
        if not chosen.without:
            return []
        argv = [str(box.go), "test", "-vet=off", "-list=.*", *_packages(job, chosen)]
        done = await job.bench.run(
            argv, cwd=job.folder(checkout), checkout=checkout, clock=job.clock, toolbox=box, writable=True
        )
        names = {line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.isidentifier()}
        return sorted(names - {_top(own) for own in chosen.without}) or ["none of them"]

    def breaks(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Unit]:
        """Let functions panic."""
        return breaks(source, lines)

    def mutants(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Mutant]:
        """Swap operators, truths and numbers."""
        return swaps(source, "go", lines)

    def without_module(self, path: str, source: str) -> str | None:
        """Let a file fail to build."""
        return without_module(source)

    def statements(self, path: str, source: str) -> frozenset[int]:
        """Give the lines of statements of a file that no test binary holds; none of another module's."""
        others = (one for nested in self._nested.values() for one in nested)
        if any(PurePosixPath(path).is_relative_to(one) for one in others):
            return frozenset()
        return statements(source)

    def id_of(self, path: str, name: str) -> str:
        """Give the id of a test: its package's folder, and its name. Benchmarks are not run."""
        if name.startswith("Benchmark"):
            return ""
        return f"{PurePosixPath(path).parent.as_posix()}::{name}"

    def tools_of(self, toolbox: Toolbox) -> dict[str, str]:
        """Give the version of Go."""
        return toolbox.tools if isinstance(toolbox, GoBox) else {}


def _steering(raw: bytes) -> list[tuple[str, int, str]]:
    return list(harness(raw.decode("utf-8", "replace")))


def _top(own: str) -> str:
    return own.partition("::")[2].partition("/")[0]


def _packages(job: CheckJob, chosen: Chosen) -> list[str]:
    """Give the packages of a run, as `go` names them from the project's folder."""
    if chosen.files:
        folders = {PurePosixPath(path).parent for path in chosen.files}
        root = PurePosixPath(job.root)
        inner = {one.relative_to(root).as_posix() if job.root != "." else one.as_posix() for one in folders}
        return sorted(f"./{one}" if one != "." else "." for one in inner)
    return [f"./{path}/..." for path in job.settings.paths] or ["./..."]


async def _make_room(job: CheckJob, checkout: Checkout, files: tuple[str, ...]) -> None:
    """Take away new test files that declare again what the base's test files in a checkout declare.

    Go builds all test files of a package together, and a test that moved to a new file would stand twice.
    """
    declared = {
        (PurePosixPath(path).parent, name)
        for path in files
        for name in top_names(_text(checkout.root / path))
    }
    twice: dict[str, bytes | None] = {}
    for change in job.changes:
        path = PurePosixPath(change.path)
        if change.status in (Status.ADDED, Status.RENAMED) and change.path not in files:
            again = path.name.endswith("_test.go") and (checkout.root / path).is_file()
            names = top_names(_text(checkout.root / path)) if again else ()
            if any((path.parent, name) in declared for name in names):
                twice[change.path] = None
    if twice:
        await job.bench.rewrite(checkout, twice)


def _nested(folder: Path) -> list[str]:
    """Give the folders of other modules inside a module."""
    found = (path.parent.relative_to(folder).as_posix() for path in folder.rglob("go.mod"))
    return sorted(one for one in found if one != ".")


def _read(module: _Module, done: Completed, profile: Path | None, job: CheckJob) -> Run:
    """Hold the events, the exit code and the profile against each other."""
    story = read_events(done.stdout)
    story.plain += done.stderr.decode("utf-8", "replace").splitlines()
    failures = tuple(story.failures(module.place, module.repo))
    coverage = None
    if profile is not None and profile.is_file():
        text = profile.read_text("utf-8", errors="replace")
        top = (
            module.folder
            if job.root == "."
            else module.folder.parents[len(PurePosixPath(job.root).parts) - 1]
        )
        coverage = read_profile(text, module.source, lambda path: _text(top / path))
    return Run(
        broken=_fault(done, story, bool(failures), job.clock.limit_s),
        results={f"{module.place(package)}::{test}": was for (package, test), was in story.results.items()},
        failures=failures,
        coverage=coverage,
        log=done.stdout + done.stderr,
        nothing=bool(story.ended) and not story.results and not failures,
        killed=done.ending is not Ending.EXITED,
        seconds=done.seconds,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _fault(done: Completed, story: Story, failed: bool, limit_s: float) -> str | None:
    if done.ending is not Ending.EXITED:
        during = "".join(f" during {one}" for one in story.unfinished()[:1])
        return ended_badly("go test", done, limit_s) + during
    if not story.ended:
        return f"go test ran no package: {ended_badly('go test', done, limit_s, quoted=True)}"
    if done.code not in (0, 1):
        return ended_badly("go test", done, limit_s)
    if failed == (done.code == 0):
        return (
            f"the tests' report {'names failures' if failed else 'names none'}, the exit code is {done.code}"
        )
    if (lost := story.unfinished()) and not failed:
        return f"the test process ended by itself during {lost[0]}"
    if not story.results and not failed:
        return "no tests were run"
    return None
