"""A check of the repository's own: a command, whose exit code decides.

It runs the repository's code, so it needs trust, and it gets a checkout of its own.
"""

from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.gate.demands import OwnCommand
from pev.gate.interface import Check, CheckJob, Measured
from pev.gate.outputs import ended_badly, tree_changes, unusable
from pev.proc import Ending


class Command(Check):
    """One `[[command]]` of the policy."""

    weight = 50
    needs_trust = True
    needs_environment = True
    whole = True

    def __init__(self, own: OwnCommand) -> None:
        self.own = own
        self.name = own.name

    async def run(self, job: CheckJob) -> Measured:
        """Run the command: exit code 0 passes, any other is a finding."""
        checkout = await job.bench.checkout(job.side, private=f"command-{self.own.name}")
        folder = checkout.root / self.own.root
        try:
            interpreter = await job.bench.interpreter(job.side, checkout, job.root)
            done = await job.bench.run(
                self.own.argv,
                cwd=folder,
                checkout=checkout,
                clock=job.clock,
                interpreter=interpreter,
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
        if done.code != 0:
            message = ended_badly(self.own.name, done, job.clock.limit_s)
            # a command says yes or no: its one finding has one name, whatever it printed
            found.append(make.make("exit-code", message, context="exit-code", remedy="Read its log."))
        return Measured(
            findings=tuple(found), reason=f"exit code {done.code}", environment=interpreter.key, log=log
        )
