"""Reads the policy of the trusted ref: what is written there, else one that was detected from its files.

It also writes the first `pev.toml` of a repository.
"""

import json
import math
from collections.abc import Iterable
from typing import Final

from pev.errors import PolicyInvalid
from pev.findings import CheckResult, Outcome
from pev.gate.demands import POLICY_FILE, BuiltIn, Language, LoadedPolicy, Policy, parse_policy
from pev.gate.detect import detect
from pev.gate.detected import Detected, DetectedProject
from pev.gate.interface import Depot
from pev.models import ObjectId
from pev.text import one_line

__all__ = ["Detected", "DetectedProject", "LoadedPolicy", "Policy", "default_toml", "detect", "load_policy"]

_ROOM: Final = 6
_LEAST_LIMIT_S: Final = 60


async def load_policy(depot: Depot, trusted_commit: ObjectId) -> LoadedPolicy:
    """Read the policy of the trusted ref, or detect one that fits.

    Raises PolicyInvalid if one is written there and cannot be used, or if two are.
    """
    tree = await depot.tree_of(trusted_commit)
    raw = await depot.read_blob(tree, POLICY_FILE)
    written = parse_policy(_text(raw, POLICY_FILE), file=POLICY_FILE) if raw is not None else None
    raw = await depot.read_blob(tree, "pyproject.toml")
    table = None
    if raw is not None and b"pev" in raw:
        table = parse_policy(_text(raw, "pyproject.toml"), file="pyproject.toml", table=("tool", "pev"))
    if written is not None and table is not None:
        raise PolicyInvalid(
            f"there are two policies: {POLICY_FILE}, and [tool.pev] in pyproject.toml",
            hint="Remove one of them on the trusted ref.",
        )
    if written is not None:
        return LoadedPolicy.of(written, "pev.toml")
    if table is not None:
        return LoadedPolicy.of(table, "pyproject.toml")
    return LoadedPolicy.of((await detect(depot, trusted_commit)).policy(), "detected")


def _text(raw: bytes, file: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise PolicyInvalid(f"{file} is not UTF-8: {exc.reason}", hint=f"Save {file} as UTF-8.") from exc


_HEAD: Final = """\
# What PEV's gate demands of a change in this repository. It is read from the default branch, never from
# the change that is judged. Every line can be left out: what stands here is the default.
"""
_ABOUT: Final = {
    BuiltIn.FORMAT: "ruff format",
    BuiltIn.LINT: "ruff check",
    BuiltIn.TYPES: "mypy",
    BuiltIn.TESTS: "pytest with coverage",
    BuiltIn.SECURITY: "bandit, medium and above",
    BuiltIn.DEPS: "pip-audit of declared and locked requirements",
}
_TAIL: Final = """\

# Settings of one check. A check that does not block is reported only. Its time limit is in seconds.
# [check.tests]
# blocking = true
# limit_s = 300
# paths = ["tests"]
# mutation_s = 60     # how long mutants of the change are tried (0: none)

# Types and tests run in the declared dependencies, installed from wheels. By default: the groups and extras
# named dev, test, tests, testing and typing, and the requirements files beside pyproject.toml.
# [environment]
# python = "3.12"
# groups = ["test"]
# extras = []
# requirements = ["requirements-dev.txt"]
# setup = [["python", "scripts/make_fixtures.py"]]      # runs after `pev trust`

# A check of your own: the exit code decides. It runs after `pev trust`.
# [[command]]
# name = "licences"
# argv = ["python", "scripts/check_licences.py"]
# blocking = true
# limit_s = 60
# format = "sarif"         # or junit, ruff-json, mypy-json, regex: then only new findings count
# output = "report.sarif"  # where it writes them, if not to its standard output
# pattern = '^(?P<path>[^:]+):(?P<line>\\d+): (?P<message>.*)$'   # with format = "regex"

# What commands and tests may have beyond their folder. Given only where the operator allows it too, and after
# `pev trust`; limits are lower bounds of the operator's, and need neither. Sizes are in bytes.
# [sandbox]
# hosts = ["example.com:443"]
# read = ["/opt/data"]
# env = ["A_VARIABLE"]
# [sandbox.limits]
# memory_bytes = 2147483648
# processes = 64
# cpu_s = 60
# wall_s = 120

# What a person's approval must fulfil: convenience, person-present or signed.
# [approval]
# assurance = "convenience"
# min_seconds = 0
# ttl_s = 86400
# merge = false

# Which roles a run must have had before its pull request, of which of them the model must be of another
# family than the author's, and what the author learns of a failing held-out test: criterion or expectation.
# [roles]
# require = ["tester", "reviewer", "security"]
# different = ["reviewer"]
# reveal = "criterion"
"""


def limit_for(seconds: float) -> int:
    """Give the time limit in seconds of a check that took `seconds` on the base, undisturbed.

    It has room for the base's tests, controls and confirmations, and for a machine that is busy.
    """
    return max(_LEAST_LIMIT_S, 10 * math.ceil(seconds * _ROOM / 10))


def _measured(results: Iterable[CheckResult]) -> list[str]:
    """Write the limits that measured checks need, and why others could not be measured."""
    lines = []
    for one in results:
        if one.outcome in (Outcome.INCONCLUSIVE, Outcome.SKIPPED):
            lines += ["", f"# {one.check} could not be measured here: {one_line(one.reason, 200)}"]
        else:
            lines += ["", f"[check.{one.check}]  # took {one.seconds:.1f} s on the default branch"]
            lines += [f"limit_s = {limit_for(one.seconds)}"]
    return lines


def default_toml(detected: Detected, measured: Iterable[CheckResult] = ()) -> str:
    """Write the commented `pev.toml` that says what the detected policy says.

    `measured` are results of its checks on the base, from which limits follow.
    """
    policy = detected.policy()
    lines = [_HEAD, "checks = ["]
    plain = all(project.language is Language.PYTHON for project in policy.projects)
    lines += [f'  "{name}",  # {_ABOUT[name]}' if plain else f'  "{name}",' for name in policy.checks]
    lines += ["]", "", "# Per cent: of the changed lines, and of all lines."]
    lines += [f"coverage_floor = {policy.coverage_floor:g}", "", "# Attempts before a person is asked."]
    lines += ["max_attempts = 3", "", "# More files that only an approved plan, or a person, may change."]
    lines += ["protected = []"]
    lines += ["", "# What the approved plan does not name, and steps without a trace: warn or block."]
    lines += ['outside_plan = "warn"']
    for project in detected.projects:
        has = ", ".join(project.configured) or "no tool configured"
        tests = ", ".join(f"{name}/" for name in project.tests) or "no test folder"
        if policy.project:
            lines += ["", f"# {project.name or project.root}: {has}; {tests}", "[[project]]"]
            lines += [f'root = "{project.root}"']
            if project.language is not Language.PYTHON:
                lines += [f'language = "{project.language}"']
            if project.checks is not None:
                lines += [f"checks = {json.dumps([str(name) for name in project.checks])}"]
        else:
            lines += ["", f"# Found here: {has}; {tests}."]
    lines += _measured(measured)
    return "\n".join(lines) + "\n" + _TAIL
