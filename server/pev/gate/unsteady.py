"""Finds tests that fail now and then on the base as well: their failure says nothing of a change.

One run of the base is one throw of the dice. Where a change makes few tests fail, those are run on the base
alone, some times; one that fails there at least once is measured by nobody, as one that always fails.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from pev.gate.interface import CheckJob, Side
from pev.gate.outputs import private_name
from pev.gate.testrun import run_tests

_MOST: Final = 8
_TIMES: Final = 4


async def unsteady_on_base(job: CheckJob, ids: Collection[str], home: PurePosixPath) -> frozenset[str]:
    """Give those of some tests that fail on the base at least once in a few runs.

    `home` is the folder that ids start from, relative to the repository. Tests that the base does not have,
    and more than a handful, are not tried.
    """
    if not ids or len(ids) > _MOST or job.base_tree is None:
        return frozenset()
    own = replace(job, side=Side.BASE)
    checkout = await job.bench.checkout(Side.BASE, private=private_name("unsteady", job.root))
    toolbox = await job.bench.interpreter(Side.BASE, checkout, job.root)
    out: set[str] = set()
    for number, test in enumerate(sorted(ids)):
        path, _, rest = test.partition("::")
        place = checkout.root / home / path
        for time in range(_TIMES):
            if not place.is_file() or not job.clock.left_s():
                break
            run = await run_tests(
                own, checkout, toolbox, label=f"unsteady-{number}-{time}", select=[f"{place}::{rest}"]
            )
            if run.broken is not None:
                break
            if test in run.failed_ids:
                out.add(test)
                break
    return frozenset(out)
