"""Breaks Go on purpose, by its syntax tree, and says where its statements begin."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import line_of, read_as, walk
from pev.gate.sabotage import Unit

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_FUNCTIONS: Final = {"function_declaration", "method_declaration"}
_PANIC: Final = ' panic("this code was replaced on purpose"); '
_NO_STATEMENT: Final = {"{", "}", "comment", "statement_list", "\n", ";", "labeled_statement"}


def breaks(source: str, lines: frozenset[int]) -> Iterator[Unit]:
    """Give each function whose body holds one of `lines`, with a source in which it panics when called."""
    tree, _ = read_as(source, "go")
    for node in _functions(tree):
        body = node.field("body")
        if body is None:
            continue
        span = range(line_of(node), body.range().end.line + 2)
        touched = lines & frozenset(span)
        if touched:
            at = body.range().start.index + 1
            name = node.field("name")
            yield Unit(name.text() if name else "a function", touched, source[:at] + _PANIC + source[at:])


def _functions(tree: "SgNode") -> Iterator["SgNode"]:
    """Give functions and methods, and function literals of package variables."""
    for node in tree.children():
        if node.kind() in _FUNCTIONS:
            yield node
        elif node.kind() == "var_declaration":
            yield from (one for one in walk(node) if one.kind() == "func_literal")


def without_module(source: str) -> str:
    """Let a file fail to build."""
    return f"{source}\nvar _ int = thisCodeWasReplacedOnPurpose\n"


def statements(source: str) -> frozenset[int]:
    """Give the lines on which statements begin."""
    tree, _ = read_as(source, "go")
    blocks = (node for node in walk(tree) if node.kind() in ("block", "statement_list"))
    return frozenset(
        line_of(one) for block in blocks for one in block.children() if one.kind() not in _NO_STATEMENT
    )
