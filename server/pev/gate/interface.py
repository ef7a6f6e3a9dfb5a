"""What the gate is made of: the request, the check, and what a check is given and gives back.

A check measures one tree and knows nothing of outcomes of a gate: whether a finding is new, whether it
was let through, and what that means, is the engine's business.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import Field

from pev.findings import Effect, Finding, NetworkDenial, Severity, fingerprint
from pev.gate.clock import Clock
from pev.gate.demands import CheckSettings, EnvironmentSettings, Language, LoadedPolicy, Policy, Project
from pev.gate.held_set import HeldOutSet
from pev.models import Digest, LetThrough, Model, ObjectId
from pev.plan import Plan
from pev.proc import Completed
from pev.repos.objects import Change, Entry, Status
from pev.sandbox.reach import Reach
from pev.text import one_line

_M = TypeVar("_M", bound=Model)


class Depot(Protocol):
    """What the gate needs of a depot: to read trees, and to write one out.

    `path` is its folder, which no other repository has.
    """

    path: Path

    async def tree_of(self, commit: str) -> ObjectId:
        """Give the tree of a commit."""

    async def read_blob(self, treeish: str, path: str) -> bytes | None:
        """Give a file's content, or None if the tree has no such file."""

    async def read_blobs(self, treeish: str, paths: Sequence[str]) -> Mapping[str, bytes | None]:
        """Give the contents of several files, by path."""

    async def entries(self, tree: str) -> Sequence[Entry]:
        """List all files, links and submodules of a tree, folders opened."""

    async def changes(self, old_tree: str, new_tree: str) -> Sequence[Change]:
        """List what differs, renames detected."""

    async def changed_lines(self, old: str, new: str) -> Mapping[str, frozenset[int]]:
        """Give the lines of the new side that the change wrote, by path."""

    async def materialise(self, tree: str, into: Path) -> Any:
        """Write a tree from its blobs, without filters."""


class Trust(StrEnum):
    """Whether a person trusted this policy hash, so that the repository's own code may run."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


class Side(StrEnum):
    """Which of the two trees a check looks at."""

    CANDIDATE = "candidate"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What is to be judged, and by what.

    `base_commit` is what the change is compared with; without one every finding counts (only for a single
    check). `trusted_commit` is where policy, configuration and harness come from. `wants_held_out` says that
    the policy demands tests of the tester role, whether there are any or not.
    """

    depot: Depot
    snapshot: ObjectId
    base_commit: ObjectId | None
    trusted_commit: ObjectId
    policy: LoadedPolicy
    trust: Trust = Trust.UNTRUSTED
    plan: Plan | None = None
    let_throughs: tuple[LetThrough, ...] = ()
    limit_s: float | None = None
    held_out: HeldOutSet | None = None
    wants_held_out: bool = False


class Measured(Model):
    """What a check saw in one tree.

    `unmeasured` is the reason why the tree, or a part of it, could not be measured: then the check is not
    conclusive, whatever it found. `outside` says that this reason lies not in the tree (no time left, no
    index, no trust): such a measurement is never reused, and says nothing about the repository. `facts` are
    figures that the other side is compared with; `tools` the versions of what was used. `hint` and `denied`
    are what its code seems to have missed.
    """

    findings: tuple[Finding, ...] = ()
    reason: str = ""
    unmeasured: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    environment: Digest | None = None
    outside: bool = False
    tools: dict[str, str] = Field(default_factory=dict)
    hint: str = ""
    denied: tuple[NetworkDenial, ...] = ()
    log: bytes = Field(default=b"", exclude=True, repr=False)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A tree on the disk, in a folder of ours. `scratch` is a writable folder beside it.

    `tree` is "" where it is no tree of the repository.
    """

    root: Path
    scratch: Path
    tree: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What a project's tools need to run: programs, folders that are shown read-only, and variables.

    `key` names the dependencies in it. What a tool itself is made of comes from the trusted ref, never from
    the change.
    """

    bins: tuple[Path, ...]
    readable: tuple[Path, ...]
    key: Digest
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter(Toolbox):
    """A Python that sees a checkout's dependencies and its project; `site` holds the dependencies."""

    python: Path
    site: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool of the gate: the start of its argument list, and the folders that it must see.

    `pinned` says that the trusted ref names this version.
    """

    argv: tuple[str, ...]
    version: str
    readable: tuple[Path, ...] = ()
    pinned: bool = False


class ToolboxMaker(Protocol):
    """Makes the toolboxes of one language, from released packages, outside of every checkout."""

    async def name(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> str:
        """Name what a project needs: the same name for the same packages; "" if it cannot be had."""

    async def fit(
        self, depot: Depot, checkout: Checkout, root: str, settings: EnvironmentSettings, trusted: ObjectId
    ) -> Toolbox:
        """Give a toolbox for a project of a checkout, whose tools are those that the tree `trusted` locks.

        Raises EnvironmentUnavailable.
        """


class Bench(Protocol):
    """Where a check works: checkouts, interpreters and processes, all of ours and all temporary."""

    async def checkout(
        self, side: Side, *, private: str = "", replaced: Mapping[str, bytes | None] | None = None
    ) -> Checkout:
        """Give a checkout of one side; a `private` one belongs to the check that names it.

        `replaced` writes other content over single files, None removes one.
        """

    async def interpreter(self, side: Side, checkout: Checkout, root: str) -> Interpreter:
        """Give an interpreter for a Python project of a checkout. Raises EnvironmentUnavailable."""

    async def tool(self, name: str, root: str) -> Tool:
        """Give a tool in the version that the trusted ref locks, else ours. Raises EnvironmentUnavailable."""

    async def toolbox(self, side: Side, checkout: Checkout, project: Project) -> Toolbox:
        """Give what the tools of a project in a checkout need. Raises EnvironmentUnavailable."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        checkout: Checkout,
        clock: Clock,
        toolbox: Toolbox | None = None,
        tool: Tool | None = None,
        env: Mapping[str, str] | None = None,
        writable: bool = False,
        reach: Reach | None = None,
    ) -> Completed:
        """Run a program in the sandbox, within the time that is left.

        `reach` is for programs that run the repository's code, and gives them what is granted to it.
        """

    async def recall(self, key: Digest, kind: type[_M]) -> _M | None:
        """Give what a check remembered under a key, in this gate or an earlier one."""

    async def remember(self, key: Digest, value: Model) -> None:
        """Remember something under a key, in the place of what stands there."""

    async def copy_kept(
        self, key: Digest, target: Path, make: Callable[[Checkout], Awaitable[Path | None]]
    ) -> bool:
        """Copy a folder that is kept between gates to `target`; see `pev.gate.keeping`.

        `make` works in a checkout that holds nothing, and gives a folder below its `scratch`.
        """

    async def touched(self, checkout: Checkout) -> tuple[str, ...]:
        """List tracked files of a checkout that are no longer as they were written."""

    async def rewrite(self, checkout: Checkout, files: Mapping[str, bytes | None]) -> None:
        """Write other content over files of a checkout; None removes one. Raises SnapshotRefused."""

    async def read(self, side: Side, path: str) -> bytes | None:
        """Give a file of one side, as the checkout shows it."""


@dataclass(frozen=True, slots=True)
class CheckJob:
    """One check, on one project, on one side.

    `base` measures the same check on the base, once, and gives None where there is no base. `reach` is what
    the repository's code gets while it runs.
    """

    side: Side
    request: GateRequest
    base_tree: ObjectId | None
    project: Project
    policy: Policy
    settings: CheckSettings
    changes: tuple[Change, ...]
    changed_lines: Mapping[str, frozenset[int]]
    clock: Clock
    bench: Bench
    base: Callable[[], Awaitable[Measured | None]]
    approved: frozenset[str] = field(default_factory=frozenset)
    reach: Reach = field(default_factory=Reach)

    @property
    def root(self) -> str:
        """The folder of the project."""
        return self.project.root

    @property
    def tree(self) -> ObjectId:
        """The tree that this job looks at."""
        if self.side is Side.BASE and self.base_tree is not None:
            return self.base_tree
        return self.request.snapshot

    def folder(self, checkout: Checkout) -> Path:
        """Give the project's folder in a checkout."""
        return checkout.root / self.root if self.root != "." else checkout.root

    def repo_path(self, path: str | Path, checkout: Checkout) -> str:
        """Give a tool's path (absolute, or relative to the project) relative to the repository."""
        absolute = (self.folder(checkout) / path).resolve()
        root = checkout.root.resolve()
        return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(path)

    def maker(self, check: str) -> "FindingMaker":
        """Give the maker of findings for a check on this side."""
        moved = {one.path: one.old_path for one in self.changes if one.status is Status.RENAMED}
        return FindingMaker(check, moved if self.side is Side.CANDIDATE else None)

    def in_project(self, path: str) -> bool:
        """Say whether a path of the repository belongs to this job's project."""
        return self.root == "." or PurePosixPath(path).is_relative_to(self.root)


class Check(ABC):
    """One lens of the gate.

    `weight` orders the start: the heaviest first. `needs_trust` says that it runs commands of the
    repository's choice; `runs_code` that it runs its code, which needs trust where no sandbox holds it.
    `whole` checks look at the repository once, the others at each project of their `language`; None means
    any. `own_checkout` says that it works in a checkout of its own, because what it runs may write there.
    `keeps_secrets` checks run only where a sandbox holds hostile code, trusted or not.
    `knows_base` checks compare with the base themselves, and give only what is new. `planted` is code in
    which the check must find something, to show that it can, in a file that ends with `suffix`: see `look`.
    """

    name: str
    planted: ClassVar[str] = ""
    suffix: ClassVar[str] = ".py"
    language: ClassVar[Language | None] = Language.PYTHON
    weight: ClassVar[int] = 0
    tools: ClassVar[tuple[str, ...]] = ()
    needs_trust: ClassVar[bool] = False
    runs_code: ClassVar[bool] = False
    needs_environment: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    own_checkout: ClassVar[bool] = False
    knows_base: ClassVar[bool] = False
    keeps_secrets: ClassVar[bool] = False

    @abstractmethod
    async def run(self, job: CheckJob) -> Measured:
        """Measure one tree.

        What was found and what could not be measured is in the answer; only a defect of PEV, or a
        cancellation, is an exception.
        """

    @property
    def label(self) -> str:
        """Its name, told apart from checks of the same name for other languages."""
        return self.name if self.language in (None, Language.PYTHON) else f"{self.name}-{self.language}"

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Measure single files of a checkout, relative to the project; for checks that plant something."""
        raise NotImplementedError(f"the check {self.name} plants nothing")


def readable(text: str) -> str:
    """Give text that can be written as JSON: bytes that are not UTF-8 come as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class FindingMaker:
    """Makes the findings of one check, and tells equal ones apart by counting them."""

    def __init__(self, check: str, origins: Mapping[str, str] | None = None) -> None:
        """Begin; `origins` maps a moved file to where it was, so that its findings keep their names."""
        self._check = check
        self._origins = origins or {}
        self._seen: dict[tuple[str, str | None, str], int] = {}

    def make(
        self,
        rule: str,
        message: str,
        *,
        remedy: str,
        path: str | None = None,
        line: int | None = None,
        context: str | None = None,
        severity: Severity = Severity.ERROR,
        effect: Effect = Effect.BLOCKS,
        anywhere: bool = False,
    ) -> Finding:
        """Make a finding; `context` (else the message) names it apart from its line number.

        `remedy` is the shortest honest way to green. With `anywhere` the path is no part of its name.
        """
        path = None if path is None else readable(path)
        named = context if context is not None else message
        place = None if anywhere else self._origins.get(path or "", path)
        key = (rule, place, named)
        nth = self._seen.get(key, 0)
        self._seen[key] = nth + 1
        return Finding(
            check=self._check,
            rule=rule,
            path=path,
            line=line if line is None or line >= 1 else None,
            message=readable(one_line(message)),
            severity=severity,
            effect=effect,
            fingerprint=fingerprint(self._check, rule, place, named, nth),
            help=remedy,
        )
