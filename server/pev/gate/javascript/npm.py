"""Starts npm, outside of every checkout, to install released packages without running any of their code.

It works in folders of ours, with the operator's own settings for registry, certificates and proxies, never
with those of a repository.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pev import proc
from pev.errors import EnvironmentUnavailable
from pev.gate.network import network_env
from pev.models import Digest, Model, hash_json
from pev.proc import Ending
from pev.text import one_line

_LIMIT_S: Final = 900.0
_ASKED_S: Final = 60.0
_FRESH_S: Final = 60.0
_QUIET: Final = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--json",
    "--loglevel=error",
)
_PASSED_ON: Final = ("NODE_EXTRA_CA_CERTS",)
_OWN_PREFIX: Final = "npm_config_"


class Versions(Model):
    """Which node and npm are here, and which registry they are set to."""

    node: str
    npm: str
    registry: str
    program: Path

    @property
    def host(self) -> str:
        """The registry's host."""
        return urlsplit(self.registry).hostname or ""


_KNOWN: Final[dict[Digest, tuple[float, Versions]]] = {}


def find_node(path: str) -> Path:
    """Give the absolute path of node, links resolved. Raises ToolMissing."""
    return proc.find_program("node", path).resolve()


class Npm:
    """npm, with a cache of ours in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def versions(self) -> Versions:
        """Find out what is here; an answer holds for a minute. Raises ToolMissing, EnvironmentUnavailable."""
        env = self._env()
        asked = hash_json(sorted(env.items()))
        said_at, known = _KNOWN.get(asked, (0.0, None))
        if known is None or time.monotonic() - said_at > _FRESH_S:
            node = find_node(env["PATH"])
            npm = self._program()
            known = Versions(
                node=(await self._say([str(node), "--version"])).lstrip("v"),
                npm=await self._say([npm, "--version"]),
                registry=await self._say([npm, "config", "get", "registry"]),
                program=node,
            )
            _KNOWN[asked] = (time.monotonic(), known)
        return known

    async def run(self, words: list[str], cwd: Path) -> str:
        """Run a command of npm in a folder of ours; give the code of its error, "" if it did well.

        Raises EnvironmentUnavailable with its reason if it fails for good.
        """
        argv = [self._program(), *words, *_QUIET, f"--cache={self._folder / 'npm'}", "--logs-max=0"]
        done = await proc.run(argv, cwd=cwd, env=self._env(), limit_s=_LIMIT_S)
        if done.ok:
            return ""
        fault = _fault(done.stdout)
        if fault.get("code") == "ERESOLVE" and "--legacy-peer-deps" not in words:
            return "ERESOLVE"
        said = str(fault.get("summary") or "") if done.ending is Ending.EXITED else "it took too long"
        raise EnvironmentUnavailable(
            f"packages cannot be installed: {one_line(said or done.text() or 'npm said nothing', 400)}",
            hint="Check npm's registry (`npm config get registry`) and the lock file, and try again.",
        )

    async def _say(self, argv: list[str]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        done = await proc.run(argv, cwd=self._folder, env=self._env(), limit_s=_ASKED_S)
        if not done.ok:
            raise EnvironmentUnavailable(
                f"{Path(argv[0]).name} {' '.join(argv[1:])} failed: {one_line(done.text(), 300)}",
                hint="Install Node.js with npm, and try again.",
            )
        return done.stdout.decode("utf-8", "replace").strip()

    def _program(self) -> str:
        return str(proc.find_program("npm", self._env()["PATH"]))

    def _env(self) -> dict[str, str]:
        own = network_env(self._folder)
        for name, value in os.environ.items():
            if name in _PASSED_ON or name.lower().startswith(_OWN_PREFIX):
                own[name] = value
        return own


def _fault(raw: bytes) -> dict[str, Any]:
    """Read what npm says of its failure as JSON."""
    try:
        fault = json.loads(raw)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return fault if isinstance(fault, dict) else {}
