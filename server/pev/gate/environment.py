"""Environments: the dependencies of a project, from wheels, built once per resolved set and interpreter.

They lie in the cache folder, outside every checkout, and hold no project. A repository's index settings and
build backends are never used. What cannot be resolved or installed is an error, never a fallback; only tools
for development may be missing, where a project says apart what its tests need.
"""

import json
import os
import platform
import shutil
import sys
import time
import tomllib
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Final

from anyio import to_thread
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from pev import proc
from pev.config import Config
from pev.errors import EnvironmentUnavailable
from pev.gate.demands import EnvironmentSettings, joined
from pev.gate.interface import Depot
from pev.gate.network import index_key, network_env
from pev.gate.reading import reader_of
from pev.gate.requirements import NARROWER, Declared, ReadFile, read_declared
from pev.gate.syntax import grow_requirement
from pev.gate.tools import program, version_of
from pev.models import Digest, Model, ObjectId, hash_json
from pev.repos.lock import locked
from pev.text import one_line

_FORMAT: Final = 1
_COMPLETE: Final = "pev-complete.json"
_LIMIT_S: Final = 900.0
_UNSOLVABLE: Final = "No solution found"
_RECENT_S: Final = 3_600.0
_FAILURE_S: Final = 60.0


class Wanted(Model):
    """The input of a resolution: two equal ones give the same environment."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...]
    python: str
    platform: str
    index: Digest
    format: int = _FORMAT

    @property
    def key(self) -> Digest:
        """Name the resolution."""
        return hash_json(self.model_dump(mode="json"))


class Built(Model):
    """An environment on the disk."""

    key: Digest
    folder: Path
    python: Path
    site: Path
    packages: tuple[str, ...]


class Environments:
    """The cache of environments of one operator, shared by all processes of PEV."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._folder = config.cache_dir / "envs"
        self._made: dict[Digest, Built] = {}
        self._failed: dict[Digest, tuple[float, EnvironmentUnavailable]] = {}

    async def build(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> Built:
        """Give the environment that a project of a tree needs, and build it if it is not there.

        Raises EnvironmentUnavailable with the reason.
        """
        wanted, resolved = await self._settle(depot, tree, root, settings)
        key = _key(resolved, wanted)
        if key not in self._made:
            self._made[key] = await self._install(key, resolved, wanted)
        return self._made[key]

    async def wanted(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> Wanted:
        """Read what a project needs. Raises EnvironmentUnavailable if it cannot come from wheels."""

        read = await reader_of(depot, tree)
        declared = await read_declared(read, root, settings)
        if declared.direct:
            raise EnvironmentUnavailable(
                f"requirement {declared.direct[0]!r} is not from a package index",
                hint="Only wheels from the index are installed: name a released version.",
            )
        if declared.faults:
            raise EnvironmentUnavailable(declared.faults[0], hint="Correct the requirement.")
        python = await self._python(await _requires_python(read, root), settings)
        return Wanted(
            lines=(*declared.wanted, *_test_tools(declared)),
            constraints=(*declared.constraints, *_pins(declared)),
            python=python,
            platform=f"{sys.platform}-{platform.machine()}-{platform.python_version()}",
            index=index_key(),
        )

    async def tool(self, name: str, version: str) -> Built:
        """Give an environment with one version of a tool and nothing else. Raises EnvironmentUnavailable."""
        wanted = Wanted(
            lines=(f"{name}=={version}",),
            constraints=(),
            python=sys.executable,
            platform=f"{sys.platform}-{platform.machine()}-{platform.python_version()}",
            index=index_key(),
        )
        resolved = await self._resolve(wanted)
        return await self._install(_key(resolved, wanted), resolved, wanted)

    async def name(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> str:
        """Name the environment of a project: the same name for the same packages; "" if it cannot be had."""
        try:
            wanted, resolved = await self._settle(depot, tree, root, settings)
            return _key(resolved, wanted)
        except EnvironmentUnavailable:
            return ""

    async def _settle(
        self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings
    ) -> tuple[Wanted, tuple[str, ...]]:
        """Resolve what a project needs; without its tools for development if they cannot be had.

        An old pin of such a tool must not keep tests from being run, where the project says apart what its
        tests need and nobody wrote down what is to be taken. That there is no solution is kept for an hour.
        """
        fault: EnvironmentUnavailable | None = None
        wanted = await self.wanted(depot, tree, root, settings)
        unsolvable = self._resolution(wanted).with_suffix(".unsolvable")
        if not _is_recent(unsolvable):
            try:
                return wanted, await self._resolve(wanted)
            except EnvironmentUnavailable as exc:
                fault = exc
        for least in await self._less(depot, tree, root, settings):
            if least.lines != wanted.lines:
                with suppress(EnvironmentUnavailable):
                    resolved = await self._resolve(least)
                    if fault is not None and _UNSOLVABLE in fault.message:
                        _write(unsolvable, b"")
                    return least, resolved
        unsolvable.unlink(missing_ok=True)
        if fault is None:
            return wanted, await self._resolve(wanted)
        raise fault

    async def _less(
        self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings
    ) -> list[Wanted]:
        """Give what tests and the type check need, and what tests alone do, as far as that is said apart."""
        if settings.groups is not None or settings.extras is not None or settings.requirements is not None:
            return []
        every = [
            settings.model_copy(update={"groups": names, "extras": names, "requirements": files})
            for names, files in (((), ()), *NARROWER)
        ]
        bare, *narrower = [await self.wanted(depot, tree, root, one) for one in every]
        return [one for one in narrower if one.lines != bare.lines]

    def _resolution(self, wanted: Wanted) -> Path:
        return self._folder / "resolved" / f"{wanted.key}.txt"

    async def _python(self, requires: str, settings: EnvironmentSettings) -> str:
        """Give the interpreter: our own, unless the policy or the project wants another version."""
        own = platform.python_version()
        try:
            fits = not requires or SpecifierSet(requires).contains(own, prereleases=True)
        except InvalidSpecifier:
            fits = True
        asked = settings.python or ("" if fits else requires)
        if not asked or own.startswith(f"{asked}."):
            return sys.executable
        argv = [
            program("uv"),
            "python",
            "find",
            "--no-config",
            "--no-python-downloads",
            "--no-project",
            asked,
        ]
        done = await proc.run(argv, cwd=Path("/"), env=network_env(self._config.cache_dir), limit_s=60)
        if not done.ok:
            raise EnvironmentUnavailable(
                f"no Python {asked} is installed here", hint="Install it, or change [environment] python."
            )
        return done.stdout.decode("utf-8", "replace").strip()

    async def resolve(self, lines: tuple[str, ...], constraints: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Resolve requirements to pinned ones, from wheels alone. Raises EnvironmentUnavailable."""
        if not lines:
            return ()
        name = f"{sys.platform}-{platform.machine()}"
        return await self._resolve(
            Wanted(
                lines=lines, constraints=constraints, python=sys.executable, platform=name, index=index_key()
            )
        )

    async def _resolve(self, wanted: Wanted) -> tuple[str, ...]:
        target = self._resolution(wanted)
        failed = self._failed.get(wanted.key)
        if failed is not None and time.monotonic() - failed[0] < _FAILURE_S:
            raise EnvironmentUnavailable(failed[1].message, hint=failed[1].hint)
        if not target.is_file():
            async with self._lock(f"resolve-{wanted.key[:16]}"):
                if not target.is_file():
                    await self._compile(wanted, target)
        return tuple(line for line in target.read_text("utf-8").splitlines() if line.strip())

    async def _compile(self, wanted: Wanted, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        limits = target.with_suffix(".constraints")
        limits.write_text("\n".join(wanted.constraints) + "\n", encoding="utf-8")
        argv = [program("uv"), "pip", "compile", "--no-config", "-q", "--only-binary", ":all:", "--no-header"]
        argv += ["--no-annotate", "--python", wanted.python, "-c", str(limits), "-"]
        done = await proc.run(
            argv,
            cwd=target.parent,
            env=network_env(self._config.cache_dir),
            limit_s=_LIMIT_S,
            stdin=("\n".join(wanted.lines) + "\n").encode(),
        )
        limits.unlink(missing_ok=True)
        if not done.ok:
            fault = EnvironmentUnavailable(
                f"requirements cannot be resolved from wheels: {one_line(done.text(), 400)}",
                hint="Check the index settings (UV_DEFAULT_INDEX), or name what tests need in [environment].",
            )
            self._failed[wanted.key] = (time.monotonic(), fault)  # asked several times in one gate
            raise fault
        _write(target, done.stdout)

    async def _install(self, key: Digest, resolved: tuple[str, ...], wanted: Wanted) -> Built:
        folder = self._folder / key[:32]
        if not (folder / _COMPLETE).is_file():
            async with self._lock(key[:32]):
                if not (folder / _COMPLETE).is_file():
                    await self._fill(folder, resolved, wanted)
        return _built(key, folder, resolved)

    async def _fill(self, folder: Path, resolved: tuple[str, ...], wanted: Wanted) -> None:
        """Make a virtual environment in place; the marker that is written last makes it count."""
        if folder.exists():
            await to_thread.run_sync(shutil.rmtree, folder)
        env = network_env(self._config.cache_dir)
        uv = program("uv")
        venv = [uv, "venv", "--no-config", "-q", "--no-project", "--python", wanted.python, str(folder)]
        sync = [uv, "pip", "sync", "--no-config", "-q", "--only-binary", ":all:"]
        sync += ["--python", str(folder / "bin" / "python"), "--compile-bytecode", "-"]
        for argv, stdin in ((venv, None), (sync, ("\n".join(resolved) + "\n").encode())):
            done = await proc.run(argv, cwd=self._folder, env=env, limit_s=_LIMIT_S, stdin=stdin)
            if not done.ok:
                raise EnvironmentUnavailable(
                    f"dependencies cannot be installed: {one_line(done.text(), 400)}",
                    hint="Check the index settings and try again; nothing else was used in their place.",
                )
        _write(folder / _COMPLETE, json.dumps({"packages": resolved}).encode())

    def _lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Exclude other tasks and other processes."""
        return locked(self._folder / "locks" / name, limit_s=2 * _LIMIT_S)


def _key(resolved: tuple[str, ...], wanted: Wanted) -> Digest:
    return hash_json([list(resolved), wanted.python, wanted.platform, _FORMAT])


def _is_recent(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _RECENT_S
    except OSError:
        return False


def _write(target: Path, content: bytes) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(target)


def _built(key: Digest, folder: Path, resolved: tuple[str, ...]) -> Built:
    site = next((folder / "lib").glob("python3*/site-packages"))
    return Built(key=key, folder=folder, python=folder / "bin" / "python", site=site, packages=resolved)


def _pins(declared: Declared) -> list[str]:
    """Give the lock file's versions as constraints; what is locked twice is left to the resolver."""
    return [f"{name}=={versions[0]}" for name, versions in declared.locked.items() if len(versions) == 1]


def _test_tools(declared: Declared) -> list[str]:
    """Give pytest and pytest-cov: our versions, unless the project chooses its own."""
    named = {canonicalize_name(grow_requirement(line).name) for line in declared.wanted}
    chosen = named | declared.locked.keys()
    if "pytest" in chosen:
        # 6.2.0 needs a newer pluggy than it says, and an old pytest is pinned with an old one
        return ["pytest", "pytest-cov>=4.1,!=6.2.0"]
    return [f"pytest=={version_of('pytest')}", f"pytest-cov=={version_of('pytest-cov')}"]


async def _requires_python(read: ReadFile, root: str) -> str:
    raw = await read(joined(root, "pyproject.toml"))
    try:
        project = tomllib.loads((raw or b"").decode("utf-8")).get("project")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return ""
    asked = project.get("requires-python") if isinstance(project, dict) else None
    return asked if isinstance(asked, str) else ""
