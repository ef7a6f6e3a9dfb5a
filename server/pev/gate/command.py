"""A check of the repository's own: a command, whose exit code decides.

It runs the repository's code, so it needs trust, and it gets a checkout of its own.
"""

from pathlib import Path, PurePosixPath
from typing import Final

from anyio import to_thread

from pev.errors import EnvironmentUnavailable, PevError, ToolMissing
from pev.gate.demands import OwnCommand
from pev.gate.formats import Format, Unreadable, read_output, relative
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured
from pev.gate.outputs import ended_badly, source_line, tree_changes, unusable
from pev.proc import Completed, Ending
from pev.repos.beneath import read_plain

_MAX_BYTES: Final = 64 * 2**20


class Command(Check):
    """One `[[command]]` of the policy."""

    weight = 50
    needs_trust = True
    needs_environment = True
    whole = True
    language = None

    def __init__(self, own: OwnCommand) -> None:
        self.own = own
        self.name = own.name

    async def run(self, job: CheckJob) -> Measured:
        """Run the command: exit code 0 passes, any other is a finding."""
        checkout = await job.bench.checkout(job.side, private=f"command-{self.own.name}")
        folder = checkout.root / self.own.root
        try:
            toolbox = await job.bench.toolbox(job.side, checkout, job.project)
            done = await job.bench.run(
                self.own.argv,
                cwd=folder,
                checkout=checkout,
                clock=job.clock,
                toolbox=toolbox,
                writable=True,
                reach=job.reach,
            )
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=True)
        log = done.stdout + done.stderr
        if done.ending is not Ending.EXITED:
            return unusable(self.own.name, done, job.clock)
        make = job.maker(self.name)
        found = await tree_changes(job, make, checkout)
        if self.own.format is not None:
            measured = await to_thread.run_sync(self._read, job, make, checkout, done)
            return measured.model_copy(
                update={
                    "findings": (*found, *measured.findings),
                    "environment": toolbox.key,
                    "log": log,
                }
            )
        if done.code != 0:
            message = ended_badly(self.own.name, done, job.clock.limit_s, quoted=True)
            # a command says yes or no: its one finding has one name, whatever it printed
            found.append(make.make("exit-code", message, context="exit-code", remedy="Read its log."))
        return Measured(
            findings=tuple(found), reason=f"exit code {done.code}", environment=toolbox.key, log=log
        )

    def _read(self, job: CheckJob, make: FindingMaker, checkout: Checkout, done: Completed) -> Measured:
        """Turn what the command said into findings; a bad end or an unreadable answer is no answer."""
        own = self.own
        form = own.format or Format.REGEX
        if done.code not in own.fine:
            return Measured(unmeasured=ended_badly(own.name, done, job.clock.limit_s))
        try:
            raw = done.stdout if own.output is None else _content(checkout.root / own.root, own.output)
            said = read_output(raw, form, own.pattern)
        except Unreadable as exc:
            return Measured(unmeasured=f"{own.name}: {exc}")
        except (OSError, PevError) as exc:
            return Measured(unmeasured=f"{own.name} left no {own.output} to read: {exc}")
        if done.code != 0 and not said:
            return Measured(unmeasured=f"{own.name} ended with exit code {done.code} and said nothing")
        findings = []
        for one in said:
            path = self._path(one.path, checkout)
            text = source_line(checkout.root / path, one.line) if path else ""
            help_text = f"Correct what {own.name} reports."
            findings.append(
                make.make(
                    one.rule,
                    one.message,
                    path=path,
                    line=one.line,
                    context=text or one.message,
                    remedy=help_text,
                )
            )
        return Measured(findings=tuple(findings), reason=f"{len(findings)} findings")

    def _path(self, path: str | None, checkout: Checkout) -> str | None:
        """Give a path relative to the repository; None for one that leads out of it."""
        if path is None:
            return None
        inner = relative(path, str(checkout.root))
        if inner == path and self.own.root != ".":
            inner = f"{self.own.root}/{inner}"
        pure = PurePosixPath(inner)
        return None if pure.is_absolute() or ".." in pure.parts else pure.as_posix()


def _content(root: Path, path: str) -> bytes:
    """Read a file that a command left, without following a link out. Raises OSError, PathEscapes."""
    raw = read_plain(root, path, _MAX_BYTES)
    if raw is None:
        raise FileNotFoundError(f"{path} is no plain file")
    return raw
