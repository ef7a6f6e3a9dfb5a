"""What the gate measures: findings, results of checks, the report of a whole gate.

An outcome is never a bool: what could not be measured is neither passed nor failed.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pydantic import Field

from pev.models import Digest, LetThrough, Model, ObjectId, digest_of


class Outcome(StrEnum):
    """What a check, or a gate, says."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    HELD = "HELD"
    INCONCLUSIVE = "INCONCLUSIVE"
    SKIPPED = "SKIPPED"


_WORST_FIRST: Final = (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.HELD, Outcome.PASSED)


class Severity(StrEnum):
    """How bad a finding is by itself, as its tool says."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Age(StrEnum):
    """Whether the change introduced a finding, or the base had it already."""

    NEW = "new"
    OLD = "old"


class Effect(StrEnum):
    """What a new finding does to the outcome of its check."""

    BLOCKS = "blocks"
    HOLDS = "holds"
    NOTES = "notes"


class Finding(Model):
    """One thing that a check saw.

    `path` is relative to the repository's root, in POSIX form. `line` counts from 1. The
    fingerprint does not depend on line numbers. `help` is the shortest honest way to green.
    """

    check: str
    rule: str
    path: str | None = None
    line: int | None = Field(default=None, ge=1)
    message: str
    severity: Severity = Severity.ERROR
    effect: Effect = Effect.BLOCKS
    fingerprint: Digest
    age: Age = Age.NEW
    help: str = ""
    allowed_by: str | None = Field(default=None, description="who let it through, if anyone did")

    def counts(self) -> bool:
        """Say whether the finding bears on the outcome: new, and not let through."""
        return self.age is Age.NEW and self.allowed_by is None


def fingerprint(check: str, rule: str, path: str | None, context: str, nth: int = 0) -> Digest:
    """Give a name to a finding that survives moved lines.

    `context` is the text of the line that it stands on, or its message; white space is folded.
    `nth` counts earlier findings that are equal in all else.
    """
    folded = " ".join(context.split())
    return digest_of("\0".join((check, rule, path or "", folded, str(nth))).encode("utf-8", "replace"))


class NetworkDenial(Model):
    """A connection that the code under test was refused; no `reason` says that nobody allowed the host."""

    host: str
    port: int
    reason: str = ""


class CheckResult(Model):
    """What one check says about one tree.

    `excerpt` holds at most 64 KiB of harmless text, the middle cut out; the whole log is the blob
    `log`. `reason` is one short sentence, always there unless the outcome is PASSED. `hint` says what of the
    network or of the machine the code under test seems to have missed.
    """

    check: str
    outcome: Outcome
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    blocking: bool = True
    seconds: float = Field(default=0.0, ge=0)
    tools: dict[str, str] = Field(default_factory=dict, description="tool name to version")
    environment: Digest | None = None
    sandbox: str = "none"
    sandboxed: bool = False
    cached: bool = False
    excerpt: str = ""
    log: Digest | None = None
    hint: str = ""
    denied: tuple[NetworkDenial, ...] = ()


class GateReport(Model):
    """The gate's answer about one snapshot, with everything that it is bound to."""

    outcome: Outcome
    reason: str = ""
    key: Digest
    snapshot: ObjectId
    base_commit: ObjectId
    trusted_commit: ObjectId
    policy_hash: Digest
    policy_source: str
    plan_hash: Digest | None = None
    changed_files: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    let_throughs: tuple[LetThrough, ...] = ()
    held_out: Digest | None = Field(default=None, description="the held-out tests that it ran, by hash")
    sandbox: str = "none"
    sandboxed: bool = False
    advisory_day: str = ""
    seconds: float = Field(default=0.0, ge=0)
    cached: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding of every check, those that count first."""
        found = [finding for check in self.checks for finding in check.findings]
        return tuple(sorted(found, key=lambda one: (not one.counts(), one.effect is Effect.NOTES)))


def outcome_of_findings(findings: Iterable[Finding]) -> Outcome:
    """Give the outcome that findings alone impose: FAILED, HELD or PASSED."""
    effects = {finding.effect for finding in findings if finding.counts()}
    if Effect.BLOCKS in effects:
        return Outcome.FAILED
    return Outcome.HELD if Effect.HOLDS in effects else Outcome.PASSED


def outcome_of_checks(checks: Iterable[CheckResult]) -> Outcome:
    """Give the outcome of a gate. Without a single check that measured something it is FAILED.

    FAILED outweighs INCONCLUSIVE, which outweighs HELD, which outweighs PASSED. Checks that do not
    block, and skipped ones, do not count.
    """
    outcomes = {check.outcome for check in checks if check.blocking} - {Outcome.SKIPPED}
    return next((one for one in _WORST_FIRST if one in outcomes), Outcome.FAILED)
