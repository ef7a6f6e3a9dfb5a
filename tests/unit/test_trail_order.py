"""Order: from two lists of leaves alone, what was done to the sequence of events."""

from hypothesis import given
from hypothesis import strategies as st

from pev.trail.faults import FaultKind
from pev.trail.order import Leaf, order_faults


def leaves(values: str, start: int = 0) -> list[Leaf]:
    """One leaf per letter, numbered from `start`."""
    return [Leaf(seq, letter.encode()) for seq, letter in enumerate(values, start)]


def explain(remembered: str, present: str | list[Leaf]) -> list[tuple[FaultKind, int | None]]:
    here = leaves(present) if isinstance(present, str) else present
    return [(fault.kind, fault.seq) for fault in order_faults(leaves(remembered), here)]


def test_equal_lists_have_no_fault() -> None:
    """Not even empty ones."""
    assert explain("abcdef", "abcdef") == []
    assert explain("", "") == []


def test_each_kind_has_its_own_name() -> None:
    """Removal, insertion, change, swap, copy."""
    assert explain("abcdef", "abdef") == [(FaultKind.REMOVED, 2)]
    assert explain("abcdef", "abXcdef") == [(FaultKind.INSERTED, 2)]
    assert explain("abcdef", "abXdef") == [(FaultKind.CHANGED, 2)]
    assert explain("abcdef", "aecdbf") == [(FaultKind.REORDERED, 1), (FaultKind.REORDERED, 4)]
    assert explain("abcdef", "abcdefb") == [(FaultKind.DUPLICATED, 6)]


def test_a_copy_before_the_original_is_the_duplicate() -> None:
    """The one that stands where the tree has it is the original."""
    here = [Leaf(0, b"a"), Leaf(1, b"c"), Leaf(2, b"c")]

    assert explain("abc", here) == [(FaultKind.REMOVED, 1), (FaultKind.DUPLICATED, 1)]


def test_a_gap_in_the_numbers_is_a_removal() -> None:
    """The others stay at home."""
    here = [leaf for leaf in leaves("abcdef") if leaf.seq not in (0, 3)]

    assert explain("abcdef", here) == [(FaultKind.REMOVED, 0), (FaultKind.REMOVED, 3)]


def test_an_emptied_log_lost_every_event() -> None:
    """And a forgotten tree knows none."""
    assert explain("abc", "") == [(FaultKind.REMOVED, seq) for seq in range(3)]
    assert explain("", "abc") == [(FaultKind.INSERTED, seq) for seq in range(3)]


@given(st.integers(0, 12), st.lists(st.sampled_from("abcdefghijkl?!"), max_size=14))
def test_lists_that_differ_are_never_called_equal(size: int, letters: list[str]) -> None:
    """Whatever was done, something is said; and nothing is said of what is equal."""
    remembered, present = "abcdefghijkl"[:size], "".join(letters)

    assert bool(explain(remembered, present)) == (remembered != present)
