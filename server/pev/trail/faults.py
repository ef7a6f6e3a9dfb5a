"""The names of what can be done to a record, and a fault as verification reports it."""

from enum import StrEnum

from pev.models import Model


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
        return f"{self.kind}{at}: {self.detail}"
