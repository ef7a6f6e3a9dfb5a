"""Tells removed, inserted, duplicated, reordered and changed events apart.

Works on two lists: the leaves that the tree remembers, and those of the events that are there. Pure.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pev.trail.faults import Fault, FaultKind


class Leaf(NamedTuple):
    """A leaf hash and the number that it stands at."""

    seq: int
    value: bytes


def order_faults(remembered: Sequence[Leaf], present: Sequence[Leaf]) -> list[Fault]:
    """Explain how `present` differs from `remembered`; both ascend by `seq`. Equal lists give nothing.

    An event that is merely shifted, because another was inserted or removed before it, is not a fault of
    its own.
    """
    home = {leaf.value: leaf.seq for leaf in remembered}
    return [*_strangers(remembered, present, home), *_displaced(present, home)]


def _strangers(
    remembered: Sequence[Leaf], present: Sequence[Leaf], home: dict[bytes, int]
) -> Iterator[Fault]:
    """Find events that the tree does not know, and leaves that no event has."""
    was = {leaf.seq: leaf.value for leaf in remembered}
    here = {leaf.value for leaf in present}
    replaced: set[int] = set()
    for leaf in present:
        if leaf.value in home:
            continue
        if leaf.seq in was and was[leaf.seq] not in here:
            replaced.add(leaf.seq)
            yield Fault(
                kind=FaultKind.CHANGED,
                seq=leaf.seq,
                detail="its envelope does not match its leaf in the tree",
            )
        else:
            yield Fault(kind=FaultKind.INSERTED, seq=leaf.seq, detail="the tree does not know it")
    for leaf in remembered:
        if leaf.value not in here and leaf.seq not in replaced:
            yield Fault(
                kind=FaultKind.REMOVED,
                seq=leaf.seq,
                detail="the tree remembers it, the log does not have it",
            )


def _displaced(present: Sequence[Leaf], home: dict[bytes, int]) -> Iterator[Fault]:
    """Find events that stand twice, or in another order than the tree remembers."""
    seen: set[bytes] = set()
    known: list[tuple[int, int]] = []
    # an event counts as being at home where the tree has it, even if a copy stands before it
    at_home = {leaf.value for leaf in present if home.get(leaf.value) == leaf.seq}
    for leaf in present:
        if leaf.value not in home:
            continue
        place = home[leaf.value]
        if leaf.value in seen or (leaf.value in at_home and place != leaf.seq):
            yield Fault(kind=FaultKind.DUPLICATED, seq=leaf.seq, detail=f"it is event {place} once more")
            continue
        seen.add(leaf.value)
        known.append((place, leaf.seq))
    places = [place for place, _ in known]
    if places != sorted(places):
        for place, seq in known:
            if place != seq:
                yield Fault(kind=FaultKind.REORDERED, seq=seq, detail=f"event {place} stands here")
