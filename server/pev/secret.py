"""Credentials of services: read when they are needed, held by the process that talks to the service alone.

They are never stored, never in the environment of a child that is not the operator's own command, and never
in a URL. Where one comes from is the operator's configuration: a variable, a command such as `gh auth token`,
or a file that only its owner may read.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pev.errors import ConfigInvalid, PevError
from pev.proc import base_env, run

_LIMIT_S: Final = 30.0
_MAX_BYTES: Final = 8_192
_KEPT: Final = (
    *("HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
    *("DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "SSH_AUTH_SOCK"),
)
"""What a keyring's command needs to find it."""


async def read_secret(
    name: str, *, variable: str | None = None, command: Sequence[str] = (), file: Path | None = None
) -> str:
    """Give a credential from the first of file, command and variable that is given; `name` is for errors.

    Raises ConfigInvalid that says what is missing, and never what was read.
    """
    if file is not None:
        return secret_in(file, name)
    if command:
        said = await _from_command(name, command)
    else:
        said = os.environ.get(variable or "", "")
        if not said.strip():
            raise ConfigInvalid(
                f"the variable {variable}, which holds {name}, is not set",
                hint="Set it, or name a command or a file that gives it.",
            )
    return _one_word(said, name)


def secret_in(path: Path, name: str) -> str:
    """Give a credential from a file that only this user may read. Raises ConfigInvalid, without it."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigInvalid(
                f"others may read {str(path)!r}, which holds {name}", hint=f"Run `chmod 600 {path}`."
            )
        said = path.read_bytes()[:_MAX_BYTES].decode("ascii", "replace")
    except OSError as exc:
        raise ConfigInvalid(
            f"{name} cannot be read from {str(path)!r}: {exc.strerror}",
            hint="Write it there, with mode 600.",
        ) from exc
    return _one_word(said, name)


def _one_word(said: str, name: str) -> str:
    secret = said.strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ConfigInvalid(f"{name} is empty, or not one word", hint="Write it anew.")
    return secret


async def _from_command(name: str, argv: Sequence[str]) -> str:
    own = {key: os.environ[key] for key in _KEPT if key in os.environ}
    try:
        done = await run(argv, cwd=Path("/"), env=base_env(own), limit_s=_LIMIT_S, output_bytes=_MAX_BYTES)
    except PevError as exc:
        raise ConfigInvalid(f"the command for {name} failed: {exc.message}", hint=exc.hint) from exc
    if not done.ok:
        raise ConfigInvalid(
            f"the command for {name} ended with exit code {done.code}",
            hint=f"Run {argv[0]!r} yourself to see why.",
        )
    return done.stdout.decode("ascii", "replace")
