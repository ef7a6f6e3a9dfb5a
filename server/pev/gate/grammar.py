"""Reads sources of other languages than Python as syntax trees; one that has errors is told apart.

The parser is ast-grep's tree-sitter: it never fails, and marks what it could not read. A token that is merely
missing is put in by it, and hides nothing. Nothing is run.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ast_grep_py import SgNode

COMMENTS: Final = frozenset({"comment", "line_comment", "block_comment", "html_comment"})
"""The kinds of nodes that are comments, in all grammars together."""


@lru_cache(maxsize=64)
def read_as(source: str, *grammars: str) -> "tuple[SgNode, bool]":
    """Give the tree of a source, and whether all of it could be read.

    The first grammar that reads it wins (`typescript`, `tsx`, `javascript`, `go`, `rust`); if none does, the
    first one's tree is given.
    """
    from ast_grep_py import SgRoot  # takes 0.04 s, and Python alone does without

    trees = [SgRoot(source, grammars[0]).root()]
    if not _has_error(trees[0]):
        return trees[0], True
    for grammar in grammars[1:]:
        tree = SgRoot(source, grammar).root()
        if not _has_error(tree):
            return tree, True
    return trees[0], False


def _has_error(tree: "SgNode") -> bool:
    return tree.kind() == "ERROR" or tree.find(kind="ERROR") is not None


def walk(node: "SgNode") -> "Iterator[SgNode]":
    """Give a node and all below it, in the order of the source."""
    pending = [node]
    while pending:
        one = pending.pop()
        yield one
        pending.extend(reversed(one.children()))


def line_of(node: "SgNode") -> int:
    """Give the line on which a node begins, from 1."""
    return node.range().start.line + 1


def comments(source: str, grammars: Sequence[str]) -> list[tuple[int, str]] | None:
    """Give the lines of all comments with their numbers, None if the source cannot be read."""
    tree, whole = read_as(source, *grammars)
    if not whole:
        return None
    return [
        (line_of(node) + number, text)
        for node in walk(tree)
        if node.kind() in COMMENTS
        for number, text in enumerate(node.text().splitlines())
    ]
