"""Small changes of meaning of JavaScript and TypeScript, by its syntax tree: what tests should notice.

Texts, types, messages of errors and what is logged are left alone.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import line_of, read_as, walk
from pev.gate.javascript.inventory import GRAMMARS
from pev.gate.sabotage import Mutant

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_WEAK: Final = 9
_SWAPPED: Final = {
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "===": "!==",
    "!==": "===",
    "==": "!=",
    "!=": "==",
    "+": "-",
    "-": "+",
    "*": "+",
    "/": "*",
    "%": "*",
    "&&": "||",
    "||": "&&",
    "??": "&&",
}
_TESTED: Final = {"if_statement", "while_statement", "ternary_expression"}
_LEFT_ALONE: Final = {"throw_statement", "type_annotation", "type_arguments", "import_statement"}
_TALK: Final = ("console.", "log", "debug", "logger.", "warn", "process.std")
_TEXTS: Final = {"string", "template_string"}
_Edit = tuple[int, int, str]
_Site = tuple[int, int, str, _Edit]


def mutants(source: str, lines: frozenset[int]) -> Iterator[Mutant]:
    """Give mutants of the code on `lines`, those that tests should notice first, first."""
    tree, whole = read_as(source, *GRAMMARS)
    if not whole:
        return
    sites = [site for node in walk(tree) if line_of(node) in lines for site in _sites(node)]
    for rank, line, what, (start, end, text) in sorted(sites, key=lambda one: one[0]):
        changed = source[:start] + text + source[end:]
        if read_as(changed, *GRAMMARS)[1]:
            yield Mutant(line, what, changed, rank == _WEAK)


def _sites(node: "SgNode") -> Iterator[_Site]:
    """Give the changes of one node: rank, line, words, and what is written where."""
    kind, line = node.kind(), line_of(node)
    if kind in ("binary_expression", "unary_expression", "number", "true", "false") and _is_left_alone(node):
        return
    if kind in _TESTED:
        test = node.field("condition")
        if test is not None:
            yield 1, line_of(test), f"not {test.text()[:60]}", _around(test, "(!(", "))")
    elif kind == "binary_expression":
        yield from _swap(node)
    elif kind == "unary_expression" and node.text().startswith("!"):
        yield 3, line, f"without ! in {node.text()[:60]}", _around(node, "!(", ")")
    elif kind in ("true", "false"):
        other = "false" if kind == "true" else "true"
        yield 4, line, f"{other} for {kind}", _instead(node, other)
    elif kind == "number" and node.text().isdigit():
        yield 4, line, f"{int(node.text()) + 1} for {node.text()}", _instead(node, str(int(node.text()) + 1))
    elif kind == "return_statement":
        value = next((one for one in node.children() if one.is_named()), None)
        if value is not None:
            yield _WEAK, line, "return undefined", _instead(value, "undefined")


def _swap(node: "SgNode") -> Iterator[_Site]:
    operator, left, right = node.field("operator"), node.field("left"), node.field("right")
    if operator is None or left is None or right is None:
        return
    old = operator.text()
    new = _SWAPPED.get(old)
    if new is None or (old == "+" and any(one.kind() in _TEXTS for one in walk(node))):
        return
    yield 2, line_of(operator), f"{new} for {old}", _instead(operator, new)


def _is_left_alone(node: "SgNode") -> bool:
    """Say whether a node stands in what nobody tests: an error's message, a type, something logged."""
    parent = node.parent()
    while parent is not None and parent.kind() not in ("statement_block", "program"):
        if parent.kind() in _LEFT_ALONE:
            return True
        function = parent.field("function") if parent.kind() == "call_expression" else None
        if function is not None and function.text().startswith(_TALK):
            return True
        parent = parent.parent()
    return False


def _instead(node: "SgNode", text: str) -> _Edit:
    place = node.range()
    return place.start.index, place.end.index, text


def _around(node: "SgNode", before: str, after: str) -> _Edit:
    return _instead(node, f"{before}{node.text()}{after}")
