"""Parses Python that somebody else wrote: whatever it is, the answer is a tree or None, never a crash.

One thread at a time: the interpreter counts the depth of the tree that it builds in one place for all
threads, and raises SystemError where two build at once (https://github.com/python/cpython/issues/106905).
Libraries that build trees elsewhere do not know of our lock, so what fails this way is tried again.
"""

import ast
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from packaging.requirements import Requirement

_BUILDING: Final = threading.Lock()
_TRIES: Final = 20
T = TypeVar("T")


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
    return _build(lambda: ast.parse(source))


def grow_value(source: str) -> ast.expr:
    """Give the syntax tree of an expression that is known to be sound. Raises what `ast.parse` raises."""
    return _build(lambda: ast.parse(source, mode="eval").body)


def grow_requirement(line: str) -> Requirement:
    """Parse a requirement, whose markers `packaging` reads as syntax trees. Raises InvalidRequirement."""
    return _build(lambda: Requirement(line))


def _build(build: Callable[[], T]) -> T:
    for _ in range(_TRIES):
        with suppress(SystemError), _BUILDING:
            return build()
    with _BUILDING:
        return build()
