"""Small changes of meaning of Go and Rust, by their syntax trees: what tests should notice.

They are such that the code still compiles, as far as that can be told without types. Texts, patterns, types
and what is logged are left alone.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import line_of, read_as, walk
from pev.gate.sabotage import Mutant

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_LIKELY: Final = {
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "==": "!=",
    "!=": "==",
    "-": "+",
    "*": "+",
    "/": "*",
    "%": "*",
    "&&": "||",
    "||": "&&",
}
_BOOLS: Final = {"true": "false", "false": "true"}
_NUMBERS: Final = {"int_literal", "integer_literal"}
_TYPES: Final = ("type", "pattern", "attribute", "const_item", "static_item", "macro", "import", "use_decl")
_BODIES: Final = {"block", "function_item", "function_declaration", "method_declaration", "source_file"}
_TALK: Final = ("log.", "slog.", "fmt.Print", "fmt.Fprint", "fmt.Errorf", "errors.New", "tracing::", "log::")
_Site = tuple[int, int, str, int, int, str]


def swaps(source: str, grammar: str, lines: frozenset[int]) -> Iterator[Mutant]:
    """Give mutants of the code on `lines`, those that surely compile first."""
    tree, whole = read_as(source, grammar)
    if not whole:
        return
    sites = [site for node in walk(tree) if line_of(node) in lines for site in _sites(node)]
    for _, line, what, start, end, text in sorted(sites, key=lambda one: one[0]):
        changed = source[:start] + text + source[end:]
        if read_as(changed, grammar)[1]:
            yield Mutant(line, what, changed, weak=False)


def _sites(node: "SgNode") -> Iterator[_Site]:
    """Give the changes of one node: rank, line, words, where, and what is written there."""
    kind, place, line = node.kind(), node.range(), line_of(node)
    start, end = place.start.index, place.end.index
    if kind == "binary_expression" and not _is_left_alone(node):
        operator = node.field("operator")
        old = operator.text() if operator is not None else ""
        adds = old == "+" and not any(one.kind().endswith("string_literal") for one in walk(node))
        new = "-" if adds else _LIKELY.get(old)
        if operator is not None and new is not None:
            at = operator.range()
            rank = 3 if old == "+" else 1  # what is added may be texts, which cannot be taken apart
            yield rank, line_of(operator), f"{new} for {old}", at.start.index, at.end.index, new
    elif kind in _BOOLS and not _is_left_alone(node):
        yield 2, line, f"{_BOOLS[kind]} for {kind}", start, end, _BOOLS[kind]
    elif kind in _NUMBERS and node.text().isdecimal() and not _is_left_alone(node):
        more = str(int(node.text()) + 1)
        yield 2, line, f"{more} for {node.text()}", start, end, more


def _is_left_alone(node: "SgNode") -> bool:
    """Say whether a node stands in a type, a pattern, a constant, or in what is only logged."""
    parent = node.parent()
    while parent is not None and parent.kind() not in _BODIES:
        if any(word in parent.kind() for word in _TYPES):
            return True
        function = parent.field("function") if parent.kind() == "call_expression" else None
        if function is not None and function.text().startswith(_TALK):
            return True
        parent = parent.parent()
    return False
