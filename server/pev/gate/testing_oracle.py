"""The base's tests on the candidate's code, where a change touched tests otherwise than by adding files.

What the approved plan names is the plan's word, and is left out. A file whose tests all went elsewhere as
they were has only moved.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pev.findings import Effect, Finding
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import CheckJob, Side
from pev.gate.outputs import private_name
from pev.gate.protected import ground_of
from pev.gate.testing_room import Room
from pev.gate.testing_runs import Chosen, Run
from pev.repos.objects import Change, Status

_FAILS: Final = {True: "cannot even be loaded with", False: "fails on"}
_UPWARDS: Final = re.compile(r"(?:\.\.?/)+")
_HELP: Final = "Keep what the base's test demands, or have the approved plan name this test file."


async def face_base(room: Room) -> tuple[list[Finding], str | None]:
    """Run the base's versions of edited tests on the candidate's code; give findings and what kept it."""
    job = room.job
    if job.side is not Side.CANDIDATE or job.base_tree is None:
        return [], None
    replaced = await _replaced(room, job.base_tree)
    select = {path for path in replaced if room.runner.face.is_test_file(path)}
    if select != replaced.keys():  # every test may rest on a helper or a data file
        entries = await job.request.depot.entries(job.base_tree)
        select = {entry.path for entry in entries if _is_own_test(room, entry.path)}
        blobs = await job.request.depot.read_blobs(job.base_tree, sorted(select))
        replaced |= {path: blobs[path] for path in select if path not in replaced}
    if not replaced or not select:
        return [], None
    name = private_name(f"oracle-{room.runner.label}", job.root)
    checkout = await job.bench.checkout(job.side, private=name, replaced=replaced)
    toolbox = await job.bench.toolbox(job.side, checkout, job.project)
    chosen = Chosen(label="oracle", files=tuple(sorted(select)))
    run = await room.runner.launch(job, checkout, toolbox, chosen)
    old = await room.base_failures() if run.failures else frozenset()
    fault = f"the base's tests could not be run on the change: {run.broken}" if run.broken else None
    if fault is None and not run.nothing:
        fault = await _fell_silent(room, run, select)
    return _compare(room, run, old), None if run.nothing else fault


async def _replaced(room: Room, base: str) -> dict[str, bytes | None]:
    """Give the base's versions of test files, helpers and data that the change touched."""
    depot, job = room.job.request.depot, room.job
    out: dict[str, bytes | None] = {}
    moved = await _moved(room)
    for change in job.changes:
        path = change.old_path
        if change.status is Status.ADDED or _is_left_to_others(job, change):
            continue
        old = await depot.read_blob(base, path)
        gone = change.status in (Status.DELETED, Status.RENAMED)
        new = None if gone else await depot.read_blob(job.request.snapshot, path)
        if old is not None and old != new and not (gone and _all_in(room, path, old, moved)):
            out[path] = old
    return out


def _is_left_to_others(job: CheckJob, change: Change) -> bool:
    """Say whether a changed file is no test's ground, or one that the plan or the harness answers for."""
    path, plan = change.old_path, job.request.plan
    if not belongs_to_tests(path) or not job.in_project(path) or ground_of(path):
        return True
    return plan is not None and plan.covers(change.path) and plan.covers(path)


def _is_own_test(room: Room, path: str) -> bool:
    return room.runner.face.is_test_file(path) and room.job.in_project(path) and ground_of(path) is None


@dataclass(frozen=True, slots=True)
class _Moved:
    """What the test files hold that the change adds: name and code of each test, and their lines."""

    tests: frozenset[tuple[str, str]]
    lines: frozenset[str]


async def _moved(room: Room) -> _Moved:
    tests: set[tuple[str, str]] = set()
    lines: set[str] = set()
    face = room.runner.face
    for change in room.job.changes:
        if change.status in (Status.ADDED, Status.RENAMED) and face.is_test_file(change.path):
            raw = await room.job.request.depot.read_blob(room.job.request.snapshot, change.path) or b""
            text = raw.decode("utf-8", "replace")
            tests |= {(name, test.body) for name, test in (face.inventory(text) or {}).items()}
            lines |= _lines(text)
    return _Moved(frozenset(tests), frozenset(lines))


def _all_in(room: Room, path: str, old: bytes, moved: _Moved) -> bool:
    """Say whether a file that is gone went elsewhere as it was: its tests, and what stands around them."""
    face, text = room.runner.face, old.decode("utf-8", "replace")
    tests = face.inventory(text) if face.is_test_file(path) else None
    if not tests or not _lines(text) <= moved.lines:
        return False
    return all((name, test.body) in moved.tests for name, test in tests.items())


def _lines(text: str) -> set[str]:
    """Give the lines of a file; how many folders up a path leads says only where the file stands."""
    plain = (" ".join(_UPWARDS.sub("", line).split()) for line in text.splitlines())
    return {line for line in plain if line}


async def _fell_silent(room: Room, run: Run, select: set[str]) -> str | None:
    """Name a test of the base of which its run on the candidate's code says nothing."""
    job, runner = room.job, room.runner
    blobs: Mapping[str, bytes | None] = await job.request.depot.read_blobs(str(job.base_tree), sorted(select))
    expected = {
        own
        for path, raw in blobs.items()
        for name in runner.face.inventory((raw or b"").decode("utf-8", "replace")) or {}
        if (own := runner.id_of(room.inside(path), name))
    }
    missing = expected - run.results.keys() - run.failed_ids
    if not missing:
        return None
    base = await job.base()
    lost = sorted(missing - set(base.facts.get("unrun", ()) if base is not None else ()))
    return f"a test of the base did not run on the change: {lost[0]}" if lost else None


def _compare(room: Room, base_run: Run, old: frozenset[str]) -> list[Finding]:
    """Give the findings of the base's tests on the candidate, against the candidate's own run."""
    found = [
        room.make.make(
            "removed-code-test" if one.is_file else "base-test-failed",
            f"{one.id} as it stood on the base {_FAILS[one.is_file]} this change: {one.reason}",
            path=one.path,
            context=one.id,
            effect=Effect.HOLDS if one.is_file else Effect.BLOCKS,
            remedy=_HELP,
        )
        for one in base_run.failures
        if one.id not in old
    ]
    skipped = sorted(base_run.passed & room.run.skipped)
    return found + [
        room.make.make(
            "test-not-run",
            f"{own} passes as it stood on the base, and is skipped now",
            context=own,
            effect=Effect.HOLDS,
            remedy=_HELP,
        )
        for own in skipped
    ]
