"""A gate over a real repository: real depot, real tools, wheels from a folder instead of an index."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pev.config import Config, load_config
from pev.findings import CheckResult, Finding, GateReport
from pev.gate.engine import Gate
from pev.gate.interface import GateRequest, Trust
from pev.gate.policy import load_policy
from pev.models import Digest, LetThrough, ObjectId, digest_of
from pev.plan import Plan, parse_plan
from pev.repos.depot import Depot
from pev.repos.source import locate
from pev.sandbox.select import choose_sandbox
from support.repos import UserRepoFixture


def plan_for(*files: str) -> Plan:
    """Make an approved plan that names files."""
    step = {"id": "s1", "description": "change them", "files_touched": list(files)}
    return parse_plan(
        {
            "goal": "a change",
            "approach": "carefully",
            "non_goals": ["anything else"],
            "steps": [step],
            "acceptance_criteria": [{"id": "a1", "description": "it works"}],
        }
    )


@dataclass
class GateFixture:
    """A repository with a gate of its own. The base and the trusted ref are `main`."""

    repo: UserRepoFixture
    config: Config = field(default_factory=load_config)
    logs: dict[Digest, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate = Gate(self.config, choose_sandbox(self.config), self._keep)

    def _keep(self, data: bytes) -> Digest:
        self.logs[digest_of(data)] = data
        return digest_of(data)

    def on_base(self, files: dict[str, str]) -> None:
        """Add files to the base."""
        self.repo.commit("more of the base", files)

    def change(self, files: Mapping[str, str | None]) -> str:
        """Commit a change of files (None removes one) on a branch of its own, and give the commit."""
        self.repo.git("checkout", "-q", "-B", "task", "main")
        for name in [name for name, text in files.items() if text is None]:
            self.repo.git("rm", "-q", name)
        commit = self.repo.commit("the change", {n: t for n, t in files.items() if t is not None})
        self.repo.git("checkout", "-q", "main")
        return commit

    async def request(self, commit: str, **more: Any) -> GateRequest:
        """Build a request for a commit against main; `more` replaces its fields."""
        depot = Depot(await locate(self.repo.path), self.config.state_dir)
        await depot.refresh()
        base = await depot.resolve("main")
        given: dict[str, Any] = {
            "depot": depot,
            "snapshot": await depot.tree_of(await depot.resolve(commit)),
            "base_commit": base,
            "trusted_commit": base,
            "policy": await load_policy(depot, base),
            "trust": Trust.TRUSTED,
        }
        return GateRequest(**{**given, **more})

    async def judge(self, files: Mapping[str, str | None], **more: Any) -> GateReport:
        """Judge a change of files."""
        return await self.gate.judge(await self.request(self.change(files), **more))

    async def check(self, name: str, files: Mapping[str, str | None], **more: Any) -> CheckResult:
        """Run one check on a change of files."""
        return await self.gate.check_one(await self.request(self.change(files), **more), name)

    def environments(self) -> list[Path]:
        """List what lies in the folder of scratch checkouts: nothing, after a gate."""
        folder = self.config.cache_dir / "scratch"
        return sorted(folder.iterdir()) if folder.is_dir() else []


def of(report: GateReport, name: str) -> CheckResult:
    """Give the result of one check of a gate."""
    return next(one for one in report.checks if one.check == name)


def rules_of(result: CheckResult | GateReport, *, counting: bool = True) -> set[str]:
    """Give the rules of findings, of those that count or of all."""
    return {one.rule for one in result.findings if one.counts() or not counting}


def allow(finding: Finding, snapshot: ObjectId) -> LetThrough:
    """Make a person's let-through of one finding."""
    return LetThrough(
        fingerprint=finding.fingerprint, snapshot=snapshot, principal="ada", reason="known", event=1
    )


def leftover_processes(mark: str) -> list[int]:
    """Find processes of ours that are still alive by a word in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
