"""Reads what was tried in a run: each attempt's report, and the files that differ from the one before."""

from itertools import pairwise

from pev.boundary.escalation import MAX_ATTEMPTS, Attempt, weighing
from pev.core import Core
from pev.errors import PevError
from pev.findings import Outcome
from pev.run import RunState


async def tried(core: Core, state: RunState) -> tuple[Attempt, ...]:
    """Give the newest attempts of a run, oldest first. Files that cannot be told are left out."""
    ended = [gate for gate in state.gates if gate.outcome is not None][-MAX_ATTEMPTS - 1 :]
    out: list[Attempt] = []
    seen: set[str] = set()
    trees: list[str] = [state.base_commit, *(gate.snapshot for gate in ended)]
    if len(state.gates) > len(ended):
        trees[0] = ended[0].snapshot if ended else state.base_commit
    for gate, (before, after) in zip(ended, pairwise(trees), strict=True):
        report = await core.report(state, attempt=gate.attempt)
        now = {one.fingerprint for one in weighing(report)} if report else set()
        out.append(
            Attempt(
                attempt=gate.attempt,
                outcome=gate.outcome or Outcome.INCONCLUSIVE,
                reason=gate.reason,
                findings=len(now),
                gone=len(seen - now),
                new=len(now - seen),
                files=await _files(core, state, before, after),
            )
        )
        seen = set(now)
    return tuple(out[-MAX_ATTEMPTS:])


async def _files(core: Core, state: RunState, before: str, after: str) -> tuple[str, ...]:
    try:
        return tuple(one.path for one in await core.kept(state).changes(before, after))
    except PevError:
        return ()
