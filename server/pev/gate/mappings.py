"""Finds arguments of subprocess that reach it in a way no scanner follows: in mappings, or by position.

A function may hand its own `**keywords` on: whoever calls it with `shell=True` is seen there.
"""

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeGuard

from pev.gate.names import Names

_CALLS: Final = {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")}
_KEYS: Final = {"shell", "preexec_fn"}
_SHELL_POSITION: Final = 8


class Mapping(NamedTuple):
    """Arguments that cannot be followed, or that ask for a shell."""

    line: int
    what: str


def find_mappings(names: Names) -> Iterator[Mapping]:
    """List what a file passes to subprocess by mappings, and the mappings that ask for a shell."""
    for node in names.nodes:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "shell" and _is_true(value):
                    yield Mapping(key.lineno, "a mapping holds the argument shell")
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if _key(target) == "shell" and _is_true(node.value):
                    yield Mapping(node.lineno, "a mapping gets the argument shell")
        elif isinstance(node, ast.Call) and (called := names.meanings(node.func) & _CALLS):
            yield from _in_call(names, node, min(called))


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is True or node.value == 1)


def _key(node: ast.expr) -> object:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value
    return None


def _in_call(names: Names, node: ast.Call, called: str) -> Iterator[Mapping]:
    if len(node.args) > _SHELL_POSITION:
        yield Mapping(node.lineno, f"{called} gets the argument shell by its position")
    for word in node.keywords:
        if word.arg is None and not _is_followed(names, word.value):
            yield Mapping(node.lineno, f"arguments of {called} come from a mapping that cannot be followed")


def _is_followed(names: Names, value: ast.expr, seen: frozenset[str] = frozenset()) -> bool:
    """Say whether the keys of a mapping are plain to see, and none of them is risky."""
    if isinstance(value, ast.IfExp):
        return all(_is_followed(names, part, seen) for part in (value.body, value.orelse))
    if isinstance(value, ast.Dict):
        return all(
            _is_followed(names, inner, seen) if key is None else _is_harmless(key)
            for key, inner in zip(value.keys, value.values, strict=True)
        )
    if isinstance(value, ast.Call):
        rest = [*value.args, *(word.value for word in value.keywords if word.arg is None)]
        return (
            names.is_builtin(value.func, "dict")
            and all(_is_followed(names, part, seen) for part in rest)
            and all(word.arg not in _KEYS for word in value.keywords)
        )
    return isinstance(value, ast.Name) and (
        value.id in seen or _is_safe_name(names, value, seen | {value.id})
    )


def _is_harmless(key: ast.expr) -> bool:
    return isinstance(key, ast.Constant) and key.value not in _KEYS


def _is_safe_name(names: Names, value: ast.Name, seen: frozenset[str]) -> bool:
    """Say whether a name is the `**keywords` of a function around it, or only ever a safe mapping."""
    given: list[ast.expr | None] = []
    for node in names.nodes:
        if isinstance(node, ast.Assign):
            given += [node.value for target in node.targets if _is(target, value.id)]
            if any(_is_part(target, value.id) and not _is_harmless(target.slice) for target in node.targets):
                return False
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and _is(node.target, value.id):
            given.append(node.value)
        elif isinstance(node, ast.Call) and not _is_safe_change(names, node, value.id, seen):
            return False
    if not given:
        return _is_own_keywords(names, value)
    return all(one is not None and _is_followed(names, one, seen) for one in given)


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_part(node: ast.expr, name: str) -> TypeGuard[ast.Subscript]:
    return isinstance(node, ast.Subscript) and _is(node.value, name)


def _is_safe_change(names: Names, node: ast.Call, name: str, seen: frozenset[str]) -> bool:
    """Say whether a call is not `name.update(…)` or the like, or one that adds nothing risky."""
    changes = isinstance(node.func, ast.Attribute) and _is(node.func.value, name) and node.func.attr
    if changes == "setdefault":
        return bool(node.args) and _is_harmless(node.args[0])
    if changes != "update":
        return True
    words = [word for word in node.keywords if word.arg is None or word.arg in _KEYS]
    return not words and all(_is_followed(names, arg, seen) for arg in node.args)


def _is_own_keywords(names: Names, value: ast.Name) -> bool:
    here: ast.AST | None = value
    while here is not None:
        if isinstance(here, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = here.args
            if arguments.kwarg is not None and arguments.kwarg.arg == value.id:
                return True
        here = names.parents.get(here)
    return False
