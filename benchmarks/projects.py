"""The gate's wall time on real projects: a small, a middle and a large one, from their released sources.

The limit is the larger of: the slowest tool alone, and the CPU time of all tools divided by the cores; tools
are run plainly, one after another, on a plain checkout of the change, over the paths that the policy names.
Three gates are timed: the first on the repository ever, one on a repository whose base was measured before,
and the same again. Environments are warm. It needs the package index, so `make bench` leaves it out.
"""

import asyncio
import os
import re
import sys
import tempfile
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.gate import plain_tools, request_for, timed
from pev.config import AuditService, Config, load_config
from pev.findings import GateReport
from pev.gate.demands import EnvironmentSettings
from pev.gate.engine import Gate
from pev.gate.environment import Environments
from pev.gate.install import install
from pev.gate.types import read_config
from pev.models import digest_of
from pev.sandbox.select import choose_sandbox

_LARGE_TESTS: Final = ("networkx/classes", "networkx/generators", "networkx/utils")
"""The whole suite of the large project runs for minutes; these parts, half a minute."""
CASES: Final = {"small": "itsdangerous-date-error", "middle": "click-utils", "large": "networkx-classic"}
_TARGETS: Final = ("files", "packages", "modules")


def make(case_id: str, archives: Path, repo: Path) -> None:
    """Make the repository of a case, with a second branch that changes a word beside the code."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from support.honest_cases import projects
    from support.honest_sources import make_repository

    for project in projects():
        for case in project.cases:
            if case.id == case_id:
                paths = ", ".join(f'"{path}"' for path in _LARGE_TESTS)
                policy = re.sub(r"(?m)^paths = .*$", f"paths = [{paths}]", case.pev_toml)
                make_repository(project, replace(case, pev_toml=policy), archives, repo)
                return
    sys.exit(f"there is no case {case_id} in tests/honest")


async def interpreter_for(repo: Path, config: Config, scratch: Path) -> Path:
    """Build the environment of the change, warm, and an interpreter that sees the checkout."""
    request = await request_for(repo, config)
    built = await Environments(config).build(request.depot, request.snapshot, ".", EnvironmentSettings())
    return install(built, repo, ".", scratch / "venv").python


def measure_tools(
    repo: Path, python: Path, scratch: Path, checks: set[str]
) -> dict[str, tuple[float, float]]:
    """Run each tool alone, whatever it finds; give wall and CPU seconds."""
    env = {**os.environ, "COVERAGE_FILE": str(scratch / "coverage.data")}
    own = tomllib.loads((repo / "pev.toml").read_text("utf-8")) if (repo / "pev.toml").is_file() else {}
    paths = own.get("check", {}).get("tests", {}).get("paths", [])
    out = {}
    for name, argv in plain_tools(repo, python, scratch).items():
        _, table = read_config(repo)
        named = name == "types" and any(table.get(key) for key in _TARGETS)
        own_paths = paths if name == "tests" else []
        if name in checks:
            out[name] = timed([*(argv[:-1] if named else argv), *own_paths], repo, env)
    return out


async def judge(repo: Path, config: Config, branch: str) -> tuple[GateReport, float]:
    """Run a gate; give its report and its seconds."""
    request = await request_for(repo, config, branch)
    gate = Gate(config, choose_sandbox(config), digest_of)
    begun = time.monotonic()
    report = await gate.judge(request)
    return report, time.monotonic() - begun


async def gates(repo: Path, config: Config, root: Path) -> tuple[GateReport, float, float, float]:
    """Give a report, and the seconds of the first gate, of one on a known base, and of that again."""
    _, first = await judge(repo, config.model_copy(update={"state_dir": root / "state-1"}), "task")
    known = config.model_copy(update={"state_dir": root / "state-2"})
    await judge(repo, known, "warm")
    report, usual = await judge(repo, known, "task")
    _, again = await judge(repo, known, "task")
    return report, first, usual, again


def measure(size: str, case_id: str, root: Path) -> str:
    """Measure one project; give its row of the table."""
    repo = root / size
    make(case_id, root / "archives", repo)
    for argv in (["checkout", "-q", "-b", "warm", "main"], ["checkout", "-q", "task"]):
        timed(["git", *argv], repo, dict(os.environ))
        if "warm" in argv:
            (repo / "A_WORD.txt").write_text("a word\n", encoding="utf-8")
            who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
            timed(["git", "add", "-A"], repo, dict(os.environ))
            timed(["git", *who, "commit", "-q", "-m", "a word"], repo, dict(os.environ))
    config = load_config(
        state_dir=root / "state-0",
        cache_dir=root / "cache",
        audit_service=AuditService.OSV,
        audit_osv_url="http://127.0.0.1:9",
        check_limit_s=1_200.0,
    )
    scratch = root / f"scratch-{size}"
    scratch.mkdir()
    python = asyncio.run(interpreter_for(repo, config, scratch))
    report, first, usual, again = asyncio.run(gates(repo, config, root / f"states-{size}"))
    ran = {one.check for one in report.checks if one.seconds}
    tools = measure_tools(repo, python, scratch, ran)
    controls = 0.0
    for one in report.checks:
        if found := re.search(r"controls took ([0-9.]+) s", one.reason):
            controls = float(found[1])
    limit = max(*(wall for wall, _ in tools.values()), sum(cpu for _, cpu in tools.values()) / config.cores)
    naive = sum(wall for wall, _ in tools.values())
    alone = ", ".join(f"{name} {wall:.1f}" for name, (wall, _) in tools.items())
    print(f"{size} ({case_id}): {report.outcome}; alone: {alone}; controls {controls:.1f} s", flush=True)
    return (
        f"{size:7} {limit:8.1f} {first:8.1f} {usual:8.1f} {first / limit:8.2f} {usual / limit:8.2f}"
        f" {(usual - controls) / limit:12.2f} {usual / naive:8.2f} {again * 1000:8.0f}"
    )


def main() -> None:
    """Print the gate's time on real projects as ratios, all or `PEV_BENCH_SIZE`'s; several minutes."""
    only = os.environ.get("PEV_BENCH_SIZE", "")
    with tempfile.TemporaryDirectory(prefix="pev-bench-projects-") as name:
        rows = [measure(size, case_id, Path(name)) for size, case_id in CASES.items() if only in ("", size)]
    head = f"{'limit s':>8} {'first s':>8} {'next s':>8} {'first/l':>8} {'next/l':>8}"
    print(f"{'':7} {head} {'no controls':>12} {'/naive':>8} {'again ms':>8}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
