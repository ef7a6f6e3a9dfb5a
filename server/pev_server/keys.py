"""Keys of the server, each in a file that only its user can read."""

import os
import secrets
from pathlib import Path
from typing import Final

from pev.errors import ConfigInvalid

KEY_BYTES: Final = 32


def load_key(path: Path) -> bytes:
    """Give the key in `path`, made on first use; several processes that make it at once agree.

    Raises ConfigInvalid if the file is not a key, or others can read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    if path.stat().st_mode & 0o077:
        raise ConfigInvalid(f"others can read the key {path}", hint=f"Run: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigInvalid(
            f"{path} holds {len(key)} bytes, not a key of {KEY_BYTES}", hint="Move it away and start again."
        )
    return key
