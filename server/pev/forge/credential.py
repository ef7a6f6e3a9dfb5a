"""The credential of a forge: read when it is needed, held by the process that talks to the forge alone.

It is never stored, never in an environment of a child, and never in a URL. Where it comes from is the
operator's configuration: a file that only its owner may read, a variable, or a command such as
`gh auth token`.
"""

import os
import stat
from pathlib import Path
from typing import Final

from pev.config import ForgeSettings
from pev.errors import ConfigInvalid
from pev.proc import base_env, run

_LIMIT_S: Final = 30.0
_MAX_BYTES: Final = 8_192


async def read_credential(settings: ForgeSettings) -> str:
    """Give the token for a forge. Raises ConfigInvalid that names what is missing, never what was read."""
    if settings.token_file is not None:
        token = _from_file(settings.token_file)
    elif settings.token_command:
        token = await _from_command(settings.token_command)
    else:
        token = os.environ.get(settings.token_variable, "")
        if not token:
            raise ConfigInvalid(
                f"the variable {settings.token_variable} holds no token for the forge",
                hint="Set it, or name token_file or token_command in [forge].",
            )
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigInvalid("the forge's token is empty or not one word", hint="Write it anew.")
    return token


def _from_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigInvalid(f"others may read {str(path)!r}", hint=f"Run `chmod 600 {path}`.")
        return path.read_bytes()[:_MAX_BYTES].decode("ascii", "replace")
    except OSError as exc:
        raise ConfigInvalid(
            f"the forge's token cannot be read from {str(path)!r}: {exc.strerror}",
            hint="Write it there, with mode 600.",
        ) from exc


async def _from_command(argv: tuple[str, ...]) -> str:
    own = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ}
    done = await run(argv, cwd=Path("/"), env=base_env(own), limit_s=_LIMIT_S, output_bytes=_MAX_BYTES)
    if not done.ok:
        raise ConfigInvalid(
            f"{argv[0]!r} gave no token for the forge (exit code {done.code})",
            hint="Run token_command of [forge] yourself to see why.",
        )
    return done.stdout.decode("ascii", "replace")
