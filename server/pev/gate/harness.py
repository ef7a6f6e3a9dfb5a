"""The harness: which version of each protected file a gate uses, and which changes of them are held.

A change that is neutral, stricter, named in the approved plan or let through is used; in place of any
other, the version of the trusted ref is written into the checkouts.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import tomlkit

from pev.errors import PolicyInvalid
from pev.findings import Effect, Finding, Severity
from pev.gate.demands import ALWAYS, Policy, parse_policy
from pev.gate.faces import manifest_of
from pev.gate.fixtures import fixture_names, steers
from pev.gate.interface import FindingMaker, GateRequest
from pev.gate.meaning import NEUTRAL, Meaning, Verdict, compare, guarded_tables
from pev.gate.protected import Ground, ground_of
from pev.gate.subjects import is_test_file
from pev.models import ObjectId
from pev.repos.objects import GITLINK, Entry

_EXTENDS: Final = re.compile(rb"""^\s*extend\s*=\s*["']([^"']+)["']""", re.MULTILINE)
_PLUGIN_FILE: Final = re.compile(rb"""[\w./-]+\.py\b""")
_HELP: Final = (
    "Undo this change, or let a person decide: an approved plan that names the file, or a let-through."
)


@dataclass(frozen=True, slots=True)
class Harness:
    """What is written over the checkouts of each side (None removes a file), and what is held.

    `approved` are the protected paths whose new version is used.
    """

    candidate: Mapping[str, bytes | None]
    base: Mapping[str, bytes | None]
    findings: tuple[Finding, ...] = ()
    approved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Trees:
    """The protected files of the three trees, by path to object id."""

    trusted: Mapping[str, str]
    candidate: Mapping[str, str]
    base: Mapping[str, str]


class HarnessBuilder:
    """Works out the harness of one request."""

    def __init__(self, request: GateRequest, base_tree: ObjectId | None) -> None:
        self._request = request
        self._depot = request.depot
        self._base_tree = base_tree or request.snapshot
        self._made = FindingMaker(ALWAYS)

    async def build(self) -> Harness:
        """Compare all protected files of trusted ref, base and candidate."""
        trusted_tree = await self._depot.tree_of(self._request.trusted_commit)
        named = await self._named(trusted_tree)
        listed = [
            await self._depot.entries(tree)
            for tree in (trusted_tree, self._request.snapshot, self._base_tree)
        ]
        trees = _Trees(*(_protected(entries, named) for entries in listed))
        candidate: dict[str, bytes | None] = {}
        base: dict[str, bytes | None] = {}
        findings: list[Finding] = []
        approved: set[str] = set()
        differing = [
            p
            for p in _union(trees)
            if not trees.trusted.get(p) == trees.candidate.get(p) == trees.base.get(p)
        ]
        taken = await self._taken(differing, listed[0], trusted_tree)
        for path in differing:
            old = await self._blob(trusted_tree, trees.trusted, path)
            new = await self._blob(self._request.snapshot, trees.candidate, path)
            was = await self._blob(self._base_tree, trees.base, path)
            finding = self._judge(path, named, old, new, taken)
            used = self._is_used(finding, path)
            if finding is not None:
                findings.append(finding)
            if new != old:
                approved |= {path} if used else set()
                if not used:
                    candidate[path] = _restored(path, trusted=old, own=new)
            if was != (want := self._for_base(path, old, new if used else old, was)):
                base[path] = want
        return Harness(candidate, base, tuple(findings), frozenset(approved))

    async def _named(self, trusted_tree: ObjectId) -> tuple[str, ...]:
        """Give the patterns that are protected because policy or configuration names them."""
        out = list(self._request.policy.policy.protected)
        for config in ("pyproject.toml", "ruff.toml", ".ruff.toml"):
            raw = await self._depot.read_blob(trusted_tree, config) or b""
            out += [_plain(found.decode("utf-8", "replace")) for found in _EXTENDS.findall(raw)]
        for config in ("pyproject.toml", "mypy.ini", ".mypy.ini", "setup.cfg"):
            raw = await self._depot.read_blob(trusted_tree, config) or b""
            for line in (line for line in raw.splitlines() if line.lstrip().startswith(b"plugins")):
                out += [_plain(found.decode("utf-8", "replace")) for found in _PLUGIN_FILE.findall(line)]
        return tuple(out)

    async def _blob(self, tree: ObjectId, own: Mapping[str, str], path: str) -> bytes | None:
        return await self._depot.read_blob(tree, path) if path in own else None

    async def _taken(self, differing: Iterable[str], entries: Iterable[Entry], tree: ObjectId) -> set[str]:
        """Give the fixture names in use, if some conftest.py differs at all."""
        if not any(ground_of(path) is Ground.CONFTEST for path in differing):
            return set()
        out: set[str] = set()
        for entry in entries:
            name = PurePosixPath(entry.path).name
            if name == "conftest.py" or (name.endswith(".py") and "test" in entry.path):
                raw = await self._depot.read_blob(tree, entry.path) or b""
                out |= fixture_names(raw.decode("utf-8", "replace"), beyond=is_test_file(entry.path))
        return out

    def _judge(
        self, path: str, named: tuple[str, ...], old: bytes | None, new: bytes | None, taken: set[str]
    ) -> Finding | None:
        """Give the finding for a protected file that the candidate changed, or None if it is harmless."""
        ground = ground_of(path, named)
        if ground is None or old == new:
            return None
        verdict, why = self._meaning(ground, path, old, new, taken)
        if verdict.meaning is not Meaning.LOOSER:
            return None
        what = "is new" if old is None else "is gone" if new is None else "changed"
        keys = f" ({', '.join(verdict.keys)})" if verdict.keys else ""
        named_by_plan = self._request.plan is not None and self._request.plan.covers(path)
        return self._made.make(
            f"protected-{ground.name.lower()}",
            f"protected file {path} {what}{keys}{why}; the trusted version is used for judging"
            if not named_by_plan
            else f"protected file {path} {what}{keys}{why}; the approved plan names it",
            path=path,
            context=f"{ground} {what} {keys}",
            severity=Severity.NOTE if named_by_plan else Severity.WARNING,
            effect=Effect.NOTES if named_by_plan else Effect.HOLDS,
            remedy=_HELP,
        )

    def _meaning(
        self, ground: Ground, path: str, old: bytes | None, new: bytes | None, taken: set[str]
    ) -> tuple[Verdict, str]:
        if ground is Ground.CONFTEST:
            why = steers(_text(old), _text(new), taken)
            return (Verdict(meaning=Meaning.LOOSER), f": {why}") if why else (NEUTRAL, "")
        if ground is Ground.POLICY and old is None and path == "pev.toml" and new is not None:
            why = _first_policy_fault(self._request.policy.policy, new)
            return (Verdict(meaning=Meaning.LOOSER), f": {why}") if why else (NEUTRAL, "")
        return compare(ground, old, new, manifest_of(path)), ""

    def _is_used(self, finding: Finding | None, path: str) -> bool:
        if finding is None:
            return ground_of(path) is not Ground.IGNORE
        allowed = {
            one.fingerprint for one in self._request.let_throughs if one.snapshot == self._request.snapshot
        }
        return finding.effect is Effect.NOTES or finding.fingerprint in allowed

    def _for_base(self, path: str, old: bytes | None, used: bytes | None, was: bytes | None) -> bytes | None:
        """Give what the base's checkout holds: its own harness, but the judging tool configuration."""
        ground = ground_of(path)
        if ground is Ground.CONFTEST:
            return old
        return _restored(path, trusted=used, own=was)


def _protected(entries: Iterable[Entry], named: tuple[str, ...]) -> dict[str, str]:
    return {e.path: e.oid for e in entries if e.mode != GITLINK and ground_of(e.path, named) is not None}


def _union(trees: _Trees) -> list[str]:
    return sorted(trees.trusted.keys() | trees.candidate.keys() | trees.base.keys())


def _plain(path: str) -> str:
    return PurePosixPath(path).as_posix()


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "replace")


def _restored(path: str, *, trusted: bytes | None, own: bytes | None) -> bytes | None:
    """Give the trusted version of a protected file; of one that declares a package only what is protected."""
    manifest = manifest_of(path)
    if manifest is not None and own is not None:
        return manifest.restored(trusted=trusted, own=own)
    if PurePosixPath(path).name.lower() != "pyproject.toml" or own is None:
        return trusted
    try:
        mine = tomllib.loads(own.decode("utf-8"))
        theirs = tomllib.loads(trusted.decode("utf-8")) if trusted is not None else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return trusted
    if guarded_tables(mine) == guarded_tables(theirs):
        return own
    merged: dict[str, Any] = {
        key: value for key, value in mine.items() if key not in ("tool", "build-system")
    }
    merged |= {key: theirs[key] for key in ("build-system", "tool") if key in theirs}
    guarded = guarded_tables(theirs).get("project", {})
    plugins = guarded.get("entry-points", {})
    project = merged.get("project")
    if isinstance(project, dict):
        project = {key: value for key, value in project.items() if key != "requires-python"}
        project |= {key: value for key, value in guarded.items() if key == "requires-python"}
        points = project.get("entry-points")
        kept = {k: v for k, v in points.items() if k != "pytest11"} if isinstance(points, dict) else {}
        merged["project"] = {**project, "entry-points": kept | plugins}
    return tomlkit.dumps(merged).encode()


def _first_policy_fault(default: Policy, raw: bytes) -> str:
    """Say what makes a first pev.toml looser than the policy that was detected, or give ""."""
    try:
        policy = parse_policy(raw.decode("utf-8", "replace"), file="pev.toml")
    except PolicyInvalid as exc:
        return exc.message
    if policy is None:
        return ""
    missing = [name for name in default.checks if name not in policy.checks]
    if missing:
        return f"check {missing[0]} is left out"
    if policy.coverage_floor < default.coverage_floor:
        return f"coverage_floor {policy.coverage_floor:g} is lower than {default.coverage_floor:g}"
    soft = [str(name) for name, own in policy.check.items() if not own.blocking or own.paths]
    if soft:
        return f"check {soft[0]} is narrowed"
    if policy.command or policy.environment.setup:
        return "it has commands of its own"
    own = [p for p in policy.project if p.checks is not None or p.coverage_floor is not None]
    lowered = [p.root for p in own if p not in default.project]
    if lowered or [p.root for p in policy.projects] != [p.root for p in default.projects]:
        return "it names other projects"
    return "" if policy.environment == default.environment else "it changes the environment"
