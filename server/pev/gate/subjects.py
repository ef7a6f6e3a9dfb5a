"""Which words of a repository are tests: test files, and the tests in them, by their syntax tree."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from pev.gate.syntax import grow, parse
from pev.models import Model

PATTERNS: Final = ("test_*.py", "*_test.py")
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SKIPS: Final = {
    "skip",
    "skipif",
    "skipIf",
    "skipUnless",
    "xfail",
    "importorskip",
    "SkipTest",
    "expectedFailure",
}
_BROAD: Final = {"Exception", "BaseException"}


class Test(Model):
    """One test. `body` is its code without its name, `asserts` the strength of each of its assertions."""

    __test__ = False  # the name is right, and pytest is not to collect it

    name: str
    line: int
    body: str
    asserts: tuple[int, ...] = ()
    skips: int = 0
    duplicates: int = 0


def is_test_file(path: str, patterns: tuple[str, ...] = PATTERNS) -> bool:
    """Say whether pytest would collect this file by its name."""
    return any(fnmatchcase(PurePosixPath(path).name, pattern) for pattern in patterns)


def is_test_ground(path: str) -> bool:
    """Say whether a file belongs to the tests: one itself, or one in a test folder."""
    pure = PurePosixPath(path)
    return (
        is_test_file(path)
        or pure.name == "conftest.py"
        or bool({"tests", "test", "testing"} & set(pure.parts[:-1]))
    )


def inventory(source: str) -> dict[str, Test] | None:
    """List the tests of a file by their qualified names, or give None if it cannot be parsed."""
    tree = parse(source)
    if tree is None:
        return None
    skipped = _module_skips(tree)
    out: dict[str, Test] = {}
    for name, node in _tests(tree.body, ""):
        test = _describe(name, node, skipped)
        out[name] = test.model_copy(update={"duplicates": out[name].duplicates + 1}) if name in out else test
    return out


def _tests(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, _DEFS) and node.name.startswith("test"):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef) and _is_test_class(node):
            disabled = _is_disabled(node)
            yield from (
                (name, inner) for name, inner in _tests(node.body, f"{prefix}{node.name}::") if not disabled
            )
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for field in ("body", "orelse", "finalbody"):
                yield from _tests(getattr(node, field, []), prefix)


def _is_test_class(node: ast.ClassDef) -> bool:
    return node.name.startswith("Test") or any("Test" in ast.unparse(base) for base in node.bases)


def _is_disabled(node: ast.ClassDef) -> bool:
    """Say whether a class says `__test__ = False`."""
    return any(
        isinstance(inner, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__test__" for target in inner.targets)
        and isinstance(inner.value, ast.Constant)
        and not inner.value.value
        for inner in node.body
    )


def _module_skips(tree: ast.Module) -> int:
    """Count what skips a whole file: a `pytestmark`, or a skip on module level."""
    outside = [node for node in tree.body if not isinstance(node, (*_DEFS, ast.ClassDef))]
    return sum(_count_skips(node) for node in outside)


def _describe(name: str, node: ast.AST, skipped: int) -> Test:
    copied = grow(ast.unparse(node)).body[0]
    if isinstance(copied, _DEFS):
        copied.name = "test"
    return Test(
        name=name,
        line=getattr(node, "lineno", 1),
        body=ast.dump(copied),
        asserts=tuple(sorted(_strengths(node), reverse=True)),
        skips=_count_skips(node) + skipped,
    )


def _count_skips(node: ast.AST) -> int:
    names = (
        inner.attr if isinstance(inner, ast.Attribute) else inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute | ast.Name)
    )
    return sum(name in _SKIPS for name in names)


def _strengths(node: ast.AST) -> Iterator[int]:
    """Give how much each assertion demands: 4 equality, 3 an order or an error, 2 weaker, 0 nothing."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert):
            yield _strength(inner.test)
        elif isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
            if name in ("raises", "warns", "assertRaises", "assertWarns", "assertRaisesRegex"):
                broad = bool(inner.args) and ast.unparse(inner.args[0]) in _BROAD
                yield (1 if broad else 3) + (len(inner.keywords) > 0)
            elif name.startswith("assert"):
                yield (
                    4
                    if name in ("assertEqual", "assert_called_once_with", "assertDictEqual", "assertIs")
                    else 3
                )


def _strength(test: ast.expr) -> int:
    if isinstance(test, ast.Constant):
        return 0
    if isinstance(test, ast.BoolOp):
        parts = [_strength(value) for value in test.values]
        return min(parts) if isinstance(test.op, ast.Or) else max(parts)
    if isinstance(test, ast.Compare):
        return min(_comparison(op, right) for op, right in zip(test.ops, test.comparators, strict=True))
    if isinstance(test, ast.UnaryOp):
        return 2
    if isinstance(test, ast.Call):
        return 2
    return 1


def _comparison(op: ast.cmpop, right: ast.expr) -> int:
    if isinstance(op, ast.Eq):
        loose = isinstance(right, ast.Call) and len(right.keywords) > 0  # approx with a tolerance of its own
        return 3 if loose else 4
    if isinstance(op, ast.Is):
        return 4
    if isinstance(op, ast.IsNot | ast.NotEq):
        return 1
    return 2 if isinstance(op, ast.In | ast.NotIn) else 3
