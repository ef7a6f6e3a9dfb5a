"""The Rust that is installed here, and the crates that a project's `Cargo.lock` names.

Behind rustup's shims lies a tool chain in a folder; its programs are used by their paths there, so that no
`rust-toolchain.toml` of a change chooses another. In the sandbox there is no network, and cargo's own
settings, its cache and what it builds are private to each checkout.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import anyio
import tomlkit
from anyio import to_thread

from pev import proc
from pev.config import Config
from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.gate.demands import EnvironmentSettings, joined
from pev.gate.interface import Checkout, Depot, Toolbox, ToolboxMaker
from pev.gate.outputs import private_name
from pev.gate.rust.crates import Crates
from pev.gate.rust.lockfile import load, read_asked, read_lock
from pev.models import Digest, ObjectId, digest_of, hash_json
from pev.text import one_line

_FORMAT: Final = 1
_ASKED: Final = ("RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME", "HOME")


@dataclass(frozen=True, slots=True)
class Rust:
    """The tool chain that is installed here."""

    root: Path
    version: str

    def program(self, name: str) -> Path:
        """Give the path of one of its programs. Raises ToolMissing."""
        path = self.root / "bin" / name
        if not path.is_file():
            raise ToolMissing(
                f"{name} is not installed here", hint=f"Install it: `rustup component add {name}`."
            )
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class RustBox(Toolbox):
    """Rust for one checkout. `fault` is why its crates are not there, "" if they are."""

    rust: Rust
    target: Path
    fault: str = ""

    @property
    def tools(self) -> dict[str, str]:
        """The version of the compiler."""
        return {"rustc": self.rust.version}

    def require_crates(self) -> None:
        """Raise EnvironmentUnavailable if the crates of the project are not there."""
        if self.fault:
            raise EnvironmentUnavailable(
                self.fault, hint="Lock crates of the registry, and let it be reached."
            )


class RustBoxes(ToolboxMaker):
    """Makes the toolboxes of Rust projects."""

    def __init__(self, config: Config) -> None:
        self._crates = Crates(config)
        self._found: Rust | None = None
        self._lock = anyio.Lock()

    async def rust(self) -> Rust:
        """Find the tool chain. Raises EnvironmentUnavailable."""
        async with self._lock:
            if self._found is None:
                self._found = await _find()
            return self._found

    async def name(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> str:
        """Name the tool chain that is here, and what a tree locks; "" if there is none."""
        try:
            rust = await self.rust()
        except EnvironmentUnavailable:
            return ""
        return _key(rust, await depot.read_blob(tree, joined(root, "Cargo.lock")))

    async def fit(
        self, depot: Depot, checkout: Checkout, root: str, settings: EnvironmentSettings, trusted: ObjectId
    ) -> RustBox:
        """Give Rust and the crates of a project. Raises EnvironmentUnavailable if there is no Rust."""
        rust = await self.rust()
        lock = await depot.read_blob(checkout.tree, joined(root, "Cargo.lock"))
        fault, sources, readable = await self._sources(rust, depot, checkout, root, lock)
        own = checkout.scratch / private_name("rust", root)
        home, target = own / "home", own / "target"
        for folder in (home, target):
            folder.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(sources, encoding="utf-8")
        bins = rust.root / "bin"
        return RustBox(
            bins=(bins,),
            readable=(rust.root, *readable),
            key=Digest(_key(rust, lock)),
            env={
                "CARGO": str(bins / "cargo"),
                "RUSTC": str(bins / "rustc"),
                "RUSTDOC": str(bins / "rustdoc"),
                "RUSTFMT": str(bins / "rustfmt"),
                "CARGO_HOME": str(home),
                "CARGO_TARGET_DIR": str(target),
                "CARGO_NET_OFFLINE": "true",
                "CARGO_INCREMENTAL": "0",
                "CARGO_PROFILE_DEV_DEBUG": "0",
                "CARGO_TERM_COLOR": "never",
                "CARGO_TERM_PROGRESS_WHEN": "never",
                "RUST_BACKTRACE": "0",
            },
            rust=rust,
            target=target,
            fault=fault,
        )

    async def _sources(
        self, rust: Rust, depot: Depot, checkout: Checkout, root: str, lock: bytes | None
    ) -> tuple[str, str, tuple[Path, ...]]:
        """Give what keeps the crates from being there, cargo's settings of sources, and folders to show."""
        folder = checkout.root if root == "." else checkout.root / root
        if await to_thread.run_sync(_has_sources, folder, checkout.root):
            return "", "", ()  # the trusted configuration says itself where crates are
        packages = read_lock(lock)
        if packages is None:
            return "Cargo.lock cannot be read", "", ()
        if lock is None and (asked := await _asks(depot, checkout.tree, root)):
            return f"there is no Cargo.lock, and {asked} is asked for", "", ()
        odd = [one for one in packages if one.source and not one.central]
        if odd:
            return f"{odd[0].name} comes from {one_line(odd[0].source, 100)}, not from the registry", "", ()
        bad = [one for one in packages if not one.sound]
        if bad:
            return f"{one_line(bad[0].name, 100)} has no checksum in Cargo.lock", "", ()
        vendor, fault = await self._crates.vendor(rust.program("cargo"), packages)
        if fault or not any(one.central for one in packages):
            return fault, "", ()
        table = {
            "source": {
                "crates-io": {"replace-with": "pev"},
                "pev": {"directory": str(vendor / "vendor")},
            }
        }
        return "", tomlkit.dumps(table), (vendor,)


async def _find() -> Rust:
    """Ask the compiler where it is: what is on the PATH may be a shim."""
    try:
        shim = proc.find_program("rustc")
    except ToolMissing as exc:
        raise EnvironmentUnavailable(
            "rust is not installed here", hint="Install rustc, cargo, clippy and rustfmt."
        ) from exc
    env = proc.base_env({name: os.environ[name] for name in _ASKED if name in os.environ})
    root, told = [
        await proc.run([str(shim), *words], cwd=Path("/"), env=env, limit_s=60)
        for words in (("--print", "sysroot"), ("--version",))
    ]
    path = Path(root.stdout.decode("utf-8", "replace").strip())
    if not root.ok or not told.ok or not (path / "bin" / "rustc").is_file():
        raise EnvironmentUnavailable(
            f"rustc does not say where it is: {one_line(root.text() or told.text())}",
            hint="Choose a tool chain: `rustup default stable`.",
        )
    return Rust(path.resolve(), one_line(told.stdout.decode("utf-8", "replace")).removeprefix("rustc "))


def _key(rust: Rust, lock: bytes | None) -> str:
    return hash_json([_FORMAT, str(rust.root), rust.version, digest_of(lock or b"")])


def _has_sources(folder: Path, top: Path) -> bool:
    """Say whether cargo's own configuration of the checkout says where crates are taken from."""
    while True:
        for name in ("config.toml", "config"):
            path = folder / ".cargo" / name
            if path.is_file() and "source" in (load(path.read_bytes()) or {}):
                return True
        if folder == top or not folder.is_relative_to(top):
            return False
        folder = folder.parent


async def _asks(depot: Depot, tree: ObjectId, root: str) -> str:
    """Name a crate of a registry that some manifest of a project asks for, or give ""."""
    paths = [
        entry.path
        for entry in await depot.entries(tree)
        if PurePosixPath(entry.path).name == "Cargo.toml"
        and (root == "." or PurePosixPath(entry.path).is_relative_to(root))
    ]
    for path, raw in sorted((await depot.read_blobs(tree, paths)).items()):
        for one in read_asked(path, raw) or ():
            if one.origin != "path":
                return one.name
    return ""
