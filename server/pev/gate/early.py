"""Gives its due to code that ran before coverage began to look: what pytest itself imports.

A plugin of pytest, or a package that pytest needs, is imported before any measuring begins. Its functions are
seen later, the lines that only an import runs never. Where a function ran, they did too.
"""

import ast
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pev.gate.syntax import parse


async def count_imports(
    report: Mapping[str, Any] | None, read: Callable[[str], Awaitable[bytes | None]]
) -> dict[str, Any] | None:
    """Give a report of coverage (its JSON) in which lines that an early import ran count as run.

    `read` gives the source of a file by its path in the report.
    """
    files = report.get("files") if report else None
    if not report or not isinstance(files, dict):
        return None if report is None else dict(report)
    out, more = {}, 0
    for path, one in files.items():
        ran, missed = set(one.get("executed_lines") or ()), set(one.get("missing_lines") or ())
        source = await read(path) if ran and missed else None
        early = _early(source, ran, missed) if source is not None else set()
        out[path] = one
        if early:
            more += len(early)
            out[path] = one | {"executed_lines": sorted(ran | early), "missing_lines": sorted(missed - early)}
    totals = report.get("totals")
    if not more or not isinstance(totals, dict):
        return dict(report)
    return {**report, "files": out, "totals": _settled(totals, more)}


def _early(source: bytes, ran: set[int], missed: set[int]) -> set[int]:
    """Give the missed lines that an import must have run; none if some of what it runs was seen."""
    tree = parse(source)
    if tree is None:
        return set()
    certain = _imported(tree.body)
    inside = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for line in range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
    }
    return missed & certain if ran & inside and not ran & (certain - inside) else set()


def _imported(body: list[ast.stmt]) -> set[int]:
    """Give the lines of statements that every import of a module runs: those under no condition."""
    out: set[int] = set()
    for node in body:
        inner = getattr(node, "body", None)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            out |= set(range(first, max(node.body[0].lineno, node.lineno + 1)))
            out |= _imported(node.body) if isinstance(node, ast.ClassDef) else set()
        elif inner is None:
            out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return out


def _settled(totals: Mapping[str, Any], more: int) -> dict[str, Any]:
    covered = int(totals.get("covered_lines") or 0) + more
    hit = covered + int(totals.get("covered_branches") or 0)
    every = int(totals.get("num_statements") or 0) + int(totals.get("num_branches") or 0)
    return {
        **totals,
        "covered_lines": covered,
        "missing_lines": max(0, int(totals.get("missing_lines") or 0) - more),
        "percent_covered": 100 * hit / every if every else totals.get("percent_covered"),
    }
