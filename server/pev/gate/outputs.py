"""What all checks do with the output of their tools: say how a tool ended, and find the line it speaks of."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from pev.findings import Finding
from pev.gate.clock import Clock
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Measured
from pev.gate.tools import DISTRIBUTION
from pev.proc import Completed, Ending
from pev.text import MAX_EXCERPT, harmless, one_line

_MAX_BYTES: Final = 8 * 2**20
_MARK_BYTES: Final = 64
_OURS: Final = {*DISTRIBUTION} - {"pytest", "pytest-cov", "coverage"}


def unusable(tool: str, done: Completed, clock: Clock) -> Measured:
    """Give the measurement of a tool whose run cannot be used."""
    reason = ended_badly(tool, done, clock.limit_s)
    return Measured(
        unmeasured=reason, outside=done.ending is not Ending.EXITED, log=done.stdout + done.stderr
    )


def listed(findings: Sequence[Finding], stderr: bytes) -> bytes:
    """Write findings as a log for people: one to a line, and what the tool said beside them."""
    lines = [f"{one.path or ''}:{one.line or ''}: {one.message}" for one in findings]
    return "\n".join(lines).encode("utf-8", "replace") + (b"\n" if lines else b"") + stderr


def ended_badly(tool: str, done: Completed, limit_s: float, *, quoted: bool | None = None) -> str:
    """Say in one sentence why a tool's run cannot be used.

    The last line of what it said is repeated only if it is one of our tools that run no code of the
    repository, or where the sentence stands among data: `quoted` says so.
    """
    if done.ending is Ending.TIMED_OUT:
        return f"{tool} ran past its limit of {limit_s:g} s"
    if done.ending is Ending.SIGNALLED:
        return f"{tool} was killed by signal {-done.code}"
    if not (tool in _OURS if quoted is None else quoted):
        return f"{tool} ended with exit code {done.code}; its log says more"
    lines = [line for line in done.text().splitlines() if line.strip()]
    return f"{tool} ended with exit code {done.code}: {one_line(lines[-1], 300) if lines else 'no output'}"


def private_name(what: str, root: str) -> str:
    """Name a folder that belongs to one check of one project."""
    return "-".join((what, *root.strip(".").replace("/", "-").split()))


def source_line(path: str | Path, line: int | None) -> str:
    """Give the text of a line of a file, "" if there is none."""
    if line is None or line < 1:
        return ""
    lines = _lines(str(path))
    return lines[line - 1].strip() if line <= len(lines) else ""


def excerpt(raw: bytes, limit_bytes: int = MAX_EXCERPT) -> str:
    """Give harmless text of at most `limit_bytes` bytes of UTF-8, the middle cut out.

    A log may be far larger: what lies far from both ends is not even looked at.
    """
    near = 4 * limit_bytes
    text = harmless(raw) if len(raw) <= 2 * near else f"{harmless(raw[:near])}\n{harmless(raw[-near:])}"
    whole = text.encode()
    if len(whole) <= limit_bytes and len(raw) <= 2 * near:
        return text
    half = (limit_bytes - _MARK_BYTES) // 2
    head, tail = (part.decode("utf-8", "ignore") for part in (whole[:half], whole[-half:]))
    return f"{head}\n[... {len(raw) - 2 * half} bytes cut out ...]\n{tail}"


@lru_cache(maxsize=256)
def _lines(path: str) -> tuple[str, ...]:
    try:
        with Path(path).open("rb") as handle:
            return tuple(handle.read(_MAX_BYTES).decode("utf-8", "replace").splitlines())
    except OSError:
        return ()


async def tree_changes(job: CheckJob, make: FindingMaker, checkout: Checkout) -> list[Finding]:
    """Give a finding if a check changed the files that it was to judge: passing that way is not passing."""
    touched = await job.bench.touched(checkout)
    if not touched:
        return []
    listed = ", ".join(touched[:5]) + (f" and {len(touched) - 5} more" if len(touched) > 5 else "")
    hint = "Make the check leave tracked files as they are."
    return [
        make.make("tree-changed", f"tree changed: {listed}", path=touched[0], context="tree", remedy=hint)
    ]
