"""Runs the honest changes of tests/honest through PEV's gate, and says how often it stops them wrongly.

Each case gets a repository and a state of its own; released sources and environments are kept in one folder.

    PYTHONPATH=tests python -m support.honest [--project NAME] [--case PART] [--jobs N] [--json FILE]
"""

import argparse
import http.server
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from pev.config import AuditService, Config
from pev.errors import PevError
from pev.findings import Age, Effect, GateReport, Outcome
from pev.gate.engine import Gate
from pev.gate.interface import GateRequest, Trust
from pev.gate.policy import load_policy
from pev.models import digest_of
from pev.repos.depot import Depot
from pev.repos.source import locate
from pev.sandbox.select import choose_sandbox
from support.evasion_scene import Advisories, serving
from support.honest_cases import Case, Judgement, Project, Verdict, projects
from support.honest_sources import make_repository

_LIMIT_S: Final = 300.0
_LONGEST_S: Final = 700.0


@dataclass(frozen=True)
class Bench:
    """Where cases are judged: a temporary folder, one for what is kept, and an advisory service."""

    top: Path
    kept: Path
    advisories: int

    def run(self, project: Project, case: Case) -> Verdict:
        """Judge one case from the start."""
        top = Path(tempfile.mkdtemp(prefix="case-", dir=self.top))
        begun = time.monotonic()
        try:
            repo = top / project.name
            commit, files, lines = make_repository(project, case, self.kept / "releases", repo)
            begun = time.monotonic()
            report = anyio.run(self._judge, case, repo, commit, top / "state")
            return verdict_of(case, report, time.monotonic() - begun, files, lines)
        except (RuntimeError, PevError, OSError, TimeoutError, ExceptionGroup) as broken:
            said = f"{type(broken).__name__}: {broken}"
            return Verdict(case, "broken", said, time.monotonic() - begun)
        finally:
            shutil.rmtree(top, ignore_errors=True)

    async def _judge(self, case: Case, repo: Path, commit: str, state: Path) -> GateReport:
        config = Config(
            state_dir=state,
            cache_dir=self.kept / "cache",
            audit_service=AuditService.OSV,
            audit_osv_url=f"http://127.0.0.1:{self.advisories}/v1/query",
            check_limit_s=_LIMIT_S,
        )
        gate = Gate(config, choose_sandbox(config), digest_of)
        depot = Depot(await locate(repo), config.state_dir)
        await depot.refresh()
        base = await depot.resolve("main")
        request = GateRequest(
            depot=depot,
            snapshot=await depot.tree_of(await depot.resolve(commit)),
            base_commit=base,
            trusted_commit=base,
            policy=await load_policy(depot, base),
            trust=Trust.TRUSTED,
            plan=case.approved(),
        )
        with anyio.fail_after(_LONGEST_S):
            return await gate.judge(request)


def verdict_of(case: Case, report: GateReport, seconds: float, files: int, lines: int) -> Verdict:
    """Sum a report up: what stopped it, how many old findings were met, what could not be run."""
    old = sum(one.age is Age.OLD for one in report.findings)
    by = [
        f"{one.check}/{one.rule} {one.path or ''}:{one.line or ''} {one.message[:200]}"
        for one in report.findings
        if one.counts() and one.effect is not Effect.NOTES
    ]
    by += [f"{one.check}: {one.reason}" for one in report.checks if one.outcome is Outcome.INCONCLUSIVE]
    skipped = [f"{one.check}: {one.reason}" for one in report.checks if one.outcome is Outcome.SKIPPED]
    return Verdict(
        case,
        report.outcome.value,
        report.reason,
        seconds,
        files,
        lines,
        old,
        tuple(by if report.outcome is not Outcome.PASSED else ()),
        tuple(skipped),
    )


def play(chosen: Sequence[tuple[Project, Case]], kept: Path, *, jobs: int = 1) -> Iterable[Verdict]:
    """Judge cases, `jobs` at a time; what is worth keeping between runs lies in `kept`."""
    with (
        tempfile.TemporaryDirectory(prefix="honest-", ignore_cleanup_errors=True) as folder,
        serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Advisories)) as port,
        ThreadPoolExecutor(jobs) as pool,
    ):
        bench = Bench(Path(folder), kept, port)
        yield from pool.map(lambda one: bench.run(*one), chosen)


def row_of(verdict: Verdict) -> str:
    """Write a verdict as a line, and what stopped it below."""
    mark = "ok" if verdict.expected else "FALSE ALARM" if verdict.false_alarm else "PASSES NOW"
    size = f"{verdict.files} files {verdict.lines} lines"
    row = f"{verdict.case.id:<44} {verdict.outcome:<12} {mark:<11} {verdict.seconds:6.1f}s  {size:<22}"
    row += f" {verdict.old} old"
    stops = [f"      {one}" for one in verdict.by[:8]]
    stops += [f"      skipped: {one}" for one in verdict.skipped]
    return "\n".join([row, *stops] + ([f"      {verdict.detail}"] if verdict.outcome == "broken" else []))


def totals(verdicts: Sequence[Verdict]) -> str:
    """Count what passed and what did not, in all and by project, with the old findings of each base."""
    names = sorted({one.case.project for one in verdicts})
    rows = [_count("all", verdicts)]
    for name in names:
        mine = [one for one in verdicts if one.case.project == name]
        rows.append(_count(f"  {name}", mine) + f", up to {max(one.old for one in mine)} old findings")
    with_old = sum(any(one.old for one in verdicts if one.case.project == name) for name in names)
    rows.append(f"{len(names)} projects, {with_old} of them with old findings")
    return "\n".join(rows)


def _count(name: str, verdicts: Sequence[Verdict]) -> str:
    passed = sum(one.outcome == "PASSED" for one in verdicts)
    stopped = [one for one in verdicts if one.outcome != "PASSED" and not one.false_alarm]
    asked = sum(one.case.judgement is Judgement.ASKED for one in stopped)
    false = sum(one.false_alarm for one in verdicts)
    rate = 100 * false / len(verdicts) if verdicts else 0.0
    return (
        f"{name}: {len(verdicts)} changes, {passed} passed, {asked} asked of a person,"
        f" {len(stopped) - asked} stopped rightly, {false} false alarms ({rate:.0f} %)"
    )


def as_json(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Give verdicts as values for a file."""
    return [
        {
            "project": one.case.project,
            "case": one.case.id,
            "kind": one.case.kind,
            "outcome": one.outcome,
            "expect": one.case.expect,
            "judgement": one.case.judgement,
            "seconds": round(one.seconds, 1),
            "files": one.files,
            "lines": one.lines,
            "old_findings": one.old,
            "by": list(one.by),
            "skipped": list(one.skipped),
            "detail": one.detail,
        }
        for one in verdicts
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line names; exit code 1 if an answer is not the one that its case expects."""
    parser = argparse.ArgumentParser(
        prog="support.honest", description="Run honest changes through PEV's gate."
    )
    parser.add_argument("--project", action="append", default=[], help="a project's name; may be repeated")
    parser.add_argument(
        "--case", action="append", default=[], help="an id, or a part of one; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what was answered to this file")
    kept = Path(tempfile.gettempdir()) / "pev-honest"
    parser.add_argument("--kept", type=Path, default=kept, help=f"releases and environments (default {kept})")
    args = parser.parse_args(argv)
    chosen = [
        (project, case)
        for project in projects()
        if not args.project or project.name in args.project
        for case in project.cases
        if not args.case or any(part in case.id for part in args.case)
    ]
    verdicts = []
    for verdict in play(chosen, args.kept, jobs=args.jobs):
        verdicts.append(verdict)
        print(row_of(verdict), flush=True)
    print(f"\n{totals(verdicts)}")
    if args.json:
        args.json.write_text(json.dumps(as_json(verdicts), indent=1) + "\n", encoding="utf-8")
    surprises = [one.case.id for one in verdicts if not one.expected]
    print(f"not as expected: {', '.join(surprises)}" if surprises else "no surprises")
    return int(bool(surprises))


if __name__ == "__main__":
    sys.exit(main())
