"""RFC 6962: our trees, built leaf by leaf from stored subtrees, against the RFC's own recursive words."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.models import Digest
from pev.trail import merkle
from pev.trail.merkle import EMPTY_ROOT, Frontier, TreeHead

# RFC 6962 reference vectors, as in the certificate-transparency test suites
LEAVES = [bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243")]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
]


class Memory:
    """Nodes in a dictionary; counts what is read."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.reads = 0
        for index, leaf in enumerate(leaves):
            merkle.append_leaf(self, index, merkle.leaf_hash(leaf))
        self.reads = 0

    def node(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]

    def put(self, level: int, index: int, value: bytes) -> None:
        assert (level, index) not in self.nodes
        self.nodes[level, index] = value


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(old: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*naive_subproof(old, leaves[:k], whole=whole), naive_root(leaves[k:])]
    return [*naive_subproof(old - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def head(leaves: list[bytes]) -> TreeHead:
    return TreeHead(size=len(leaves), root=Digest(naive_root(leaves).hex()))


a_log = st.lists(st.binary(max_size=6), min_size=1, max_size=70)


def test_the_roots_are_those_of_the_published_vectors() -> None:
    """Agreeing with ourselves would not be enough: others must be able to check our log."""
    for size, root in enumerate(ROOTS, start=1):
        assert merkle.root_of(Memory(LEAVES[:size]), size).hex() == root


def test_an_empty_log_has_the_hash_of_nothing_as_its_root() -> None:
    """RFC 6962 gives the empty tree a root of its own."""
    assert merkle.root_of(Memory([]), 0) == EMPTY_ROOT == naive_root([])
    assert Frontier().head() == head([])


@given(a_log)
def test_every_root_on_the_way_is_the_recursive_one(leaves: list[bytes]) -> None:
    """Stored subtrees and the frontier must give the same tree as the definition, at each size."""
    nodes, frontier = Memory(leaves), Frontier()
    for size in range(1, len(leaves) + 1):
        frontier.add(merkle.leaf_hash(leaves[size - 1]))
        assert merkle.root_of(nodes, size) == naive_root(leaves[:size])
        assert frontier.head() == head(leaves[:size])


@given(a_log, st.data())
def test_an_inclusion_path_is_the_recursive_one_and_proves_its_leaf(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """A proof for any leaf at any size of the log."""
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))

    path = merkle.inclusion_path(Memory(leaves), index, size)

    assert path == naive_path(index, leaves[:size])
    assert merkle.proves_inclusion(merkle.leaf_hash(leaves[index]), index, head(leaves[:size]), path)


@given(a_log, st.data())
def test_a_consistency_path_is_the_recursive_one_and_proves_the_prefix(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """A proof between any two sizes of the log."""
    new = data.draw(st.integers(1, len(leaves)))
    old = data.draw(st.integers(1, new))

    path = merkle.consistency_path(Memory(leaves), old, new)

    assert path == ([] if old == new else naive_subproof(old, leaves[:new], whole=True))
    assert merkle.proves_consistency(head(leaves[:old]), head(leaves[:new]), path)


@given(a_log, st.data())
def test_an_inclusion_proof_proves_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    """Another leaf, place, size, root or path is refused: what says yes to all proves nothing."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.inclusion_path(Memory(leaves), index, len(leaves))
    leaf, whole = merkle.leaf_hash(leaves[index]), head(leaves)
    other = bytes(32)

    assert not merkle.proves_inclusion(other, index, whole, path)
    assert not merkle.proves_inclusion(leaf, len(leaves), whole, path)
    assert not merkle.proves_inclusion(leaf, -1, whole, path)
    assert not merkle.proves_inclusion(leaf, index, whole, [*path, other])
    assert not merkle.proves_inclusion(leaf, index, TreeHead(size=whole.size, root=Digest("0" * 64)), path)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not merkle.proves_inclusion(leaf, index, whole, [*path[:at], other, *path[at + 1 :]])
        assert not merkle.proves_inclusion(leaf, index, whole, path[:-1])


@given(a_log, st.data())
def test_a_rewritten_prefix_has_no_consistency_proof(leaves: list[bytes], data: st.DataObject) -> None:
    """No proof, of the honest log or of the forged one, joins an old head to a log that rewrote it."""
    old = data.draw(st.integers(1, len(leaves)))
    at = data.draw(st.integers(0, old - 1))
    forged = [*leaves]
    forged[at] = forged[at] + b"!"
    for path in (
        merkle.consistency_path(Memory(leaves), old, len(leaves)),
        merkle.consistency_path(Memory(forged), old, len(leaves)),
    ):
        assert not merkle.proves_consistency(head(leaves[:old]), head(forged), path)


def test_a_consistency_proof_of_wrong_length_is_refused() -> None:
    """A cut or padded proof proves nothing."""
    leaves = [bytes([n]) for n in range(11)]
    old, new = head(leaves[:6]), head(leaves)
    path = merkle.consistency_path(Memory(leaves), 6, 11)

    assert merkle.proves_consistency(old, new, path)
    assert not merkle.proves_consistency(old, new, path[:-1])
    assert not merkle.proves_consistency(old, new, [*path, bytes(32)])
    assert not merkle.proves_consistency(old, new, [])
    assert not merkle.proves_consistency(new, old, path)


def test_the_empty_log_is_a_prefix_of_every_log() -> None:
    """It needs no proof, and its root must be the right one."""
    new = head([b"a", b"b"])

    assert merkle.consistency_path(Memory([b"a", b"b"]), 0, 2) == []
    assert merkle.proves_consistency(head([]), new, [])
    assert not merkle.proves_consistency(TreeHead(size=0, root=new.root), new, [])


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_a_path_for_a_leaf_outside_of_the_tree_is_refused(index: int, size: int) -> None:
    """There is no such proof."""
    with pytest.raises(ValueError, match="is not in a tree"):
        merkle.inclusion_path(Memory([b"a", b"b", b"c"]), index, size)


def test_a_larger_log_is_no_prefix_of_a_smaller_one() -> None:
    """There is no such proof."""
    with pytest.raises(ValueError, match="is no prefix"):
        merkle.consistency_path(Memory([b"a"]), 2, 1)


def test_work_grows_with_the_logarithm_of_the_log() -> None:
    """A million events must not make a proof a million times dearer."""
    nodes = Memory([n.to_bytes(2) for n in range(4096 + 1)])
    merkle.append_leaf(nodes, 4097, bytes(32))
    appended = nodes.reads
    merkle.inclusion_path(nodes, 17, 4097)
    proved = nodes.reads - appended
    merkle.consistency_path(nodes, 1000, 4097)

    assert appended <= 13
    assert proved <= 26
    assert nodes.reads - appended - proved <= 39
