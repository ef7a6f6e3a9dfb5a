"""The check `tests`: node's own runner, vitest or jest, as the trusted manifest says, with coverage."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from pev.errors import ProjectUnsupported
from pev.gate.coverage import Lines
from pev.gate.demands import Language
from pev.gate.face import Face
from pev.gate.interface import CheckJob, Checkout, Toolbox
from pev.gate.javascript.breaking import breaks, statements, without_module
from pev.gate.javascript.face import JAVASCRIPT
from pev.gate.javascript.inventory import JOIN, OPEN
from pev.gate.javascript.launches import Launch, command_of
from pev.gate.javascript.mutating import mutants
from pev.gate.javascript.packages import MANIFEST, read_json
from pev.gate.javascript.reports import Told
from pev.gate.javascript.runners import Runner, RunnerName, runner_of
from pev.gate.javascript.tool import as_node_box, tools_of
from pev.gate.outputs import ended_badly
from pev.gate.sabotage import Mutant, Unit
from pev.gate.testing import RunnerTests
from pev.gate.testing_runs import Chosen, Run, read_lcov
from pev.proc import Completed, Ending

_MAX_LCOV: Final = 256 * 2**20


class NodeTests(RunnerTests):
    """The tests of a JavaScript or TypeScript project."""

    language: ClassVar[Language | None] = Language.JAVASCRIPT
    suffix: ClassVar[str] = ".js"
    face: ClassVar[Face] = JAVASCRIPT

    async def launch(self, job: CheckJob, checkout: Checkout, toolbox: Toolbox, chosen: Chosen) -> Run:
        """Run tests with the project's runner. Raises ProjectUnsupported."""
        box = as_node_box(toolbox)
        runner = _runner(job, checkout)
        launch = command_of(runner, job, checkout, box, chosen)
        if launch.nothing:
            return Run(nothing=True, broken="there is no test file")
        done = await job.bench.run(
            launch.argv,
            cwd=job.folder(checkout),
            checkout=checkout,
            clock=job.clock,
            toolbox=box,
            env=launch.env,
            writable=True,
            reach=job.reach,
        )
        told = launch.read(launch.report, _inside(job, checkout), lambda path: job.repo_path(path, checkout))
        return Run(
            broken=_fault(runner.name, done, told, job.clock.limit_s, launch),
            results=told.results,
            failures=tuple(told.failures.values()),
            coverage=_coverage(job, checkout, launch, runner.name) if chosen.coverage else None,
            log=done.stdout + done.stderr,
            nothing=not told.results and launch.may_be_empty,
            killed=done.ending is not Ending.EXITED,
            seconds=done.seconds,
        )

    def breaks(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Unit]:
        """Give each function whose body holds one of `lines`, with a source in which it throws."""
        return breaks(source, lines)

    def mutants(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Mutant]:
        """Give small changes of meaning on `lines`."""
        return mutants(source, lines)

    def without_module(self, path: str, source: str) -> str | None:
        """Let a file throw as soon as it is loaded."""
        return None if path.endswith((".d.ts", ".d.mts", ".d.cts")) else without_module(source)

    def statements(self, path: str, source: str) -> frozenset[int]:
        """Give the lines on which statements begin; none in a file of declarations."""
        return frozenset() if path.endswith((".d.ts", ".d.mts", ".d.cts")) else statements(source)

    def id_of(self, path: str, name: str) -> str:
        """Give the id of a test, "" if its name is put together when it runs."""
        return "" if any(part.startswith(OPEN) for part in name.split(JOIN)) else f"{path}::{name}"

    def tools_of(self, toolbox: Toolbox) -> dict[str, str]:
        """Give the versions of node and of the runners that the trusted ref locks."""
        box = as_node_box(toolbox)
        known = [name for name in (RunnerName.VITEST, RunnerName.JEST) if box.has(name)]
        return tools_of(box, *known)


def _runner(job: CheckJob, checkout: Checkout) -> Runner:
    path = job.folder(checkout) / MANIFEST
    manifest = read_json(path.read_bytes()) if path.is_file() else {}
    runner = runner_of(manifest or {})
    if runner is None:
        raise ProjectUnsupported(
            f"{path.relative_to(checkout.root).as_posix()} names no test runner that PEV knows",
            hint='Let the script "test" start node --test, vitest or jest, or use a command of your own.',
        )
    if runner.name is RunnerName.MOCHA:
        raise ProjectUnsupported(
            "the tests run with mocha, which PEV does not read",
            hint="Check them with a command of your own ([[command]], format junit), or use node --test.",
        )
    return runner


def _inside(job: CheckJob, checkout: Checkout) -> Callable[[str], str]:
    """Give what turns a path of a report into one relative to the project."""

    def inside(path: str) -> str:
        found = job.repo_path(path, checkout)
        pure = PurePosixPath(found)
        return pure.relative_to(job.root).as_posix() if pure.is_relative_to(job.root) else found

    return inside


def _fault(name: str, done: Completed, told: Told, limit_s: float, launch: Launch) -> str | None:
    """Hold report and exit code against each other."""
    tool = f"{name} --test" if name == RunnerName.NODE else name
    if done.ending is not Ending.EXITED:
        return ended_badly(tool, done, limit_s)
    if not told.whole:
        if done.code == 0 or launch.report.is_file():
            return (
                f"the test process ended by itself, with exit code {done.code}, and did not finish its report"
            )
        return f"{tool} did not start its tests: exit code {done.code}; its log says more"
    failed = bool(told.failures) or any(one == "failed" for one in told.results.values())
    if failed and done.code == 0:
        return f"the tests' report names {len(told.failures)} failures, the exit code is 0"
    if not failed and done.code != 0:
        return f"the tests' report names no failure, the exit code is {done.code}"
    return None if told.results else "no tests were run"


def _coverage(job: CheckJob, checkout: Checkout, launch: Launch, name: str) -> dict[str, Lines] | None:
    """Read the coverage of the files of the tree; node counts every line, of which only statements count."""
    try:
        with launch.lcov.open("rb") as handle:
            text = handle.read(_MAX_LCOV).decode("utf-8", "replace")
    except OSError:
        return None
    root = checkout.root.resolve()

    def place(path: str) -> str | None:
        found = (job.folder(checkout) / path).resolve()
        inside = found.is_relative_to(root) and "node_modules" not in found.relative_to(root).parts
        return found.relative_to(root).as_posix() if inside and found.is_file() else None

    lines = read_lcov(text, place)
    if name != RunnerName.NODE:
        return lines
    return {path: _of_statements(root / path, one) for path, one in lines.items()}


def _of_statements(path: Path, lines: Lines) -> Lines:
    own = statements(path.read_text("utf-8", "replace"))
    return Lines(executed=lines.executed & own, missing=lines.missing & own)
