"""Exit codes of `pev`, and the one place that turns outcomes and errors into them."""

from enum import IntEnum
from typing import Final

from pev.errors import PevError
from pev.findings import Outcome


class Exit(IntEnum):
    """What `pev` ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    HELD = 4
    ERROR = 5
    INTERRUPTED = 130


MEANING: Final = {
    Exit.OK: "done; a gate or check passed (or a check was skipped, with its reason)",
    Exit.FAILED: "a defect was measured, or the trail is not intact",
    Exit.USAGE: "the command line is wrong",
    Exit.INCONCLUSIVE: "something could not be measured",
    Exit.HELD: "only a person may let it through",
    Exit.ERROR: "PEV could not do it; the message says why and what to do",
    Exit.INTERRUPTED: "interrupted",
}
OF_OUTCOME: Final = {
    Outcome.PASSED: Exit.OK,
    Outcome.SKIPPED: Exit.OK,
    Outcome.FAILED: Exit.FAILED,
    Outcome.HELD: Exit.HELD,
    Outcome.INCONCLUSIVE: Exit.INCONCLUSIVE,
}


def of_error(error: PevError) -> Exit:
    """Give the exit code of an error: a wrong value on the command line is a usage error."""
    return Exit.USAGE if error.code == "input.invalid" else Exit.ERROR
