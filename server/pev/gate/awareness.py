"""Product code that knows that it is being tested, or that answers yes to everything.

Code that is shipped has no business with the test runner: whoever patches it, asks whether it is there, reads
its arguments, or skips its tests, can make any result of it worthless. A project that is itself about tests
does such things honestly, so this holds a change and never fails it.
"""

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from pev.gate.syntax import parse

_RUNNERS: Final = {"pytest", "_pytest", "pluggy", "coverage", "unittest", "nose", "xdist", "pytest_cov"}
_MARKS: Final = ("_pytest", "PYTEST_", "COV_CORE_", "COVERAGE_PROCESS_")
_WATCHED: Final = {
    "orig_argv": "reads the arguments of the process that runs it",
    "settrace": "replaces what coverage measures with",
    "setprofile": "replaces what coverage measures with",
    "monitoring": "replaces what coverage measures with",
    "getsource": "reads its own source",
    "getsourcelines": "reads its own source",
    "SkipTest": "skips tests",
}
_YES: Final = {"__eq__": True, "__ne__": False, "__contains__": True, "__instancecheck__": True}


class Aware(NamedTuple):
    """One sign; `what` is a sentence without its subject."""

    line: int
    what: str


def signs_of(old: str, new: str) -> list[Aware]:
    """List the signs in a product file that its base does not have; none if it is not Python."""
    known = {one.what for one in _signs(old)}
    seen: dict[str, Aware] = {}
    for one in _signs(new):
        if one.what not in known:
            seen.setdefault(one.what, one)
    return list(seen.values())


def _signs(source: str) -> Iterator[Aware]:
    tree = parse(source)
    if tree is None:
        return
    harmless = {id(node) for node in _harmless(tree)}
    for node in ast.walk(tree):
        if id(node) not in harmless:
            yield from _sign(node)


def _sign(node: ast.AST) -> Iterator[Aware]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
        taken = {one.name for one in node.names} if isinstance(node, ast.ImportFrom) else set()
        for name in sorted({name.partition(".")[0] for name in named} & _RUNNERS):
            yield Aware(node.lineno, f"imports the test runner {name}")
        if node.__class__ is ast.ImportFrom and named == ["sys"]:
            yield from (Aware(node.lineno, _WATCHED[name]) for name in sorted(taken & _WATCHED.keys()))
        if "__main__" in named:
            yield Aware(node.lineno, "looks into the program that runs it")
    elif isinstance(node, ast.Attribute) and node.attr in _WATCHED:
        yield Aware(node.lineno, _WATCHED[node.attr])
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if node.value in _RUNNERS - {"coverage"} or node.value.startswith(_MARKS):
            yield Aware(node.lineno, f"asks for the test runner: {node.value[:40]!r}")
        elif node.value == "__main__":
            yield Aware(node.lineno, "looks into the program that runs it")
    elif isinstance(node, ast.FunctionDef) and node.name in _YES and _always(node) is _YES[node.name]:
        yield Aware(node.lineno, f"says that anything is equal to it: {node.name} gives a constant")
    elif isinstance(node, ast.Call) and _reads_itself(node):
        yield Aware(node.lineno, "reads its own source")
    elif isinstance(node, ast.Call | ast.Subscript | ast.Compare) and _looks_up(node):
        yield Aware(node.lineno, "asks for the test runner among the modules")


def _looks_up(node: ast.Call | ast.Subscript | ast.Compare) -> bool:
    """Say whether a runner's name is looked up among loaded modules, or imported by its name."""
    inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context)]
    words = {one.value for one in inner if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    names = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    names |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return bool(words & _RUNNERS and names & {"modules", "import_module", "__import__", "find_spec"})


def _harmless(tree: ast.Module) -> Iterator[ast.AST]:
    """Give the constants that say nothing: docstrings, and the question whether this is the main program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.Compare) and "__name__" in {
            one.id for one in ast.walk(node) if isinstance(one, ast.Name)
        }:
            yield from ast.walk(node)


def _always(node: ast.FunctionDef) -> object:
    """Give the constant that a function returns whatever it is asked, or None."""
    returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
    if returned and all(isinstance(one, ast.Constant) for one in returned):
        values = {one.value for one in returned if isinstance(one, ast.Constant)}
        return values.pop() if len(values) == 1 else None
    return None


def _reads_itself(node: ast.Call) -> bool:
    """Say whether a call opens the very file that it stands in."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "open":
        return any(isinstance(one, ast.Name) and one.id == "__file__" for one in node.args)
    if name in ("read_text", "read_bytes") and isinstance(node.func, ast.Attribute):
        inner = node.func.value
        return isinstance(inner, ast.Call) and any(
            isinstance(one, ast.Name) and one.id == "__file__" for one in inner.args
        )
    return False
