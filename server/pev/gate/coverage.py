"""Reads what coverage measured, and demands it of the changed lines and of the total.

The total must not fall below the floor, or below the base's where the base is under the floor; one that
falls only because covered lines are gone is none that fell. Of the lines that the change wrote, as many per
cent must be run by a test as the floor says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pev.findings import Finding
from pev.gate.demands import joined
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import CheckJob, FindingMaker

_TOLERANCE: Final = 0.1
"""Points that a total may fall: lines that depend on timing are run now and then, on the same code too."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The measured lines of one file."""

    executed: frozenset[int]
    missing: frozenset[int]


def total_of(report: Mapping[str, Any] | None) -> float | None:
    """Give the total in per cent, or None if nothing was measured."""
    totals = report.get("totals") if report else None
    value = totals.get("percent_covered") if isinstance(totals, dict) else None
    statements = totals.get("num_statements") if isinstance(totals, dict) else 0
    return float(value) if isinstance(value, int | float) and statements else None


def missing_of(report: Mapping[str, Any] | None) -> int | None:
    """Give how many lines and branches no test ran, or None if nothing was measured."""
    totals = report.get("totals") if report else None
    if total_of(report) is None or not isinstance(totals, dict):
        return None
    return int(totals.get("missing_lines") or 0) + int(totals.get("missing_branches") or 0)


def lines_of(report: Mapping[str, Any] | None, prefix: str) -> dict[str, Lines]:
    """Give the measured lines by path relative to the repository; `prefix` is the project's root."""
    files = report.get("files") if report else None
    out = {}
    for path, one in (files if isinstance(files, dict) else {}).items():
        out[joined(prefix, path)] = Lines(
            frozenset(one.get("executed_lines", ())), frozenset(one.get("missing_lines", ()))
        )
    return out


def changed_lines_findings(
    job: CheckJob, make: FindingMaker, measured: Mapping[str, Lines], floor: float
) -> tuple[list[Finding], str]:
    """Give the findings about changed lines that no test runs, and a note on how many are run."""
    hit, missed = 0, {}
    for path, lines in measured.items():
        changed = job.changed_lines.get(path, frozenset())
        if belongs_to_tests(path):
            continue
        hit += len(changed & lines.executed)
        if changed & lines.missing:
            missed[path] = sorted(changed & lines.missing)
    count = hit + sum(map(len, missed.values()))
    if not count:
        return [], ""
    share = 100 * hit / count
    note = f"{share:.0f} % of {count} changed lines run"
    if share >= floor:
        return [], note
    found = [
        make.make(
            "changed-lines-not-run",
            f"no test runs lines {spans(lines)} ({share:.0f} % of changed lines are run, {floor:g} % wanted)",
            path=path,
            line=lines[0],
            context="changed-lines-not-run",
            remedy="Add tests that run these lines.",
        )
        for path, lines in sorted(missed.items())
    ]
    return found, note


def total_findings(
    make: FindingMaker, total: float, base: float | None, floor: float, *, grown: int | None = None
) -> list[Finding]:
    """Give the finding about a total that fell; `base` is the base's total, None if there is none.

    `grown` says by how many lines and branches that no test runs grew; None if that is not known.
    """
    limit = floor if base is None else min(floor, base)
    if total >= limit - _TOLERANCE or (base is not None and grown is not None and grown <= 0):
        return []
    was = "" if base is None else f"; it was {base:.2f} %"
    return [
        make.make(
            "coverage-fell",
            f"coverage is {total:.2f} %, under {limit:.4g} %{was}",
            context="coverage-fell",
            remedy="Add tests for what this change adds.",
        )
    ]


def spans(lines: list[int]) -> str:
    """Write sorted line numbers as spans: `3-5, 9`, ten spans at most."""
    out: list[list[int]] = []
    for line in lines:
        if out and line == out[-1][1] + 1:
            out[-1][1] = line
        else:
            out.append([line, line])
    text = ", ".join(f"{low}-{high}" if low != high else str(low) for low, high in out[:10])
    return text + (f" and {len(out) - 10} more" if len(out) > 10 else "")
