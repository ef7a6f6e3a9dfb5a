"""Finds the comments that tell a tool to look away, in languages that are read by tree-sitter.

What stands in a string is no comment. A source that cannot be read is looked at line by line, as text.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pev.gate.grammar import comments, read_as
from pev.gate.suppressions import Suppression

if TYPE_CHECKING:
    from ast_grep_py import SgNode

Words = Sequence[tuple[str, re.Pattern[str]]]
"""Kinds of suppressions, each with the pattern of what it says inside a comment."""
More = Callable[["SgNode"], Iterable[tuple[str, str, int]]]
"""Finds suppressions that are no comments in a tree: kind, text and line."""


def _no_more(_tree: "SgNode") -> tuple[tuple[str, str, int], ...]:
    return ()


def find_words(
    source: str, grammars: Sequence[str], words: Words, more: More = _no_more
) -> tuple[Suppression, ...]:
    """List the suppressions of a source, in order; `grammars` are tried in turn."""
    lines = source.splitlines()
    said = comments(source, grammars)
    found = [
        (kind, hit.group(), line)
        for line, text in (list(enumerate(lines, 1)) if said is None else said)
        for kind, pattern in words
        for hit in pattern.finditer(text)
    ]
    found += more(read_as(source, *grammars)[0])
    made = (
        Suppression(kind=kind, text=" ".join(text.split()).lower(), line=line, code=_at(lines, line))
        for kind, text, line in found
    )
    return tuple(sorted(made, key=lambda one: one.line))


def _at(lines: list[str], number: int) -> str:
    return " ".join(lines[number - 1].split()) if number <= len(lines) else ""
