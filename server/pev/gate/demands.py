"""The policy: what the gate demands of a repository.

It is read from `pev.toml`, or `[tool.pev]` of `pyproject.toml`, of the trusted ref, never from the change,
and limited by the operator's configuration. What it does not know is an error that names key and line.
"""

import re
import tomllib
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from pev.errors import PolicyInvalid
from pev.gate.formats import Format
from pev.gate.held_set import Reveal
from pev.models import Assurance, Digest, Model, hash_json
from pev.plan import check_repo_path
from pev.sandbox.permits import SandboxSettings

POLICY_FILE: Final = "pev.toml"
BUILT_IN: Final = ("format", "lint", "types", "tests", "security", "deps")
ALWAYS: Final = "integrity"
HELD_OUT: Final = "held-out"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00]+$")]
Marker = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


def _root(path: str) -> str:
    return "." if path in (".", "./") else check_repo_path(path).rstrip("/")


Folder = Annotated[str, AfterValidator(_root)]


class BuiltIn(StrEnum):
    """The checks that PEV brings."""

    FORMAT = "format"
    LINT = "lint"
    TYPES = "types"
    TESTS = "tests"
    SECURITY = "security"
    DEPS = "deps"


class Language(StrEnum):
    """What a project is written in."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"
    GO = "go"
    RUST = "rust"


class CheckSettings(Model):
    """How one check is run. `paths` are relative to the project; empty means all of it.

    `without_markers` leaves tests with these pytest markers out, which the result says each time; it is for
    tests that cannot run inside a gate, and `mutation_s` bounds the time that mutants of the change are tried
    (at least 30 per cent of the tests' own; 0 tries none). Other checks do not look at these.
    """

    blocking: bool = True
    limit_s: float | None = Field(default=None, gt=0, le=86_400)
    paths: tuple[Folder, ...] = ()
    without_markers: tuple[Marker, ...] = ()
    mutation_s: float = Field(default=60.0, ge=0, le=3_600)


class EnvironmentSettings(Model):
    """What types and tests run in: dependencies only, from wheels.

    None means: what the project declares (see `pev.gate.requirements`). `setup` are commands that run in a
    checkout before the tests; they need trust.
    """

    python: Annotated[str, StringConstraints(pattern=r"^3\.\d{1,2}$")] | None = None
    groups: tuple[Word, ...] | None = None
    extras: tuple[Word, ...] | None = None
    requirements: tuple[Folder, ...] | None = None
    setup: tuple[tuple[Word, ...], ...] = ()


class Project(Model):
    """One project of the repository. `checks` None means the policy's own list.

    `javascript` means TypeScript too. A folder with projects in two languages is named once for each.
    """

    root: Folder
    language: Language = Language.PYTHON
    checks: tuple[BuiltIn, ...] | None = None
    coverage_floor: float | None = Field(default=None, ge=0, le=100)
    environment: EnvironmentSettings | None = None


def joined(root: str, name: str) -> str:
    """Give the path of a file of a project, or of any folder, relative to the repository."""
    return name if root in ("", ".") else f"{root}/{name}"


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except re.error as exc:
        raise ValueError(f"{text!r} is no regular expression: {exc}") from exc
    if text and not {"path", "message", "rule"} & groups.keys():
        raise ValueError(f"{text!r} has none of the groups path, rule and message")
    return text


class OwnCommand(Model):
    """A check of the repository's own. It runs after a person trusted the policy.

    Without a `format` the exit code decides. With one its output does, or the file `output`, relative to
    `root`: each thing that it says is a finding, and old ones do not count. Then `fine` are the exit codes of
    a tool that did its work. `pattern` goes with the format `regex`.
    """

    name: Name
    argv: tuple[Word, ...] = Field(min_length=1, max_length=100)
    root: Folder = "."
    blocking: bool = True
    limit_s: float | None = Field(default=None, gt=0, le=86_400)
    format: Format | None = None
    output: Folder | None = None
    pattern: Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_pattern)] = ""
    fine: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(default=(0, 1), max_length=20)

    @model_validator(mode="after")
    def _format_is_whole(self) -> Self:
        if (self.format is Format.REGEX) != bool(self.pattern):
            raise ValueError('pattern: it goes with format = "regex", and is needed there')
        if self.output is not None and self.format is None:
            raise ValueError("output: it goes with a format")
        return self


class ApprovalSettings(Model):
    """What a decision at a boundary must fulfil. Durations are in seconds."""

    assurance: Assurance = Assurance.CONVENIENCE
    min_seconds: float = Field(default=0.0, ge=0, le=3_600)
    ttl_s: float | None = Field(default=None, gt=0)
    merge: bool = False


class RolesSettings(Model):
    """Which roles a run must have had before its pull request, and what the author is told of held-out tests.

    `different` demands that a judge's model is of another family than the author's; what cannot be told
    counts as not different. `reveal` says whether the author is told a criterion alone, or what was
    expected too.
    """

    require: tuple[Literal["tester", "reviewer", "security"], ...] = ()
    different: tuple[Literal["tester", "reviewer", "security"], ...] = ()
    reveal: Reveal = "criterion"


class Policy(Model):
    """All that a repository demands of a change.

    `outside_plan` says what becomes of files that the approved plan does not name, and of steps without a
    trace. `sandbox` is what it requests for commands of agents and for code under test.
    """

    checks: tuple[BuiltIn, ...] = tuple(BuiltIn)
    coverage_floor: float = Field(default=80.0, ge=0, le=100)
    max_attempts: int | None = Field(default=None, ge=1, le=100)
    protected: tuple[Word, ...] = ()
    outside_plan: Literal["warn", "block"] = "warn"
    check: dict[BuiltIn, CheckSettings] = Field(default_factory=dict)
    project: tuple[Project, ...] = ()
    command: tuple[OwnCommand, ...] = ()
    environment: EnvironmentSettings = EnvironmentSettings()
    approval: ApprovalSettings = ApprovalSettings()
    sandbox: SandboxSettings = SandboxSettings()
    roles: RolesSettings = RolesSettings()

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        names = [one.name for one in self.command]
        taken = [name for name in names if names.count(name) > 1 or name in (*BUILT_IN, ALWAYS, HELD_OUT)]
        if taken:
            raise ValueError(f"command: the name {taken[0]!r} is taken")
        places = [(one.root, one.language) for one in self.project]
        if len(set(places)) != len(places):
            raise ValueError("project: a root stands twice with one language")
        return self

    @property
    def projects(self) -> tuple[Project, ...]:
        """The projects; the repository itself if none is named."""
        return self.project or (Project(root="."),)

    def settings(self, name: str) -> CheckSettings:
        """Give the settings of a check, built in or own."""
        for own in self.command:
            if own.name == name:
                return CheckSettings(blocking=own.blocking, limit_s=own.limit_s)
        return self.check.get(BuiltIn(name), CheckSettings()) if name in BUILT_IN else CheckSettings()

    def wanted(self) -> tuple[BuiltIn, ...]:
        """Give the built-in checks that any project is to pass."""
        return tuple(name for name in BuiltIn if any(self.wants(one, name) for one in self.projects))

    def wants(self, project: Project, name: str) -> bool:
        """Say whether a project is to pass a built-in check."""
        return name in (self.checks if project.checks is None else project.checks)

    def content_hash(self) -> Digest:
        """Give the hash that trust is bound to."""
        return hash_json(self.model_dump(mode="json"))


class LoadedPolicy(Model):
    """A policy, where it came from, and its hash."""

    policy: Policy
    source: Literal["pev.toml", "pyproject.toml", "detected"]
    hash: Digest

    @classmethod
    def of(cls, policy: Policy, source: Literal["pev.toml", "pyproject.toml", "detected"]) -> Self:
        """Bind a policy to its source and hash."""
        return cls(policy=policy, source=source, hash=policy.content_hash())

    @property
    def explicit(self) -> bool:
        """Whether somebody wrote this policy down, rather than us having guessed it."""
        return self.source != "detected"


def parse_policy(text: str, *, file: str, table: tuple[str, ...] = ()) -> Policy | None:
    """Read a policy from TOML text; `table` is where it stands in it. None if that table is absent.

    Raises PolicyInvalid that names file, line and key.
    """
    try:
        value: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise PolicyInvalid(f"{file} is not TOML: {exc}", hint=f"Correct {file} on the trusted ref.") from exc
    for name in table:
        value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            return None
    try:
        return Policy.model_validate(value)
    except ValidationError as exc:
        faults = []
        for fault in exc.errors(include_url=False, include_input=False)[:10]:
            where = tuple(str(part) for part in fault["loc"] if part != "[key]")
            line = line_of(text, (*table, *where))
            what = "unknown field" if fault["type"] == "extra_forbidden" else fault["msg"]
            faults.append(f"{file}:{line}: {'.'.join(where) or 'policy'}: {what}")
        raise PolicyInvalid("; ".join(faults), hint=f"Correct {file} on the trusted ref.") from exc


_HEADER: Final = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]?\]\s*(?:#.*)?$")
_KEY: Final = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*="""
)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def line_of(text: str, where: tuple[str, ...]) -> int:
    """Give the line, from 1, of the key that `where` names, or of the nearest table above it.

    A number in `where` counts the tables of an array, from 0.
    """
    wanted: list[str] = []
    index: dict[tuple[str, ...], int] = {}
    for part in where:
        if part.isdigit():
            index[tuple(wanted)] = int(part)
        else:
            wanted.append(part)
    best, best_line = 0, 1
    table: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            path = table = _parts(header[1])
            seen[table] = seen.get(table, -1) + 1
        elif key := _KEY.match(line):
            path = (*table, *_parts(key[1]))
        else:
            continue
        another = index.get(table, seen.get(table)) != seen.get(table)
        if not another and path == tuple(wanted[: len(path)]) and len(path) > best:
            best, best_line = len(path), number
    return best_line
