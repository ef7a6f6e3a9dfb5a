"""Judges a changed conftest.py by its syntax tree: does it only offer new fixtures, or does it steer the run?

Fixtures that nobody had before cannot change what existing tests mean. Hooks, autouse fixtures, plugin
lists, code that runs on import, and fixtures under a name that is already used can.
"""

import ast
from collections.abc import Collection, Iterable
from typing import Final

from pev.gate.marks import stores_elsewhere
from pev.gate.syntax import parse

_STEERING: Final = {
    "_exit",
    "_pytest",
    "__import__",
    "__builtins__",
    "exec",
    "eval",
    "compile",
    "setattr",
    "delattr",
    "modules",
    "settrace",
    "setprofile",
    "atexit",
    "hookimpl",
    "hookspec",
    "autouse",
    "pluginmanager",
    "import_module",
    "kill",
    "abort",
    "gc",
    "ctypes",
}
_PYTEST_FIXTURES: Final = {
    "cache",
    "capfd",
    "capfdbinary",
    "caplog",
    "capsys",
    "capsysbinary",
    "capteesys",
    "config",
    "doctest_namespace",
    "monkeypatch",
    "pytestconfig",
    "pytester",
    "recwarn",
    "record_property",
    "record_testsuite_property",
    "record_xml_attribute",
    "request",
    "subtests",
    "testdir",
    "tmp_path",
    "tmp_path_factory",
    "tmpdir",
    "tmpdir_factory",
    "event_loop",
    "anyio_backend",
    "cov",
    "no_cover",
    "mocker",
}
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)


def steers(old: str | None, new: str | None, taken: Collection[str]) -> str:
    """Say how a new version of a conftest.py steers the test run, or give "" if it does not.

    `taken` are names of fixtures that existing tests or other files use already.
    """
    old_tree, new_tree = parse(old or ""), parse(new or "")
    if old_tree is None or new_tree is None:
        return "it cannot be parsed"
    before, after = old_tree.body, new_tree.body
    kept = {ast.dump(node) for node in before if not _is_docstring(node)}
    gone = kept - {ast.dump(node) for node in after}
    if gone:
        return "something that stood there is changed or gone"
    added = [node for node in after if ast.dump(node) not in kept and not _is_docstring(node)]
    names = {node.name for node in before if isinstance(node, (*_DEFS, ast.ClassDef))}
    return next((why for node in added if (why := _fault(node, {*taken, *names}))), "")


def _stores(node: ast.AST) -> str:
    functions = (inner for inner in ast.walk(node) if isinstance(inner, _DEFS))
    return next((what for inner in functions if (what := stores_elsewhere(inner))), "")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _fault(node: ast.stmt, taken: Collection[str]) -> str:
    """Say what is wrong with one new top-level statement, or give ""."""
    words = sorted(_words(node) & _STEERING)
    if words:
        return f"it uses {words[0]!r}"
    if isinstance(node, (*_DEFS, ast.ClassDef)) and (elsewhere := _stores(node)):
        return f"it writes to {elsewhere}, which is not its own"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _import_fault(node)
    if isinstance(node, _DEFS):
        return _function_fault(node, taken)
    if isinstance(node, ast.ClassDef):
        calls = any(isinstance(inner, ast.Call) for inner in ast.walk(node) if inner not in _bodies(node))
        return f"class {node.name} runs code on import" if node.decorator_list or calls else ""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return _assignment_fault(node)
    return f"line {node.lineno} runs on import"


def _import_fault(node: ast.Import | ast.ImportFrom) -> str:
    bound = [(name.asname or name.name).split(".")[0] for name in node.names]
    hook = next((name for name in bound if name.startswith("pytest_") or name == "*"), "")
    return f"it imports {hook!r}, which may be a hook" if hook else ""


def _function_fault(node: ast.FunctionDef | ast.AsyncFunctionDef, taken: Collection[str]) -> str:
    if node.name.startswith("pytest_"):
        return f"it defines the hook {node.name}"
    marks = [ast.unparse(mark).split("(")[0] for mark in node.decorator_list]
    if any(
        mark not in ("pytest.fixture", "fixture", "contextmanager", "contextlib.contextmanager")
        for mark in marks
    ):
        return f"{node.name} has a decorator that is not a fixture"
    own = {node.name} | {
        str(word.value.value)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call)
        for word in mark.keywords
        if word.arg == "name" and isinstance(word.value, ast.Constant)
    }
    clash = sorted(own & ({*taken} | _PYTEST_FIXTURES))
    return f"the fixture name {clash[0]!r} is in use already" if clash else ""


def _assignment_fault(node: ast.Assign | ast.AnnAssign) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(target, ast.Name) for target in targets):
        return f"line {node.lineno} changes something that is not its own"
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    steering = next((name for name in names if name.startswith(("pytest_", "collect_ignore"))), "")
    if steering:
        return f"it sets {steering}"
    value = node.value
    allowed = ("Path", "frozenset", "TypeVar", "NewType", "object")
    for inner in ast.walk(value) if value is not None else ():
        if isinstance(inner, ast.Call) and ast.unparse(inner.func).split(".")[-1] not in allowed:
            return f"line {node.lineno} runs code on import"
    return ""


def _words(node: ast.AST) -> set[str]:
    """Give every name, attribute, keyword and short string that a statement mentions."""
    out: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            out.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            out.add(inner.attr)
        elif isinstance(inner, ast.keyword) and inner.arg:
            out.add(inner.arg)
        elif isinstance(inner, ast.alias):
            out.update(inner.name.split("."))
        elif isinstance(inner, ast.ImportFrom) and inner.module:
            out.update(inner.module.split("."))
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and len(inner.value) < 40:
            out.add(inner.value)
    return out


def _bodies(node: ast.ClassDef) -> set[ast.AST]:
    """Give everything inside the methods of a class: it does not run on import."""
    return {
        deep
        for inner in node.body
        if isinstance(inner, _DEFS)
        for part in inner.body
        for deep in ast.walk(part)
    }


def fixture_names(source: str, *, beyond: bool = False) -> set[str]:
    """Give the names that a file's tests and fixtures ask for or offer.

    With `beyond` only those that the file does not answer itself: what it offers at its top comes before what
    a conftest.py offers, except for a fixture that asks for the one of its own name above it.
    """
    tree = parse(source)
    if tree is None:
        return set()
    named = set(_asked(ast.walk(tree)))
    if not beyond:
        return named
    own = {
        name
        for node in tree.body
        if isinstance(node, _DEFS) and any("fixture" in ast.unparse(mark) for mark in node.decorator_list)
        for name in _offered_as(node)
        if name not in {arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)}
    }
    again = {
        name for name in own if sum(name in _offered_as(n) for n in tree.body if isinstance(n, _DEFS)) > 1
    }
    return named - (own - again)


def _offered_as(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Give the name of a fixture: its own, unless the decorator names another."""
    words = [word for mark in node.decorator_list if isinstance(mark, ast.Call) for word in mark.keywords]
    named = [word.value for word in words if word.arg == "name"]
    return {str(one.value) for one in named if isinstance(one, ast.Constant)} if named else {node.name}


def _asked(nodes: Iterable[ast.AST]) -> Iterable[str]:
    for node in nodes:
        if isinstance(node, _DEFS):
            yield from (arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
            if any("fixture" in ast.unparse(mark) for mark in node.decorator_list):
                yield node.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("usefixtures", "getfixturevalue")
        ):
            yield from (
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            )
