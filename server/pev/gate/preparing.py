"""What every check of tests does around them: setup commands before, controls only if they still matter."""

from pev.findings import Effect, Finding
from pev.gate.interface import CheckJob, Checkout, Toolbox, Trust
from pev.gate.outputs import ended_badly
from pev.proc import Ending


async def set_up(job: CheckJob, checkout: Checkout, toolbox: Toolbox) -> str | None:
    """Run the policy's setup commands; give the reason if one fails."""
    settings = job.project.environment or job.policy.environment
    if settings.setup and job.request.trust is not Trust.TRUSTED:
        return "setup commands need a person's trust in this policy: `pev trust`, or --trust for one call"
    for argv in settings.setup:
        done = await job.bench.run(
            argv,
            cwd=job.folder(checkout),
            checkout=checkout,
            clock=job.clock,
            toolbox=toolbox,
            writable=True,
            reach=job.reach,
        )
        if done.ending is not Ending.EXITED or done.code != 0:
            return f"setup {' '.join(argv)!r}: {ended_badly(argv[0], done, job.clock.limit_s)}"
    return None


def is_blocked(job: CheckJob, findings: list[Finding]) -> bool:
    """Say whether findings block already, which no control can change."""
    allowed = {one.fingerprint for one in job.request.let_throughs if one.snapshot == job.request.snapshot}
    return any(one.effect is Effect.BLOCKS and one.fingerprint not in allowed for one in findings)
