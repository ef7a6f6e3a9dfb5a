"""Finds the new suppressions that keep nothing back: without them the tools of the gate say the same.

A comment for a linter that the gate does not run, or for a rule that its configuration does not choose, hides
nothing from the gate. Only those count that name what they suppress, and those of tests; the tool is run
without them to see.
Lines that no interpreter can reach (`if TYPE_CHECKING:`) need no coverage, so nothing is hidden there either.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pev.gate.faces import belongs_to_tests
from pev.gate.interface import Check, CheckJob
from pev.gate.lint import Lint
from pev.gate.suppressions import Suppression
from pev.gate.syntax import parse
from pev.gate.types import Types
from pev.gate.unsuppressed import look_without, reach, wanting

_TOOLS: Final[Mapping[str, type[Check]]] = {"noqa": Lint, "type-ignore": Types}
_NAMED: Final = re.compile(r"noqa\s*:\s*[a-z]+[0-9]+|ignore\s*\[\s*[\w-]+")
_CONDITION: Final = re.compile(r"^if (?:(\w+)\.)?TYPE_CHECKING:")

Fresh = Mapping[str, Sequence[Suppression]]


async def idle_ones(job: CheckJob, fresh: Fresh, texts: Mapping[str, str]) -> set[tuple[str, Suppression]]:
    """Give those of the new suppressions, by path, that hide nothing from this gate.

    `texts` are the files as they are now. What cannot be measured is not idle.
    """
    out = {(path, one) for path, every in fresh.items() for one in every if _unreachable(one, texts[path])}
    for kind, own, check in wanting(job, _TOOLS):
        mine = {
            path: [one for one in every if one.kind == kind and _may_be(one, path)]
            for path, every in fresh.items()
            if own.in_project(path) and path.endswith((".py", ".pyi"))
        }
        out |= await _idle_for(own, check, {path: some for path, some in mine.items() if some}, texts)
    return out


def _may_be(one: Suppression, path: str) -> bool:
    """Say whether a suppression says what it is for; in tests, where no product can hide, any will do.

    One that stands alone would speak for lines that are yet to be written.
    """
    if belongs_to_tests(path):
        return True
    return _NAMED.search(one.text) is not None and not one.code.startswith("#")


async def _idle_for(
    job: CheckJob, check: Check, fresh: Fresh, texts: Mapping[str, str]
) -> set[tuple[str, Suppression]]:
    """Run a check on the change without some of its suppressions; give those that nothing came of."""
    seen = await look_without(job, check, fresh, texts) if fresh else None
    if seen is None or seen.unmeasured is not None:
        return set()
    said: dict[str, set[int]] = {}
    for finding in seen.findings:
        said.setdefault(finding.path or "", set()).add(finding.line or 0)
    return {
        (path, one)
        for path, every in fresh.items()
        for one in every
        if said.get(path, set()).isdisjoint(reach(one, texts[path]))
    }


def _unreachable(one: Suppression, text: str) -> bool:
    """Say whether coverage is not wanted of what only type checkers read."""
    condition = _CONDITION.match(one.code) if one.kind == "no-cover" else None
    tree = parse(text) if condition else None
    if condition is None or tree is None:
        return False
    given = condition[1] or "TYPE_CHECKING"
    bound = [found for node in ast.walk(tree) for found in _bindings(node) if found[0] in (given, "*")]
    return bool(bound) and {source for _, source in bound} == {
        "typing" if condition[1] else "typing.TYPE_CHECKING"
    }


def _bindings(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Give the names that a node binds, or writes to, and what they stand for; "" if that is not plain."""
    if isinstance(node, ast.Import):
        yield from ((one.asname or one.name, one.name) for one in node.names)
    elif isinstance(node, ast.ImportFrom):
        for one in node.names:
            yield one.asname or one.name, "" if node.level else f"{node.module}.{one.name}"
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, ""
    elif isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING":
        plain = isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name)
        yield from () if plain else [(ast.unparse(node.value), ""), (node.attr, "")]
    elif isinstance(node, ast.arg):
        yield node.arg, ""
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, ""
    elif isinstance(node, ast.Constant) and node.value == "TYPE_CHECKING":
        yield "*", ""  # somebody writes it by its name
