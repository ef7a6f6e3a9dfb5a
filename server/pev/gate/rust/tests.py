"""The check `tests` of Rust: `cargo test`, the programs that it builds one by one, and tests in comments.

Unit tests stand in product files, where the base's cannot be laid over the change: so what passed on the base
must be there, and pass. The standard tools measure no coverage, so none is demanded; instead each function
that the change touches must be missed when it fails.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

from anyio import to_thread

from pev.findings import Effect, Finding, Severity
from pev.gate.demands import Language
from pev.gate.face import Face
from pev.gate.interface import CheckJob, Checkout, Measured, Side, Toolbox
from pev.gate.outputs import ended_badly, private_name
from pev.gate.rust.breaks import breaks, without_module
from pev.gate.rust.face import RUST
from pev.gate.rust.lost import lost_tests
from pev.gate.rust.report import Said, id_of_doc, id_of_path, id_of_target, listed, read_said
from pev.gate.rust.rows import lock_words, rows_of, rust_box, values
from pev.gate.rust.toolbox import RustBox
from pev.gate.sabotage import Mutant, Unit
from pev.gate.swaps import swaps
from pev.gate.testing import RunnerTests
from pev.gate.testing_runs import Chosen, Failed, Result, Run
from pev.proc import Completed, Ending

_SHOWN: Final = {"examples", "benches", "fuzz"}
_DOCS: Final = (b"```", b"doc =", b"doc=")


@dataclass(frozen=True, slots=True)
class _Program:
    """A test program: where it is, its package's folder, its source in the project, and its kinds."""

    path: str
    folder: Path
    source: str
    kinds: list[str]


@dataclass(slots=True)
class _Gathered:
    """What all programs of a run said."""

    results: dict[str, Result] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    broken: str | None = None
    killed: bool = False
    seconds: float = 0.0

    def take(self, done: Completed) -> None:
        """Note the log and the time of a process."""
        self.log += [done.stdout, done.stderr]
        self.seconds += done.seconds


class RustTests(RunnerTests):
    """`cargo test` over the workspace."""

    language: ClassVar[Language | None] = Language.RUST
    suffix: ClassVar[str] = ".rs"
    measures_coverage: ClassVar[bool] = False
    face: ClassVar[Face] = RUST

    def __init__(self) -> None:
        self._ran: dict[Path, Run] = {}

    async def run(self, job: CheckJob) -> Measured:
        """Run the tests, and see to it that none of the base's is missing."""
        measured = await super().run(job)
        checkout = await job.bench.checkout(job.side, private=private_name(self.label, job.root))
        run = self._ran.get(checkout.root)
        if run is None or run.broken is not None:
            return measured
        if job.side is Side.BASE:
            return measured.model_copy(update={"facts": {**measured.facts, "passed": sorted(run.passed)}})
        return measured.model_copy(update={"findings": (*measured.findings, *await self._lost(job, run))})

    async def _lost(self, job: CheckJob, run: Run) -> list[Finding]:
        """Hold tests that passed on the base and are not run now, unless they only moved."""
        base = await job.base() if job.base_tree is not None else None
        gone = set(base.facts.get("passed", ())) - run.results.keys() if base is not None else set()
        lost = await lost_tests(job, gone, frozenset(run.results)) if gone else {}
        make, out = job.maker(self.name), []
        for own, path in sorted(lost.items()):
            named = path is not None and job.request.plan is not None and job.request.plan.covers(path)
            found = make.make(
                "test-not-run",
                f"{own} passes on the base, and is not run now"
                + ("; the approved plan names its file" if named else ""),
                path=path,
                context=own,
                severity=Severity.NOTE if named else Severity.WARNING,
                effect=Effect.NOTES if named else Effect.HOLDS,
                remedy="Restore the test, or have the plan name its file; a person can also allow it.",
            )
            out.append(found)
        return out

    async def launch(self, job: CheckJob, checkout: Checkout, toolbox: Toolbox, chosen: Chosen) -> Run:
        """Build the tests, and run each program that holds some of those that are chosen."""
        box = rust_box(toolbox)
        made = _Gathered()
        programs = await self._build(job, checkout, box, made)
        if programs is not None:
            for program in programs:
                if not (made.killed or (chosen.stop_early and made.failures)):
                    await self._one(job, checkout, box, program, chosen, made)
            if not (made.killed or chosen.files or (chosen.stop_early and made.failures)):
                await self._docs(job, checkout, box, chosen, made)
        if made.broken is None and not made.results and not made.failures:
            made.broken = "no tests were run"
        run = Run(
            broken=made.broken,
            results=made.results,
            failures=tuple(made.failures),
            log=b"\n".join(one for one in made.log if one),
            nothing=programs is not None and not made.results and not made.failures,
            killed=made.killed,
            seconds=made.seconds,
        )
        if chosen.label == "main":
            self._ran[checkout.root] = run
        return run

    async def _run(
        self, job: CheckJob, checkout: Checkout, box: RustBox, argv: list[str], cwd: Path, **env: str
    ) -> Completed:
        return await job.bench.run(
            argv,
            cwd=cwd,
            checkout=checkout,
            clock=job.clock,
            toolbox=box,
            env=env,
            writable=True,
            reach=job.reach,
        )

    async def _build(
        self, job: CheckJob, checkout: Checkout, box: RustBox, made: _Gathered
    ) -> list[_Program] | None:
        """Build all test programs; None if that failed, which is a failure, or makes the run worthless."""
        folder = job.folder(checkout)
        argv = [str(box.rust.program("cargo")), "test", "--workspace", "--no-run", "--message-format=json"]
        done = await self._run(job, checkout, box, [*argv, *lock_words(folder)], folder)
        made.take(done)
        if done.ok:
            return sorted(_programs(done.stdout, folder), key=lambda one: (one.source, one.path))
        errors = [row for row in rows_of(done.stdout) if row.level == "error"]
        made.killed = done.ending is not Ending.EXITED
        if errors and not made.killed:
            for path in dict.fromkeys(row.path for row in errors):
                row = next(one for one in errors if one.path == path)
                place = job.repo_path(path, checkout)
                made.failures.append(Failed(place, f"{row.text} [{row.rule}]", place, row.line, is_file=True))
        else:
            made.broken = f"the tests cannot be built: {ended_badly('cargo', done, job.clock.limit_s)}"
        return None

    async def _one(
        self,
        job: CheckJob,
        checkout: Checkout,
        box: RustBox,
        program: _Program,
        chosen: Chosen,
        made: _Gathered,
    ) -> None:
        """Run one program: all its tests, or those of them that are chosen."""
        repo = (PurePosixPath(job.root) / program.source).as_posix()
        if chosen.files and not any(_holds(repo, file) for file in chosen.files):
            return
        env = {"CARGO_MANIFEST_DIR": str(program.folder), "LD_LIBRARY_PATH": str(box.rust.root / "lib")}
        told = await self._run(
            job, checkout, box, [program.path, "--list", "--format", "terse"], program.folder, **env
        )
        names = listed(told.stdout)
        ids = {name: id_of_target(program.source, program.kinds, name) for name in names}
        wanted = [name for name in names if _is_chosen(ids[name], chosen)]
        if not told.ok:
            made.take(told)
            made.killed = made.killed or told.ending is not Ending.EXITED
            made.broken = made.broken or f"{program.source} does not list its tests: {_ended(told, job)}"
        if not wanted or not told.ok:
            return
        words = ["--exact", *wanted] if len(wanted) < len(names) else []
        done = await self._run(job, checkout, box, [program.path, *words], program.folder, **env)
        made.take(done)
        self._take(made, job, checkout, done, read_said(done, wanted), ids, program.folder)

    async def _docs(
        self, job: CheckJob, checkout: Checkout, box: RustBox, chosen: Chosen, made: _Gathered
    ) -> None:
        """Run the tests that stand in comments, where there are any."""
        folder = job.folder(checkout)
        if chosen.only and not any(one.startswith("doc ") for one in chosen.only):
            return
        if not await to_thread.run_sync(_has_docs, folder):
            return
        argv = [str(box.rust.program("cargo")), "test", "--workspace", "--doc", "--no-fail-fast"]
        done = await self._run(job, checkout, box, [*argv, *lock_words(folder)], folder)
        if b"no library targets found" in done.stderr:
            return
        made.take(done)
        said = read_said(done, None)
        ids = {name: own for name in said.results if _is_chosen(own := id_of_doc(name), chosen)}
        if done.ending is Ending.EXITED and not said.results and done.code != 0:
            made.broken = made.broken or f"tests in comments cannot be run: {_ended(done, job)}"
            return
        self._take(made, job, checkout, done, said, ids, folder)

    def _take(
        self,
        made: _Gathered,
        job: CheckJob,
        checkout: Checkout,
        done: Completed,
        said: Said,
        ids: dict[str, str],
        folder: Path,
    ) -> None:
        """Take in what a program said."""
        if done.ending is not Ending.EXITED:
            made.killed = True
        if said.fault is not None and made.broken is None:
            made.broken = said.fault or ended_badly("cargo test", done, job.clock.limit_s)
        for name, result in said.results.items():
            own = ids.get(name)
            if own is None:
                continue
            if made.results.get(own) is not Result.FAILED:
                made.results[own] = result
            if result is Result.FAILED:
                why = said.why.get(name)
                path = _place(job, checkout, folder, why.path) if why and why.path else None
                reason = why.reason if why else "no message"
                made.failures.append(Failed(own, reason, path, why.line if why and path else None))

    def breaks(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Unit]:
        """Let functions panic, but for examples and benchmarks: those are built by tests, and not run."""
        return () if _SHOWN & set(PurePosixPath(path).parts[:-1]) else breaks(source, lines)

    def mutants(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Mutant]:
        """Swap operators, truths and numbers."""
        return swaps(source, "rust", lines)

    def without_module(self, path: str, source: str) -> str | None:
        """Let a file fail to build."""
        return without_module(source)

    def id_of(self, path: str, name: str) -> str:
        """Give the id of a test by its module."""
        return id_of_path(path, name)

    def tools_of(self, toolbox: Toolbox) -> dict[str, str]:
        """Give the version of the compiler."""
        return toolbox.tools if isinstance(toolbox, RustBox) else {}


def _ended(done: Completed, job: CheckJob) -> str:
    return ended_badly("the test program", done, job.clock.limit_s)


def _programs(raw: bytes, folder: Path) -> Iterable[_Program]:
    """Give the test programs that cargo says it built."""
    for value in values(raw):
        target: Any = value.get("target")
        tested = isinstance(value.get("profile"), dict) and value["profile"].get("test")
        if value.get("reason") == "compiler-artifact" and value.get("executable") and tested:
            source = Path(str(target.get("src_path")))
            inner = source.relative_to(folder).as_posix() if source.is_relative_to(folder) else str(source)
            package = Path(str(value.get("manifest_path"))).parent
            yield _Program(str(value["executable"]), package, inner, list(map(str, target.get("kind", ()))))


def _is_chosen(own: str, chosen: Chosen) -> bool:
    return own not in chosen.without and (not chosen.only or own in chosen.only)


def _holds(source: str, file: str) -> bool:
    """Say whether a test file is, or belongs to, the target of a source."""
    if source == file:
        return True
    folder = PurePosixPath(source).parent
    return folder.name == "src" and PurePosixPath(file).is_relative_to(folder)


def _place(job: CheckJob, checkout: Checkout, folder: Path, path: str) -> str | None:
    """Give a path that a panic named relative to the repository: it is relative to package or workspace."""
    for base in (job.folder(checkout), folder):
        if (base / path).is_file():
            return job.repo_path(base / path, checkout)
    return None


def _has_docs(folder: Path) -> bool:
    for path in folder.rglob("*.rs"):
        raw = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if any(mark in raw for mark in _DOCS):
            return True
    return False
