"""Breaks JavaScript and TypeScript on purpose, by its syntax tree: functions and files that throw at once."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import COMMENTS, read_as, walk
from pev.gate.javascript.inventory import GRAMMARS
from pev.gate.sabotage import Unit

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_FUNCTIONS: Final = {
    "function_declaration",
    "function_expression",
    "generator_function_declaration",
    "generator_function",
    "arrow_function",
    "method_definition",
}
_THROW: Final = 'throw new Error("this code was replaced on purpose");'
_CALL: Final = '(() => { throw new Error("this code was replaced on purpose"); })()'
_STATEMENTS: Final = re.compile(r".*_statement|lexical_declaration|variable_declaration")
_NOTHING: Final = {"import_statement", "empty_statement", "statement_block", "debugger_statement"}
_TYPES: Final = {"interface_declaration", "type_alias_declaration", "ambient_declaration"}


def breaks(source: str, lines: frozenset[int]) -> Iterator[Unit]:
    """Give each innermost function whose body holds one of `lines`, with a source in which it throws."""
    tree, whole = read_as(source, *GRAMMARS)
    if not whole:
        return
    found: dict[tuple[int, int], tuple[SgNode, set[int]]] = {}
    bodies = [(node, body) for node in walk(tree) if (body := _body(node)) is not None]
    for line in sorted(lines):
        holding = [(node, body) for node, body in bodies if _holds(body, line)]
        if holding:
            node, body = holding[-1]  # in the order of the source: the innermost is the last
            place = body.range()
            found.setdefault((place.start.index, place.end.index), (node, set()))[1].add(line)
    for node, own in found.values():
        body = _body(node)
        if body is not None:
            yield Unit(_name(node), frozenset(own), _thrown(source, body))


def without_module(source: str) -> str:
    """Let a file throw as soon as it is loaded. Imports and directives keep their place in front."""
    tree, _ = read_as(source, *GRAMMARS)
    at = 0
    for child in tree.children():
        if child.kind() == "hash_bang_line" or _is_directive(child):
            at = child.range().end.index
        elif child.kind() not in COMMENTS:
            break
    return f"{source[:at]}\n{_THROW}\n{source[at:]}" if at else f"{_THROW} {source}"


def statements(source: str) -> frozenset[int]:
    """Give the lines on which statements begin that do something when they are run."""
    tree, _ = read_as(source, *GRAMMARS)
    return frozenset(_lines(tree))


def _lines(node: "SgNode") -> Iterator[int]:
    for child in node.children():
        kind = child.kind()
        if kind in _TYPES or (kind == "export_statement" and not child.field("declaration")):
            continue
        does = _STATEMENTS.fullmatch(kind) is not None and kind not in _NOTHING and kind != "export_statement"
        if does or (kind != "statement_block" and _is_returned(child)):
            yield child.range().start.line + 1
        yield from _lines(child)


def _is_returned(node: "SgNode") -> bool:
    """Say whether a node is what an arrow function gives without a block."""
    parent = node.parent()
    body = parent.field("body") if parent is not None and parent.kind() == "arrow_function" else None
    return body is not None and body.range().start.index == node.range().start.index and node.is_named()


def _body(node: "SgNode") -> "SgNode | None":
    return node.field("body") if node.kind() in _FUNCTIONS else None


def _holds(body: "SgNode", line: int) -> bool:
    place = body.range()
    first = place.start.line + 1
    # the line of the head belongs to what stands around the function, unless all of it stands there
    inside = (
        first < line if body.kind() == "statement_block" and place.end.line + 1 > first else first <= line
    )
    return inside and line <= place.end.line + 1


def _thrown(source: str, body: "SgNode") -> str:
    place = body.range()
    start, end = place.start.index, place.end.index
    if body.kind() == "statement_block":
        return f"{source[: start + 1]} {_THROW} {source[start + 1 :]}"
    return f"{source[:start]}{_CALL}{source[end:]}"


def _name(node: "SgNode") -> str:
    name = node.field("name")
    parent = node.parent()
    if name is None and parent is not None:
        name = parent.field("name") or parent.field("key") or parent.field("left")
    return name.text()[:80] if name is not None else "a function without a name"


def _is_directive(node: "SgNode") -> bool:
    first = next(iter(node.children()), None)
    return node.kind() == "expression_statement" and first is not None and first.kind() == "string"
