"""Breaks code on purpose, by its syntax tree: whole functions that raise, and single small mutants.

Nothing here runs anything. What comes out is Python that says something else than it should.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pev.gate.syntax import grow, grow_value, parse

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Callable = Function | ast.Lambda
_WEAK: Final = 9
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
# a class of its own, which no `except Exception` of the code under test takes for its business
_RAISE: Final = 'raise type("ReplacedByTheGate", (BaseException,), {})("this code was replaced on purpose")'
_RAISE_IN_LAMBDA: Final = f"(_ for _ in ()).throw({_RAISE.removeprefix('raise ')})"
_SWAPPED: Final[dict[type[ast.AST], type[Any]]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_TALK: Final = {"log", "logger", "logging", "print", "warn", "warnings", "debug", "info"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A function or lambda: its name, the lines of interest in it, and a whole source in which it raises."""

    name: str
    lines: frozenset[int]
    source: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small change of meaning: where, what, and the whole source with it.

    A `weak` one is noticed by any look at the result, and says little.
    """

    line: int
    what: str
    source: str
    weak: bool


def units(source: str, lines: frozenset[int]) -> Iterator[Unit]:
    """Give each function and lambda whose body holds one of `lines`, with a source where it alone raises."""
    tree = parse(source)
    if tree is None:
        return
    places = {id(node): place for place, node in enumerate(ast.walk(tree))}
    found: dict[int, tuple[_Callable, set[int]]] = {}
    for line in sorted(lines):
        for node in _bodies(tree, line):
            found.setdefault(places[id(node)], (node, set()))[1].add(line)
    for place, (node, own) in found.items():
        copied = copy.deepcopy(tree)
        _silence(list(ast.walk(copied))[place])
        changed = ast.unparse(ast.fix_missing_locations(copied))
        yield Unit(getattr(node, "name", "lambda"), frozenset(own), changed)


def _silence(node: ast.AST) -> None:
    if isinstance(node, ast.Lambda):
        node.body = grow_value(_RAISE_IN_LAMBDA)
    elif isinstance(node, Function):
        node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, _raise())


def without_module(source: str) -> str | None:
    """Let a module raise as soon as it is imported; None if it is not Python."""
    tree = parse(source)
    if tree is None:
        return None
    place = 1 if ast.get_docstring(tree, clean=False) is not None else 0
    while place < len(tree.body) and _is_future(tree.body[place]):
        place += 1
    tree.body.insert(place, _raise())
    return ast.unparse(ast.fix_missing_locations(tree))


def mutants(source: str, lines: frozenset[int]) -> Iterator[Mutant]:
    """Give mutants of the code on `lines` within functions, those that tests should notice first, first.

    Texts, messages of errors, what is logged, and annotations are left alone.
    """
    tree = parse(source)
    if tree is None:
        return
    sites = list(_sites(tree, lines))
    for rank in sorted({rank for rank, _, _ in sites}):
        for number, (own, line, what) in enumerate(sites):
            if own == rank:
                copied = copy.deepcopy(tree)
                _apply(copied, lines, number)
                changed = ast.unparse(ast.fix_missing_locations(copied))
                yield Mutant(line, what, changed, own == _WEAK)


def _raise() -> ast.stmt:
    return grow(_RAISE).body[0]


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _bodies(tree: ast.Module, line: int) -> Iterator[_Callable]:
    """Give the innermost function whose body, not whose head, holds a line, and the lambdas on that line."""
    found: Function | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            if node.body.lineno <= line <= (node.body.end_lineno or 0):
                yield node
        elif (
            isinstance(node, Function)
            and node.body[0].lineno <= line <= (node.end_lineno or 0)
            and (found is None or node.lineno >= found.lineno)
        ):
            found = node
    if found is not None:
        yield found


_Change = Callable[[], None]
_Site = tuple[int, int, str, _Change]


def _sites(tree: ast.Module, lines: frozenset[int]) -> Iterator[tuple[int, int, str]]:
    for rank, line, what, _ in _changes(tree, lines):
        yield rank, line, what


def _apply(tree: ast.Module, lines: frozenset[int], number: int) -> None:
    """Make the change with this number; a copy of a tree has the same changes in the same order."""
    for found, (_, _, _, change) in enumerate(_changes(tree, lines)):
        if found == number:
            change()
            return


def _changes(tree: ast.Module, lines: frozenset[int]) -> Iterator[_Site]:
    for function in [node for node in ast.walk(tree) if isinstance(node, _Callable)]:
        inside = isinstance(function, ast.Lambda) and _is_inside(function, tree)
        for statement in [] if inside else _body(function):
            for node in _looked_at(statement):
                if getattr(node, "lineno", 0) in lines:
                    yield from _changes_of(node)


def _body(function: _Callable) -> list[ast.AST]:
    return [function.body] if isinstance(function, ast.Lambda) else [*function.body]


def _is_inside(own: ast.Lambda, tree: ast.Module) -> bool:
    """Say whether a lambda stands in a function, which is looked at as a whole."""
    return any(
        node is own
        for function in ast.walk(tree)
        if isinstance(function, Function)
        for statement in function.body
        for node in ast.walk(statement)
    )


def _looked_at(top: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes whose meaning a test should notice; inner functions are looked at by themselves."""
    if isinstance(top, (*_FUNCTIONS, ast.Raise, ast.Assert)) or _talks(top):
        return
    yield top
    for name, value in ast.iter_fields(top):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _looked_at(child)


def _talks(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    names = {part.id for part in ast.walk(node.value.func) if isinstance(part, ast.Name)}
    names |= {part.attr for part in ast.walk(node.value.func) if isinstance(part, ast.Attribute)}
    return bool({name.lower().strip("_") for name in names} & _TALK)


def _changes_of(node: ast.AST) -> Iterator[_Site]:
    """Give the changes of one node: rank, line, words, and what makes it."""
    line: int = getattr(node, "lineno", 0)
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield _WEAK, line, "return None", lambda: setattr(node, "value", ast.Constant(None))
    elif isinstance(node, ast.If | ast.IfExp):
        negated = ast.UnaryOp(ast.Not(), node.test)
        yield 1, line, f"not ({ast.unparse(node.test)[:60]})", lambda: setattr(node, "test", negated)
    elif isinstance(node, ast.Compare):
        yield from _swaps(node.ops, 0, line)
    elif (isinstance(node, ast.BinOp) and not (_is_text(node.left) or _is_text(node.right))) or isinstance(
        node, ast.BoolOp
    ):
        yield from _swap_op(node, line)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        twice = ast.UnaryOp(ast.Not(), node.operand)
        yield 3, line, "without not", lambda: setattr(node, "operand", twice)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield 2, line, f"without {ast.unparse(node.value)[:60]}", lambda: setattr(node, "value", _nothing())
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield 4, line, f"{value!r} for {node.value!r}", lambda: setattr(node, "value", value)


def _swaps(ops: list[ast.cmpop], at: int, line: int) -> Iterator[_Site]:
    new = _SWAPPED.get(type(ops[at]))
    if new is not None:
        what = f"{new.__name__} for {type(ops[at]).__name__}"
        yield 2, line, what, lambda: ops.__setitem__(at, new())


def _swap_op(node: ast.BinOp | ast.BoolOp, line: int) -> Iterator[_Site]:
    new = _SWAPPED.get(type(node.op))
    if new is not None:
        yield 2, line, f"{new.__name__} for {type(node.op).__name__}", lambda: setattr(node, "op", new())


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _nothing() -> ast.expr:
    return ast.Constant(None)
