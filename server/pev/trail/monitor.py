"""Says at any time what can be claimed of the record, and never more than was measured.

The whole record is read once, then what is new is verified as it comes; the whole again when that costs
little of the time that has passed. What was verified is remembered in memory, where nobody who changes the
file can reach it: the log must extend it, and every checkpoint that was kept elsewhere.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from pev.errors import InvalidInput, PevError, ProofInvalid, TrailCorrupt
from pev.events import Event, Kind
from pev.models import Model, now, to_rfc3339
from pev.trail.checkpoint import open_checkpoint
from pev.trail.faults import Fault, FaultKind, VerifyReport
from pev.trail.merkle import TreeHead, proves_consistency
from pev.trail.notes import VerifierKey, parse_note
from pev.trail.query import TrailQuery
from pev.trail.stopping import Stop, Stopped, never
from pev.trail.store import Trail
from pev.trail.watch import Watch

REST: Final = 20.0
"""The whole record is read again once this many times as long has passed as reading it took."""
_RECENT: Final = 20


class Anchor(Model):
    """A head of this log that somebody keeps elsewhere: `by` says who."""

    head: TreeHead
    by: str


class Standing(Model):
    """What is known of the record. Times are RFC 3339.

    `verified` is what was found intact, at `at`: of it, the events up to `read` were read as a whole at
    `read_at`, and those after it as they came. `since` is the first head that this process verified, at
    `since_at`. `anchors` are the checkpoints that it extends. With `faults` it is broken, as was seen `at`.
    `failure` says why the newest look measured nothing.
    """

    verified: TreeHead | None = None
    at: str = ""
    read: int = 0
    read_at: str = ""
    since: TreeHead | None = None
    since_at: str = ""
    anchors: tuple[Anchor, ...] = ()
    faults: tuple[Fault, ...] = ()
    fault_count: int = 0
    failure: str = ""

    @property
    def claim(self) -> str:
        """Say in one line what was measured."""
        if self.faults:
            kinds = ", ".join(dict.fromkeys(one.kind.value for one in self.faults))
            return f"BROKEN: {kinds} ({self.fault_count} in all)"
        if self.failure:
            return "could not be verified just now"
        if self.verified is None:
            return "not verified yet"
        if not self.anchors:
            return "consistent; roll-back not excluded"
        kept = max(self.anchors, key=lambda one: one.head.size)
        return f"consistent; extends the checkpoint of {kept.head.size} events kept by {kept.by}"


class Monitor:
    """Looks at one trail. Methods block; one call at a time.

    `kept` gives the checkpoints that are kept elsewhere, as far as they are known now.
    """

    def __init__(self, trail: Trail, kept: Callable[[], Sequence[Anchor]]) -> None:
        self._trail = trail
        self._kept = kept
        self._watch: Watch | None = None
        self._read_next = 0.0
        self.standing = Standing()

    def look(self, *, stop: Stop = never) -> Standing:
        """Measure what is due, and say what can be claimed now.

        Raises Stopped soon after `stop` says so: the standing is then what it was, and the look still due.
        """
        try:
            if self._watch is not None:
                self._read_on(self._watch, stop)
            if time.monotonic() >= self._read_next:
                self._read_all(stop)
        except TrailCorrupt as exc:
            self._broken((Fault(kind=FaultKind.FILE_DAMAGED, detail=exc.message),))
        except PevError as exc:
            self.standing = self.standing.model_copy(update={"failure": exc.message})
        return self.standing

    def _read_all(self, stop: Stop) -> None:
        begun, is_due = time.monotonic(), False
        self._watch = None
        try:
            self._read_whole(stop)
        except Stopped:
            is_due = True
            raise
        finally:
            if not is_due:
                self._read_next = time.monotonic() + REST * (time.monotonic() - begun)

    def _read_whole(self, stop: Stop) -> None:
        # what was verified once must still be there, whatever the file says now
        found = self._trail.examine(expected=self.standing.verified, stop=stop)
        report = found.report
        if not report.intact:
            self._broken(report.faults, report.fault_count)
        elif self._holds(report.head):
            self._watch = Watch(found)
            self._note_whole(report)
            self._read_on(self._watch, stop)  # a file in another's place is noticed only here

    def _read_on(self, watch: Watch, stop: Stop) -> None:
        step = self._trail.step(watch, stop=stop)
        if step.faults:
            self._watch = None
            self._broken(step.faults)
        elif self._holds(step.head):
            found = {"verified": step.head, "at": to_rfc3339(now()), "failure": ""}
            self.standing = self.standing.model_copy(update=found)

    def _note_whole(self, report: VerifyReport) -> None:
        at = to_rfc3339(now())
        first = self.standing.since is None
        self.standing = self.standing.model_copy(
            update={
                "verified": report.head,
                "at": at,
                "read": report.head.size,
                "read_at": at,
                "faults": (),
                "fault_count": 0,
                "failure": "",
                **({"since": report.head, "since_at": at} if first else {}),
            }
        )

    def _holds(self, head: TreeHead) -> bool:
        """Hold a head that was worked out from the events against every checkpoint kept elsewhere."""
        anchors = tuple(self._kept())
        faults = [fault for one in anchors if (fault := self._held_against(one, head)) is not None]
        if faults:
            self._watch = None
            self._broken(tuple(faults))
            return False
        self.standing = self.standing.model_copy(update={"anchors": anchors})
        return True

    def _held_against(self, kept: Anchor, head: TreeHead) -> Fault | None:
        size = kept.head.size
        if size > head.size:
            told = f"the checkpoint kept by {kept.by} covers {size} events, the log has {head.size}"
            return Fault(kind=FaultKind.ROLLED_BACK, detail=told)
        path = [bytes.fromhex(one) for one in self._trail.consistency(size, head.size)]
        if proves_consistency(kept.head, head, path):
            return None
        told = f"the first {size} events are not those of the checkpoint kept by {kept.by}"
        return Fault(kind=FaultKind.FORKED, detail=told)

    def _broken(self, faults: tuple[Fault, ...], count: int = 0) -> None:
        found = {
            "faults": faults,
            "fault_count": max(count, len(faults)),
            "at": to_rfc3339(now()),
            "failure": "",
            "anchors": (),
        }
        self.standing = self.standing.model_copy(update=found)


def cosigned_head(
    trail: Trail, log_keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]
) -> Anchor | None:
    """Give the newest head that one of `witnesses` cosigned, as far as the log remembers; or None.

    Whoever rolled the log back made it forget the newer ones: what this excludes is another history of the
    events up to there.
    """
    question = TrailQuery(kinds=(Kind.TRAIL_WITNESSED,), newest_first=True, limit=_RECENT)
    for event in trail.query(question).events if witnesses else ():
        found = _cosigned(event, log_keys, witnesses)
        if found is not None:
            return found
    return None


def _cosigned(
    event: Event, log_keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]
) -> Anchor | None:
    try:
        note = parse_note(str((event.payload or {}).get("note", "")))
        checkpoint = open_checkpoint(note, log_keys)
        names = [key.name for key in note.signers(witnesses)]
    except (InvalidInput, ProofInvalid):
        return None  # changed by somebody: verification says so
    return Anchor(head=checkpoint.head, by=f"witness {', '.join(names)}") if names else None
