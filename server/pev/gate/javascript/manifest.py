"""`package.json`: which part of it steers tools, and how a change of that part is undone."""

import json
from typing import Any, Final

from pev.gate.javascript.packages import read_json

STEERING: Final = (
    "scripts",
    "type",
    "engines",
    "workspaces",
    "imports",
    "eslintConfig",
    "eslintIgnore",
    "prettier",
    "jest",
    "vitest",
    "mocha",
    "ava",
    "tap",
    "nyc",
    "c8",
    "babel",
    "swc",
    "browserslist",
    "lint-staged",
    "husky",
    "biome",
    "xo",
    "standard",
    "tsconfig",
)
"""What tools read there, and what decides how files are loaded. Dependencies are read by the check `deps`."""


class PackageManifest:
    """Reads and restores the part of `package.json` that is protected."""

    def guarded(self, raw: bytes) -> dict[str, Any] | None:
        """Give the protected part by its dotted keys, or None if it cannot be read."""
        manifest = read_json(raw)
        if manifest is None:
            return None
        return _flat({key: manifest[key] for key in STEERING if key in manifest})

    def restored(self, *, trusted: bytes | None, own: bytes | None) -> bytes | None:
        """Give `own` with the protected part of the trusted version; None if there is to be no file."""
        mine, theirs = read_json(own), read_json(trusted)
        if own is None or mine is None or theirs is None:
            return trusted
        kept = {key: theirs[key] for key in STEERING if key in theirs}
        if kept == {key: mine[key] for key in STEERING if key in mine}:
            return own
        merged = {key: value for key, value in mine.items() if key not in STEERING} | kept
        return (json.dumps(merged, indent=2, ensure_ascii=False) + "\n").encode()


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Give the leaves of nested objects by their dotted keys; lists are leaves."""
    if not isinstance(value, dict) or not value:
        return {prefix: value} if prefix else {}
    out: dict[str, Any] = {}
    for key, inner in value.items():
        out |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return out
