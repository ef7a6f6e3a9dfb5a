"""Confinement on macOS by sandbox-exec: experimental, for no test has run it there. Never chosen by itself.

The profile denies everything that it does not name. It has no process namespace and no limits beyond time
and output, so what leaves the process group is not followed.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pev import proc
from pev.errors import InvalidInput
from pev.proc import Completed
from pev.sandbox.interface import Command, Sandbox, refuse_hosts
from pev.sandbox.private import private_folder

_PROGRAM: Final = "/usr/bin/sandbox-exec"
_SYSTEM: Final = (
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/share",
    "/bin",
    "/sbin",
    "/usr/sbin",
    "/System",
    "/Library/Apple",
    "/Library/Developer/CommandLineTools",
    "/private/etc/ssl",
    "/private/var/db/timezone",
    "/private/var/db/dyld",
    "/opt/homebrew/Cellar",
    "/opt/homebrew/opt",
    "/opt/homebrew/bin",
    "/opt/homebrew/lib",
)
_DEVICES: Final = ("null", "zero", "random", "urandom", "tty", "dtracehelper")
_DEVICE: Final = "allow file-read* file-write-data file-ioctl"
_BASE: Final = """\
(version 1)
(deny default)
(allow process-exec)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow file-read* (literal "/"))
(allow pseudo-tty)
"""


def quoted(path: Path) -> str:
    """Write a path as a string of the profile's language. Raises InvalidInput for control characters."""
    text = str(path)
    if any(ord(char) < 32 for char in text):
        raise InvalidInput(f"{text!r} holds a control character", hint="Use folders with plain names.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def profile(command: Command, hidden: Iterable[Path] = ()) -> str:
    """Write the profile of a command: later rules win, so what is hidden comes before what is granted."""
    lines = [_rule("allow file-read*", "subpath", Path(name)) for name in _SYSTEM]
    lines += [_rule(_DEVICE, "literal", Path("/dev") / name) for name in _DEVICES]
    # not their metadata: programs look at the folders on the way to what they may read
    lines += [_rule("deny file-read-data file-write*", "subpath", path) for path in _real(hidden)]
    lines += [_rule("allow file-read*", "subpath", path) for path in _real(command.readable)]
    lines += [_rule("allow file-read* file-write*", "subpath", path) for path in _real(command.writable)]
    for path in _real((*command.readable, *command.writable)):
        lines.append(_rule("deny file*", "subpath", path / ".git"))
    return _BASE + "\n".join([*lines, "(deny network*)"]) + "\n"


def _rule(verb: str, match: str, path: Path) -> str:
    return f"({verb} ({match} {quoted(path)}))"


def _real(paths: Iterable[Path]) -> list[Path]:
    """Resolve links: the kernel compares real paths, and /tmp is a link there."""
    return list(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))


class Seatbelt(Sandbox):
    """Runs commands under sandbox-exec."""

    name = "seatbelt (experimental)"
    confines = True
    gaps = frozenset({"kill another process"})

    def __init__(self, *, hidden: tuple[Path, ...] = (), private: Path | None = None) -> None:
        self._hidden = hidden
        self._private = private

    async def run(self, command: Command) -> Completed:
        """Run the command under its profile, with a folder of its own for temporary files."""
        refuse_hosts(command)
        with private_folder(self._private) as private:
            command = replace(
                command,
                env={**command.env, "TMPDIR": str(private)},
                writable=(*command.writable, private),
            )
            done = await proc.run(
                [_PROGRAM, "-p", profile(command, self._hidden), *command.argv],
                cwd=command.cwd,
                env=command.env,
                limit_s=command.limit_s,
                stdin=command.stdin,
                output_bytes=command.output_bytes,
            )
        return replace(done, argv=command.argv)
