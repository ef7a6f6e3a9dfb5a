"""How each test runner of node is started for a run, and where it leaves its reports.

Runners are those that the trusted ref locks, started by the path of their own program. Thresholds of their
own are turned off: what coverage is demanded, the policy says.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from pev.gate.interface import CheckJob, Checkout
from pev.gate.javascript.inventory import JOIN
from pev.gate.javascript.reports import Told, read_events, read_jest
from pev.gate.javascript.runners import Runner, RunnerName
from pev.gate.javascript.tool import bin_of
from pev.gate.javascript.toolbox import NodeBox
from pev.gate.testing_runs import Chosen

_REPORTER: Final = Path(__file__).parent.with_name("inside") / "report_node_tests.mjs"
_SCRIPTS: Final = r"\.[cm]?js"
_TYPED: Final = r"\.[cm]?[jt]s"
_NAMES: Final = r"(?:.*[.\-_])?test{0}|test-.+{0}"
_ROOT: Final = "<root>"
_LEFT_OUT: Final = {"node_modules", ".git", "coverage"}
_MEASURES: Final = ("lines", "functions", "branches", "statements")
_PROVIDERS: Final = ("v8", "istanbul")
Read = Callable[[Path, Callable[[str], str], Callable[[str], str]], Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command line, and where its reports will lie. `nothing` says that there is no test to run."""

    argv: tuple[str, ...] = ()
    report: Path
    lcov: Path
    read: Read
    env: Mapping[str, str] = field(default_factory=dict)
    nothing: bool = False
    may_be_empty: bool = False


def command_of(runner: Runner, job: CheckJob, checkout: Checkout, box: NodeBox, chosen: Chosen) -> Launch:
    """Give the command that runs the chosen tests. Raises ProjectUnsupported."""
    place = checkout.scratch / f"tests-{chosen.label}"
    place.mkdir(exist_ok=True)
    inside = [_from_project(job, path) for path in chosen.files]
    if runner.name is RunnerName.NODE:
        return _node(runner, job, checkout, box, chosen, place, inside)
    make = _vitest if runner.name is RunnerName.VITEST else _jest
    words = make(runner, box, checkout, chosen, place, inside or [*job.settings.paths])
    env = {"NODE_OPTIONS": " ".join(runner.node_options)} if runner.node_options else {}
    return Launch(
        argv=(str(box.node), *words),
        report=place / "report.json",
        lcov=place / "coverage" / "lcov.info",
        read=read_jest,
        env=env,
        may_be_empty=bool(chosen.without),
    )


def _from_project(job: CheckJob, path: str) -> str:
    return path if job.root == "." else PurePosixPath(path).relative_to(job.root).as_posix()


def _node(
    runner: Runner,
    job: CheckJob,
    checkout: Checkout,
    box: NodeBox,
    chosen: Chosen,
    place: Path,
    inside: Sequence[str],
) -> Launch:
    folder = job.folder(checkout)
    report, lcov = place / "events.jsonl", place / "lcov.info"
    words = [
        *runner.options,
        "--test",
        f"--test-reporter={_REPORTER}",
        f"--test-reporter-destination={report}",
    ]
    if chosen.coverage:
        words += [
            "--experimental-test-coverage",
            "--test-reporter=lcov",
            f"--test-reporter-destination={lcov}",
        ]
    words += [f"--test-name-pattern={pattern}" for pattern in [_node_pattern(chosen)] if pattern]
    wanted = inside or list(job.settings.paths) or list(runner.paths)
    files = sorted(set(_node_files(folder, wanted, typed=bool(runner.options))))
    return Launch(
        argv=(str(box.node), *words, *files),
        report=report,
        lcov=lcov,
        read=read_events,
        nothing=not files,
        may_be_empty=bool(chosen.without or chosen.only),
    )


def _node_pattern(chosen: Chosen) -> str:
    """Give the pattern of the names of single tests.

    Node holds it against each name by itself, since version 22 with the names of the groups before it.
    """
    wanted = [own.partition("::")[2].split(JOIN) for own in chosen.only or chosen.without]
    if not wanted:
        return ""
    # a name that fits lets all below it run: the root's, and those of the groups around what is left out
    names = (
        {path[-1] for path in wanted} if chosen.only else {_ROOT, *(name for path in wanted for name in path)}
    )
    listed = "|".join(re.escape(name).replace("/", "\\/") for name in sorted(names))
    return f"/(?:^| )(?:{listed})$/" if chosen.only else f"/^(?!(?:.* )?(?:{listed})$)/"


def _node_files(folder: Path, wanted: Sequence[str], *, typed: bool) -> Iterator[str]:
    """Give the files that node would run: what is named, else what it finds by its own rule."""
    ending = _TYPED if typed else _SCRIPTS
    for name in wanted or (".",):
        path = folder / name
        if path.is_file():
            yield name
        elif path.is_dir():
            yield from _found(folder, path, ending)
        else:
            for pattern in _unbraced(name.removeprefix("./")):
                yield from (_relative(folder, one) for one in folder.glob(pattern) if _is_ours(folder, one))


def _found(folder: Path, top: Path, ending: str) -> Iterator[str]:
    by_name = re.compile(_NAMES.format(ending))
    by_place = re.compile(rf".+{ending}")
    for path in top.rglob("*"):
        if not _is_ours(folder, path):
            continue
        in_tests = "test" in path.relative_to(folder).parts[:-1]
        if by_name.fullmatch(path.name) or (in_tests and by_place.fullmatch(path.name)):
            yield _relative(folder, path)


def _is_ours(folder: Path, path: Path) -> bool:
    return path.is_file() and not _LEFT_OUT.intersection(path.relative_to(folder).parts)


def _relative(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _unbraced(pattern: str) -> list[str]:
    """Write `{a,b}` and `?(c|m)` of a glob out as patterns without them."""
    hit = re.search(r"\{([^{}]*)\}|([?@])\(([^()]*)\)", pattern)
    if hit is None:
        return [pattern]
    parts = hit[1].split(",") if hit[1] is not None else hit[3].split("|") + ([""] if hit[2] == "?" else [])
    return [one for part in parts for one in _unbraced(pattern[: hit.start()] + part + pattern[hit.end() :])]


def _names(chosen: Chosen) -> str:
    """Give the pattern of whole names of tests, as jest and vitest write them: joined by blanks."""
    names = sorted({own.partition("::")[2].replace(JOIN, " ") for own in chosen.only or chosen.without})
    listed = "|".join(re.escape(name) for name in names)
    if not listed:
        return ""
    return f"^(?:{listed})$" if chosen.only else f"^(?!(?:{listed})$)"


def _vitest(
    runner: Runner, box: NodeBox, checkout: Checkout, chosen: Chosen, place: Path, files: Sequence[str]
) -> list[str]:
    words = [str(bin_of(box, "vitest")), "run", *runner.options, "--reporter=json", "--no-color"]
    words += [f"--outputFile={place / 'report.json'}", "--retry=0", "--passWithNoTests=false"]
    provider = next((one for one in _PROVIDERS if box.has(f"@vitest/coverage-{one}")), None)
    if chosen.coverage and provider:
        words += [
            "--coverage.enabled=true",
            f"--coverage.provider={provider}",
            "--coverage.reporter=lcovonly",
        ]
        words += [f"--coverage.reportsDirectory={place / 'coverage'}", "--coverage.reportOnFailure=true"]
        words += [f"--coverage.thresholds.{measure}=0" for measure in _MEASURES]
    else:
        words += ["--coverage.enabled=false"]
    words += ["--bail=1"] if chosen.stop_early else []
    words += [f"--testNamePattern={pattern}" for pattern in [_names(chosen)] if pattern]
    return [*words, *(files or runner.paths)]


def _jest(
    runner: Runner, box: NodeBox, checkout: Checkout, chosen: Chosen, place: Path, files: Sequence[str]
) -> list[str]:
    words = [
        str(bin_of(box, "jest")),
        *runner.options,
        "--ci",
        "--json",
        "--colors=false",
        "--watchman=false",
    ]
    words += [f"--outputFile={place / 'report.json'}", f"--cacheDirectory={checkout.scratch / 'jest'}"]
    words += ["--reporters=default", "--passWithNoTests=false"]
    if chosen.coverage:
        words += ["--coverage", "--coverageReporters=lcovonly", f"--coverageDirectory={place / 'coverage'}"]
        words += ["--coverageThreshold={}"]
    else:
        words += ["--coverage=false"]
    words += ["--bail"] if chosen.stop_early else []
    words += [f"--testNamePattern={pattern}" for pattern in [_names(chosen)] if pattern]
    return [*words, *(["--runTestsByPath", *files] if files else runner.paths)]
