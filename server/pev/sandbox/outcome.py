"""What all mechanisms say alike of a command: is its program there, how did it end, what was it denied."""

import errno
import os
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pev.errors import InvalidInput, ToolMissing
from pev.proc import Completed, Ending
from pev.sandbox.interface import Command

_SIGNAL_BASE: Final = 128
_STOPS: Final = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
_TAIL_BYTES: Final = 2**16
_NETWORK: Final = (
    "network is unreachable",
    "name or service not known",
    "temporary failure in name resolution",
    "could not resolve host",
    "nodename nor servname",
    "failed to establish a new connection",
    "getaddrinfo",
    "enetunreach",
    "eai_again",
)
_HOST: Final = re.compile(
    r"(?:could not resolve host:? |enotfound |eai_again |resolve(?: address)?:? |host=|connect to )"
    r"['\"]?([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\.[a-z0-9-]{1,62}[a-z0-9])\b"
)
_FILES: Final = ("read-only file system", "permission denied", "operation not permitted", "no space left")


def named_signal(done: Completed) -> Completed:
    """Give an exit code that a shell makes of a signal as that signal."""
    number = done.code - _SIGNAL_BASE
    if done.ending is Ending.EXITED and number in set(signal.Signals) - _STOPS:
        return replace(done, code=-number, ending=Ending.SIGNALLED)
    return done


def candidates(name: str, cwd: Path, env: Mapping[str, str]) -> list[Path]:
    """Give the paths that a program's name can mean, in order."""
    if "/" in name:
        return [Path(os.path.normpath(cwd / name))]
    folders = env.get("PATH", os.defpath).split(os.pathsep)
    return [cwd / folder / name for folder in folders]


def require_program(command: Command, shown: Iterable[Path] = (Path("/"),)) -> None:
    """Refuse a program that is not there, or not below what is shown. Raises ToolMissing, InvalidInput."""
    if not command.cwd.is_dir():
        raise InvalidInput(f"{command.cwd} is no folder", hint="Give a folder of the worktree.")
    roots = tuple(shown)
    for path in candidates(command.argv[0], command.cwd, command.env):
        if any(path.is_relative_to(root) for root in roots) and os.access(path, os.X_OK):
            return
    raise ToolMissing(
        f"program {command.argv[0]!r} is not there for a confined command: {os.strerror(errno.ENOENT)}",
        hint="Use one of the system, of the worktree, or of the project's environment.",
    )


def _no_network(text: str, hosts: Sequence[str]) -> str:
    """Say what of the network is there; the host is named if the program did so."""
    found = _HOST.search(text)
    to = f" to {found[1]}" if found else ""
    there = f"only {', '.join(hosts)}, through a proxy, is allowed" if hosts else "none is allowed"
    return (
        f"denied by policy: network{to} ({there}), so trying again does not help;"
        " a person can allow it in pev.toml on the base branch"
    )


def hint_of(done: Completed, hosts: Sequence[str] = ()) -> str:
    """Guess from what a failed command wrote whether the sandbox is why; "" if nothing looks like it.

    `hosts` are those that it may reach. A guess: programs word the same refusal in many ways, and may lie.
    Nothing is decided by it.
    """
    if done.ok:
        return ""
    text = (
        (done.stdout[-_TAIL_BYTES:] + b"\n" + done.stderr[-_TAIL_BYTES:]).decode("utf-8", "replace").lower()
    )
    if any(word in text for word in _NETWORK):
        return _no_network(text, hosts)
    if any(word in text for word in _FILES):
        return (
            "a command can write only in its worktree, its home and /tmp, and see nothing of git or of the"
            " rest of this machine: denied by policy, so trying again does not help"
        )
    return ""
