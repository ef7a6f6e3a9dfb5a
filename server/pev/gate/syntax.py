"""Parses Python that somebody else wrote: whatever it is, the answer is a tree or None, never a crash.

One thread at a time: the interpreter counts the depth of the tree that it builds in one place for all
threads, and raises SystemError where two build at once (https://github.com/python/cpython/issues/106905).
"""

import ast
import threading
from typing import Final

_BUILDING: Final = threading.Lock()


def parse(source: str | bytes) -> ast.Module | None:
    """Give the syntax tree of a source, or None if it is not Python, or too deep to be looked at."""
    try:
        tree = grow(source)
        ast.unparse(tree)  # what cannot be written back is nested too deeply for any look at it
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


def grow(source: str | bytes) -> ast.Module:
    """Give the syntax tree of a source that is known to be sound. Raises what `ast.parse` raises."""
    with _BUILDING:
        return ast.parse(source)


def grow_value(source: str) -> ast.expr:
    """Give the syntax tree of an expression that is known to be sound. Raises what `ast.parse` raises."""
    with _BUILDING:
        return ast.parse(source, mode="eval").body
