"""Says whether a function changes things that are not its own: by assignment, or by what is made for it.

What a function made itself is its own: a local name that only ever holds literals and new objects.
"""

import ast
from collections.abc import Iterator
from typing import Final

# what replaces or changes things of others, whatever it is called on
_REACHING: Final = {
    *("setattr", "delattr", "__setattr__", "__delattr__", "__dict__", "__class__", "__code__", "vars"),
    *("globals", "exec", "eval", "compile", "__import__", "import_module", "modules", "start", "environ"),
    *("update", "clear", "pop", "popitem", "setdefault", "__setitem__", "append", "insert", "extend"),
    *("settrace", "setprofile", "atexit", "register", "gc", "ctypes", "_pytest", "Thread", "config"),
}
_ALIASING: Final = {"cast", "type", "getattr", "vars", "super", "globals"}


def leaves_marks(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function may change what others see; in doubt it may."""
    return any(_marks(function))


def _marks(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[bool]:
    own = _own_objects(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield True
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield _root(node) not in own
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id in _REACHING
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr in _REACHING and _root(node) not in own
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield any(part in _REACHING for alias in node.names for part in alias.name.split("."))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _own_objects(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Give the local names that only ever hold what the function made itself, and `self`."""
    made: dict[str, bool] = {"self": True}
    for node in ast.walk(function):
        pairs: list[tuple[ast.expr, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            pairs = [(node.target, None)]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            pairs = [(node.optional_vars, None)]
        for target, value in pairs:
            for name in (inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name)):
                if isinstance(target, ast.Name) or not isinstance(target, ast.Attribute | ast.Subscript):
                    made[name] = made.get(name, True) and value is not None and _makes(value)
    return {name for name, own in made.items() if own}


def _makes(node: ast.expr) -> bool:
    """Say whether an expression makes a new object: a literal, or a call of what has a class's name."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name[:1].isupper()
    return isinstance(node, ast.Constant | ast.List | ast.Dict | ast.Set | ast.JoinedStr | ast.ListComp)


def stores_elsewhere(function: ast.AST) -> str:
    """Give what a function plainly writes into that is an import or a global, or another name of one."""
    aliased, local = _aliases(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root = _root(node)
            if root and (root in aliased or root not in local) and ".environ[" not in ast.unparse(node):
                return ast.unparse(node)
    return ""


def _aliases(function: ast.AST) -> tuple[set[str], set[str]]:
    """Give the local names that are other names of something, and all local names."""
    aliased: set[str] = set()
    local: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            local.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            local.add(node.id)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if _is_alias(node.value):
                aliased |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Global):
            aliased.update(node.names)
    return aliased, local


def _is_alias(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return name in _ALIASING
    return isinstance(value, ast.Name | ast.Attribute)
