"""The protected part of a `Cargo.toml`: what steers compiler, linter and test runner, or redirects crates."""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

import tomlkit

from pev.gate.face import Manifest

_WHOLE: Final = ("profile", "lints", "patch", "replace", "cargo-features")
_PACKAGE: Final = ("build", "links", "autotests", "autobenches", "autoexamples", "workspace", "metadata")
_TARGET: Final = ("test", "doctest", "harness", "proc-macro", "path", "bench")
_WORKSPACE: Final = ("lints", "members", "exclude", "default-members", "metadata")


class CargoManifest(Manifest):
    """Reads a `Cargo.toml`; dependencies, features and plain data of the package are not protected."""

    def guarded(self, raw: bytes) -> dict[str, Any] | None:
        """Give the protected part by its keys, or None if the file cannot be read."""
        table = _load(raw)
        return None if table is None else _guarded(table)

    def restored(self, *, trusted: bytes | None, own: bytes) -> bytes | None:
        """Give `own` with the protected part of the trusted version."""
        mine, theirs = _load(own), _load(trusted or b"")
        if mine is None or theirs is None:
            return trusted
        if _guarded(mine) == _guarded(theirs):
            return own
        return tomlkit.dumps(_merged(mine, theirs)).encode()


def _load(raw: bytes) -> dict[str, Any] | None:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None


def _guarded(table: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {key: table[key] for key in _WHOLE if key in table}
    for name, keys in (("package", _PACKAGE), ("lib", _TARGET), ("workspace", _WORKSPACE)):
        part = table.get(name)
        out |= {f"{name}.{key}": part[key] for key in keys if isinstance(part, dict) and key in part}
    for name in ("test", "bench"):
        if table.get(name):
            out[name] = table[name]
    for one in _targets(table, "bin"):
        out |= {
            f"bin.{one.get('name')}.{key}": one[key] for key in ("test", "doctest", "harness") if key in one
        }
    return out


def _targets(table: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = table.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _merged(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    whole = (*_WHOLE, "test", "bench")
    out = {key: value for key, value in mine.items() if key not in whole}
    out |= {key: theirs[key] for key in whole if key in theirs}
    for name, keys in (("package", _PACKAGE), ("lib", _TARGET), ("workspace", _WORKSPACE)):
        own, trusted = out.get(name), theirs.get(name)
        if isinstance(own, dict) or isinstance(trusted, dict):
            kept = {key: value for key, value in (own or {}).items() if key not in keys}
            kept |= {key: value for key, value in (trusted or {}).items() if key in keys}
            out[name] = kept
    known = {one.get("name"): one for one in _targets(theirs, "bin")}
    if bins := _targets(out, "bin"):
        out["bin"] = [
            {key: value for key, value in one.items() if key not in ("test", "doctest", "harness")}
            | {
                key: value
                for key, value in known.get(one.get("name"), {}).items()
                if key in ("test", "doctest", "harness")
            }
            for one in bins
        ]
    return out
