"""The base's tests on the candidate's code: which of them must be run, and what their run says.

Only where test files changed otherwise than by new tests or by moving. What the approved plan names is
the plan's word, and is left out.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from pev.findings import Effect, Finding
from pev.gate.demands import joined
from pev.gate.interface import CheckJob, FindingMaker, Side
from pev.gate.offers import only_adds, runs_code
from pev.gate.protected import ground_of
from pev.gate.removed import Removed, adapt, find_removed, members_of
from pev.gate.subjects import inventory, is_test_file, is_test_ground
from pev.gate.testrun import Failure, TestRun
from pev.repos.objects import Change, Status

_MISSED: Final = re.compile(r"^AttributeError: .* has no attribute '(\w+)'")
_REMOVED: Final = (
    "Have the approved plan name this test file, or let a person allow the removal of these tests."
)
_HELP: Final = "Keep what the base's test demands, or have the approved plan name this test file."


@dataclass(frozen=True, slots=True)
class Oracle:
    """Base versions to write over the candidate, and the test files to run, relative to the repository.

    `tests` are those that the candidate's version of a file still has, `held` what only a person can judge:
    a rule, a path and what it says. `members` are attributes that the change removes from its classes,
    `places` the new paths of files that moved.
    """

    replaced: Mapping[str, bytes | None]
    select: tuple[str, ...]
    tests: Mapping[str, frozenset[str]]
    held: tuple[tuple[str, str, str], ...] = ()
    members: frozenset[str] = frozenset()
    places: Mapping[str, str] = field(default_factory=dict)


async def plan_oracle(job: CheckJob) -> Oracle | None:
    """Say which tests of the base must face the candidate's code, or None if the change keeps them all."""
    if job.side is not Side.CANDIDATE or job.base_tree is None:
        return None
    depot = job.request.depot
    replaced: dict[str, bytes | None] = {}
    now: dict[str, bytes | None] = {}
    bodies, fresh = await _new_bodies(job), _fresh(job)
    for change in job.changes:
        old_path = change.old_path
        if change.status is Status.ADDED or _is_left_to_others(job, change):
            continue
        old = await depot.read_blob(job.base_tree, old_path)
        gone = change.status is Status.DELETED
        new = None if gone else await depot.read_blob(job.request.snapshot, change.path)
        if old is None or old == new or _keeps_tests(old_path, old, new, bodies, fresh):
            continue
        replaced[old_path], now[old_path] = old, new
    select = {path for path in replaced if is_test_file(path)}
    tests = {path: frozenset(inventory(_text(now[path])) or {}) for path in select}
    loud = any(runs_code(_text(replaced[path]), _text(now[path]), fresh) for path in select)
    if loud or select != replaced.keys():  # every test may rest on a helper or a data file, or on what ran
        entries = await depot.entries(job.base_tree)
        select |= {entry.path for entry in entries if is_test_file(entry.path) and job.in_project(entry.path)}
        for path in select - replaced.keys():
            replaced[path] = await depot.read_blob(job.base_tree, path)
            now[path] = await _counterpart(job, path)
    if not replaced or not select:
        return None
    removed = await _removed(job)
    held = _adapt_all(replaced, now, removed)
    places = {one.old_path: one.path for one in job.changes if one.status is Status.RENAMED}
    return Oracle(replaced, tuple(sorted(select)), tests, held, removed.members, places)


def _is_left_to_others(job: CheckJob, change: Change) -> bool:
    """Say whether a changed file is no test's ground, or one that the plan or the harness answers for."""
    path, plan = change.old_path, job.request.plan
    if not is_test_ground(path) or not job.in_project(path) or ground_of(path):
        return True
    return plan is not None and plan.covers(change.path) and plan.covers(path)


async def _counterpart(job: CheckJob, path: str) -> bytes | None:
    """Give what the candidate has in place of a file of the base."""
    gone = {one.old_path for one in job.changes if one.status in (Status.DELETED, Status.RENAMED)}
    return None if path in gone else await job.request.depot.read_blob(job.request.snapshot, path)


async def _removed(job: CheckJob) -> Removed:
    """Compare what the product offers on both sides, in the files that the change touches."""
    old, new = [], []
    for change in job.changes:
        if change.status is not Status.ADDED and _is_product(change.old_path):
            raw = await job.request.depot.read_blob(str(job.base_tree), change.old_path)
            old.append((change.old_path, _text(raw)))
        if change.status is not Status.DELETED and _is_product(change.path):
            raw = await job.request.depot.read_blob(job.request.snapshot, change.path)
            new.append((change.path, _text(raw)))
    return find_removed(old, new, job.root)


def _is_product(path: str) -> bool:
    return path.endswith(".py") and not is_test_ground(path)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _adapt_all(
    replaced: dict[str, bytes | None], now: Mapping[str, bytes | None], removed: Removed
) -> tuple[tuple[str, str, str], ...]:
    """Take out of the old tests what the change leaves nothing to run on; give what a person must judge."""
    held = []
    for path, raw in sorted(replaced.items()):
        adapted = (
            adapt(path, _text(raw), _text(now.get(path)), removed.names) if path.endswith(".py") else None
        )
        if adapted is None:
            continue
        replaced[path] = adapted.source.encode()
        if adapted.gone:
            what = f"code that the change removes ({', '.join(adapted.gone)})"
            which = f"; not run: {', '.join(adapted.dropped)}" if adapted.dropped else ""
            held.append(("removed-code-test", path, f"tests in {path} are of {what}{which}"))
        if adapted.moved:
            what = f"{path} tests code that moved ({', '.join(adapted.moved)}); it was run at its new place"
            held.append(("moved-code-test", path, what))
    return tuple(held)


def _fresh(job: CheckJob) -> set[str]:
    """Give the names of modules and packages beside the tests that the change writes."""
    paths = [
        PurePosixPath(one.path)
        for one in job.changes
        if one.status is not Status.DELETED and is_test_ground(one.path) and not is_test_file(one.path)
    ]
    return {
        path.parent.name if path.stem == "__init__" else path.stem for path in paths if path.suffix == ".py"
    }


async def _new_bodies(job: CheckJob) -> set[tuple[str, str]]:
    """Give name and code of every test in the files that the change adds."""
    out: set[tuple[str, str]] = set()
    for change in job.changes:
        if change.status in (Status.ADDED, Status.RENAMED) and is_test_file(change.path):
            raw = await job.request.depot.read_blob(job.request.snapshot, change.path) or b""
            found = inventory(raw.decode("utf-8", "replace")) or {}
            out |= {(name, test.body) for name, test in found.items()}
    return out


def _keeps_tests(
    path: str, old: bytes, new: bytes | None, moved: set[tuple[str, str]], fresh: set[str]
) -> bool:
    """Say whether a test file was only extended, or its tests all went elsewhere as they were."""
    if not is_test_file(path):
        return False
    before = old.decode("utf-8", "replace")
    if new is None:
        tests = inventory(before)
        return tests is not None and all((name, test.body) in moved for name, test in tests.items())
    return only_adds(before, new.decode("utf-8", "replace"), fresh)


def compare_runs(
    make: FindingMaker, oracle: Oracle, base_run: TestRun, run: TestRun, old_failures: set[str], prefix: str
) -> list[Finding]:
    """Give the findings of the base's tests on the candidate, against the candidate's own run."""
    found = [
        make.make(rule, what, path=path, context=what, effect=Effect.HOLDS, remedy=_REMOVED)
        for rule, path, what in oracle.held
    ]
    for failure in base_run.failures:
        if failure.id in old_failures:
            continue
        path = _path(failure.id, prefix)
        if member := _removed_member(oracle, failure, path):
            message = f"{failure.id} uses {member!r}, which the change removes"
            found.append(
                make.make(
                    "removed-code-test",
                    message,
                    path=path,
                    context=failure.id,
                    effect=Effect.HOLDS,
                    remedy=_REMOVED,
                )
            )
            continue
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


def _removed_member(oracle: Oracle, failure: Failure, path: str) -> str:
    """Give the attribute that a test of the base mentions and misses, if the change removes it, or ""."""
    missed = _MISSED.search(reason_of(failure.text))
    if missed is None or missed[1] not in oracle.members:
        return ""
    mentioned = members_of(_text(oracle.replaced.get(path)), failure.id.partition("::")[2])
    return missed[1] if missed[1] in mentioned else ""


def _shrunk(
    make: FindingMaker, oracle: Oracle, base_run: TestRun, run: TestRun, prefix: str
) -> list[Finding]:
    """Give a finding for each test whose cases became fewer although it is still written down."""
    found = []
    before, after = _cases(base_run, prefix), _cases(run, prefix)
    for (path, inner), count in sorted(before.items()):
        left = after.get((oracle.places.get(path, path), inner), 0)
        if inner in oracle.tests.get(path, frozenset()) and left < count:
            found.append(
                make.make(
                    "collection-shrunk",
                    f"{path}::{inner} has {left} cases, {count} on the base",
                    path=path,
                    context=f"{path}::{inner}",
                    effect=Effect.HOLDS,
                    remedy=_HELP,
                )
            )
    return found


def _cases(run: TestRun, prefix: str) -> Counter[tuple[str, str]]:
    """Count the cases of each test, by its file in the repository and its name in it."""
    names = (own.partition("[")[0].partition("::") for own in run.collected)
    return Counter((_path(path, prefix), inner) for path, _, inner in names)


def _path(node_id: str, prefix: str) -> str:
    return joined(prefix, node_id.partition("::")[0])


def reason_of(text: str) -> str:
    """Give the line of a failure's text that says most: the first that pytest marks as the error."""
    lines = text.splitlines()
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    plain = [line.strip() for line in lines if line.strip()]
    return (marked or plain[-1:] or ["no message"])[0]
