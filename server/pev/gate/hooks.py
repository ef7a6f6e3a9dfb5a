"""Finds modules other than conftest.py that steer pytest: plugin lists, the plugin manager, hooks in tests.

pytest loads the plugins that any test module names, and believes what they report.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from pev.gate.subjects import is_test_ground
from pev.gate.syntax import parse

_WORDS: Final = {"pytest_plugins", "pluginmanager"}


class Hook(NamedTuple):
    """Something that pytest would obey."""

    line: int
    what: str


def find_hooks(path: str, old: str, new: str) -> Iterator[Hook]:
    """List what a new version of a module tells pytest to do that the old one does not."""
    if PurePosixPath(path).name == "conftest.py":
        return  # protected as a whole
    known = Counter(what for _, what in _hooks(path, old))
    for one in _hooks(path, new):
        if known[one.what] > 0:
            known[one.what] -= 1
        else:
            yield one


def _hooks(path: str, source: str) -> Iterator[Hook]:
    if "pytest_" not in source and "pluginmanager" not in source:
        return
    tree = parse(source)
    for node in ast.walk(tree) if tree is not None else ():
        word, line = _word(node), int(getattr(node, "lineno", 1))
        if word in _WORDS:
            yield Hook(line, f"it uses {word}")
        elif _defines(node) and word.startswith("pytest_") and is_test_ground(path):
            yield Hook(line, f"it defines the hook {word}")


def _defines(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _word(node: ast.AST) -> str:
    """Give the word that a node is: a name, an attribute, a text, or what an import binds."""
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Constant(value=str(word)):
            return word
        case ast.alias(name=name, asname=asname):
            return asname or name
        case ast.FunctionDef(name=word) | ast.AsyncFunctionDef(name=word) | ast.ClassDef(name=word):
            return word
        case _:
            return ""
