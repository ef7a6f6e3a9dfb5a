"""The gate's wall time on a generated project, as a ratio to what no gate can be faster than.

The limit is the larger of: the slowest tool run alone, and the CPU time of all tools divided by the cores.
Beside it stands the time of the same tools one after another. The tools are run plainly for that, on a
plain checkout, with cold caches as in the gate. The environment is warm; the change passes, so nothing of
the base is measured. The second answer for the same snapshot is stated apart.
"""

import asyncio
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from pev.config import Config, load_config
from pev.findings import Outcome
from pev.gate.demands import EnvironmentSettings
from pev.gate.engine import Gate, GateRequest, Trust
from pev.gate.environment import Environments
from pev.gate.install import install
from pev.gate.policy import load_policy
from pev.gate.tools import command
from pev.models import digest_of
from pev.repos.depot import Depot
from pev.repos.source import locate
from pev.sandbox.select import choose_sandbox

MODULES: Final = 150
ROUNDS: Final = 3
_PYPROJECT: Final = """\
[project]
name = "sample"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[tool.ruff.lint]
select = ["E", "F", "W", "I", "B"]

[tool.mypy]
strict = true
mypy_path = "src"

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.coverage.run]
source = ["sample"]
"""
_MODULE: Final = '''\
"""Module {n}."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Point{n}:
    """A point."""

    x: int
    y: int

    def moved(self, dx: int, dy: int) -> "Point{n}":
        """Give the point moved."""
        return Point{n}(self.x + dx, self.y + dy)


def walk{n}(steps: int) -> Point{n}:
    """Walk some steps."""
    here = Point{n}(0, 0)
    for step in range(steps):
        here = here.moved(step % {odd}, -step % 3)
    return here
'''
_TEST: Final = """\
import pytest

from sample.module{n} import Point{n}, walk{n}


@pytest.mark.parametrize("steps", [1, 100, 10_000])
def test_walk(steps: int) -> None:
    assert isinstance(walk{n}(steps), Point{n})


def test_moved() -> None:
    assert Point{n}(1, 2).moved(3, 4) == Point{n}(4, 6)
"""


_NOTICES: Final = """

def test_where_a_walk_ends() -> None:
    assert walk999(3) == Point999(3, 3)
"""


def make_project(folder: Path) -> None:
    """Make a repository with a base, and one honest change on branch `task`."""
    files = {
        "pyproject.toml": _PYPROJECT,
        "README.md": "# sample\n",
        "src/sample/__init__.py": '"""Sample."""\n',
    }
    for n in range(MODULES):
        files[f"src/sample/module{n}.py"] = _MODULE.format(n=n, odd=2 * n + 1)
        files[f"tests/test_module{n}.py"] = _TEST.format(n=n)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    _git(folder, "init", "-q", "-b", "main")
    _commit(folder, "base")
    _git(folder, "checkout", "-q", "-b", "warm")
    (folder / "README.md").write_text("# sample, warm\n", encoding="utf-8")
    _commit(folder, "words")
    _git(folder, "checkout", "-q", "-b", "task", "main")
    (folder / "src/sample/fresh.py").write_text(_MODULE.format(n=999, odd=7), encoding="utf-8")
    tests = _TEST.format(n=999).replace("sample.module999", "sample.fresh") + _NOTICES
    (folder / "tests/test_fresh.py").write_text(tests, encoding="utf-8")
    _commit(folder, "change")


def _git(folder: Path, *words: str) -> None:
    who = {
        f"GIT_{role}_{what}": "bench@localhost"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    subprocess.run(
        ["git", *words], cwd=folder, check=True, env={**os.environ, **who}, stdout=subprocess.DEVNULL
    )


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", message)


def timed(argv: list[str], folder: Path, env: dict[str, str], *, fails: bool = True) -> tuple[float, float]:
    """Run a program; give its wall and CPU seconds. Unless it may fail, it ends the benchmark if it does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, check=False)
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 and not fails:
        sys.exit(f"{argv} failed: {(done.stdout + done.stderr).decode()[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plain_tools(folder: Path, python: Path, scratch: Path) -> dict[str, list[str]]:
    """Give the plain command of each tool, with cold caches."""
    cold = scratch / f"cold-{time.monotonic_ns()}"
    cover = ["--cov", f"--cov-report=json:{cold}.json", "-p", "no:cacheprovider", "-q"]
    return {
        "format": [*command("ruff"), "format", "--check", "--no-cache", "."],
        "lint": [*command("ruff"), "check", "--no-cache", "."],
        "types": [*command("mypy"), "--cache-dir", str(cold), "--python-executable", str(python), "."],
        "tests": [str(python), "-B", "-m", "pytest", *cover],
        "security": [*command("bandit"), "-r", "-ll", "-q", "-f", "json", "."],
    }


def measure_tools(folder: Path, python: Path, scratch: Path) -> dict[str, tuple[float, float]]:
    """Run each tool alone; give wall and CPU seconds."""
    out = {}
    env = {**os.environ, "COVERAGE_FILE": str(scratch / "coverage.data")}
    for name, argv in plain_tools(folder, python, scratch).items():
        out[name] = timed(argv, folder, env, fails=False)
    return out


async def request_for(folder: Path, config: Config, branch: str = "task") -> GateRequest:
    """Build the request for a change of the sample."""
    depot = Depot(await locate(folder), config.state_dir)
    await depot.refresh()
    base = await depot.resolve("main")
    return GateRequest(
        depot=depot,
        snapshot=await depot.tree_of(await depot.resolve(branch)),
        base_commit=base,
        trusted_commit=base,
        policy=await load_policy(depot, base),
        trust=Trust.TRUSTED,
    )


async def measure_gate(folder: Path, config: Config) -> tuple[float, float, dict[str, float]]:
    """Give the seconds of a first gate, of the same gate again, and of its checks and controls."""
    request = await request_for(folder, config)
    # shown once for each configuration: that the tools can find something
    warm = await Gate(config, choose_sandbox(config), digest_of).judge(
        await request_for(folder, config, "warm")
    )
    begun = time.monotonic()
    report = await Gate(config, choose_sandbox(config), digest_of).judge(request)
    first = time.monotonic() - begun
    if warm.outcome is not Outcome.PASSED:
        sys.exit(f"the gate says {warm.outcome}: {warm.reason}")
    if report.outcome is not Outcome.PASSED:
        sys.exit(f"the gate says {report.outcome}: {report.reason}")
    begun = time.monotonic()
    again = await Gate(config, choose_sandbox(config), digest_of).judge(request)
    if not again.cached:
        sys.exit("the second answer was measured anew")
    seconds = {one.check: one.seconds for one in report.checks}
    for one in report.checks:
        if controls := re.search(r"controls took ([0-9.]+) s", one.reason):
            seconds["controls"] = float(controls[1])
    return first, time.monotonic() - begun, seconds


async def interpreter_for(folder: Path, config: Config, scratch: Path) -> Path:
    """Build the environment, warm, and an interpreter that sees the sample's checkout."""
    request = await request_for(folder, config)
    built = await Environments(config).build(request.depot, request.snapshot, ".", EnvironmentSettings())
    return install(built, folder, ".", scratch / "venv").python


def main() -> None:
    """Print the gate's time as ratios; about a minute."""
    with tempfile.TemporaryDirectory(prefix="pev-bench-gate-") as name:
        root = Path(name)
        folder = root / "sample"
        folder.mkdir()
        make_project(folder)
        config = load_config(state_dir=root / "state", cache_dir=root / "cache")
        python = asyncio.run(interpreter_for(folder, config, root))
        rows = []
        for number in range(ROUNDS):
            tools = measure_tools(folder, python, root)
            fresh = config.model_copy(update={"state_dir": root / f"state-{number}"})
            rows.append((tools, *asyncio.run(measure_gate(folder, fresh))))
        _print(rows, config.cores)


def _print(
    rows: list[tuple[dict[str, tuple[float, float]], float, float, dict[str, float]]], cores: int
) -> None:
    ratios, without, naive = [], [], []
    for tools, first, _, checks in rows:
        slowest = max(wall for wall, _ in tools.values())
        cpu = sum(cpu for _, cpu in tools.values())
        ratios.append(first / max(slowest, cpu / cores))
        without.append((first - checks.get("controls", 0.0)) / max(slowest, cpu / cores))
        naive.append(first / sum(wall for wall, _ in tools.values()))
    tools, first, again, checks = rows[-1]
    print(f"{MODULES} modules, {cores} cores; seconds of the last of {ROUNDS} rounds")
    print(f"{'check':10} {'alone':>7} {'CPU':>7} {'in gate':>8}")
    for check, (wall, cpu) in tools.items():
        print(f"{check:10} {wall:7.2f} {cpu:7.2f} {checks[check]:8.2f}")
    controls = checks.get("controls", 0.0)
    print(f"gate {first:.2f} s, of which controls {controls:.2f} s; again {again * 1000:.0f} ms")
    print(f"gate / limit (larger of slowest alone, CPU / cores): {statistics.median(ratios):.2f}")
    print(f"the same without the controls, which no plain tool has: {statistics.median(without):.2f}")
    print(f"gate / one after another: {statistics.median(naive):.2f}")
    print(f"again / first: {statistics.median(again / first for _, first, again, _ in rows):.4f}")


if __name__ == "__main__":
    main()
