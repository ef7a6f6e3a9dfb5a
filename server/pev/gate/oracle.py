"""The base's tests on the candidate's code: which of them must be run, and what their run says.

Only where test files changed otherwise than by new tests or by moving. What the approved plan names is
the plan's word, and is left out.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from pev.findings import Effect, Finding
from pev.gate.interface import CheckJob, FindingMaker, Side
from pev.gate.protected import ground_of
from pev.gate.subjects import inventory, is_test_file, is_test_ground
from pev.gate.syntax import parse
from pev.gate.testrun import TestRun
from pev.repos.objects import Status

_HELP = "Keep what the base's test demands, or have the approved plan name this test file."


@dataclass(frozen=True, slots=True)
class Oracle:
    """Base versions to write over the candidate, and the test files to run, relative to the repository."""

    replaced: Mapping[str, bytes | None]
    select: tuple[str, ...]
    tests: Mapping[str, frozenset[str]]


async def plan_oracle(job: CheckJob) -> Oracle | None:
    """Say which tests of the base must face the candidate's code, or None if the change keeps them all."""
    if job.side is not Side.CANDIDATE or job.base_tree is None:
        return None
    depot, plan = job.request.depot, job.request.plan
    replaced: dict[str, bytes | None] = {}
    select: set[str] = set()
    tests: dict[str, frozenset[str]] = {}
    bodies = await _new_bodies(job)
    everything = False
    for change in job.changes:
        old_path = change.old_path
        if (
            change.status is Status.ADDED
            or not is_test_ground(old_path)
            or not job.in_project(old_path)
            or ground_of(old_path)
        ):
            continue
        if plan is not None and plan.covers(change.path) and plan.covers(old_path):
            continue
        old = await depot.read_blob(job.base_tree, old_path)
        new = (
            await depot.read_blob(job.request.snapshot, change.path)
            if change.status is not Status.DELETED
            else None
        )
        if old is None or old == new or _keeps_tests(old_path, old, new, bodies):
            continue
        replaced[old_path] = old
        if is_test_file(old_path):
            select.add(old_path)
            kept = inventory((new or b"").decode("utf-8", "replace")) or {}
            tests[old_path] = frozenset(kept)
        else:
            everything = True  # a helper or a data file: every test may rest on it
    if everything:
        entries = await depot.entries(job.base_tree)
        select |= {entry.path for entry in entries if is_test_file(entry.path) and job.in_project(entry.path)}
        for path in select - replaced.keys():
            replaced[path] = await depot.read_blob(job.base_tree, path)
    return Oracle(replaced, tuple(sorted(select)), tests) if replaced and select else None


async def _new_bodies(job: CheckJob) -> set[tuple[str, str]]:
    """Give name and code of every test in the files that the change adds."""
    out: set[tuple[str, str]] = set()
    for change in job.changes:
        if change.status in (Status.ADDED, Status.RENAMED) and is_test_file(change.path):
            raw = await job.request.depot.read_blob(job.request.snapshot, change.path) or b""
            found = inventory(raw.decode("utf-8", "replace")) or {}
            out |= {(name, test.body) for name, test in found.items()}
    return out


def _keeps_tests(path: str, old: bytes, new: bytes | None, moved: set[tuple[str, str]]) -> bool:
    """Say whether a test file was only extended, or its tests all went elsewhere as they were."""
    if not is_test_file(path):
        return False
    before = old.decode("utf-8", "replace")
    if new is None:
        tests = inventory(before)
        return tests is not None and all((name, test.body) in moved for name, test in tests.items())
    return only_adds(before, new.decode("utf-8", "replace"))


def only_adds(old: str, new: str) -> bool:
    """Say whether a test file keeps all that it had, in order, and only adds imports and definitions."""
    old_tree, new_tree = parse(old), parse(new)
    if old_tree is None or new_tree is None:
        return False
    before, after = old_tree.body, new_tree.body
    names = {
        node.name
        for node in before
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    names |= {node.id for top in before for node in ast.walk(top) if isinstance(node, ast.Name)}
    rest = [ast.dump(node) for node in before]
    for node in after:
        if rest and ast.dump(node) == rest[0]:
            rest.pop(0)
        elif not _only_offers(node, names):
            return False
    return not rest


def _only_offers(node: ast.stmt, names: set[str]) -> bool:
    """Say whether a new statement can change nothing for the tests that were there."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        bound = {(name.asname or name.name).split(".")[0] for name in node.names}
        # an import may be split or extended, but what tests use must stay what it was
        return not any(name == "*" or name.startswith("pytest_") for name in bound) and not bound & names
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        marks = " ".join(ast.unparse(mark) for mark in node.decorator_list)
        return (
            node.name not in names
            and "autouse" not in marks
            and not node.name.startswith(("setup", "teardown"))
        )
    return isinstance(node, ast.ClassDef) and node.name not in names


def compare_runs(
    make: FindingMaker, oracle: Oracle, base_run: TestRun, run: TestRun, old_failures: set[str], prefix: str
) -> list[Finding]:
    """Give the findings of the base's tests on the candidate, against the candidate's own run."""
    found = []
    for failure in base_run.failures:
        if failure.id in old_failures:
            continue
        path = _path(failure.id, prefix)
        found.append(
            make.make(
                "base-test-failed",
                f"{failure.id} as it stood on the base fails on this change: {reason_of(failure.text)}",
                path=path,
                context=failure.id,
                remedy=_HELP,
            )
        )
    for own in sorted(base_run.passed & run.skipped):
        message = f"{own} passes as it stood on the base, and is skipped now"
        found.append(make.make("test-not-run", message, path=_path(own, prefix), context=own, remedy=_HELP))
    return found + _shrunk(make, oracle, base_run, run, prefix)


def _shrunk(
    make: FindingMaker, oracle: Oracle, base_run: TestRun, run: TestRun, prefix: str
) -> list[Finding]:
    """Give a finding for each test whose cases became fewer although it is still written down."""
    found = []
    before, after = _cases(base_run), _cases(run)
    for name, count in sorted(before.items()):
        path, _, inner = name.partition("::")
        kept = inner in oracle.tests.get(_path(path, prefix), frozenset())
        if kept and after.get(name, 0) < count:
            message = f"{name} has {after.get(name, 0)} cases, {count} on the base"
            found.append(
                make.make(
                    "collection-shrunk",
                    message,
                    path=_path(path, prefix),
                    context=name,
                    effect=Effect.HOLDS,
                    remedy=_HELP,
                )
            )
    return found


def _cases(run: TestRun) -> dict[str, int]:
    out: dict[str, int] = {}
    for own in run.collected:
        name = own.partition("[")[0]
        out[name] = out.get(name, 0) + 1
    return out


def _path(node_id: str, prefix: str) -> str:
    path = node_id.partition("::")[0]
    return path if prefix in ("", ".") else f"{prefix}/{path}"


def reason_of(text: str) -> str:
    """Give the line of a failure's text that says most: the first that pytest marks as the error."""
    lines = text.splitlines()
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    plain = [line.strip() for line in lines if line.strip()]
    return (marked or plain[-1:] or ["no message"])[0]
