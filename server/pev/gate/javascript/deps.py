"""The check `deps` of JavaScript: what did the change do to the packages that are asked for and locked?

Manifests and lock files of both sides are read as data. What is new is held against the hosts that the base's
lock file names, must carry a hash, and is asked about by name and version.
"""

from typing import ClassVar, Final

from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.findings import Finding
from pev.gate.advised import audited
from pev.gate.demands import EnvironmentSettings, Language, joined
from pev.gate.interface import Check, CheckJob, Measured
from pev.gate.javascript.asked import Sides, read_sides
from pev.gate.javascript.form import form_findings
from pev.gate.javascript.packages import OTHER_LOCKS
from pev.gate.javascript.toolbox import NodeBoxes
from pev.gate.osv import OsvAuditor

_ECOSYSTEM: Final = "npm"
Pins = set[tuple[str, str]]


class NodeDeps(Check):
    """An audit of the packages that a change adds or alters."""

    name = "deps"
    language: ClassVar[Language | None] = Language.JAVASCRIPT
    weight: ClassVar[int] = 30
    knows_base: ClassVar[bool] = True

    def __init__(self, auditor: OsvAuditor, boxes: NodeBoxes) -> None:
        self._auditor = auditor
        self._boxes = boxes

    async def run(self, job: CheckJob) -> Measured:
        """List vulnerable, foreign and unlocked packages that are new; without a base, all of them."""
        every = [one for one in await read_sides(job) if job.base_tree is None or not one.equal()]
        if not every:
            return Measured(reason="no dependency changed; the base's own state was not audited")
        make = job.maker(self.name)
        host = await self._boxes.registry_host()
        findings: list[Finding] = []
        pins: Pins = set()
        unmeasured: str | None = None
        for sides in every:
            findings += form_findings(make, sides, host)
            fresh, fault = await self._fresh(job, sides)
            pins |= fresh
            unmeasured = unmeasured or fault
        audit = await self._auditor.audit(_ECOSYSTEM, pins, job.clock)
        return audited(
            make,
            audit,
            lambda name: _declared_in(every, name),
            "package",
            found=findings,
            unmeasured=unmeasured,
        )

    async def _fresh(self, job: CheckJob, sides: Sides) -> tuple[Pins, str | None]:
        """Give what is installed now and was not before, and what kept that from being known."""
        new, old = sides.new, sides.old
        if new.lock_name in OTHER_LOCKS:
            kind = OTHER_LOCKS[new.lock_name]
            where = joined(new.lock_folder, new.lock_name)
            return (
                set(),
                f"{where} is a lock file of {kind}, which is not read: audit it with a check of your own",
            )
        if new.fault:
            return set(), new.fault
        if new.lock is not None:
            known = {one.pin for one in old.lock.packages} if old.lock is not None else set()
            return {one.pin for one in new.lock.packages} - known, None
        if not new.asked:
            return set(), None
        try:
            settings = EnvironmentSettings()
            depot = job.request.depot
            now = await self._boxes.resolved(depot, job.tree, sides.root, settings)
            if job.base_tree is None:
                return now, None
            return now - await self._boxes.resolved(depot, job.base_tree, sides.root, settings), None
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return set(), str(exc)


def _declared_in(every: list[Sides], name: str) -> str | None:
    """Give the file in which a package is declared."""
    return next((place for sides in every if (place := sides.new.place_of(name))), None)
