"""Parses Python that somebody else wrote: whatever it is, the answer is a tree or None, never a crash."""

import ast


def parse(source: str | bytes) -> ast.Module | None:
    """Give the syntax tree of a source, or None if it is not Python, or too deep to be looked at."""
    try:
        tree = ast.parse(source)
        ast.unparse(tree)  # what cannot be written back is nested too deeply for any look at it
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree
