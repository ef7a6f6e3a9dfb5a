"""Files of keys: each readable by its owner alone, made once, and whole whenever it is there.

What the bytes mean is the business of those who use the key. A key that a process was given is on the disk.
"""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pev.errors import ConfigInvalid

KEY_BYTES: Final = 32
MAX_BYTES: Final = 65_536


def random_key(path: Path) -> bytes:
    """Give the 32 random bytes in a file, made on first use; processes that make it at once agree.

    Raises ConfigInvalid if others can read it, if it holds anything else, or if it cannot be made.
    """
    key = made_once(path, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise ConfigInvalid(
            f"{path} holds {len(key)} bytes, not a key of {KEY_BYTES}", hint="Move it away and start again."
        )
    return key


def made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Give what is in a file of a key, which `make` gives on first use. Raises ConfigInvalid."""
    try:
        return read_private(path)
    except FileNotFoundError:
        pass
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = _written(path, make())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            fresh.unlink()
        _settle(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    return read_private(path)


def read_private(path: Path) -> bytes:
    """Give what is in a file of a key, at most 64 KiB of it.

    Raises FileNotFoundError, and ConfigInvalid if others can read it, if it is no file, or cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise ConfigInvalid(
            f"the key file {path} cannot be read: {exc.strerror}", hint="See who owns it, and its folder."
        ) from exc
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigInvalid(
                f"others can read the key file {path}, or it is no file",
                hint=f"Run: chmod 600 {path}. If others may have read it, use another key.",
            )
        return os.read(fd, MAX_BYTES)
    finally:
        os.close(fd)


def replace_private(path: Path, data: bytes) -> None:
    """Put other bytes into a file of a key: who reads it gets the old or the new ones, whole.

    Raises ConfigInvalid if it cannot be written.
    """
    try:
        fresh = _written(path, data)
        try:
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        _settle(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _written(path: Path, data: bytes) -> Path:
    """Write a file beside `path`, down to the disk, and give its name."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        fresh.unlink()
        raise
    return fresh


def _settle(folder: Path) -> None:
    """Have the names in a folder on the disk, too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unwritable(path: Path, exc: OSError) -> ConfigInvalid:
    return ConfigInvalid(
        f"the key file {path} cannot be written: {exc.strerror or exc}",
        hint="Let its folder be one that you can write to.",
    )
