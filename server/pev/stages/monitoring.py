"""Monitoring: the proof state of the record, for whoever looks at it, without their waiting for it.

One look at a time is made in the background, for all who ask meanwhile; what is given is what the newest look
that ended found.
"""

from collections.abc import Sequence
from functools import cached_property

import anyio

from pev.core import Core
from pev.errors import PevError
from pev.models import Caller, Scope, require_scope
from pev.roles.sight import Sight, require_sight
from pev.stages.examining import Examining, seen_by
from pev.stages.jobs import Jobs
from pev.text import one_line
from pev.trail.merkle import TreeHead
from pev.trail.monitor import Anchor, Monitor, Standing, cosigned_head
from pev.trail.notary import Notary
from pev.trail.notes import VerifierKey, parse_vkey


class Monitoring:
    """Looks at the record of one process."""

    def __init__(self, core: Core, jobs: Jobs, examining: Examining) -> None:
        self._core = core
        self._jobs = jobs
        self._examining = examining
        self._held: list[Anchor] = []
        self._monitor = Monitor(core.trail, self._kept)
        self._looking: anyio.Event | None = None

    async def standing(self, caller: Caller, *, wait_s: float) -> Standing:
        """Say what can be claimed of the record, after waiting at most `wait_s` seconds for a look at it.

        To somebody who sees a tenant's runs alone, no fault tells of others: kinds and numbers only.
        """
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        if self._looking is None:
            self._looking = anyio.Event()
            self._jobs.background(self._look)
        looking = self._looking
        with anyio.move_on_after(wait_s):
            await looking.wait()
        found = self._monitor.standing
        faults, failure = seen_by(caller, self._core.tenant, found.faults), found.failure
        if caller.tenant is not None and failure:
            failure = "the record cannot be read just now"
        return found.model_copy(update={"faults": faults, "failure": failure})

    async def size(self, caller: Caller) -> int:
        """Give how many events the log has now, verified or not."""
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        return (await anyio.to_thread.run_sync(self._core.trail.head)).size

    async def hold(
        self, caller: Caller, kept: bytes | TreeHead, *, by: str, keys: Sequence[VerifierKey] = ()
    ) -> TreeHead:
        """Hold the record against a head that was kept elsewhere, from now on: `by` says where.

        A signed checkpoint, or a proof, counts if one of `keys` signed it, or else one on record. Raises
        InvalidInput for another form, and ProofInvalid.
        """
        require_scope(caller, Scope.AUDIT)
        require_sight(caller, Sight.TRAIL)
        head = kept if isinstance(kept, TreeHead) else await self._opened(kept, keys)
        self._held.append(Anchor(head=head, by=one_line(by, 200)))
        return head

    async def _opened(self, kept: bytes, keys: Sequence[VerifierKey]) -> TreeHead:
        return (await anyio.to_thread.run_sync(lambda: self._notary.open(kept, keys))).head

    async def _look(self) -> None:
        done = self._looking
        try:
            await self._examining.run(lambda stop: self._monitor.look(stop=stop))
        finally:
            self._looking = None
            if done is not None:
                done.set()

    def _kept(self) -> Sequence[Anchor]:
        keys = [parse_vkey(one.vkey) for one in self._core.config.trail.witnesses]
        try:
            seen = cosigned_head(self._core.trail, self._notary.known_keys(), keys) if keys else None
        except PevError:
            seen = None  # an unreadable key file, say: then no witness is claimed
        return [*self._held, *([seen] if seen is not None else [])]

    @cached_property
    def _notary(self) -> Notary:
        return Notary.of(self._core.trail, self._core.config)
