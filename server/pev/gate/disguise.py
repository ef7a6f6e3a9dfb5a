"""Finds names that are put together at run time so that scanners do not see them.

`getattr(x, "ca" + "ll")`, `import_module("sub" + "process")`, `**{"sh" + "ell": True}`, decoded strings that
are executed: the parts are constants, so the only effect of the detour is to hide the whole.
"""

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from pev.gate.syntax import parse

_BY_NAME: Final = {
    "getattr",
    "setattr",
    "hasattr",
    "import_module",
    "__import__",
    "attrgetter",
    "methodcaller",
}
_RUNNERS: Final = {"exec", "eval", "compile"}
_DECODERS: Final = {
    "b64decode",
    "b32decode",
    "b16decode",
    "b85decode",
    "a85decode",
    "unhexlify",
    "fromhex",
    "decompress",
    "loads",
    "decode",
    "chr",
    "join",
    "format",
    "replace",
    "reversed",
}


class Disguise(NamedTuple):
    """A hidden name; `certain` when its parts are all constants."""

    line: int
    what: str
    certain: bool


def find_disguises(source: str | bytes) -> Iterator[Disguise]:
    """List the hidden names of a file, in no order; a file that is not Python has none."""
    tree = parse(source)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(node)
        elif isinstance(node, ast.Subscript) and _is_space(node.value) and _is_made_of_constants(node.slice):
            yield Disguise(node.lineno, ast.unparse(node), certain=True)


def _in_call(node: ast.Call) -> Iterator[Disguise]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _BY_NAME:
        position = 1 if name in ("getattr", "setattr", "hasattr") else 0
        if len(node.args) > position and _is_made_of_constants(node.args[position]):
            yield Disguise(node.lineno, ast.unparse(node), certain=True)
    elif name in _RUNNERS and node.args and _is_decoded(node.args[0]):
        yield Disguise(node.lineno, ast.unparse(node), certain=False)
    for word in node.keywords:
        if word.arg is None and isinstance(word.value, ast.Dict):
            hidden = [key for key in word.value.keys if key is not None and _is_made_of_constants(key)]
            yield from (Disguise(key.lineno, f"**{{{ast.unparse(key)}: …}}", certain=True) for key in hidden)
    func = node.func
    if isinstance(func, ast.Subscript) and not _is_space(func.value) and _is_made_of_constants(func.slice):
        yield Disguise(node.lineno, ast.unparse(node), certain=True)


def _is_space(node: ast.expr) -> bool:
    """Say whether an expression gives the names of a module."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("__dict__", "__globals__", "modules")
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
    return called in ("vars", "globals", "locals")


def _is_made_of_constants(node: ast.expr) -> bool:
    """Say whether an expression is computed, and all that it is computed from are constants."""
    if isinstance(node, ast.Constant | ast.Name | ast.Attribute):
        return False
    if not isinstance(node, ast.BinOp | ast.JoinedStr | ast.Call | ast.Subscript):
        return False
    leaves = [leaf for leaf in ast.walk(node) if isinstance(leaf, ast.Name)]
    return all(
        leaf.id in _DECODERS or leaf.id in ("base64", "bytes", "codecs", "binascii") for leaf in leaves
    )


def _is_decoded(node: ast.expr) -> bool:
    calls = (leaf.func for leaf in ast.walk(node) if isinstance(leaf, ast.Call))
    names = (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls)
    return any(name in _DECODERS - {"format", "replace", "join"} for name in names)
