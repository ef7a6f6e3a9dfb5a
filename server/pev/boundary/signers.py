"""Who may sign decisions: whom the operator lists, else the trusted ref; and what still counts.

A decision is checked when it is made, and once more before anything leaves: a key that was withdrawn
meanwhile carries no pull request.
"""

from functools import partial
from typing import Any

import anyio

from pev.boundary.signing import (
    SIGNERS_FILE,
    Signers,
    SignersFrom,
    operators_signers,
    verify_signature,
)
from pev.core import Core
from pev.errors import DecisionInvalid, RunStateRefused
from pev.models import Boundary, ObjectId, run_stream
from pev.run import Approval, RunState


async def allowed_signers(core: Core, state: RunState, commit: ObjectId) -> Signers:
    """Give the operator's list of allowed signers, else that of a commit of a run's trusted ref.

    Raises DecisionInvalid where nobody may sign, and ConfigInvalid.
    """
    own = core.config.allowed_signers
    if own is not None:
        return await anyio.to_thread.run_sync(operators_signers, own)
    listed = await core.kept(state).read_blob(commit, SIGNERS_FILE)
    if listed is None:
        raise DecisionInvalid(
            f"nobody is allowed to sign: {state.trusted_ref} at {commit[:12]} has no {SIGNERS_FILE}",
            hint=f"Commit {SIGNERS_FILE} to the trusted ref, or set allowed_signers.",
        )
    return Signers(text=listed, source=SignersFrom.TRUSTED_REF)


async def require_signers(core: Core, state: RunState, trusted: ObjectId) -> None:
    """Raise RunStateRefused unless each signed decision that a run stands on is by a key that may sign now.

    `trusted` is the trusted ref's newest commit, not the one that the run began with.
    """
    signed = [one for one in _standing(state) if one.signer is not None]
    if not signed:
        return
    events = await anyio.to_thread.run_sync(partial(core.trail.read, run_stream(state.id)))
    kept: dict[int, Any] = {one.seq: (one.payload or {}).get("signature") or {} for one in events}
    for one in signed:
        evidence = kept.get(one.event) or {}
        try:
            listed = await allowed_signers(core, state, trusted)
            await verify_signature(str(evidence.get("text")), str(evidence.get("armored")), listed)
        except DecisionInvalid as exc:
            raise RunStateRefused(
                f"the decision on the {one.boundary} of run {state.id} is of {one.principal}, and does not"
                f" count any more: {exc.message}",
                hint="Somebody who may sign decides again, in a new run: the work of this one is kept.",
            ) from exc


def _standing(state: RunState) -> list[Approval]:
    """Give the decisions without which a passed run could not become a pull request."""
    plans = [one for one in state.approvals if one.boundary is Boundary.PLAN][-1:]
    gate = state.gate
    if gate is None:
        return plans
    merges = [one for one in state.approvals if one.boundary is Boundary.MERGE and one.subject == gate.key]
    allowed = {one.event for one in state.let_throughs if one.snapshot == gate.snapshot}
    return [*plans, *merges[-1:], *(one for one in state.approvals if one.event in allowed)]
