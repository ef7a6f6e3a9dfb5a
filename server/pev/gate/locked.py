"""Which versions of the gate's tools the trusted ref locks, and where they are.

A repository that pins its formatter is judged by that version of it, installed by us from a wheel: a newer
one would ask for another style. What is not pinned, or is older than what the gate can drive, is our own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from packaging.version import InvalidVersion, Version

from pev.gate.audit import pin_of
from pev.gate.environment import Environments
from pev.gate.interface import Depot, Tool
from pev.gate.reading import reader_of
from pev.gate.requirements import Declared, read_declared
from pev.gate.tools import command, version_of
from pev.models import ObjectId

OLDEST: Final = {"ruff": Version("0.2"), "mypy": Version("1.11")}
"""What the gate can drive: ruff knows `format --no-cache` since then, mypy `--output json`."""
_HOOKS: Final = ".pre-commit-config.yaml"
_HOOK: Final = {
    name: re.compile(rf"repo:[ \t]*['\"]?\S*/{repo}['\"]?\s+rev:[ \t]*['\"]?v?([0-9][0-9.]*)")
    for name, repo in (("ruff", "ruff-pre-commit"), ("mypy", "mirrors-mypy"))
}


@dataclass(frozen=True, slots=True)
class LockedTools:
    """The tools of one trusted tree."""

    depot: Depot
    trusted: ObjectId
    environments: Environments

    async def tool(self, name: str, root: str) -> Tool:
        """Give a tool for a project. Raises EnvironmentUnavailable if what is locked cannot be had."""
        version, ours = await self._named(name, root), version_of(name)
        if version is None or version == ours:
            return Tool(argv=command(name), version=ours, pinned=version == ours)
        built = await self.environments.tool(name, version)
        base = built.python.resolve()
        own = (str(built.folder / "bin" / name),)
        return Tool(
            argv=own if name == "ruff" else (str(built.python), "-I", "-B", "-m", name),
            version=version,
            readable=(built.folder, base.parent.parent),
            pinned=True,
        )

    async def version(self, name: str, root: str) -> str | None:
        """Give the version that is locked, if it is another than ours and can be driven."""
        found = await self._named(name, root)
        return None if found == version_of(name) else found

    async def _named(self, name: str, root: str) -> str | None:
        """Give the version that is locked, if it can be driven."""
        read = await reader_of(self.depot, self.trusted)
        found: str | None = None
        for folder in dict.fromkeys((root, ".")):
            found = found or _pinned(name, await read_declared(read, folder, None))
        hooks = await read(_HOOKS) if found is None else None
        if hooks is not None and (hook := _HOOK[name].search(hooks.decode("utf-8", "replace"))):
            found = hook[1]
        try:
            fits = found is not None and Version(found) >= OLDEST[name]
        except InvalidVersion:
            return None
        return found if fits else None


def _pinned(name: str, declared: Declared) -> str | None:
    """Give the version of a package that a project locks or pins, if there is exactly one."""
    versions = {*declared.locked.get(name, ()), *_pins(name, (*declared.wanted, *declared.constraints))}
    return versions.pop() if len(versions) == 1 else None


def _pins(name: str, lines: Iterable[str]) -> list[str]:
    return [pin[1] for line in lines if (pin := pin_of(line)) and pin[0] == name]
