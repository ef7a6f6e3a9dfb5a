"""Finds where a change takes types away instead of correcting them.

Annotations of the base that became `Any` or `object`, or that are gone; casts that only change what the type
checker believes; and code that it reads and the interpreter does not, or the other way round. Only what the
base does not have counts. Each of these can be honest, so each holds the change for a person.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pev.findings import Effect
from pev.gate.checker_only import checker_only
from pev.gate.contents import Seen
from pev.gate.subjects import is_test_ground
from pev.gate.syntax import parse

_HELP: Final = "Correct the value or the type; a person can allow this one."
_CAST: Final = "a value is cast, which changes nothing but what the type checker believes"
_APART: Final = "the type checker and the interpreter are given different code"
# these take anything by their nature
_OPEN: Final = {"__eq__", "__ne__", "__contains__", "__exit__", "__aexit__", "__setattr__"}
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TYPE = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)
_DEEP: Final = 5
# a generic without its parameters has `Any` in the place of each
_BARE: Final = (
    dict.fromkeys(("Generator", "Coroutine"), 3)
    | dict.fromkeys(
        ("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict"), 2
    )
    | dict.fromkeys(
        ("list", "List", "set", "Set", "frozenset", "FrozenSet", "tuple", "Tuple", "type", "Type"), 1
    )
    | dict.fromkeys(
        ("Callable", "Iterable", "Iterator", "Sequence", "Collection", "IO", "Pattern", "Match"), 1
    )
    | dict.fromkeys(
        ("deque", "Deque", "Counter", "Awaitable", "AsyncIterator", "AsyncIterable", "partial"), 1
    )
)


class _Slot(NamedTuple):
    """A place for a type: what stands there, its line, whether something must, and whether it annotates."""

    type: ast.expr | None
    line: int
    required: bool
    annotates: bool = True


def find_slack(path: str, old: str | None, new: str) -> Iterator[Seen]:
    """List where a Python file says less about its types than it did. Tests may say what they like."""
    tree = None if is_test_ground(path) else parse(new)
    if tree is None:
        return
    before = parse(old or "") or ast.Module(body=[], type_ignores=[])
    yield from _looser(before, tree)
    for rule, message, had, has in (
        ("type-cast", _CAST, _casts(before), _casts(tree)),
        ("checker-only", _APART, checker_only(before), checker_only(tree)),
    ):
        known = Counter(text for text, _ in had)
        for text, line in has:
            known[text] -= 1
            if known[text] < 0:
                yield Seen(rule, line, message, Effect.HOLDS, _HELP)


def _looser(before: ast.Module, after: ast.Module) -> Iterator[Seen]:
    had, has = _loose_names(before), _loose_names(after)
    slots = dict(_slots(after.body, ""))
    for name, was in dict(_slots(before.body, "")).items():
        now = slots.get(name)
        if now is None or was.type is None:
            continue
        if now.type is None:
            if was.required:
                message = f"the annotation of {name} is gone"
                yield Seen("annotation-removed", now.line, message, Effect.HOLDS, _HELP)
        elif _looseness(now.type, has, _bare_of(now)) > _looseness(was.type, had, _bare_of(was)):
            message = f"the annotation of {name} lets in anything now"
            yield Seen("annotation-loosened", now.line, message, Effect.HOLDS, _HELP)


def _loose_names(tree: ast.Module) -> Mapping[str, int]:
    """Give the names that stand for any type at all in this file, or hold such ones, with how many."""
    names = dict.fromkeys(("Any", "object", "Incomplete"), 1)
    aliases: list[tuple[str, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {one.asname: 1 for one in node.names if one.asname and one.name in names}
        elif isinstance(node, ast.Assign) and isinstance(node.value, _TYPE):
            aliases += [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
        elif own := _declared_alias(node):
            aliases.append(own)
    for _ in range(_DEEP):  # one may be made of others
        found = {name: count for name, value in aliases if (count := _looseness(value, names, {}))}
        if found.items() <= names.items():
            break
        names |= found
    return names


def _declared_alias(node: ast.AST) -> tuple[str, ast.expr] | None:
    """Give name and value of `X: TypeAlias = ...` or `type X = ...`."""
    if isinstance(node, ast.AnnAssign) and node.value is not None and _last(node.annotation) == "TypeAlias":
        return ast.unparse(node.target), node.value
    if type(node).__name__ == "TypeAlias":  # the node is new in Python 3.12
        name, value = getattr(node, "name", None), getattr(node, "value", None)
        return (name.id, value) if isinstance(name, ast.Name) and isinstance(value, ast.expr) else None
    return None


def _last(node: ast.AST) -> str:
    """Give the last part of a name, written as such or as a text; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.strip().rpartition(".")[2]
    return ""


def _bare_of(slot: _Slot) -> Mapping[str, int]:
    """Give the generics that lack their parameters if they stand alone; a value may be one as it is."""
    return _BARE if slot.annotates else {}


def _looseness(node: ast.AST, names: Mapping[str, int], bare: Mapping[str, int]) -> int:
    """Count how often a type says `Any`; a type that is written as a text is read too."""
    count = 0
    given = {id(inner.value) for inner in ast.walk(node) if isinstance(inner, ast.Subscript)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            quoted = parse(inner.value.strip())
            count += _looseness(quoted, names, bare) if quoted else 0
        elif _is_name(inner):
            alone = bare if id(inner) not in given else {}
            count += names.get(_last(inner), alone.get(_last(inner), 0))
    return count


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def _slots(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, _Slot]]:
    """Give the places for types by their qualified names; what is inside of functions does not count."""
    for node in body:
        if isinstance(node, _DEFS):
            yield from _signature(node, prefix)
        elif isinstance(node, ast.ClassDef):
            yield from _slots(node.body, f"{prefix}{node.name}.")
        elif own := _declared_alias(node):
            yield prefix + own[0], _Slot(own[1], node.lineno, required=False)
        elif isinstance(node, ast.AnnAssign):
            name = prefix + ast.unparse(node.target)
            yield name, _Slot(node.annotation, node.lineno, required=False)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if isinstance(node.value, _TYPE):
                yield (
                    prefix + node.targets[0].id,
                    _Slot(node.value, node.lineno, required=False, annotates=False),
                )
        else:
            for field in ("body", "orelse", "finalbody"):
                yield from _slots(getattr(node, field, []), prefix)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str) -> Iterator[tuple[str, _Slot]]:
    if node.name in _OPEN:
        return
    name = f"{prefix}{node.name}"
    yield f"{name}()", _Slot(node.returns, node.lineno, required=True)
    own = node.args
    every = (*own.posonlyargs, *own.args, *own.kwonlyargs, own.vararg, own.kwarg)
    for arg in (one for one in every if one is not None):
        yield f"{name}({arg.arg})", _Slot(arg.annotation, arg.lineno, required=True)


def _casts(tree: ast.Module) -> list[tuple[str, int]]:
    """List casts to anything and of plain values, and plain values that are declared to be anything."""
    names = _loose_names(tree)
    casts = {"cast"} | {
        one.asname or one.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if one.name == "cast"
    }
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last(node.func) in casts:
            given = [*node.args, *(word.value for word in node.keywords)]
            if any(_last(one) in names for one in given[:1]) or any(map(_is_plain, given[1:])):
                out.append((ast.unparse(node), node.lineno))
        elif isinstance(node, ast.AnnAssign) and _last(node.annotation) in names:
            out += [(ast.unparse(node), node.lineno)] if node.value and _is_plain(node.value) else []
    return out


def _is_plain(node: ast.expr) -> bool:
    """Say whether a value is a text or a number as it stands."""
    return isinstance(node, ast.Constant) and node.value is not None and node.value is not ...
