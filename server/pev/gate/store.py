"""Keeps what was measured, under the hash of everything that it depends on.

A file holds its own key and the hash of its content; one that does not fit is as good as absent. It is
written beside its place and moved there, so that no reader sees a half.
"""

import json
import os
import secrets
from pathlib import Path
from typing import TypeVar

from pev.findings import GateReport
from pev.gate.interface import Measured
from pev.models import Digest, Model, canonical, digest_of

_M = TypeVar("_M", bound=Model)


class Store:
    """The gate's cache on the disk, shared by all processes of PEV."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def report(self, key: Digest) -> GateReport | None:
        """Give the report of a gate with this key, marked as cached."""
        found = self._read("reports", key, GateReport)
        return None if found is None else found.model_copy(update={"cached": True})

    def keep_report(self, report: GateReport) -> None:
        """Keep a report under its key."""
        self._write("reports", report.key, report)

    def measured(self, key: Digest) -> Measured | None:
        """Give what a check measured under this key."""
        return self._read("measured", key, Measured)

    def keep_measured(self, key: Digest, measured: Measured) -> None:
        """Keep what a check measured; its log is not kept."""
        self._write("measured", key, measured)

    def recall(self, key: Digest, kind: type[_M]) -> _M | None:
        """Give what a check remembered under a key."""
        return self._read("remembered", key, kind)

    def remember(self, key: Digest, value: Model) -> None:
        """Remember something under a key, in the place of what stands there."""
        self._write("remembered", key, value)

    def _path(self, kind: str, key: Digest) -> Path:
        return self._folder / kind / key[:2] / f"{key}.json"

    def _read(self, kind: str, key: Digest, model: type[_M]) -> _M | None:
        try:
            value = json.loads(self._path(kind, key).read_bytes())
            fits = value["key"] == key and value["digest"] == digest_of(canonical(value["content"]))
            return model.model_validate_json(json.dumps(value["content"])) if fits else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, kind: str, key: Digest, model: Model) -> None:
        content = json.loads(model.model_dump_json())
        value = {"key": key, "digest": digest_of(canonical(content)), "content": content}
        path = self._path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        fresh.write_bytes(json.dumps(value).encode())
        fresh.replace(path)
