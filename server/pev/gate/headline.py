"""Says in our own words what decided a check.

A reason is read as PEV's word, by people and by models, so nothing that the code under test wrote may stand
in it: no message of a failure, no literal that a tool quotes, no part of a name that is more than a name. All
of that is in the findings, which hold data.
"""

import re
from typing import Final

from pev.findings import Finding
from pev.gate.demands import ALWAYS

_TEST_WORDS: Final = {
    "test-failed": ("test fails", "tests fail"),
    "test-uncollected": ("test file cannot be collected", "test files cannot be collected"),
    "base-test-failed": ("test of the base fails", "tests of the base fail"),
    "flaky": ("test is flaky", "tests are flaky"),
}
_TESTS: Final = "tests"
_OURS: Final = {"tree-changed"}
_EXIT: Final = "exit-code"
_OTHER: Final = re.compile(r"[^\w./:@+-]")
_MAX_NAME: Final = 120


def headline(findings: list[Finding]) -> str:
    """Give one sentence about findings, at least one, the first of which decides."""
    first = findings[0]
    if first.check == _TESTS and first.rule in _TEST_WORDS:
        same = sum(one.rule == first.rule for one in findings)
        words = _TEST_WORDS[first.rule][same > 1]
        return f"{same} {words}, first {_test_id(first)}{_more(len(findings) - same)}"
    place = f"{plain_name(first.path)}:{first.line}: " if first.path and first.line else ""
    if first.rule == _EXIT:
        return f"its exit code says that it failed{_more(len(findings) - 1)}"
    if first.check in (ALWAYS, _TESTS) or first.rule in _OURS:
        said = _said(first)
    else:
        place = place or (f"{plain_name(first.path)}: " if first.path else "")
        said = plain_name(first.rule)
    return f"{place}{said}{_more(len(findings) - 1)}"


def plain_name(name: str) -> str:
    """Give a name of at most 120 characters, in which all that no name needs is an underscore."""
    text = _OTHER.sub("_", name)
    return text if len(text) <= _MAX_NAME else f"{text[: _MAX_NAME - 1]}…"


def _said(finding: Finding) -> str:
    """Give the message of a rule of ours, without what it repeats of the change."""
    if finding.rule.startswith("new-"):
        return f"new suppression ({finding.rule.removeprefix('new-')})"
    path = finding.path or ""
    return finding.message.replace(path, plain_name(path)) if path else finding.message


def _test_id(finding: Finding) -> str:
    """Give the id of a test without its parameters, which are values."""
    named = finding.message.partition(": ")[0].partition(" ")[0].partition("[")[0]
    return plain_name(named or finding.path or "")


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""
