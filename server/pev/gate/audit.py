"""Asks an advisory service about pinned packages, through pip-audit, on parsed data only.

An answer counts only if it is JSON and speaks of every package that was asked about; the exit code alone
says nothing. Answers are kept for a day.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pev import proc
from pev.config import AuditService, Config
from pev.gate.clock import Clock
from pev.gate.network import network_env
from pev.gate.outputs import ended_badly
from pev.gate.tools import command, version_of
from pev.models import Model, hash_json, now
from pev.proc import Ending

_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;,*]+)$")


class Advisory(Model):
    """One known vulnerability of one package."""

    package: str
    version: str
    id: str
    fixed: tuple[str, ...] = ()
    text: str = ""


class Audit(Model):
    """What the service said. `unmeasured` is the reason why some or all packages were not audited."""

    advisories: tuple[Advisory, ...] = ()
    audited: int = 0
    unmeasured: str | None = None


def pin_of(line: str) -> tuple[str, str] | None:
    """Give name and version of an exactly pinned requirement, markers and extras aside; None if it is not."""
    plain = re.sub(r"\[[^\]]*\]", "", line.partition(";")[0]).replace(" ", "")
    found = _PIN.match(plain)
    return (re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]) if found else None


class Auditor:
    """The advisory service that the operator chose."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def audit(self, pins: Iterable[tuple[str, str]], clock: Clock) -> Audit:
        """Ask about packages by name and version."""
        asked = sorted(set(pins))
        if not asked:
            return Audit()
        kept = self._kept(asked)
        if kept.is_file():
            return Audit.model_validate_json(kept.read_bytes())
        merged = Audit()
        for batch in _batches(asked):
            got = await self._ask(batch, clock)
            merged = Audit(
                advisories=(*merged.advisories, *got.advisories),
                audited=merged.audited + got.audited,
                unmeasured=merged.unmeasured or got.unmeasured,
            )
        if merged.unmeasured is None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_suffix(".new")
            fresh.write_text(merged.model_dump_json(), encoding="utf-8")
            fresh.replace(kept)
        return merged

    def _kept(self, asked: list[tuple[str, str]]) -> Path:
        day = now().date().isoformat()
        service = [
            self._config.audit_service.value,
            self._config.audit_osv_url or "",
            version_of("pip-audit"),
        ]
        return (
            self._config.cache_dir
            / "audit"
            / f"{day}-{hash_json([service, [list(pin) for pin in asked]])[:32]}.json"
        )

    async def _ask(self, asked: list[tuple[str, str]], clock: Clock) -> Audit:
        folder = self._config.cache_dir / "audit"
        folder.mkdir(parents=True, exist_ok=True)
        listed = folder / f"{hash_json([list(pin) for pin in asked])[:32]}.txt"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in asked), encoding="utf-8")
        argv = [*command("pip-audit"), "-r", str(listed), "--no-deps", "--disable-pip", "-f", "json"]
        argv += ["--progress-spinner", "off", "--desc", "on", "-s", self._config.audit_service.value]
        argv += ["--cache-dir", str(folder / "http")]
        if self._config.audit_service is AuditService.OSV and self._config.audit_osv_url:
            argv += ["--osv-url", self._config.audit_osv_url]
        env = network_env(self._config.cache_dir)
        done = await proc.run(argv, cwd=folder, env=env, limit_s=max(0.01, clock.left_s()))
        report = _report(done.stdout)
        if done.ending is not Ending.EXITED or report is None:
            fault = ended_badly("pip-audit", done, clock.limit_s)
            return Audit(unmeasured=f"the advisory service did not answer: {fault}")
        return _read(report, asked)


def _batches(asked: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Part the packages so that no batch names one of them twice: pip-audit takes one version of each."""
    out: list[dict[str, str]] = []
    for name, version in asked:
        free = next((batch for batch in out if name not in batch), None)
        if free is None:
            out.append(free := {})
        free[name] = version
    return [sorted(batch.items()) for batch in out]


def _report(raw: bytes) -> list[dict[str, Any]] | None:
    try:
        rows = json.loads(raw)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None


def _read(report: list[dict[str, Any]], asked: list[tuple[str, str]]) -> Audit:
    """Read the rows; a package that was skipped, or is not there at all, was not audited."""
    found, audited = [], set()
    for row in report:
        name = re.sub(r"[-_.]+", "-", str(row.get("name", ""))).lower()
        if row.get("skip_reason"):
            continue
        audited.add(name)
        for vuln in row.get("vulns") or ():
            fixed = tuple(str(one) for one in vuln.get("fix_versions") or ())
            text = str(vuln.get("description") or "")
            found.append(
                Advisory(
                    package=name, version=str(row.get("version")), id=str(vuln["id"]), fixed=fixed, text=text
                )
            )
    missing = sorted({name for name, _ in asked} - audited)
    unmeasured = None
    if missing:
        unmeasured = f"{len(missing)} of {len(asked)} packages were not audited ({', '.join(missing[:5])})"
    return Audit(advisories=tuple(found), audited=len(audited), unmeasured=unmeasured)
