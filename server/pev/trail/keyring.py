"""The keys that sign checkpoints: a file that only its owner can read, the newest key first.

Every key in the file signs, so that during a rotation a checkpoint holds for those who know the old key and
for those who know the new one. The file's name for the log never changes. Writers take turns by a lock.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pev.errors import ConfigInvalid, InvalidInput
from pev.keyfile import read_private, replace_private
from pev.trail.notes import SignerKey, VerifierKey, check_name, parse_skey

_MAX_KEYS: Final = 8


class Keyring:
    """The signing keys of one log. `origin` names a new log; one whose file is there keeps its name."""

    def __init__(self, path: Path, *, origin: str | None = None) -> None:
        """Stand on a file that need not be there yet. Raises InvalidInput for a name that cannot be one."""
        self._path = path
        self._origin = check_name(origin) if origin else None

    def keys(self) -> tuple[SignerKey, ...]:
        """Give the keys, the newest first; on first use one is made, and processes that race agree.

        Raises ConfigInvalid if others can read the file, if it holds no key, or if the operator configured
        another name for the log than its keys have.
        """
        try:
            return self._read()
        except FileNotFoundError:
            with self._locked():
                if not self._path.exists():
                    self._write((_fresh(self._origin or f"pev.local/{secrets.token_hex(8)}"),))
            return self._read()

    def present(self) -> tuple[SignerKey, ...]:
        """Give the keys, without making one. Raises ConfigInvalid as `keys` does."""
        try:
            return self._read()
        except FileNotFoundError:
            return ()

    def add(self) -> tuple[SignerKey, ...]:
        """Put a new key before the others, which go on signing; give all. Raises InvalidInput at eight."""
        self.keys()
        with self._locked():
            keys = self._read()
            if len(keys) >= _MAX_KEYS:
                raise InvalidInput(
                    f"{len(keys)} keys sign already", hint="Retire one first: `pev trail retire-key ID`."
                )
            self._write((_fresh(keys[0].name), *keys))
            return self._read()

    def remove(self, key_id: str) -> VerifierKey:
        """Take a key out, for good, and give its verifier key. Raises InvalidInput for the newest one."""
        with self._locked():
            keys = self._read()
            found = [key for key in keys[1:] if key.verifier.id.hex() == key_id]
            if not found:
                known = ", ".join(key.verifier.id.hex() for key in keys[1:]) or "none"
                raise InvalidInput(
                    f"{key_id!r} is no key that can be retired", hint=f"There are: {known}; the newest stays."
                )
            self._write(tuple(key for key in keys if key not in found))
            return found[0].verifier

    def _read(self) -> tuple[SignerKey, ...]:
        return self._parsed(read_private(self._path))

    def _parsed(self, data: bytes) -> tuple[SignerKey, ...]:
        try:
            keys = tuple(parse_skey(line) for line in data.decode("utf-8", "replace").splitlines() if line)
        except InvalidInput as exc:
            raise ConfigInvalid(f"key file {self._path}: {exc.message}", hint=exc.hint) from exc
        names = {key.name for key in keys}
        if len(names) != 1 or (self._origin is not None and names != {self._origin}):
            raise ConfigInvalid(
                f"key file {self._path} has keys for {sorted(names)}, not for {self._origin or 'one log'}",
                hint="A log keeps its name: correct trail.origin, or name another trail.key_file.",
            )
        return keys

    def _write(self, keys: tuple[SignerKey, ...]) -> None:
        lines = "".join(f"{key.secret()}\n" for key in keys)
        replace_private(self._path, lines.encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._path.with_name(f".{self._path.name}.lock")
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield
            finally:
                os.close(fd)
        except OSError as exc:
            raise ConfigInvalid(
                f"key file {self._path} cannot be written: {exc.strerror or exc}",
                hint="Name a folder of your own with trail.key_file.",
            ) from exc


def _fresh(origin: str) -> SignerKey:
    return SignerKey(origin, secrets.token_bytes(32))
