"""The right edge of a tree, grown leaf by leaf or in batches, is the same tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.trail.merkle import Frontier, leaf_hash


@pytest.mark.long_search
@given(st.lists(st.integers(0, 40), max_size=12))
def test_batches_of_any_size_give_the_tree_that_single_leaves_give(sizes: list[int]) -> None:
    """And they complete the same subtrees, each once, with the same hashes."""
    batched, single = Frontier(), Frontier()
    nodes: dict[tuple[int, int], bytes] = {}
    wanted: dict[tuple[int, int], bytes] = {}
    keep = single.put

    def put(level: int, index: int, value: bytes) -> None:
        wanted[level, index] = value
        keep(level, index, value)

    single.put = put  # type: ignore[method-assign] # listens to what append_leaf completes
    for size in sizes:
        leaves = [leaf_hash(b"%d" % (batched.size + n)) for n in range(size)]
        for level, first, values in batched.extend(leaves):
            for place, value in enumerate(values, first):
                assert (level, place) not in nodes
                nodes[level, place] = value
        for leaf in leaves:
            single.add(leaf)
        assert batched.head() == single.head()

    assert nodes == wanted


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_copy_grows_apart(size: int, more: int) -> None:
    edge = Frontier()
    edge.extend([leaf_hash(b"%d" % n) for n in range(size)])
    then = edge.head()
    other = edge.copy()
    other.extend([leaf_hash(b"more")] * more)

    assert edge.head() == then
    assert other.size == size + more
