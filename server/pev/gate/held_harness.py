"""New tests that need a conftest.py which a person has not seen yet: they wait for that person too.

They are judged with the trusted conftest.py, and fail for want of what the new one brings. Failures that go
away with it are held, so that one decision settles both. Tests that the base has get no such grace: a
conftest.py that makes them pass is what must not be believed.
"""

from collections.abc import Sequence
from pathlib import Path

from pev.findings import Effect, Finding, Severity
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Interpreter
from pev.gate.outputs import private_name
from pev.gate.protected import Ground, ground_of
from pev.gate.subjects import inventory
from pev.gate.testrun import Failure, TestRun, run_tests
from pev.repos.objects import Status

_HELP = "Let a person decide about the conftest.py; these tests pass with it."


async def waiting(
    job: CheckJob, make: FindingMaker, run: TestRun, checkout: Checkout, failures: Sequence[Failure]
) -> dict[str, Finding]:
    """Give findings, by test id, for new tests that pass only with conftest.py files that are held."""
    held = await _held(job)
    fresh = [one for one in failures if held and await _is_new(job, run, checkout, one)]
    if not fresh or not job.clock.left_s():
        return {}
    own = await job.bench.checkout(job.side, private=private_name("held", job.root), replaced=held)
    interpreter: Interpreter = await job.bench.interpreter(job.side, own, job.root)
    select = [str(own.root / path) for path in dict.fromkeys(_path(job, run, checkout, one) for one in fresh)]
    again = await run_tests(job, own, interpreter, label="held", select=select)
    passed = again.passed - again.failed_ids if again.broken is None else frozenset()
    names = ", ".join(sorted(held))
    return {
        one.id: make.make(
            "needs-held-harness",
            f"{one.id} passes only with the changed {names}, which is held",
            path=_path(job, run, checkout, one),
            line=one.line,
            context=one.id,
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy=_HELP,
        )
        for one in fresh
        if one.id in passed or (not one.collected and _all_passed(one.id, again))
    }


def _all_passed(file: str, run: TestRun) -> bool:
    """Say whether a file that could not be collected has tests now, and all of them pass."""
    own = {one for one in run.collected if one.partition("::")[0] == file}
    return bool(own) and own <= run.passed and not own & run.failed_ids


async def _held(job: CheckJob) -> dict[str, bytes | None]:
    """Give the change's own version of each conftest.py for which the trusted one is used."""
    out: dict[str, bytes | None] = {}
    for change in job.changes:
        path = change.path
        if ground_of(path) is not Ground.CONFTEST or path in job.approved or change.status is Status.DELETED:
            continue
        own = await job.request.depot.read_blob(job.request.snapshot, path)
        if own != await job.bench.read(job.side, path):
            out[path] = own
    return out


async def _is_new(job: CheckJob, run: TestRun, checkout: Checkout, failure: Failure) -> bool:
    """Say whether the base has no test of this name in this file."""
    path = _path(job, run, checkout, failure)
    before = await job.request.depot.read_blob(str(job.base_tree), path)
    if before is None:
        return True
    name = failure.id.partition("::")[2].partition("[")[0]
    known = inventory(before.decode("utf-8", "replace"))
    return failure.collected and known is not None and name not in known


def _path(job: CheckJob, run: TestRun, checkout: Checkout, failure: Failure) -> str:
    return job.repo_path(Path(run.rootdir) / failure.id.partition("::")[0], checkout)
