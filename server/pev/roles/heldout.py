"""Held-out tests as a tester writes them: found in an answer, and checked before anything runs them.

A test carries the id of the criterion that it shows, is not skipped, and stands once. What is wrong is told
to the tester alone.
"""

import re
from typing import Final

from pev.errors import TestsInvalid
from pev.gate.contract import carries
from pev.gate.held_set import HeldOutSet
from pev.gate.subjects import inventory
from pev.plan import Plan
from pev.text import one_line

MAX_SOURCE: Final = 200_000
_FENCE: Final = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_AGAIN: Final = "Correct it, and give the whole module again."


def find_source(text: str) -> str:
    """Find the module in a model's answer: the longest fenced block, else all of it."""
    blocks = [found[2] for found in _FENCE.finditer(text)]
    return max(blocks, key=len) if blocks else text


def parse_tests(source: str, plan: Plan, *, root: str = ".") -> HeldOutSet:
    """Check a module of held-out tests against a plan. Raises TestsInvalid, which names each fault."""
    if not source.strip() or len(source) > MAX_SOURCE:
        raise TestsInvalid(f"a module of tests has 1 to {MAX_SOURCE} characters", hint=_AGAIN)
    tests = inventory(source)
    if tests is None:
        raise TestsInvalid("the tests do not parse as Python", hint=_AGAIN)
    if not tests:
        raise TestsInvalid("the module holds no test", hint=_AGAIN)
    shown: dict[str, list[str]] = {}
    faults = []
    for name, test in tests.items():
        criteria = [one.id for one in plan.acceptance_criteria if carries(name, one.id)]
        if not criteria:
            faults.append(f"{name} (line {test.line}) carries the id of no criterion")
        if test.skips:
            faults.append(f"{name} (line {test.line}) may be skipped")
        if test.duplicates:
            faults.append(f"{name} stands more than once")
        for criterion in criteria:
            shown.setdefault(criterion, []).append(name)
    if faults:
        ids = ", ".join(one.id for one in plan.acceptance_criteria)
        raise TestsInvalid(
            "; ".join(one_line(fault, 200) for fault in faults[:10]),
            hint=f"Name each test test_<criterion>_<what it shows>. Criteria: {ids}.",
        )
    return HeldOutSet(root=root, source=source, tests={key: tuple(value) for key, value in shown.items()})
