"""Gathers the evidence of a pull request: signs what was judged, and proves that the trail has it."""

from functools import partial

from anyio import to_thread

from pev.core import Core
from pev.errors import NotPassed
from pev.events import Kind
from pev.findings import GateReport
from pev.forge.evidence import bundle, statements
from pev.models import ObjectId, now, to_rfc3339
from pev.run import RunState
from pev.trail.notary import Notary
from pev.trail.query import TrailQuery


async def gather(core: Core, state: RunState, report: GateReport, commit: ObjectId) -> bytes:
    """Give the evidence for a commit whose tree passed the gate of `report`, as it travels.

    The proof is under a checkpoint of now, cosigned by witnesses where the operator named some. Raises
    NotPassed if the trail does not have that gate, and what a checkpoint raises.
    """
    return await to_thread.run_sync(partial(_gather, core, state, report, commit))


async def verifier_keys(core: Core) -> tuple[str, ...]:
    """Give the keys by which others check what is signed now, the newest first."""
    keys = await to_thread.run_sync(lambda: Notary.of(core.trail, core.config).signing_keys())
    return tuple(str(key) for key in keys)


def _gather(core: Core, state: RunState, report: GateReport, commit: ObjectId) -> bytes:
    notary = Notary.of(core.trail, core.config)
    seq = _gate_event(core, state, report)
    proof = notary.prove(seq, witnessed=notary.has_witnesses)
    told = statements(state, report, commit, to_rfc3339(now()))
    return bundle(state.id, told, notary.signers(), proof).to_bytes()


def _gate_event(core: Core, state: RunState, report: GateReport) -> int:
    query = TrailQuery(run=state.id, kinds=(Kind.GATE_FINISHED,), newest_first=True, limit=1)
    for event in core.trail.query(query).events:
        if event.payload is not None and event.payload.get("key") == report.key:
            return event.seq
    raise NotPassed(f"the trail has no such gate of run {state.id}", hint="Call run_gate again.")
