"""What a person reads when a run is escalated: one screen, never a log.

Which checks, which findings, what was tried in each attempt, and what would let it through.
"""

from collections.abc import Sequence
from typing import Final

from pev.findings import Effect, Finding, GateReport, Outcome
from pev.models import Model
from pev.run import RunState
from pev.text import one_line, reveal

MAX_LINES: Final = 40
MAX_COLUMNS: Final = 100
MAX_ATTEMPTS: Final = 4
_CHECKS: Final = 6
_FINDINGS: Final = 8
_FILES: Final = 4
_CALM: Final = (Outcome.PASSED, Outcome.SKIPPED)


class Attempt(Model):
    """One attempt, against the one before it: what its gate said, and which files had been changed."""

    attempt: int
    outcome: Outcome
    reason: str = ""
    findings: int = 0
    gone: int = 0
    new: int = 0
    files: tuple[str, ...] = ()


def weighing(report: GateReport) -> list[Finding]:
    """Give the findings that stop a change: new, not let through, and more than a note."""
    return [one for one in report.findings if one.counts() and one.effect is not Effect.NOTES]


def escalation_text(header: str, state: RunState, report: GateReport | None, tries: Sequence[Attempt]) -> str:
    """Write what a person reads: at most MAX_LINES lines of MAX_COLUMNS characters."""
    lines = [*header.splitlines()[:3], "", f"Escalated: {state.reason or 'the attempts are used up'}"]
    lines += ["", f"Attempts: {state.attempts_used} of {state.max_attempts} used"]
    lines += [_attempt(one, first=nth == 0 and one.attempt == 1) for nth, one in enumerate(tries)]
    if report is not None:
        bad = [one for one in report.checks if one.outcome not in _CALM]
        counting = sorted(weighing(report), key=lambda one: one.effect is Effect.HOLDS)
        lines += ["", "Checks", *(f"- {one.check}: {one.outcome} {one.reason}" for one in bad[:_CHECKS])]
        lines += [f"- and {len(bad) - _CHECKS} more checks"] if len(bad) > _CHECKS else []
        lines += ["", "Findings", *map(_finding, counting[:_FINDINGS])]
        lines += [f"- and {len(counting) - _FINDINGS} more: see pev show {state.id}"] * (
            len(counting) > _FINDINGS
        )
        lines += ["", "What would let it through", *_ways(report, counting)]
    return "\n".join(_row(line) for line in lines)


def _row(text: str) -> str:
    row = one_line(reveal(text), MAX_COLUMNS)
    return row if len(row) <= MAX_COLUMNS else f"{row[: MAX_COLUMNS - 1]}…"


def _attempt(one: Attempt, *, first: bool) -> str:
    count = _count(one.findings, "finding")
    if not first:
        count += f" ({one.gone} gone, {one.new} new)"
    named = ", ".join(one.files[:_FILES])
    more = f" and {len(one.files) - _FILES} more" if len(one.files) > _FILES else ""
    return f"- {one.attempt}: {one.outcome}, {count}; changed: {named or 'nothing'}{more}"


def _finding(one: Finding) -> str:
    place = f"{one.path}:{one.line}" if one.line else one.path or "-"
    held = " (held)" if one.effect is Effect.HOLDS else ""
    return f"- [{one.fingerprint[:8]}] {one.check}/{one.rule}{held} {place}: {one.message}"


def _ways(report: GateReport, counting: Sequence[Finding]) -> list[str]:
    held = sum(one.effect is Effect.HOLDS for one in counting)
    defects = len(counting) - held
    if report.outcome is Outcome.PASSED:
        return ["- the gate passed: retry goes on with it as it is, or with a comment for the author"]
    unmeasured = [one.check for one in report.checks if one.outcome is Outcome.INCONCLUSIVE]
    ways = []
    if defects:
        ways.append(f"- {_count(defects, 'defect')}: fixed in another attempt, or let through by you, by id")
    if held:
        ways.append(f"- {_count(held, 'held finding')}: let through by you alone, by id")
    if unmeasured:
        ways.append(f"- {', '.join(unmeasured)}: must be measured first; nobody can let it through")
    return ways or ["- another attempt: the gate named no finding that could be let through"]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
