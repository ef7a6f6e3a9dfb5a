"""Finds out what a repository is made of, and which policy fits it.

`load_policy` gives the policy of the trusted ref: what is written there, else one that was detected from
the files of that ref. Nothing is run.
"""

import math
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from pev.errors import PolicyInvalid
from pev.findings import CheckResult, Outcome
from pev.gate.demands import POLICY_FILE, BuiltIn, LoadedPolicy, Policy, Project, parse_policy
from pev.gate.interface import Depot
from pev.models import Model, ObjectId
from pev.text import one_line

__all__ = ["Detected", "DetectedProject", "LoadedPolicy", "Policy", "default_toml", "detect", "load_policy"]

_ROOM: Final = 6
_LEAST_LIMIT_S: Final = 60
_TEST_FOLDERS: Final = ("tests", "test", "testing")
_MARKS: Final = ("pyproject.toml", "setup.py", "setup.cfg")
_CONFIGS: Final[dict[str, tuple[str, ...]]] = {
    "ruff": ("ruff.toml", ".ruff.toml"),
    "mypy": ("mypy.ini", ".mypy.ini"),
    "pytest": ("pytest.ini", "pytest.toml", ".pytest.toml", ".pytest.ini"),
    "coverage": (".coveragerc", ".coveragerc.toml"),
    "bandit": (".bandit",),
}
_TABLES: Final = ("black", "ruff", "mypy", "pytest", "coverage", "bandit")
_NOT_OURS: Final = {
    "node_modules",
    "vendor",
    "third_party",
    "examples",
    "fixtures",
    "templates",
    ".venv",
    "venv",
}


class DetectedProject(Model):
    """One Python project, and what it has. `tests` are its test folders, relative to its root."""

    root: str
    name: str = ""
    tests: tuple[str, ...] = ()
    configured: tuple[str, ...] = ()


class Detected(Model):
    """What was found in a tree."""

    projects: tuple[DetectedProject, ...] = ()
    python_files: int = 0

    def policy(self) -> Policy:
        """Give the policy that fits: the six checks, without a formatter that the repository does not use."""
        if not self.python_files:
            return Policy(checks=())
        checks = tuple(BuiltIn)
        if self._formats_with_black:
            checks = tuple(one for one in checks if one is not BuiltIn.FORMAT)
        several = [one.root for one in self.projects] not in ([], ["."])
        return Policy(
            checks=checks, project=tuple(Project(root=one.root) for one in self.projects) if several else ()
        )

    @property
    def _formats_with_black(self) -> bool:
        tools = {tool for one in self.projects for tool in one.configured}
        return "black" in tools and "ruff" not in tools


async def detect(depot: Depot, commit: ObjectId) -> Detected:
    """Look through a commit's files for Python projects, their tests and their tools."""
    tree = await depot.tree_of(commit)
    paths = [entry.path for entry in await depot.entries(tree)]
    python = [path for path in paths if path.endswith((".py", ".pyi"))]
    found = [await _project(depot, tree, root, paths) for root in await _roots(depot, tree, paths)]
    return Detected(projects=tuple(found), python_files=len(python))


async def _roots(depot: Depot, tree: ObjectId, paths: Sequence[str]) -> list[str]:
    """Give the roots of projects: the repository if it is one itself, else the folders that declare one."""
    marks = [PurePosixPath(path) for path in paths if PurePosixPath(path).name in _MARKS]
    inner = sorted({path.parent.as_posix() for path in marks if not _NOT_OURS.intersection(path.parts)})
    if "." in inner:
        table = await _pyproject(depot, tree, ".")
        if "project" in table or "setup.py" in paths or "poetry" in table.get("tool", {}) or len(inner) == 1:
            return ["."]
        inner.remove(".")
    declared = [root for root in inner if "project" in await _pyproject(depot, tree, root)]
    return declared or (["."] if any(path.endswith(".py") for path in paths) else [])


async def _pyproject(depot: Depot, tree: ObjectId, root: str) -> dict[str, Any]:
    path = "pyproject.toml" if root == "." else f"{root}/pyproject.toml"
    raw = await depot.read_blob(tree, path)
    try:
        return tomllib.loads(raw.decode("utf-8", "replace")) if raw else {}
    except tomllib.TOMLDecodeError:
        return {}


async def _project(depot: Depot, tree: ObjectId, root: str, paths: Sequence[str]) -> DetectedProject:
    table = await _pyproject(depot, tree, root)
    own = [
        PurePosixPath(path).relative_to(root) for path in paths if PurePosixPath(path).is_relative_to(root)
    ]
    names = {path.as_posix() for path in own}
    tools = {name for name in _TABLES if name in table.get("tool", {})}
    tools |= {tool for tool, files in _CONFIGS.items() if names.intersection(files)}
    tests = {
        path.parts[0]
        for path in own
        if path.suffix == ".py" and len(path.parts) > 1 and path.parts[0] in _TEST_FOLDERS
    }
    project = table.get("project")
    name = project.get("name", "") if isinstance(project, dict) else ""
    return DetectedProject(
        root=root, name=str(name), tests=tuple(sorted(tests)), configured=tuple(sorted(tools))
    )


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
    lines += [f'  "{name}",  # {_ABOUT[name]}' for name in policy.checks]
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
        else:
            lines += ["", f"# Found here: {has}; {tests}."]
    lines += _measured(measured)
    return "\n".join(lines) + "\n" + _TAIL
