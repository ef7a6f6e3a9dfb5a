"""The check `deps` of Go: what did the change do to go.mod, go.sum and vendored code, and is any of it bad?

All of it is read as data. A change that touches none of it needs no advisory service.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pev.findings import Effect, Finding, Severity
from pev.gate.advised import audited, vendored_findings
from pev.gate.demands import Language, joined
from pev.gate.golang.modfile import PSEUDO, ModFile, read_mod, read_sum
from pev.gate.interface import Check, CheckJob, FindingMaker, Measured
from pev.gate.osv import OsvAuditor
from pev.models import ObjectId

_ECOSYSTEM = "Go"


@dataclass(frozen=True, slots=True)
class _State:
    """What one side declares."""

    mod: ModFile
    sums: dict[tuple[str, str], frozenset[str]]
    vendored: bool = False


class GoDeps(Check):
    """An audit of the modules that a change adds or alters."""

    name = "deps"
    language: ClassVar[Language | None] = Language.GO
    weight: ClassVar[int] = 30
    knows_base: ClassVar[bool] = True

    def __init__(self, auditor: OsvAuditor) -> None:
        self._auditor = auditor

    async def run(self, job: CheckJob) -> Measured:
        """List vulnerable, redirected and unlocked modules that are new; without a base, all of them."""
        new = await _state(job, job.tree)
        old = await _state(job, job.base_tree) if job.base_tree else _State(ModFile(), {})
        make = job.maker(self.name)
        remedy = "Let a person compare it with `go mod vendor`."
        what = "vendored code, which no checksum covers,"
        vendored = vendored_findings(job, make, joined(job.root, "vendor"), what, remedy)
        findings = [*_forms(make, job, old, new), *vendored]
        pins = _pins(new) - _pins(old)
        if not pins and not findings:
            return Measured(reason="no dependency changed; the base's own state was not audited")
        audit = await self._auditor.audit(_ECOSYSTEM, sorted(pins), job.clock)
        return audited(make, audit, lambda _: joined(job.root, "go.mod"), "module", found=findings)


async def _state(job: CheckJob, tree: ObjectId) -> _State:
    depot = job.request.depot
    mod = await depot.read_blob(tree, joined(job.root, "go.mod")) or b""
    sums = await depot.read_blob(tree, joined(job.root, "go.sum")) or b""
    vendored = await depot.read_blob(tree, joined(job.root, "vendor/modules.txt")) is not None
    return _State(read_mod(mod), read_sum(sums), vendored)


def _pins(state: _State) -> set[tuple[str, str]]:
    """Give the modules that a side builds with, their versions as the advisory service writes them."""
    replaced = {one.words[0]: one.words[-2:] for one in state.mod.of("replace") if "=>" in one.words}
    pins = set()
    for path, version in state.mod.required.items():
        own = (path, version)
        if path in replaced and replaced[path][0] != "=>":
            own = (replaced[path][0], replaced[path][1])
        pins.add((own[0], own[1].removeprefix("v")))
    return pins


def _forms(make: FindingMaker, job: CheckJob, old: _State, new: _State) -> Iterator[Finding]:
    """Give findings about where modules come from, and whether go.sum follows."""
    path = joined(job.root, "go.mod")
    for fault in new.mod.faults:
        if fault not in old.mod.faults:
            yield make.make("unreadable", f"go.mod: {fault}", path=path, remedy="Run `go mod tidy`.")
    yield from _redirected(make, path, old, new)
    for module, version in sorted(new.mod.required.items()):
        if old.mod.required.get(module) == version:
            continue
        if PSEUDO.match(version):
            yield make.make(
                "no-release",
                f"{module} {version} is a commit, and no released version",
                path=path,
                context=f"{module} {version}",
                severity=Severity.WARNING,
                effect=Effect.HOLDS,
                remedy="Use a released version; a person can allow this one.",
            )
        if not _is_locked(new, module, version):
            yield make.make(
                "not-locked",
                f"{module} {version} is not in go.sum",
                path=path,
                context=f"{module} {version}",
                remedy="Run `go mod tidy`, and commit go.sum.",
            )
    for key, hashes in sorted(new.sums.items()):
        if key in old.sums and not hashes <= old.sums[key]:
            yield make.make(
                "checksum-changed",
                f"{' '.join(key)} has another checksum than before",
                path=joined(job.root, "go.sum"),
                context=" ".join(key),
                remedy="Restore go.sum: a released version never changes.",
            )


def _redirected(make: FindingMaker, path: str, old: _State, new: _State) -> Iterator[Finding]:
    known = {one.words for one in old.mod.of("replace", "exclude")}
    for one in new.mod.of("replace", "exclude"):
        if one.words in known:
            continue
        said = " ".join(one.words)
        target = one.words[one.words.index("=>") + 1] if "=>" in one.words[:-1] else ""
        inner = target.startswith("./")
        yield make.make(
            f"{one.verb}d-module",
            f"{one.verb} {said} takes a module from elsewhere" if target else f"{one.verb} {said}",
            path=path,
            line=one.line,
            context=said,
            severity=Severity.WARNING if inner or not target else Severity.ERROR,
            effect=Effect.HOLDS if inner or not target else Effect.BLOCKS,
            remedy="Name a released version of the module itself; a person can allow this one.",
        )


def _is_locked(state: _State, module: str, version: str) -> bool:
    """Say whether go.sum holds a module: its go.mod at least, and its code where it is asked for directly."""
    if any(one.words[:1] == (module,) for one in state.mod.of("replace")):
        return True
    direct = any(one.words[:1] == (module,) and not one.indirect for one in state.mod.of("require"))
    return (module, version if direct else f"{version}/go.mod") in state.sums or (
        not direct and (module, version) in state.sums
    )
