"""Finds code that a type checker reads and the interpreter does not, or the other way round.

Imports and names that only annotations use belong there. Values do not: a name that is one thing for the
checker and another for the interpreter is checked by nobody.
"""

import ast
import re
from typing import Final

_FLAGS: Final = {"TYPE_CHECKING", "MYPY"}
_TYPES: Final = {"TypeVar", "ParamSpec", "TypeVarTuple", "object", "Any"}
_CAMEL: Final = re.compile(r"_*[A-Z]([A-Za-z0-9]*[a-z][A-Za-z0-9_]*)?$")


def checker_only(tree: ast.Module) -> list[tuple[str, int]]:
    """List the statements and expressions that give checker and interpreter different code, with lines."""
    ifs = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _flags(node.test)]
    out: list[tuple[str, int]] = []
    conditions: set[ast.expr] = set()
    for node in ifs:
        conditions |= set(_flags(node.test))
        shown, hidden = (node.orelse, node.body) if _is_negative(node.test) else (node.body, node.orelse)
        apart = {id(inner) for statement in shown for inner in ast.walk(statement)}
        bound = {name for inner in ast.walk(tree) if id(inner) not in apart for name in _bound(inner)}
        bad = [one for one in shown if not _is_harmless(one) and _names(one) & bound]
        bad += [one for one in shown if isinstance(one, ast.Raise | ast.Assert | ast.Return)]
        bad += [one for one in hidden if not _is_harmless(one)]
        out += [(ast.unparse(one), one.lineno) for one in bad]
    # a flag that is no condition of an `if` chooses between values
    return out + [(ast.unparse(one), one.lineno) for one in _flags(tree) if one not in conditions]


def _flags(node: ast.AST) -> list[ast.expr]:
    """Give the places in an expression that name one of the flags."""
    return [
        inner
        for inner in ast.walk(node)
        if (isinstance(inner, ast.Name) and inner.id in _FLAGS and isinstance(inner.ctx, ast.Load))
        or (isinstance(inner, ast.Attribute) and inner.attr in _FLAGS)
    ]


def _is_negative(test: ast.expr) -> bool:
    return any(isinstance(inner, ast.Not) for inner in ast.walk(test))


def _names(statement: ast.stmt) -> set[str]:
    """Give the names that a statement binds where it stands; what a class or a function holds is its own."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    return {name for inner in ast.walk(statement) for name in _bound(inner)}


def _bound(node: ast.AST) -> list[str]:
    """Give the names that one node binds, itself."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).partition(".")[0]]
    return []


def _is_harmless(statement: ast.stmt) -> bool:
    """Say whether a statement only imports, stops, says nothing, or gives a type another name."""
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass | ast.Raise):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.If | ast.Try):
        inner = [*statement.body, *statement.orelse, *getattr(statement, "finalbody", [])]
        inner += [one for handler in getattr(statement, "handlers", []) for one in handler.body]
        return all(map(_is_harmless, inner))
    if isinstance(statement, ast.Assign):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        if ast.unparse(statement.value).partition("(")[0].rpartition(".")[2] in _TYPES:
            return True
        kinds = ast.Name | ast.Attribute | ast.Subscript | ast.BinOp
        camel = all(_CAMEL.match(name) for name in names)
        return len(names) == len(statement.targets) and camel and isinstance(statement.value, kinds)
    return False
