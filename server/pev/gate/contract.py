"""Holds a change against the approved plan: the files that it names, its steps, and its criteria.

A test shows a criterion if its name carries the criterion's id (`test_a1_refuses_the_fourth_call`), or a
marker does (`@pytest.mark.criterion("a1")`), and if it passed.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pev.findings import Effect, Finding, Severity
from pev.gate.interface import CheckJob, FindingMaker
from pev.gate.syntax import parse
from pev.plan import Criterion
from pev.text import one_line

_MAX_BYTES: Final = 4 * 2**20


def plan_findings(job: CheckJob, make: FindingMaker) -> Iterator[Finding]:
    """List changed files that no step names, and steps that left no trace in the change."""
    plan = job.request.plan
    if plan is None:
        return
    blocks = job.policy.outside_plan == "block"
    changed = {path for change in job.changes for path in (change.path, change.old_path) if path}
    for path in sorted(path for path in changed if not plan.covers(path)):
        yield make.make(
            "outside-plan",
            "no step of the approved plan names this file",
            path=path,
            context="outside-plan",
            severity=Severity.WARNING,
            effect=Effect.BLOCKS if blocks else Effect.NOTES,
            remedy="Take it back, or submit a revision of the plan that names it.",
        )
    for step in plan.steps:
        named = plan.model_copy(update={"steps": (step,)})
        if not any(named.covers(path) for path in changed):
            yield make.make(
                "step-without-trace",
                f"step {step.id} of the approved plan is not done: none of its files is changed",
                context=step.id,
                severity=Severity.WARNING,
                effect=Effect.BLOCKS if blocks else Effect.NOTES,
                remedy="Do it, or submit a revision of the plan without it.",
            )


def criteria_findings(
    job: CheckJob, make: FindingMaker, passed: Iterable[str], rootdir: Path
) -> Iterator[Finding]:
    """Say for each criterion of the plan which passed test shows it, as notes; `passed` are test ids."""
    plan = job.request.plan
    if plan is None:
        return
    shown: dict[str, list[str]] = {one.id: [] for one in plan.acceptance_criteria}
    marked: dict[str, dict[str, set[str]]] = {}
    for own in sorted(passed):
        file, _, inner = own.partition("::")
        name = inner.partition("[")[0]
        if file not in marked:
            marked[file] = _marked(rootdir / file)
        for criterion in plan.acceptance_criteria:
            if carries(name, criterion.id) or criterion.id in marked[file].get(name, ()):
                shown[criterion.id].append(own)
    for criterion in plan.acceptance_criteria:
        yield _said(make, criterion, shown[criterion.id])


def _said(make: FindingMaker, criterion: Criterion, tests: list[str]) -> Finding:
    what = f"criterion {criterion.id} ({one_line(criterion.description, 120)})"
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    by = f"is shown by {tests[0]}{more}" if tests else "is shown by no test that carries its id"
    return make.make(
        "criterion-shown" if tests else "criterion-not-shown",
        f"{what} {by}",
        context=criterion.id,
        severity=Severity.NOTE,
        effect=Effect.NOTES,
        remedy=f"Name a test after it, for instance test_{_plain(criterion.id)}_….",
    )


def _plain(text: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)  # TestA1 has the words of test_a1
    return re.sub(r"[^a-z0-9]+", "_", words.lower())


def carries(name: str, own: str) -> bool:
    """Say whether a test's name holds the id of a criterion."""
    return f"_{_plain(own)}_" in f"_{_plain(name)}_"


def _marked(path: Path) -> dict[str, set[str]]:
    """Give the criteria that markers in a test file name, by the test's name in the file."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES)
    except OSError:
        return {}
    tree = parse(raw) if b"criterion(" in raw else None
    return dict(_marks(tree.body, "", set())) if tree is not None else {}


def _marks(body: list[ast.stmt], prefix: str, outer: set[str]) -> Iterator[tuple[str, set[str]]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _marks(node.body, f"{prefix}{node.name}::", outer | _named(node.decorator_list))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, outer | _named(node.decorator_list)


def _named(decorators: list[ast.expr]) -> set[str]:
    return {
        part.value
        for mark in decorators
        if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("criterion")
        for part in mark.args
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }
