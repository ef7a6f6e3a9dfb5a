"""Asks an OSV service about packages of any ecosystem, by name and version alone.

It runs in PEV's own process, with the proxy and the certificates that the operator set, never in a sandbox
and never on anything but parsed data. An answer counts only if it speaks of each package that was asked
about; one that is short, garbled, too large or late is *unmeasured*. Whole answers are kept for a day.
"""

import json
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import anyio

from pev.config import Config
from pev.gate.audit import Advisory, Audit
from pev.gate.clock import Clock
from pev.models import hash_json, now
from pev.text import one_line

PUBLIC: Final = "https://api.osv.dev/v1/query"
"""The service that pip-audit asks by default, in the form in which the operator names another."""
_BATCH: Final = 1_000
_MAX_PINS: Final = 20_000
_MAX_PAGES: Final = 20
_MAX_ADVISORIES: Final = 500
_MAX_BYTES: Final = 16 * 2**20
_AT_ONCE: Final = 8
_ANSWER_S: Final = 30.0
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

Pin = tuple[str, str]


class _Unanswered(Exception):
    """The service did not answer as it should; the message says how."""


class OsvAuditor:
    """The OSV service that the operator chose, or the public one."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._base = (config.audit_osv_url or PUBLIC).rstrip("/").removesuffix("/query")

    async def audit(self, ecosystem: str, pins: Iterable[Pin], clock: Clock) -> Audit:
        """Ask about packages by name and version, within the time that is left.

        `ecosystem` is a name of the OSV schema: npm, crates.io, Go, PyPI. What kept some or all packages from
        being audited stands in `Audit.unmeasured`; nothing is raised.
        """
        asked = sorted(set(pins))
        if not asked:
            return Audit()
        if len(asked) > _MAX_PINS:
            return Audit(
                unmeasured=f"{len(asked)} packages are more than the {_MAX_PINS} that are asked about"
            )
        kept = self._config.cache_dir / "audit" / f"{self._name(ecosystem, asked)}.json"
        if kept.is_file():
            return Audit.model_validate_json(kept.read_bytes())
        with anyio.move_on_after(max(0.01, clock.left_s())) as scope:
            audit = await self._ask(ecosystem, asked)
        if scope.cancelled_caught:
            return Audit(unmeasured=f"the advisory service did not answer within {clock.limit_s:g} s")
        if audit.unmeasured is None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_suffix(f".{os.getpid()}")
            fresh.write_text(audit.model_dump_json(), encoding="utf-8")
            fresh.replace(kept)
        return audit

    def _name(self, ecosystem: str, asked: list[Pin]) -> str:
        value = [self._base, ecosystem, [list(pin) for pin in asked]]
        return f"{now().date().isoformat()}-osv-{hash_json(value)[:32]}"

    async def _ask(self, ecosystem: str, asked: list[Pin]) -> Audit:
        found: dict[Pin, tuple[str, ...]] = {}
        try:
            async with AsyncExitStack() as stack:
                service = await _Service.open(self._base, stack)
                for start in range(0, len(asked), _BATCH):
                    found |= await service.ids(ecosystem, asked[start : start + _BATCH])
                told = await service.advisories(ecosystem, found)
        except _Unanswered as exc:
            known = [Advisory(package=pin[0], version=pin[1], id=one) for pin in found for one in found[pin]]
            return Audit(
                advisories=tuple(known),
                audited=len(found),
                unmeasured=f"the advisory service did not answer as it should: {exc}",
            )
        return Audit(advisories=told, audited=len(found))


class _Service:
    """One conversation with the service."""

    def __init__(self, base: str, http: ModuleType, client: Any) -> None:
        self._base, self._http, self._client = base, http, client

    @classmethod
    async def open(cls, base: str, stack: AsyncExitStack) -> "_Service":
        """Begin a conversation that ends with `stack`."""
        import httpx2  # takes 0.1 s, and most gates ask nothing

        client = httpx2.AsyncClient(timeout=_ANSWER_S, verify=_certificates())
        return cls(base, httpx2, await stack.enter_async_context(client))

    async def ids(self, ecosystem: str, pins: list[Pin]) -> dict[Pin, tuple[str, ...]]:
        """Give the ids of what is known of each package; all pages of them. Raises _Unanswered."""
        out: dict[Pin, tuple[str, ...]] = dict.fromkeys(pins, ())
        queries: list[tuple[Pin, str]] = [(pin, "") for pin in pins]
        for _ in range(_MAX_PAGES):
            rows = await self._batch(ecosystem, queries)
            following = []
            for (pin, _), row in zip(queries, rows, strict=True):
                out[pin] += _ids(row)
                if token := row.get("next_page_token"):
                    following.append((pin, str(token)))
            if not following:
                return out
            queries = following
        raise _Unanswered(f"more than {_MAX_PAGES} pages of advisories")

    async def _batch(self, ecosystem: str, queries: list[tuple[Pin, str]]) -> list[dict[str, Any]]:
        wanted = [
            {"package": {"name": name, "ecosystem": ecosystem}, "version": version}
            | ({"page_token": token} if token else {})
            for (name, version), token in queries
        ]
        rows = (await self._json("POST", "/querybatch", {"queries": wanted})).get("results")
        if not isinstance(rows, list) or len(rows) != len(queries):
            raise _Unanswered(f"not one answer for each of {len(queries)} packages")
        if not all(row is None or isinstance(row, dict) for row in rows):
            raise _Unanswered("an answer that is no object")
        return [row or {} for row in rows]

    async def advisories(self, ecosystem: str, found: Mapping[Pin, tuple[str, ...]]) -> tuple[Advisory, ...]:
        """Give what is to be known of each id, without those that were withdrawn. Raises _Unanswered."""
        ids = sorted({one for own in found.values() for one in own})
        if len(ids) > _MAX_ADVISORIES:
            raise _Unanswered(f"{len(ids)} advisories, more than the {_MAX_ADVISORIES} that are read")
        records: dict[str, dict[str, Any]] = {}
        free = anyio.Semaphore(_AT_ONCE)
        faults: list[_Unanswered] = []

        async def fetch(one: str) -> None:
            async with free:
                try:
                    records[one] = await self._json("GET", f"/vulns/{one}", None)
                except _Unanswered as exc:
                    faults.append(exc)

        async with anyio.create_task_group() as tasks:
            for one in ids:
                tasks.start_soon(fetch, one)
        if faults:
            raise faults[0]
        return tuple(
            _advisory(ecosystem, pin, one, records[one])
            for pin, own in sorted(found.items())
            for one in own
            if not records[one].get("withdrawn")
        )

    async def _json(self, method: str, path: str, body: object) -> dict[str, Any]:
        raw = bytearray()
        try:
            async with self._client.stream(method, self._base + path, json=body) as answer:
                if answer.status_code != 200:
                    raise _Unanswered(f"status {answer.status_code}")
                async for chunk in answer.aiter_bytes():
                    raw += chunk
                    if len(raw) > _MAX_BYTES:
                        raise _Unanswered(f"an answer larger than {_MAX_BYTES} bytes")
        except (self._http.HTTPError, self._http.InvalidURL, OSError) as exc:
            raise _Unanswered(type(exc).__name__) from exc
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as exc:
            raise _Unanswered("no JSON") from exc
        if not isinstance(value, dict):
            raise _Unanswered("JSON that is no object")
        return value


def _certificates() -> ssl.SSLContext | bool:
    """Give the certificates that the operator named for requests and curl, else the client's own choice."""
    named = [Path(os.environ[name]) for name in _BUNDLES if os.environ.get(name)]
    for path in named if "SSL_CERT_FILE" not in os.environ else ():
        if path.is_dir():
            return ssl.create_default_context(capath=path)
        if path.is_file():
            return ssl.create_default_context(cafile=path)
    return True


def _ids(row: Mapping[str, Any]) -> tuple[str, ...]:
    vulns = row.get("vulns") or []
    ids = (
        [one.get("id") if isinstance(one, dict) else None for one in vulns]
        if isinstance(vulns, list)
        else [None]
    )
    if not all(isinstance(one, str) and _ID.fullmatch(one) for one in ids):
        raise _Unanswered("an advisory without a proper id")
    return tuple(str(one) for one in ids)


def _advisory(ecosystem: str, pin: Pin, own: str, record: Mapping[str, Any]) -> Advisory:
    text = record.get("summary") or record.get("details") or ""
    fixed = tuple(dict.fromkeys(_fixed(ecosystem, pin[0], record)))
    return Advisory(package=pin[0], version=pin[1], id=own, fixed=fixed, text=one_line(str(text)))


def _fixed(ecosystem: str, name: str, record: Mapping[str, Any]) -> list[str]:
    """List the versions of a package in which an advisory says that it is fixed."""
    out: list[str] = []
    affected = record.get("affected")
    for one in affected if isinstance(affected, list) else []:
        package = one.get("package") if isinstance(one, dict) else None
        if not isinstance(package, dict) or (package.get("name"), package.get("ecosystem")) != (
            name,
            ecosystem,
        ):
            continue
        for span in one.get("ranges") or []:
            if isinstance(span, dict) and span.get("type") in ("SEMVER", "ECOSYSTEM"):
                events = [event for event in span.get("events") or [] if isinstance(event, dict)]
                out += [str(event["fixed"]) for event in events if "fixed" in event]
    return out
