"""Output: rich on a terminal, plain elsewhere, JSON on request. Foreign text is made harmless."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from pev.findings import Finding, GateReport, Outcome
from pev.text import harmless, one_line

STYLE: Final = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.HELD: "yellow",
    Outcome.INCONCLUSIVE: "magenta",
    Outcome.SKIPPED: "dim",
}
MAX_SHOWN: Final = 50
out: Final = Console(soft_wrap=True)
err: Final = Console(stderr=True, soft_wrap=True)
Report = Callable[[str, float, float], Awaitable[None]]


def print_text(text: str) -> None:
    """Print text as it is, without markup."""
    out.print(harmless(text), markup=False, highlight=False)


def print_note(text: str) -> None:
    """Print a line for whoever waits, on standard error."""
    err.print(harmless(text), markup=False, highlight=False)


def print_json(text: str) -> None:
    """Print one JSON document on standard output, unformatted."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows: a table on a terminal, tab-separated lines elsewhere."""
    if not out.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(one_line(cell, 1_000) for cell in row) + "\n")
        return
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(one_line(cell, 300)) for cell in row))
    out.print(table)


def coloured(outcome: Outcome) -> str:
    """Write an outcome in its colour."""
    return f"[{STYLE[outcome]}]{outcome}[/]"


def print_finding(finding: Finding) -> None:
    """Print a finding: where, what, and the honest way to green."""
    place = finding.path or "-"
    if finding.line:
        place += f":{finding.line}"
    rule = escape(f"{finding.check}/{finding.rule}")
    age = "" if finding.counts() else f" [dim]({finding.allowed_by or finding.age})[/]"
    message = escape(one_line(finding.message))
    out.print(f"  {escape(place)} [bold]{rule}[/] {message}{age} [dim]{finding.fingerprint[:8]}[/]")
    if finding.help and finding.counts():
        out.print(f"      [dim]{escape(one_line(finding.help))}[/]")


def print_report(report: GateReport) -> None:
    """Print a gate's report: findings that count first, then a line for each check, then the outcome."""
    counting = [one for one in report.findings if one.counts()]
    for finding in counting[:MAX_SHOWN]:
        print_finding(finding)
    if len(counting) > MAX_SHOWN:
        out.print(f"  and {len(counting) - MAX_SHOWN} more: --json shows all")
    for check in report.checks:
        old = sum(not one.counts() for one in check.findings)
        note = one_line(check.reason) or (f"{old} old findings" if old else "")
        out.print(
            f"{check.check:10} {coloured(check.outcome)} {check.seconds:6.1f} s  {escape(note)}",
            highlight=False,
        )
    confined = "" if report.sandboxed else " [yellow](not sandboxed)[/]"
    reason = f": {escape(one_line(report.reason))}" if report.reason else ""
    out.print(f"[bold]gate[/]       {coloured(report.outcome)} {report.seconds:6.1f} s{confined}{reason}")


@asynccontextmanager
async def live_progress(*, quiet: bool) -> AsyncIterator[Report]:
    """Show progress on a terminal, on standard error; nothing elsewhere, or when `quiet`."""
    if quiet or not err.is_terminal:

        async def nothing(_message: str, _at: float, _of: float) -> None:
            return None

        yield nothing
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        async def report(message: str, at: float, of: float) -> None:
            bar.update(task, description=escape(one_line(message, 80)), completed=at, total=of)

        yield report
