"""The Go that is installed here, and the modules that a project's `go.sum` names, in a cache of ours.

Modules are downloaded outside of the sandbox, from the proxy that the operator chose, by a `go mod download`
that sees nothing of a checkout but its go.mod and go.sum files, runs no version control, and is held to the
checksums. Nothing of a module is run. In the sandbox there is no network, and no other tool chain is fetched.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import anyio
from anyio import to_thread

from pev import proc
from pev.config import Config
from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.gate.demands import EnvironmentSettings
from pev.gate.golang.modfile import read_mod
from pev.gate.golang.seed import common_packages, plant, seed
from pev.gate.interface import Checkout, Depot, Toolbox, ToolboxMaker
from pev.gate.network import network_env
from pev.gate.outputs import private_name
from pev.models import Digest, ObjectId, digest_of, hash_json
from pev.repos.lock import locked
from pev.text import one_line

_FILES: Final = ("go.mod", "go.sum", "go.work", "go.work.sum")
_OPERATORS: Final = ("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOAUTH")
_LIMIT_S: Final = 900.0
_FAILURE_S: Final = 60.0
_COMPLETE: Final = "pev-complete"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Go:
    """The Go that is installed here."""

    program: Path
    root: Path
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoBox(Toolbox):
    """Go for one checkout. `fault` is why its modules are not there, "" if they are."""

    go: Path
    gofmt: Path
    version: str
    fault: str = ""

    @property
    def tools(self) -> dict[str, str]:
        """The version of Go."""
        return {"go": self.version}

    def require_modules(self) -> None:
        """Raise EnvironmentUnavailable if the modules of the project are not there."""
        if self.fault:
            raise EnvironmentUnavailable(self.fault, hint="Set GOPROXY, or vendor the modules.")


class GoBoxes(ToolboxMaker):
    """Makes the toolboxes of Go projects."""

    def __init__(self, config: Config) -> None:
        self._folder = config.cache_dir / "go"
        self._cache = config.cache_dir
        self._found: Go | None = None
        self._lock = anyio.Lock()
        self._failed: dict[str, tuple[float, str]] = {}

    async def go(self) -> Go:
        """Find Go. Raises EnvironmentUnavailable."""
        async with self._lock:
            if self._found is None:
                self._found = await self._find()
            return self._found

    async def _find(self) -> Go:
        try:
            program = proc.find_program("go").resolve()
        except ToolMissing as exc:
            raise EnvironmentUnavailable(
                "go is not installed here", hint="Install Go 1.19 or later."
            ) from exc
        self._folder.mkdir(parents=True, exist_ok=True)
        env = proc.base_env(_closed(self._folder))
        argv = [str(program), "env", "-json", "GOROOT", "GOVERSION"]
        done = await proc.run(argv, cwd=Path("/"), env=env, limit_s=60)
        try:
            told = json.loads(done.stdout)
            root, version = Path(told["GOROOT"]), str(told["GOVERSION"])
        except (ValueError, KeyError, TypeError) as exc:
            raise EnvironmentUnavailable(
                f"go does not say what it is: {one_line(done.text())}", hint="Install Go again."
            ) from exc
        return Go(program, root, version)

    async def name(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> str:
        """Name the Go that is here, and the modules that a tree asks for; "" if there is none."""
        try:
            go = await self.go()
        except EnvironmentUnavailable:
            return ""
        return _key(go, await _declared(depot, tree, root))

    async def fit(
        self, depot: Depot, checkout: Checkout, root: str, settings: EnvironmentSettings, trusted: ObjectId
    ) -> GoBox:
        """Give Go and the modules of a project. Raises EnvironmentUnavailable if there is no Go."""
        go = await self.go()
        files = await _declared(depot, checkout.tree, root)
        key = _key(go, files)
        project = checkout.root if root == "." else checkout.root / root
        vendored = (project / "vendor" / "modules.txt").is_file()
        modules, fault = checkout.scratch / "no-modules", ""
        if not vendored and _has_modules(files):
            modules = self._folder / "modules" / key[:32]
            fault = await self._download(go, key, files, root)
        own = checkout.scratch / private_name("go", root)
        for folder in (own, modules):
            folder.mkdir(parents=True, exist_ok=True)
        env = _closed(own) | {
            "GOFLAGS": "-mod=vendor" if vendored else "-mod=readonly",
            "GOMODCACHE": str(modules),
            "GOWORK": _workspace(checkout.root, project),
            "GOROOT": str(go.root),
            "CGO_ENABLED": "1" if shutil.which("cc") or shutil.which("gcc") else "0",
        }
        seeded = await self._seed(go, project, own)
        return GoBox(
            bins=(go.program.parent,),
            readable=tuple(
                dict.fromkeys((go.root, go.root.resolve(), go.program.parent.parent, modules, *seeded))
            ),
            key=Digest(key),
            env=env,
            go=go.program,
            gofmt=go.program.with_name("gofmt"),
            version=go.version,
            fault=fault,
        )

    async def _seed(self, go: Go, project: Path, own: Path) -> tuple[Path, ...]:
        """Spare a checkout to compile Go's own packages; give what its sandbox must show for that."""
        names = await to_thread.run_sync(common_packages, project)
        kept = await seed(go.program, go.version, names, self._folder, _closed(self._folder))
        if kept is None:
            return ()
        await to_thread.run_sync(plant, kept, own / "cache")
        return (kept,)

    async def _download(self, go: Go, key: str, files: Mapping[str, bytes], root: str) -> str:
        """Download the modules of a project, once; give why it failed, or ""."""
        folder = self._folder / "modules" / key[:32]
        failed = self._failed.get(key)
        if failed is not None and time.monotonic() - failed[0] < _FAILURE_S:
            return failed[1]
        async with locked(self._folder / "locks" / key[:32], limit_s=2 * _LIMIT_S):
            if (folder / _COMPLETE).is_file():
                return ""
            work = self._folder / "work" / f"{key[:32]}-{os.getpid()}"
            await to_thread.run_sync(_write, work, files)
            own = _closed(work / ".go")
            env = network_env(self._cache) | {name: own[name] for name in own if name not in _OPERATORS}
            env |= {name: os.environ[name] for name in _OPERATORS if name in os.environ}
            env |= {"GOMODCACHE": str(folder), "GOFLAGS": "-modcacherw"}
            argv = [str(go.program), "mod", "download"]
            cwd = work if root == "." else work / root
            done = await proc.run(argv, cwd=cwd, env=env, limit_s=_LIMIT_S)
            await to_thread.run_sync(shutil.rmtree, work, True)
            if done.ok:
                folder.mkdir(parents=True, exist_ok=True)  # nothing but local replacements leaves it out
                (folder / _COMPLETE).write_text("", encoding="utf-8")
                return ""
        fault = f"the modules of go.sum cannot be had: {one_line(done.text(), 400)}"
        self._failed[key] = (time.monotonic(), fault)
        return fault


def _closed(folder: Path) -> dict[str, str]:
    """Give the variables that keep Go from the network and from settings of anybody else."""
    return {
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        "GOVCS": "*:off",
        "GOPATH": str(folder / "path"),
        "GOCACHE": str(folder / "cache"),
        "GOTELEMETRY": "off",
    }


async def _declared(depot: Depot, tree: ObjectId, root: str) -> dict[str, bytes]:
    """Give the files of a tree that declare modules, all of them: one can lead to another by its path."""
    paths = [entry.path for entry in await depot.entries(tree) if _declares(entry.path)]
    blobs = await depot.read_blobs(tree, paths)
    return {path: raw for path, raw in sorted(blobs.items()) if raw is not None}


def _declares(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.name in _FILES and not {"vendor", "testdata"} & set(pure.parts)


def _has_modules(files: Mapping[str, bytes]) -> bool:
    return any(read_mod(raw).required for path, raw in files.items() if path.endswith("go.mod"))


def _key(go: Go, files: Mapping[str, bytes]) -> str:
    value = [_FORMAT, str(go.program), go.version, [[path, digest_of(raw)] for path, raw in files.items()]]
    return hash_json(value)


def _workspace(top: Path, project: Path) -> str:
    """Give the go.work that counts for a project: the nearest, no higher than the top of the checkout."""
    folder = project
    while True:
        if (folder / "go.work").is_file():
            return str(folder / "go.work")
        if folder == top or not folder.is_relative_to(top):
            return "off"
        folder = folder.parent


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, raw in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
