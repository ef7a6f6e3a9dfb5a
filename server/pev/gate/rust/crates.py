"""Gets the crates that a lock file names, once, into a folder of ours: outside of the sandbox, running none.

Cargo sees nothing of a checkout: it gets a manifest of ours that asks for exactly what is locked, and the
operator's own settings of mirrors. What it brings is held to the checksums of the lock file.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import tomlkit
from anyio import to_thread

from pev import proc
from pev.config import Config
from pev.gate.network import network_env
from pev.gate.rust.lockfile import CENTRAL, Locked, load
from pev.models import hash_json
from pev.repos.lock import locked
from pev.text import one_line

_LIMIT_S: Final = 900.0
_FAILURE_S: Final = 60.0
_COMPLETE: Final = "pev-complete"
_FORMAT: Final = 1
_TABLES: Final = ("source", "registries", "http", "net")


class Crates:
    """The cache of crates of one operator."""

    def __init__(self, config: Config) -> None:
        self._folder = config.cache_dir / "rust"
        self._cache = config.cache_dir
        self._failed: dict[str, tuple[float, str]] = {}

    async def vendor(self, cargo: Path, packages: Iterable[Locked]) -> tuple[Path, str]:
        """Give the folder that holds packages of the central registry, and why it does not, or ""."""
        wanted = sorted((one for one in packages if one.central), key=lambda one: (one.name, one.version))
        key = hash_json([_FORMAT, [[one.name, one.version, one.checksum] for one in wanted]])[:32]
        folder = self._folder / "crates" / key
        if not wanted:
            return folder, ""
        failed = self._failed.get(key)
        if failed is not None and time.monotonic() - failed[0] < _FAILURE_S:
            return folder, failed[1]
        async with locked(self._folder / "locks" / key, limit_s=2 * _LIMIT_S):
            if (folder / _COMPLETE).is_file():
                return folder, ""
            fault = await self._fill(cargo, folder, wanted)
        if fault:
            self._failed[key] = (time.monotonic(), fault)
        return folder, fault

    async def _fill(self, cargo: Path, folder: Path, wanted: Sequence[Locked]) -> str:
        work = self._folder / "work" / f"{folder.name}-{os.getpid()}"
        await to_thread.run_sync(_prepare, work, folder, wanted)
        env = network_env(self._cache) | {
            "CARGO_HOME": str(work / "home"),
            "CARGO_TERM_COLOR": "never",
            "RUSTC": str(cargo.with_name("rustc")),
        }
        if "SSL_CERT_FILE" in env:
            env["CARGO_HTTP_CAINFO"] = env["SSL_CERT_FILE"]
        argv = [str(cargo), "vendor", "--quiet", "--versioned-dirs", "--respect-source-config"]
        argv += ["--manifest-path", str(work / "Cargo.toml"), str(folder / "vendor")]
        done = await proc.run(argv, cwd=work, env=env, limit_s=_LIMIT_S)
        fault = "" if done.ok else f"the crates of Cargo.lock cannot be had: {one_line(done.text(), 400)}"
        fault = fault or await to_thread.run_sync(_differs, folder / "vendor", wanted)
        await to_thread.run_sync(shutil.rmtree, work, True)
        if not fault:
            (folder / _COMPLETE).write_text("", encoding="utf-8")
        return fault


def _prepare(work: Path, folder: Path, wanted: Sequence[Locked]) -> None:
    """Write a package that asks for exactly what is locked, and a home with the operator's mirrors."""
    for one in (work, folder):
        shutil.rmtree(one, ignore_errors=True)
    (work / "home").mkdir(parents=True)
    folder.mkdir(parents=True)
    asked = {
        f"p{number}": {"package": one.name, "version": f"={one.version}", "default-features": False}
        for number, one in enumerate(wanted)
    }
    own = {"name": "pev-fetch", "version": "0.0.0", "edition": "2021"}
    manifest = {"package": own, "lib": {"path": "lib.rs"}, "dependencies": asked}
    (work / "Cargo.toml").write_text(tomlkit.dumps(manifest), encoding="utf-8")
    (work / "lib.rs").write_text("", encoding="utf-8")
    lock = {"version": 3, "package": [_own(wanted), *map(_row, wanted)]}
    (work / "Cargo.lock").write_text(tomlkit.dumps(lock), encoding="utf-8")
    (work / "home" / "config.toml").write_text(tomlkit.dumps(_mirrors()), encoding="utf-8")


def _own(wanted: Sequence[Locked]) -> dict[str, object]:
    needs = [f"{one.name} {one.version}" for one in wanted]
    return {"name": "pev-fetch", "version": "0.0.0", "dependencies": needs}


def _row(one: Locked) -> dict[str, object]:
    row: dict[str, object] = {"name": one.name, "version": one.version, "source": CENTRAL}
    return row | {"checksum": one.checksum, "dependencies": list(one.needs)}


def _mirrors() -> dict[str, object]:
    """Give the operator's own settings of where crates are taken from."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for name in ("config.toml", "config"):
        path = home / name
        if path.is_file():
            table = load(path.read_bytes()) or {}
            return {key: table[key] for key in _TABLES if key in table}
    return {}


def _differs(vendor: Path, wanted: Sequence[Locked]) -> str:
    """Say which package is not what the lock file says, or give ""."""
    for one in wanted:
        path = vendor / f"{one.name}-{one.version}" / ".cargo-checksum.json"
        try:
            found = json.loads(path.read_text("utf-8")).get("package")
        except (OSError, ValueError, AttributeError):
            return f"{one.name} {one.version} of Cargo.lock cannot be had"
        if found != one.checksum:
            return f"{one.name} {one.version} is not what Cargo.lock says: its checksum differs"
    return ""
