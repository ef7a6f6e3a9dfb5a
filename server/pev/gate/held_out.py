"""The check `held-out`: tests that the author never sees, on the author's code, in a sandbox of their own.

The code under test can read the tests and print them, so nothing that this run says reaches a view of the
author: no log, no excerpt, no message of a failure. What leaves it is one word for each criterion, and under
a policy that reveals them the assertions as we keep them, never as the run gave them.
"""

import ast
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Final

from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.findings import Effect, Finding, Severity
from pev.gate.demands import HELD_OUT, Language
from pev.gate.held_set import HeldOutSet, Reveal
from pev.gate.interface import Check, CheckJob, FindingMaker, Measured
from pev.gate.preparing import set_up
from pev.gate.syntax import parse
from pev.gate.testrun import TestRun, run_tests
from pev.sandbox.reach import Reach
from pev.text import one_line

MISSING: Final = "the policy wants held-out tests, and this run has none for its plan: draft_tests"
_UNREAD: Final = "the held-out tests of {0} could not be run on this change: what they import may be missing"
_LATE: Final = "the held-out tests did not end in time"
_HELP: Final = "Make the change do what the criterion says; its tests are held out, and stay so."
_MOST: Final = 3


class HeldOut(Check):
    """Tests of the tester role. `held` None means that the policy wants them and there are none."""

    name = HELD_OUT
    language: ClassVar[Language | None] = None
    weight: ClassVar[int] = 85
    runs_code: ClassVar[bool] = True
    needs_environment: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    knows_base: ClassVar[bool] = True
    keeps_secrets: ClassVar[bool] = True

    def __init__(self, held: HeldOutSet | None, reveal: Reveal) -> None:
        self._held = held
        self._reveal = reveal

    async def run(self, job: CheckJob) -> Measured:
        """Run the tests on one side, and give what they say of each criterion."""
        held = self._held
        if held is None:
            return Measured(unmeasured=MISSING, outside=True)
        python = [one for one in job.policy.projects if one.language is Language.PYTHON]
        project = next((one for one in python if one.root == held.root), None)
        if project is None:
            return Measured(unmeasured=f"there is no Python project in {held.root}", outside=True)
        # nothing that was granted to the repository's code: it could carry the tests away
        own = replace(job, project=project, reach=Reach())
        folder = f"held_out_{secrets.token_hex(4)}"
        path = "/".join(part for part in (held.root.strip("."), folder, "test_held_out.py") if part)
        try:
            checkout = await own.bench.checkout(
                own.side, private=HELD_OUT, replaced={path: held.source.encode()}
            )
            interpreter = await own.bench.interpreter(own.side, checkout, own.root)
            if await set_up(own, checkout, interpreter):
                return Measured(unmeasured="the project could not be set up for held-out tests", outside=True)
            select = [str(checkout.root / path)]
            run = await run_tests(own, checkout, interpreter, label=HELD_OUT, select=select)
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=True)
        measured = _judge(held, run, own.maker(self.name), self._reveal)
        return measured.model_copy(update={"environment": interpreter.key})


def _judge(held: HeldOutSet, run: TestRun, make: FindingMaker, reveal: Reveal) -> Measured:
    if run.killed:
        return Measured(unmeasured=_LATE, outside=True)
    said = _said(run)
    every = {name for names in held.tests.values() for name in names}
    if run.broken is not None and not every & said.keys():
        return Measured(unmeasured=_UNREAD.format(", ".join(held.tests)))
    findings: list[Finding] = []
    unread: list[str] = []
    for criterion, names in held.tests.items():
        failed = [name for name in names if "failed" in said[name]]
        if failed:
            findings.append(_not_met(make, criterion, held, failed, reveal))
        elif all(said[name] == {"passed"} for name in names):
            findings.append(_met(make, criterion, len(names)))
        else:
            unread.append(criterion)
    fault = _UNREAD.format(", ".join(unread)) if unread else None
    if fault is None and run.broken is not None:
        fault = "the run of the held-out tests contradicts itself, so it is not believed"
    met = sum(one.rule == "criterion-met" for one in findings)
    return Measured(
        findings=tuple(findings), unmeasured=fault, reason=f"{met} of {len(held.tests)} criteria are met"
    )


def _said(run: TestRun) -> defaultdict[str, set[str]]:
    """Give what became of each test, its parameters folded, by the name that it has in its module."""
    out: defaultdict[str, set[str]] = defaultdict(set)
    for outcome, ids in (
        ("passed", run.passed - run.failed_ids),
        ("failed", run.failed_ids),
        ("skipped", run.skipped),
    ):
        for own in ids:
            _, found, inner = own.partition("::")
            if found:
                out[inner.partition("[")[0]].add(outcome)
    for own in run.collected - run.passed - run.failed_ids - run.skipped:
        out[own.partition("::")[2].partition("[")[0]].add("silent")
    return out


def _not_met(
    make: FindingMaker, criterion: str, held: HeldOutSet, failed: list[str], reveal: Reveal
) -> Finding:
    said = f"criterion {criterion} is not met"
    if reveal == "expectation":
        expected = "; ".join(one for name in failed for one in _asserted(held.source, name))
        said += f"; expected: {one_line(expected, 240)}" if expected else ""
    return make.make(
        "criterion-not-met", said, context=criterion, severity=Severity.ERROR, remedy=_HELP, anywhere=True
    )


def _met(make: FindingMaker, criterion: str, count: int) -> Finding:
    return make.make(
        "criterion-met",
        f"criterion {criterion} is met: {count} held-out test{'s pass' if count > 1 else ' passes'}",
        context=criterion,
        severity=Severity.NOTE,
        effect=Effect.NOTES,
        remedy="Nothing is to be done.",
        anywhere=True,
    )


def _asserted(source: str, name: str) -> Iterator[str]:
    """Give the first assertions of a test, from the source that we keep."""
    node: ast.AST | None = parse(source)
    for part in name.split("::"):
        body = getattr(node, "body", [])
        node = next((one for one in body if getattr(one, "name", None) == part), None)
    found = [one for one in ast.walk(node) if isinstance(one, ast.Assert)] if node is not None else []
    for one in found[:_MOST]:
        yield ast.unparse(one.test)
