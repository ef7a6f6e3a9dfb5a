"""Breaks Rust on purpose, by its syntax tree."""

from collections.abc import Iterator
from typing import Final

from pev.gate.grammar import line_of, read_as, walk
from pev.gate.rust.source import tests_only
from pev.gate.sabotage import Unit

# behind a condition, so that the compiler does not call what follows unreachable
_PANIC: Final = ' if true { panic!("this code was replaced on purpose"); } '


def breaks(source: str, lines: frozenset[int]) -> Iterator[Unit]:
    """Give each function whose body holds one of `lines`, with a source in which it panics when called.

    What is compiled for tests alone is left as it is.
    """
    tree, _ = read_as(source, "rust")
    spans = tests_only(tree)
    for node in walk(tree):
        body = node.field("body") if node.kind() == "function_item" else None
        if body is None:
            continue
        touched = lines & frozenset(range(line_of(node), body.range().end.line + 2))
        if touched and not any(line_of(node) in span for span in spans):
            at = body.range().start.index + 1
            name = node.field("name")
            yield Unit(name.text() if name else "a function", touched, source[:at] + _PANIC + source[at:])


def without_module(source: str) -> str:
    """Let a file fail to build."""
    return f'{source}\ncompile_error!("this code was replaced on purpose");\n'
