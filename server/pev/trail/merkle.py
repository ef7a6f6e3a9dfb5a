"""RFC 6962 Merkle trees over a log that only grows: roots, proofs, and their verification.

Pure functions. A tree is kept as the hashes of its complete subtrees, which never change once they exist,
so an append, a root and a proof each need O(log n) of them. Where they are kept is behind `Nodes`.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol

from pydantic import Field

from pev.models import Digest, Model

LEAF: Final = b"\x00"
NODE: Final = b"\x01"
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


class TreeHead(Model):
    """The state of a log in one line: how many leaves it has, and the hash over all of them."""

    size: int = Field(ge=0)
    root: Digest


class Nodes(Protocol):
    """Hashes of complete subtrees. Node (level, index) covers leaves `index << level` up to the next."""

    def node(self, level: int, index: int) -> bytes:
        """Give the hash of one complete subtree; it exists whenever all of its leaves do."""
        ...


class GrowingNodes(Nodes, Protocol):
    """Nodes that take new ones."""

    def put(self, level: int, index: int, value: bytes) -> None:
        """Keep the hash of a subtree that has just become complete."""
        ...


def leaf_hash(data: bytes) -> bytes:
    """Hash one leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(LEAF + data).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """Hash many leaves."""
    sha256 = hashlib.sha256
    return [sha256(LEAF + data).digest() for data in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node (RFC 6962, section 2.1)."""
    return hashlib.sha256(NODE + left + right).digest()


def append_leaf(nodes: GrowingNodes, index: int, leaf: bytes) -> None:
    """Add the leaf hash number `index`, which is the size so far, and the subtrees that it completes."""
    level = 0
    value = leaf
    nodes.put(level, index, value)
    while index & 1:
        value = node_hash(nodes.node(level, index - 1), value)
        level, index = level + 1, index >> 1
        nodes.put(level, index, value)


def root_of(nodes: Nodes, size: int) -> bytes:
    """Give the root of the first `size` leaves; of none, the hash of nothing."""
    return _span(nodes, 0, size) if size else EMPTY_ROOT


def inclusion_path(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Give the audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.

    RFC 6962, section 2.1.1. Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(_span(nodes, middle, stop))
            stop = middle
        else:
            path.append(_span(nodes, start, middle))
            start = middle
    return path[::-1]


def consistency_path(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """Give the proof that the tree of `old` leaves is a prefix of the tree of `new` ones.

    RFC 6962, section 2.1.2. Empty when `old` is 0 or equals `new`. Raises ValueError unless
    0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is no prefix of one of {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, stop, whole = 0, new, True
    while stop != old:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(_span(nodes, middle, stop))
            stop = middle
        else:
            path.append(_span(nodes, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(_span(nodes, start, stop))
    return path[::-1]


def proves_inclusion(leaf: bytes, index: int, head: TreeHead, path: Sequence[bytes]) -> bool:
    """Say whether `path` proves that leaf hash number `index` is in the tree of `head`.

    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < head.size:
        return False
    value, place, last = leaf, index, head.size - 1
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = node_hash(sibling, value)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and value.hex() == head.root


def proves_consistency(old: TreeHead, new: TreeHead, path: Sequence[bytes]) -> bool:
    """Say whether `path` proves that the tree of `old` is a prefix of the tree of `new`.

    RFC 9162, section 2.1.4.2. The empty tree is a prefix of every tree.
    """
    if old.size == 0:
        return not path and old.root == EMPTY_ROOT.hex()
    if old.size >= new.size:
        return not path and old == new
    steps = list(path)
    if old.size & (old.size - 1) == 0:
        steps.insert(0, bytes.fromhex(old.root))
    return bool(steps) and _replay(old, new, steps)


def _replay(old: TreeHead, new: TreeHead, steps: list[bytes]) -> bool:
    """Walk a consistency proof and compare both roots that it leads to."""
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    was = now = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and was.hex() == old.root and now.hex() == new.root


class Frontier:
    """The right edge of a growing tree: enough to give its root after each leaf, in O(log n) memory."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Give a subtree of the edge."""
        return self._edge[level, index]

    def put(self, level: int, index: int, value: bytes) -> None:
        """Keep a subtree, and forget the two that it covers."""
        if level:
            for below in (2 * index, 2 * index + 1):
                del self._edge[level - 1, below]
        self._edge[level, index] = value

    def add(self, leaf: bytes) -> None:
        """Add the next leaf hash."""
        append_leaf(self, self.size, leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, list[bytes]]]:
        """Add many leaf hashes, and give the subtrees that they completed: level, first place, hashes."""
        sha256 = hashlib.sha256
        complete: list[tuple[int, int, list[bytes]]] = []
        level, first, values = 0, self.size, list(leaves)
        while values:
            complete.append((level, first, values))
            if first & 1:
                first -= 1
                values = [self._edge.pop((level, first)), *values]
            if len(values) & 1:
                self._edge[level, first + len(values) - 1] = values[-1]
            pairs = zip(values[::2], values[1::2], strict=False)
            values = [sha256(NODE + left + right).digest() for left, right in pairs]
            level, first = level + 1, first >> 1
        self.size += len(leaves)
        return complete

    def copy(self) -> "Frontier":
        """Give another edge that grows apart from this one."""
        other = Frontier()
        other.size, other._edge = self.size, dict(self._edge)
        return other

    def head(self) -> TreeHead:
        """Give size and root of what was added so far."""
        return TreeHead(size=self.size, root=Digest(root_of(self, self.size).hex()))


def _split(size: int) -> int:
    """Give the largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _span(nodes: Nodes, start: int, stop: int) -> bytes:
    """Hash leaves start..stop, where `start` is a multiple of the span's largest subtree."""
    rights: list[bytes] = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        rights.append(nodes.node(level, start >> level))
        start += 1 << level
    value = rights.pop()
    while rights:
        value = node_hash(rights.pop(), value)
    return value
