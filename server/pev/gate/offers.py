"""Says whether a new version of a test file can change nothing for the tests that were in it.

It may add tests, classes and imports, as long as nothing of that runs anything of its own while the file is
imported, and leaves no mark on what others use. Where that is in doubt the answer is no, and the old tests
are run as they stood: that costs a run, and blocks nobody.
"""

import ast
from collections.abc import Collection
from typing import Final

from pev.gate.fixtures import fixture_names
from pev.gate.marks import leaves_marks, stores_elsewhere
from pev.gate.syntax import parse

_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PLAIN_MARKS: Final = {
    "staticmethod": "builtins",
    "classmethod": "builtins",
    "property": "builtins",
    "abstractmethod": "abc",
    "override": "typing",
    "contextmanager": "contextlib",
    "asynccontextmanager": "contextlib",
    "dataclass": "dataclasses",
    "pytest": "",
}
_METHODS: Final = frozenset(
    f"__{name}__"
    for name in (
        *("init", "post_init", "repr", "str", "eq", "hash", "lt", "le", "gt", "ge", "len", "bool", "iter"),
        *(
            "next",
            "enter",
            "exit",
            "aenter",
            "aexit",
            "call",
            "getitem",
            "contains",
            "await",
            "aiter",
            "anext",
        ),
    )
)
_RUN_BY_PYTEST: Final = ("setup", "teardown", "pytest_", "load_tests")


def only_adds(old: str, new: str, fresh: Collection[str] = ()) -> bool:
    """Say whether a test file keeps all that it had, in order, and only adds what changes nothing for it.

    `fresh` are the names of modules beside the tests that the change writes: an import may run what it wrote.
    """
    old_tree, new_tree = parse(old), parse(new)
    if old_tree is None or new_tree is None:
        return False
    before, after = old_tree.body, new_tree.body
    names = {node.name for node in before if isinstance(node, (*_DEFS, ast.ClassDef))}
    names |= {node.id for top in before for node in ast.walk(top) if isinstance(node, ast.Name)}
    names |= fixture_names(old) | _PLAIN_MARKS.keys()
    rest = [ast.dump(node) for node in before]
    for node in after:
        if rest and ast.dump(node) == rest[0]:
            rest.pop(0)
        elif not _only_offers(node, names, fresh):
            return False
    return not rest


def _only_offers(node: ast.stmt, names: Collection[str], fresh: Collection[str]) -> bool:
    """Say whether a new statement of a module can change nothing for the tests that were there."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _imports_only(node, names, fresh)
    if isinstance(node, _DEFS):
        own = node.name.lower()
        hook = own.startswith((*_RUN_BY_PYTEST, "__"))
        return node.name not in names and not hook and _is_plain_function(node)
    return isinstance(node, ast.ClassDef) and node.name not in names and _is_plain_class(node)


def _imports_only(node: ast.Import | ast.ImportFrom, names: Collection[str], fresh: Collection[str]) -> bool:
    origin = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    if isinstance(node, ast.ImportFrom) and node.level:
        return False
    used = {part for name in (origin, *(alias.name for alias in node.names)) for part in name.split(".")}
    if used.intersection(fresh):
        return False
    for alias in node.names:
        bound = (alias.asname or alias.name).split(".")[0]
        # an import may be split or extended, but what tests use must stay what it was
        proper = _PLAIN_MARKS.get(bound) == origin and bound == alias.name
        if bound == "*" or bound.startswith("pytest_") or (bound in names and not proper):
            return False
    return True


def _is_plain_class(node: ast.ClassDef) -> bool:
    """Say whether a class runs nothing when it is made, and its methods leave no mark."""
    return (
        not node.keywords
        and all(map(_is_plain_type, node.bases))
        and all(map(_is_plain_mark, node.decorator_list))
        and all(map(_is_plain_member, node.body))
    )


def _is_plain_member(node: ast.stmt) -> bool:
    if isinstance(node, _DEFS):
        special = node.name.startswith("__") and node.name not in _METHODS
        return not special and _is_plain_function(node)
    if isinstance(node, ast.ClassDef):
        return _is_plain_class(node)
    if isinstance(node, ast.Assign):
        return all(isinstance(one, ast.Name) for one in node.targets) and _is_plain(node.value)
    if isinstance(node, ast.AnnAssign):
        plain = node.value is None or _is_plain(node.value)
        return isinstance(node.target, ast.Name) and plain and _is_plain_type(node.annotation)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_plain_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    given = node.args
    values = [*given.defaults, *(value for value in given.kw_defaults if value is not None)]
    every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
    types = [arg.annotation for arg in every if arg is not None and arg.annotation is not None]
    types += [node.returns] if node.returns is not None else []
    return (
        all(_is_plain_mark(mark) for mark in node.decorator_list)
        and all(map(_is_plain, values))
        and all(map(_is_plain_type, types))
        and not leaves_marks(node)
    )


def _is_plain_mark(mark: ast.expr) -> bool:
    """Say whether a decorator is one of Python's own, or a mark of pytest with plain arguments.

    A fixture is none: it can take the place of one that others ask for.
    """
    name = ast.unparse(mark.func if isinstance(mark, ast.Call) else mark)
    arguments = [*mark.args, *(word.value for word in mark.keywords)] if isinstance(mark, ast.Call) else []
    known = name.startswith("pytest.mark.") or (name in _PLAIN_MARKS and name != "pytest")
    return known and "usefixtures" not in name and all(map(_is_plain, arguments))


def _is_plain(node: ast.expr) -> bool:
    """Say whether an expression runs nothing of anybody's."""
    match node:
        case ast.Constant() | ast.Name() | ast.Lambda():
            return True
        case ast.Attribute(value=inner) | ast.UnaryOp(operand=inner) | ast.Starred(value=inner):
            return _is_plain(inner)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(map(_is_plain, parts))
        case ast.Dict(keys=keys, values=values):
            return all(key is not None and _is_plain(key) for key in keys) and all(map(_is_plain, values))
        case ast.BinOp(left=left, right=right):
            return all(isinstance(part, ast.Constant) or _is_sum(part) for part in (left, right))
        case ast.Call(func=func, args=args, keywords=words):
            values = [*args, *(word.value for word in words)]
            return ast.unparse(func) in ("pytest.param", "pytest.approx") and all(map(_is_plain, values))
        case _:
            return False


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp | ast.UnaryOp) and _is_plain(node)


def _is_plain_type(node: ast.expr) -> bool:
    match node:
        case ast.Subscript(value=outer, slice=inner):
            return _is_plain_type(outer) and _is_plain_type(inner)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_plain_type(left) and _is_plain_type(right)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return all(map(_is_plain_type, parts))
        case ast.Call() | ast.Lambda():
            return False
        case _:
            return _is_plain(node)


def runs_code(old: str, new: str, fresh: Collection[str] = ()) -> bool:
    """Say whether what is new in a test file may change, while it is imported, what other files test.

    Edited tests do not; classes whose bodies call something, decorators of their own, and new helpers may.
    """
    old_tree, new_tree = parse(old), parse(new)
    if old_tree is None or new_tree is None:
        return True
    return _runs(old_tree.body, new_tree.body, fresh)


def _runs(before: list[ast.stmt], after: list[ast.stmt], fresh: Collection[str]) -> bool:
    kept = {ast.dump(node) for node in before}
    return any(_is_loud(node, before, fresh) for node in after if ast.dump(node) not in kept)


def _is_loud(node: ast.stmt, before: list[ast.stmt], fresh: Collection[str]) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return not _imports_only(node, (), fresh)
    if isinstance(node, ast.ClassDef):
        was = [one.body for one in before if isinstance(one, ast.ClassDef) and one.name == node.name]
        heads = [*node.bases, *(word.value for word in node.keywords)]
        marked = not all(map(_is_quiet_mark, node.decorator_list)) or not all(map(_is_quiet, heads))
        return marked or _runs(was[0] if was else [], node.body, fresh)
    if isinstance(node, _DEFS):
        values = [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]
        marked = not all(map(_is_quiet_mark, node.decorator_list))
        return marked or not all(map(_is_quiet, values)) or bool(stores_elsewhere(node))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        own = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        return not own or (node.value is not None and not _is_quiet(node.value))
    return not isinstance(node, ast.Pass) and not (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _is_quiet_mark(mark: ast.expr) -> bool:
    """Say whether a decorator is one of Python's or pytest's own, and its arguments call nothing."""
    name = ast.unparse(mark.func if isinstance(mark, ast.Call) else mark)
    arguments = [*mark.args, *(word.value for word in mark.keywords)] if isinstance(mark, ast.Call) else []
    own = name.startswith("pytest.mark.") or name == "pytest.fixture" or name in _PLAIN_MARKS
    return own and all(map(_is_quiet, arguments))


def _is_quiet(node: ast.expr) -> bool:
    """Say whether an expression calls nothing but classes, to make an object, and pytest."""
    called = [ast.unparse(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return all(name.rpartition(".")[2][:1].isupper() or name.startswith("pytest.") for name in called)
