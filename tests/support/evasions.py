"""Runs the evasion corpus in tests/evasions against PEV's gate, or against the naive gate of its folder.

Each case gets a repository, a worktree and a home of its own below one temporary folder; state and cache are
shared, so that environments are built once.

    PYTHONPATH=tests python -m support.evasions [--naive] [--first] [--class C] [--case ID] [--jobs N]
"""

import argparse
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.evasion_cases import (
    CLASSES,
    CONTROL,
    CORPUS,
    NOT_ATTACKS,
    OUTCOMES,
    PLANTED,
    Case,
    Verdict,
    cases,
    known,
)
from support.evasion_scene import GIT_WHO, Advisories, ear, left, make_scene, serving

SECRET: Final = "evasion-canary-7d0c41"
OWN_PEV: Final = Path(sys.executable).parent / "pev"


def _read(stdout: str, stderr: str, code: int) -> tuple[str, tuple[str, ...], str]:
    """The outcome of PEV's JSON, what stands behind it, and its reason."""
    try:
        report = json.loads(stdout)
        outcome = str(report["outcome"]).lower()
    except (ValueError, KeyError, TypeError):
        return "error", (), (stderr or stdout)[-400:]
    if outcome not in OUTCOMES or (outcome == "passed") != (code == 0):
        return "error", (), f"outcome {outcome} with exit {code}"
    by: list[str] = []
    for check in report.get("checks", ()):
        rules = [
            f"{check['check']}/{f['rule']}"
            for f in check["findings"]
            if f["effect"] not in ("reports", "allowed")
        ]
        if check["outcome"] in ("FAILED", "HELD", "INCONCLUSIVE"):
            by += rules or [f"{check['check']}/{check['outcome'].lower()}"]
    return outcome, tuple(dict.fromkeys(by)), str(report.get("reason", ""))


@dataclass(frozen=True)
class Suite:
    """Where cases run: a temporary folder, the advisory service of this run, and which gate answers."""

    top: Path
    advisories: int
    naive: bool
    program: Path = OWN_PEV

    def environ(self, case: Case, top: Path, listening: int) -> dict[str, str]:
        """The environment of the attack, which knows where harm would show."""
        home = top / "home"
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh" / "id_ed25519").write_text(f"{SECRET}\n")
        (home / ".netrc").write_text(f"machine example.invalid login eve password {SECRET}\n")
        (top / "out").mkdir()
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PEV_", "GIT_", "EVASION_"))
        }
        return (
            kept
            | GIT_WHO
            | {
                "GIT_CONFIG_NOSYSTEM": "1",
                "HOME": str(home),
                "PYTHONPATH": str(CORPUS),
                "PYTHONDONTWRITEBYTECODE": "1",
                "EVASION_OUT": str(top / "out"),
                "EVASION_PORT": str(listening),
                "EVASION_MARK": top.name,
                "EVASION_SECRET": SECRET,
                "EVASION_REPO": str(top / "repo"),
            }
        )

    def judge(self, case: Case, worktree: Path, env: dict[str, str]) -> tuple[str, tuple[str, ...], str]:
        """Ask the gate, in an environment that holds a secret but nothing that only attacks may know."""
        told = (
            "EVASION_OUT",
            "EVASION_PORT",
            "EVASION_SECRET",
            "EVASION_REPO",
            "PYTHONPATH",
            "PYTHONDONTWRITEBYTECODE",
        )
        port = self.advisories if case.service == "up" else 1
        mine = {key: value for key, value in env.items() if key not in told} | {
            "GH_TOKEN": SECRET,
            "PEV_STATE_DIR": str(self.top / "state"),
            "PEV_CACHE_DIR": str(self.top / "cache"),
            "PEV_AUDIT_SERVICE": "osv",
            "PEV_AUDIT_OSV_URL": f"http://127.0.0.1:{port}/v1/query",
            "PEV_CHECK_LIMIT_S": str(case.limit_s // 2),
        }
        argv = [str(self.program), "gate", str(worktree), "--base", "main"]
        argv += ["--commit", "HEAD", "--trust", "--json"]
        if self.naive:
            argv = [sys.executable, str(CORPUS / "naive_gate.py"), str(worktree)]
            mine["NAIVE_DEPS"] = "1" if case.kind == "dependencies" else "0"
            mine["PIP_AUDIT_VULNERABILITY_SERVICE"] = "osv"
            mine["PIP_AUDIT_OSV_URL"] = mine["PEV_AUDIT_OSV_URL"]
        process = subprocess.Popen(
            argv,
            cwd=worktree.parent,
            env=mine,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=case.limit_s * (1 if self.naive else 4))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            for pid in left(env["EVASION_MARK"]):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            process.communicate()
            return "timeout", (), f"no answer in {case.limit_s} s"
        stdout, stderr = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        (worktree.parent / "out" / "gate.json").write_text(stdout, encoding="utf-8")
        if self.naive:
            return {0: "passed", 1: "failed"}.get(process.returncode, "error"), (), (stdout + stderr)[-1500:]
        return _read(stdout, stderr, process.returncode)

    def run(self, case: Case) -> Verdict:
        """Play one case from the start and say what came of it."""
        top = Path(tempfile.mkdtemp(prefix=f"{case.id}-", dir=self.top))
        harmed = None
        began = time.monotonic()
        try:
            with ear(top / "heard") as port:
                env = self.environ(case, top, port)
                worktree = make_scene(case, top, env)
                began = time.monotonic()
                outcome, by, detail = self.judge(case, worktree, env)
                seconds = time.monotonic() - began
                time.sleep(case.settle_s)
                check = case.folder / "check.py"
                if check.exists():
                    env["EVASION_HEARD"] = str(top / "heard")
                    env["EVASION_LEFT"] = str(len(left(top.name)))
                    done = subprocess.run(
                        [sys.executable, str(check)], cwd=worktree, env=env, capture_output=True
                    )
                    if done.returncode not in (0, 1) or done.stderr:
                        raise RuntimeError(f"check.py: {done.stderr.decode(errors='replace')[-300:]}")
                    harmed = done.returncode == 0
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as broken:
            outcome, by, detail, seconds = "broken-case", (), str(broken), time.monotonic() - began
        finally:
            for pid in left(top.name):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(top, ignore_errors=True)
        return Verdict(case, outcome, by, harmed, seconds, detail)


def play(
    chosen: Sequence[Case], *, naive: bool = False, program: Path = OWN_PEV, jobs: int = 1, tell: bool = True
) -> list[Verdict]:
    """Run cases against PEV, or against the naive gate, `jobs` at a time."""
    verdicts = []
    with (
        tempfile.TemporaryDirectory(prefix="evasions-", ignore_cleanup_errors=True) as folder,
        serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Advisories)) as port,
        ThreadPoolExecutor(jobs) as pool,
    ):
        suite = Suite(Path(folder), port, naive, program)
        for verdict in pool.map(suite.run, chosen):
            verdicts.append(verdict)
            if tell:
                print(_row(verdict, naive=naive), flush=True)
    return verdicts


def _row(verdict: Verdict, *, naive: bool) -> str:
    case = verdict.case
    if naive:
        mark = verdict.outcome if case.kind in NOT_ATTACKS else "fooled" if verdict.fooled else "NOT FOOLED"
    else:
        mark = "ok" if verdict.sound else "FALSE ALARM" if case.kind == CONTROL else "THROUGH"
    harm = {None: "", True: " harmed", False: " unharmed"}[verdict.harmed]
    text = (
        f"{case.id:<34} {case.kind:<13} {verdict.outcome + harm:<21} {'|'.join(case.expect):<28} {mark:<11}"
    )
    row = f"{text} {verdict.seconds:5.1f}s  {' '.join(verdict.by)[:160]}"
    shown = (
        mark in ("NOT FOOLED", "FALSE ALARM", "THROUGH")
        or verdict.outcome not in OUTCOMES
        or (naive and case.kind == CONTROL and verdict.outcome != "passed")
    )
    return row + (f"\n      {verdict.detail[-700:].strip()}" if shown else "")


def totals(verdicts: Sequence[Verdict], *, naive: bool) -> str:
    """Count what was caught: in all, by class, of those written first, by rule, and false alarms."""
    attacks = [v for v in verdicts if v.case.kind not in NOT_ATTACKS]
    controls = [v for v in verdicts if v.case.kind == CONTROL]
    if naive:
        return f"fooled by {sum(v.fooled for v in attacks)} of {len(attacks)} attacks"
    first = [v for v in attacks if v.case.written_first]
    rows = [f"caught {sum(v.sound for v in attacks)} of {len(attacks)} attacks"]
    rows += [f"written first: {sum(v.sound for v in first)} of {len(first)}"]
    for kind in CLASSES:
        mine = [v for v in attacks if v.case.kind == kind]
        if mine:
            rows.append(f"  {kind:<14} {sum(v.sound for v in mine)} of {len(mine)}")
    rules = Counter(v.by[0] if v.by else "no finding, no harm" for v in attacks if v.sound)
    rows += ["caught first by:", *(f"  {count:>3} {rule}" for rule, count in rules.most_common())]
    planted = [v for v in verdicts if v.case.kind == PLANTED]
    rows.append(f"planted openly: {sum(v.sound for v in planted)} of {len(planted)} found")
    rows.append(f"false alarms: {sum(not v.sound for v in controls)} of {len(controls)} controls")
    rows.append(f"seconds: {sum(v.seconds for v in verdicts):.0f}")
    return "\n".join(rows)


def surprises(verdicts: Sequence[Verdict]) -> list[str]:
    """What differs from expect and known.toml, in either direction."""
    reasons = known()
    told = [
        f"{v.case.id}: {v.outcome}, expected {'|'.join(v.case.expect)}"
        for v in verdicts
        if not v.sound and v.case.id not in reasons
    ]
    told += [
        f"{v.case.id}: caught now; take it out of known.toml"
        for v in verdicts
        if v.sound and v.case.id in reasons
    ]
    return told


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line names; exit code 1 if anything is a surprise."""
    parser = argparse.ArgumentParser(prog="support.evasions", description="Run PEV's evasion corpus.")
    parser.add_argument("--naive", action="store_true", help="ask the naive gate instead of PEV")
    parser.add_argument(
        "--first", action="store_true", help="only the cases written before the defence was read"
    )
    parser.add_argument("--class", dest="kind", choices=[*CLASSES, *NOT_ATTACKS])
    parser.add_argument(
        "--case", action="append", default=[], help="an id, or a part of one; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--pev", type=Path, default=OWN_PEV, help="the program to ask (default: that beside us)"
    )
    args = parser.parse_args(argv)
    chosen = [
        case
        for case in cases()
        if (not args.first or case.written_first)
        and (args.kind is None or case.kind == args.kind)
        and (not args.case or any(part in case.id for part in args.case))
        and (not args.naive or case.naive == "fooled" or case.kind in NOT_ATTACKS)
    ]
    verdicts = play(chosen, naive=args.naive, program=args.pev, jobs=args.jobs)
    print(f"\n{totals(verdicts, naive=args.naive)}")
    if args.naive:
        return int(any(not v.fooled for v in verdicts if v.case.kind not in NOT_ATTACKS))
    told = surprises(verdicts)
    print("\n".join(["", *told]) if told else "no surprises")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
