"""Finds where TypeScript is told to believe a type instead of being shown one: casts by way of `any`."""

import re
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import line_of, read_as, walk
from pev.gate.javascript.inventory import GRAMMARS

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_OPEN: Final = re.compile(r"any(?:\[\])*|never|Function|unknown")


def casts(source: str) -> tuple[tuple[int, str], ...]:
    """List casts to a type that takes anything, with their lines; `as unknown as T` is one."""
    tree, _ = read_as(source, "typescript", *GRAMMARS)
    return tuple(
        (line_of(node), " ".join(node.text().split())[:200])
        for node in walk(tree)
        if _OPEN.fullmatch(_target(node))
    )


def _target(node: "SgNode") -> str:
    """Give the type that a node casts to, "" if it is no cast."""
    named = [one for one in node.children() if one.is_named()]
    if node.kind() == "as_expression" and named:
        return named[-1].text()
    return named[0].text().strip("<> ") if node.kind() == "type_assertion" and named else ""
