"""What a person reads when a run is escalated: one screen, never a log.

Which checks, which findings, what was tried in each attempt, and what would let it through.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pev.core import Core
from pev.errors import PevError
from pev.findings import Effect, Finding, GateReport, Outcome
from pev.models import Model
from pev.run import RunState
from pev.text import one_line, reveal

MAX_LINES: Final = 40
MAX_COLUMNS: Final = 100
_ATTEMPTS: Final = 4
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


async def tried(core: Core, state: RunState) -> tuple[Attempt, ...]:
    """Give the newest attempts of a run, oldest first. Files that cannot be told are left out."""
    ended = [gate for gate in state.gates if gate.outcome is not None][-_ATTEMPTS - 1 :]
    out: list[Attempt] = []
    seen: set[str] = set()
    trees: list[str] = [state.base_commit, *(gate.snapshot for gate in ended)]
    if len(state.gates) > len(ended):
        trees[0] = ended[0].snapshot if ended else state.base_commit
    for gate, (before, after) in zip(ended, pairwise(trees), strict=True):
        report = await core.report(state, attempt=gate.attempt)
        now = {one.fingerprint for one in report.findings if one.counts()} if report else set()
        out.append(
            Attempt(
                attempt=gate.attempt,
                outcome=gate.outcome or Outcome.INCONCLUSIVE,
                reason=gate.reason,
                findings=len(now),
                gone=len(seen - now),
                new=len(now - seen),
                files=await _files(core, state, before, after),
            )
        )
        seen = set(now)
    return tuple(out[-_ATTEMPTS:])


async def _files(core: Core, state: RunState, before: str, after: str) -> tuple[str, ...]:
    try:
        return tuple(one.path for one in await core.kept(state).changes(before, after))
    except PevError:
        return ()


def escalation_text(header: str, state: RunState, report: GateReport | None, tries: Sequence[Attempt]) -> str:
    """Write what a person reads: at most MAX_LINES lines of MAX_COLUMNS characters."""
    lines = [*header.splitlines()[:3], "", f"Escalated: {state.reason or 'the attempts are used up'}"]
    lines += ["", f"Attempts: {state.attempts_used} of {state.max_attempts} used"]
    lines += [_attempt(one, first=nth == 0 and one.attempt == 1) for nth, one in enumerate(tries)]
    if report is not None:
        bad = [one for one in report.checks if one.outcome not in _CALM]
        told = [one for one in report.findings if one.counts() and one.effect is not Effect.NOTES]
        counting = sorted(told, key=lambda one: one.effect is Effect.HOLDS)
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
    count = f"{one.findings} findings"
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
    unmeasured = [one.check for one in report.checks if one.outcome is Outcome.INCONCLUSIVE]
    ways = []
    if defects:
        ways.append(f"- {defects} defects: fixed in another attempt, or let through by you, by their ids")
    if held:
        ways.append(f"- {held} held findings: only you can let them through, by their ids")
    if unmeasured:
        ways.append(f"- {', '.join(unmeasured)}: must be measured first; nobody can let it through")
    return ways or ["- another attempt: the gate named no finding that could be let through"]
