"""People with SSH keys of their own, made and used with the real ssh-keygen."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SIGNED: Final = '[approval]\nassurance = "signed"\n'


@dataclass(frozen=True)
class KeyHolder:
    """Somebody with a key."""

    name: str
    key: Path

    @classmethod
    def make(cls, folder: Path, name: str = "ada@example.invalid", *, kind: str = "ed25519") -> "KeyHolder":
        """Make a key without a passphrase in a folder of its own."""
        key = folder / f"key-{name.partition('@')[0]}"
        _keygen("-q", "-t", kind, "-N", "", "-C", name, "-f", str(key))
        return cls(name, key)

    @property
    def public(self) -> str:
        """The public key: type and base64."""
        return " ".join(self.key.with_name(f"{self.key.name}.pub").read_text("utf-8").split()[:2])

    @property
    def fingerprint(self) -> str:
        """The fingerprint, as ssh-keygen says it."""
        return _keygen("-l", "-f", str(self.key)).split()[1]

    def allowed(self, options: str = "") -> str:
        """Write a line of a list of allowed signers."""
        return f"{self.name} {options}{' ' if options else ''}{self.public}\n"

    def sign(self, text: str, *, namespace: str = "pev-approval") -> str:
        """Sign a text."""
        made = self.key.with_name("text")
        made.write_text(text, "utf-8")
        signature = self.key.with_name("text.sig")
        signature.unlink(missing_ok=True)
        _keygen("-q", "-Y", "sign", "-n", namespace, "-f", str(self.key), str(made))
        return signature.read_text("utf-8")


def _keygen(*args: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SSH_")}
    done = subprocess.run(
        ["ssh-keygen", *args], check=True, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL
    )
    return done.stdout
