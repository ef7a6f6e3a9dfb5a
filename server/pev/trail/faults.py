"""The names of what can be done to a record, and what verification says of it."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from pev.models import Model
from pev.trail.merkle import TreeHead


class FaultKind(StrEnum):
    """What was done to the record."""

    CHANGED = "event changed"
    REMOVED = "event removed"
    INSERTED = "event inserted"
    DUPLICATED = "event duplicated"
    REORDERED = "event reordered"
    PAYLOAD_CHANGED = "payload changed"
    PAYLOAD_MISSING = "payload missing"
    TREE_CHANGED = "tree changed"
    BLOB_CHANGED = "blob changed"
    BLOB_MISSING = "blob missing"
    PROJECTION_CHANGED = "projection changed"
    SCHEMA_CHANGED = "schema changed"
    FILE_DAMAGED = "file damaged"
    ROLLED_BACK = "rolled back"
    FORKED = "forked"
    WRONG_KEY = "wrong key"
    CLOCK_BACKWARDS = "clock went backwards"


class Fault(Model):
    """One thing that is wrong, the event that it concerns if there is one, and what was seen."""

    kind: FaultKind
    seq: int | None = None
    detail: str

    def __str__(self) -> str:
        """Give the fault in one line."""
        at = "" if self.seq is None else f" at {self.seq}"
        return f"{self.kind}{at}{': ' if self.detail else ''}{self.detail}"


def without_details(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Give faults for somebody who may not see everything that the record is about: kinds and numbers."""
    return tuple(one.model_copy(update={"detail": ""}) for one in faults)


class VerifyReport(Model):
    """What the record was found to be.

    `head` is worked out from the events that are there. `faults` holds the first 100 of `fault_count`.
    `expected` is the head kept elsewhere that the log was held against; without one, a log that was rolled
    back or forked as a whole looks like any other.
    """

    intact: bool
    summary: str
    head: TreeHead
    expected: TreeHead | None = None
    fault_count: int = Field(ge=0)
    faults: tuple[Fault, ...] = ()
