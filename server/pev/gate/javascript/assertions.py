"""How much each assertion in a test demands: 4 equality, 3 an order, a part or an error, 2 weaker, 0 nothing.

It knows node:assert, the `expect` of jest and vitest, and the chains of chai.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import COMMENTS, walk

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_EQUAL: Final = {
    "toBe",
    "toEqual",
    "toStrictEqual",
    "toBeNull",
    "toBeUndefined",
    "toBeNaN",
    "toHaveBeenCalledWith",
    "toHaveBeenLastCalledWith",
    "toHaveBeenNthCalledWith",
    "toHaveReturnedWith",
    "toMatchInlineSnapshot",
    "toThrowErrorMatchingInlineSnapshot",
    "equal",
    "equals",
    "eq",
    "eql",
    "strictEqual",
    "deepEqual",
    "deepStrictEqual",
    "is",
    "same",
}
_WEAK: Final = {
    "toBeTruthy",
    "toBeFalsy",
    "toBeDefined",
    "toHaveBeenCalled",
    "toBeInstanceOf",
    "ok",
    "truthy",
    "falsy",
    "exist",
    "exists",
    "isOk",
    "ifError",
    "pass",
}
_NOTHING: Final = {
    "notEqual",
    "notStrictEqual",
    "notDeepEqual",
    "notDeepStrictEqual",
    "doesNotThrow",
    "doesNotReject",
    "doesNotMatch",
}
_THROWS: Final = {"throws", "rejects", "toThrow", "toThrowError", "throw", "rejectedWith"}
_ASSERTERS: Final = {"assert", "chai"}
_LITERALS: Final = {"string", "number", "true", "false", "null", "undefined", "array", "object", "regex"}
_SAME: Final = {"==", "==="}


def strengths(node: "SgNode") -> Iterator[int]:
    """Give how much each assertion below a node demands."""
    for one in walk(node):
        if one.kind() == "call_expression":
            strength = _strength(one)
            if strength is not None:
                yield strength
        elif one.kind() == "member_expression" and _is_statement(one) and _subject(one) is not None:
            yield 2  # expect(…).to.be.true


def _strength(call: "SgNode") -> int | None:
    """Say how much a call demands, None if it is no assertion."""
    function = call.field("function")
    if function is None:
        return None
    arguments = _arguments(call)
    if function.kind() == "identifier":
        return _truth(arguments) if function.text() == "assert" else None
    name = function.field("property") if function.kind() == "member_expression" else None
    if name is None:
        return None
    subject = _subject(function)
    if subject is not None:
        if not _is_last(call):
            return None
        negated = ".not." in f"{function.text()[len(subject.text()) :]}."
        return 0 if _is_constant(_arguments(subject)) else _named(name.text(), arguments, negated=negated)
    base = function.field("object")
    while base is not None and base.kind() == "member_expression":
        last = base.field("property")
        if last is not None and last.text() == "assert":
            break
        base = base.field("object")
    words = base.text() if base is not None else ""
    if words not in _ASSERTERS and not words.endswith(".assert"):
        return None
    if name.text() in ("ok", "assert"):
        return _truth(arguments)
    if len(arguments) > 1 and _is_constant(arguments[:1]) and _is_constant(arguments[1:2]):
        return 0
    return _named(name.text(), arguments, negated=False)


def _named(name: str, arguments: "list[SgNode]", *, negated: bool) -> int:
    if negated or name in _NOTHING:
        return 1
    if name in _THROWS:
        return 3 + (len(arguments) > (0 if name.startswith("toThrow") else 1))
    if name in _EQUAL:
        return 4
    return 2 if name in _WEAK else 3


def _truth(arguments: "list[SgNode]") -> int:
    """Say how much it demands that an expression is true."""
    if not arguments or _is_constant(arguments[:1]):
        return 0
    first = arguments[0]
    if first.kind() == "binary_expression":
        operator = first.field("operator")
        words = operator.text() if operator is not None else ""
        return (
            4 if words in _SAME else 1 if words.startswith("!") else 2 if words in ("||", "&&", "??") else 3
        )
    return 2


def _subject(node: "SgNode") -> "SgNode | None":
    """Give the call of `expect` that a chain begins with, None if it begins with something else."""
    one: SgNode | None = node
    while one is not None:
        if one.kind() == "member_expression":
            one = one.field("object")
        elif one.kind() == "call_expression":
            function = one.field("function")
            if function is not None and function.kind() == "identifier":
                return one if function.text() == "expect" else None
            one = function
        else:
            return None
    return None


def _is_last(node: "SgNode") -> bool:
    """Say whether a chain ends with this call."""
    parent = node.parent()
    return parent is None or parent.kind() != "member_expression"


def _is_statement(node: "SgNode") -> bool:
    parent = node.parent()
    return parent is not None and parent.kind() == "expression_statement"


def _arguments(call: "SgNode") -> "list[SgNode]":
    arguments = call.field("arguments")
    found = arguments.children() if arguments is not None else []
    return [one for one in found if one.is_named() and one.kind() not in COMMENTS]


def _is_constant(arguments: "list[SgNode]") -> bool:
    """Say whether a value is written out, so that what is said of it is known beforehand."""
    return bool(arguments) and arguments[0].kind() in _LITERALS - {"array", "object"}
