"""Findings that the dependency checks of all languages share: known vulnerabilities, and vendored code."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from pev.findings import Effect, Finding, Severity
from pev.gate.audit import Audit
from pev.gate.interface import CheckJob, FindingMaker, Measured


def audited(
    make: FindingMaker,
    audit: Audit,
    place: Callable[[str], str | None],
    other: str,
    *,
    found: Sequence[Finding],
    unmeasured: str | None = None,
) -> Measured:
    """Give what an audit of new packages says, after what was `found` or could not be measured before it.

    `place` says where a package is declared, `other` what kind of thing is to be used instead.
    """
    fault = unmeasured or audit.unmeasured
    return Measured(
        findings=(*found, *_advisories(make, audit, place, other)),
        reason=f"{audit.audited} new {other}s audited",
        unmeasured=fault,
        outside=fault is not None,
    )


def _advisories(
    make: FindingMaker, audit: Audit, place: Callable[[str], str | None], other: str
) -> list[Finding]:
    return [
        make.make(
            one.id,
            f"{one.package} {one.version}: {one.id} {one.text}",
            path=place(one.package),
            context=f"{one.package} {one.version} {one.id}",
            anywhere=True,
            remedy=f"Use {one.package} {' or '.join(one.fixed)}." if one.fixed else f"Use another {other}.",
        )
        for one in audit.advisories
    ]


def vendored_findings(
    job: CheckJob, make: FindingMaker, folder: str, what: str, remedy: str
) -> Iterator[Finding]:
    """Hold a change of vendored code: whatever vouches for it can be changed with it."""
    changed = {path for one in job.changes for path in (one.path, one.old_path)} if job.base_tree else set()
    touched = sorted(path for path in changed if PurePosixPath(path).is_relative_to(folder))
    if touched:
        more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
        yield make.make(
            "vendored-code",
            f"{what} changed: {touched[0]}{more}",
            path=touched[0],
            context=" ".join(touched),
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy=remedy,
        )
