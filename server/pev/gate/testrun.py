"""One run of pytest: how it is started, and how its report is read.

The report comes from inside the process that runs the code under test, so it is believed only where it
agrees with itself and with the exit code. A run that did not say how it ended has not ended properly.
"""

import configparser
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pev.gate.coverage import total_of
from pev.gate.demands import joined
from pev.gate.early import count_imports
from pev.gate.interface import CheckJob, Checkout, Interpreter
from pev.gate.layout import read_layout
from pev.gate.outputs import ended_badly
from pev.proc import Completed, Ending
from pev.text import one_line

_EXIT_OK: Final = {0, 1}
_EXIT_NOTHING: Final = 5
_RUNNER: Final = Path(__file__).with_name("inside") / "run_pytest.py"
_PYTEST_FILES: Final = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed, or a file that could not be collected."""

    id: str
    text: str
    line: int | None = None
    collected: bool = True


@dataclass(frozen=True, slots=True)
class TestRun:
    """What a run of pytest said. `broken` is the reason why it cannot be believed, or None.

    `skipped_in` gives the files through which a skip was raised, the outermost first.
    """

    __test__ = False

    broken: str | None
    collected: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    skipped_in: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    coverage: dict[str, Any] | None = None
    log: bytes = b""
    nothing: bool = False
    killed: bool = False
    seconds: float = 0.0
    rootdir: Path = Path()

    @property
    def failed_ids(self) -> frozenset[str]:
        """The ids of what failed."""
        return frozenset(one.id for one in self.failures)


@dataclass(slots=True)
class _Story:
    """The events of a report, gathered."""

    collected: list[str] | None = None
    outcomes: dict[str, str] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    skipped_in: dict[str, tuple[str, ...]] = field(default_factory=dict)
    started: str = ""
    status: int | None = None
    unreadable: int = 0


async def run_tests(
    job: CheckJob,
    checkout: Checkout,
    interpreter: Interpreter,
    *,
    label: str,
    select: Sequence[str] = (),
    coverage: bool = False,
    reached: Sequence[str] = (),
) -> TestRun:
    """Run the tests of a project in a checkout, all of them or those that `select` names.

    `label` names the run's files apart from those of other runs in the same checkout. Of the files
    `reached` coverage remembers which test ran which line.
    """
    folder = job.folder(checkout)
    report = checkout.scratch / f"report-{label}.jsonl"
    measured = checkout.scratch / f"coverage-{label}.json"
    argv = [str(interpreter.python), "-P", "-B", str(_RUNNER), str(report)]
    config = pytest_config(folder, checkout.root)
    argv += _own_options(config, folder, checkout, label)
    argv += (
        ["-n0"] if (interpreter.site / "xdist").is_dir() else []
    )  # the gate's own slots are what runs at once
    if coverage:
        argv += [*_coverage_options(folder), f"--cov-report=json:{measured}", "--cov-fail-under=0"]
    if job.settings.without_markers:
        argv += ["-m", " and ".join(f"not {marker}" for marker in job.settings.without_markers)]
    argv += select
    argv += [] if any(not one.startswith("--") for one in select) else job.settings.paths
    env = {"COVERAGE_FILE": str(data_file(checkout, label))}
    if reached and coverage and not _has_contexts(folder):
        env["PEV_REACHED"] = json.dumps([str(checkout.root / path) for path in reached])
    done = await job.bench.run(
        argv,
        cwd=folder,
        checkout=checkout,
        clock=job.clock,
        toolbox=interpreter,
        env=env,
        writable=True,
        reach=job.reach,
    )
    story = _read_report(report)
    seen = _read_json(measured) if coverage else None
    if (
        coverage and total_of(seen) is None
    ):  # its configuration reports what is installed, and we run what is here
        again = checkout.scratch / f"coverage-{label}-again.json"
        packages = [
            f"{path.relative_to(folder)}{'/*' if path.is_dir() else ''}"
            for path in read_layout(folder).packages
        ]
        wide = [f"--include={','.join(packages)}"]
        await _write_json(job, checkout, interpreter, data_file(checkout, label), again, wide)
        seen = _read_json(again) or seen
    seen = await count_imports(seen, lambda path: job.bench.read(job.side, joined(job.root, path)))
    run = _believe(done, story, job.clock.limit_s, seen)
    return replace(run, rootdir=config.parent if config else folder)


def data_file(checkout: Checkout, label: str) -> Path:
    """Say where coverage keeps what it recorded of a run."""
    return checkout.scratch / f"coverage-{label}.data"


async def contexts_of(
    job: CheckJob, checkout: Checkout, interpreter: Interpreter, data: Path, paths: Sequence[str]
) -> dict[str, dict[int, frozenset[str]]]:
    """Give the tests that ran each line of some files; empty where coverage did not remember."""
    target = checkout.scratch / "contexts.json"
    # relative to the project: that fits whether coverage wrote down relative paths or absolute ones
    own = [PurePosixPath(path).relative_to(job.root).as_posix() for path in paths]
    wanted = ["--show-contexts", f"--include={','.join(own)}"]
    await _write_json(job, checkout, interpreter, data, target, wanted)
    files = (_read_json(target) or {}).get("files")
    out: dict[str, dict[int, frozenset[str]]] = {}
    for name, one in (files if isinstance(files, dict) else {}).items():
        lines = one.get("contexts") if isinstance(one, dict) else None
        out[joined(job.root, name)] = {
            int(line): frozenset(str(test).rpartition("|")[0] for test in tests if "::" in str(test))
            for line, tests in (lines if isinstance(lines, dict) else {}).items()
        }
    return out


async def _write_json(
    job: CheckJob, checkout: Checkout, interpreter: Interpreter, data: Path, target: Path, wanted: list[str]
) -> None:
    """Report what coverage recorded once more, otherwise than the run did."""
    argv = [str(interpreter.python), "-P", "-B", "-m", "coverage", "json", "-q", *wanted]
    argv += [f"--data-file={data}", "--fail-under=0", "-o", str(target)]
    await job.bench.run(
        argv,
        cwd=job.folder(checkout),
        checkout=checkout,
        clock=job.clock,
        toolbox=interpreter,
        writable=True,
    )


def _has_contexts(folder: Path) -> bool:
    """Say whether a project's coverage configuration chooses contexts itself, which pytest-cov refuses."""
    for name in (".coveragerc", ".coveragerc.toml", "setup.cfg", "tox.ini", "pyproject.toml"):
        try:
            if "dynamic_context" in (folder / name).read_text("utf-8"):
                return True
        except (OSError, ValueError):
            continue
    return False


def _own_options(config: Path | None, folder: Path, checkout: Checkout, label: str) -> list[str]:
    # the configuration that pytest would find, named outright: it looks in the folders above us otherwise
    empty = checkout.scratch / "no-pytest.ini"
    if config is None:
        empty.write_text("[pytest]\n", encoding="utf-8")
    root = config.parent if config else folder
    out = ["-c", str(config or empty), f"--rootdir={root}", "-p", "no:cacheprovider", "--color=no"]
    out += [
        f"--basetemp={checkout.scratch / f'tmp-{label}'}",
        "-ra",
        "--continue-on-collection-errors",
        "--maxfail=0",
    ]
    return out


def pytest_config(folder: Path, top: Path) -> Path | None:
    """Give the configuration file that pytest would use in a folder, looking upwards as far as `top`."""
    while True:
        for name in _PYTEST_FILES:
            path = folder / name
            if path.is_file() and _configures_pytest(path):
                return path
        if folder == top or folder == folder.parent:
            return None
        folder = folder.parent


def _configures_pytest(path: Path) -> bool:
    if path.name.endswith(("pytest.toml", "pytest.ini")):
        return True
    try:
        text = path.read_text("utf-8")
        if path.name == "pyproject.toml":
            return "pytest" in tomllib.loads(text).get("tool", {})
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
        return parser.has_section("tool:pytest" if path.name == "setup.cfg" else "pytest")
    except (OSError, ValueError, configparser.Error):
        return False


def _coverage_options(folder: Path) -> list[str]:
    """Measure what the trusted configuration names, else the project's own packages."""
    if _has_source(folder):
        return ["--cov"]
    packages = read_layout(folder).packages
    return [f"--cov={path}" for path in packages if path.is_dir()] or ["--cov"]


def _has_source(folder: Path) -> bool:
    for name, section in ((".coveragerc", "run"), ("setup.cfg", "coverage:run"), ("tox.ini", "coverage:run")):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string((folder / name).read_text("utf-8"))
        except (OSError, ValueError, configparser.Error):
            continue
        if parser.has_section(section):
            return any(
                parser.has_option(section, key) for key in ("source", "source_pkgs", "source_dirs", "include")
            )
    try:
        run = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"]["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return any(run.get(key) for key in ("source", "source_pkgs", "source_dirs", "include"))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _read_report(path: Path) -> _Story:
    story = _Story()
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return story
    for line in lines:
        try:
            event = json.loads(line)
            _take(story, event)
        except (ValueError, KeyError, TypeError, AttributeError):
            story.unreadable += 1
    return story


def _take(story: _Story, event: dict[str, Any]) -> None:
    kind = event["event"]
    if kind == "collected":
        story.collected = [str(one) for one in event["ids"]]
    elif kind == "uncollected":
        story.failures[str(event["id"])] = Failure(str(event["id"]), str(event["text"]), collected=False)
    elif kind == "started":
        story.started = str(event["id"])
    elif kind == "outcome":
        _take_outcome(story, event)
    elif kind == "finished":
        story.status = int(event["status"])


def _take_outcome(story: _Story, event: dict[str, Any]) -> None:
    """Keep the worst outcome of a test's phases: a failure in its teardown is a failure."""
    own, outcome = str(event["id"]), str(event["outcome"])
    if outcome == "failed":
        story.outcomes[own] = "failed"
        if own not in story.failures:
            line = event.get("line")
            story.failures[own] = Failure(own, str(event["text"]), line if isinstance(line, int) else None)
    elif story.outcomes.get(own) != "failed":
        if outcome == "skipped" and not event.get("xfail"):
            story.skipped_in[own] = tuple(map(str, event.get("skipped_in", ())))
        story.outcomes[own] = outcome


def _believe(done: Completed, story: _Story, limit_s: float, coverage: dict[str, Any] | None) -> TestRun:
    """Hold report, exit code and collected ids against each other."""
    collected = frozenset(story.collected or ())
    outcomes = story.outcomes
    return TestRun(
        broken=_fault(done, story, limit_s),
        collected=collected,
        passed=frozenset(one for one, outcome in outcomes.items() if outcome == "passed"),
        skipped=frozenset(one for one, outcome in outcomes.items() if outcome == "skipped"),
        skipped_in=story.skipped_in,
        failures=tuple(story.failures.values()),
        coverage=coverage,
        log=done.stdout + done.stderr,
        killed=done.ending is not Ending.EXITED,
        seconds=done.seconds,
        nothing=done.ok is False and done.code == _EXIT_NOTHING and not collected,
    )


def _fault(done: Completed, story: _Story, limit_s: float) -> str | None:
    during = f" during {one_line(story.started, 200)}" if story.started else ""
    if done.ending is not Ending.EXITED:
        return ended_badly("pytest", done, limit_s) + during
    if story.status is None:
        if story.collected is None and not story.failures:
            return f"pytest did not start its tests: {ended_badly('pytest', done, limit_s)}"
        return f"the test process ended by itself{during}, with exit code {done.code}"
    if story.unreadable or story.status != done.code:
        return f"the tests' report says exit code {story.status}, the process {done.code}"
    if done.code == _EXIT_NOTHING:
        return "no tests were collected"
    failed = bool(story.failures)
    if done.code not in _EXIT_OK and not (done.code == 2 and failed):
        return ended_badly("pytest", done, limit_s)
    if failed == (done.code == 0):
        return f"the tests' report names {len(story.failures)} failures, the exit code is {done.code}"
    missing = set(story.collected or ()) - story.outcomes.keys()
    return f"{len(missing)} collected tests have no outcome" if missing else None
