"""Signing at the command line: makes an SSH signature with the person's own key, or reads one made elsewhere.

The key never passes through PEV: ssh-keygen uses it, and asks for its passphrase or touch by itself.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

import anyio
import typer

from pev import proc
from pev.boundary.signing import MAX_SIGNATURE, NAMESPACE
from pev.errors import CommandFailed, InvalidInput
from pev.models import Channel
from pev_server.cli.person import require_terminal

SignOption = Annotated[bool, typer.Option("--sign", help="Sign the decision with your SSH key.")]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The key to sign with; implies --sign.")
]
SignatureOption = Annotated[
    Path | None,
    typer.Option("--signature", metavar="FILE", help="A signature on what `pev decision` prints."),
]
_PASSED_ON: Final = ("HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_SK_PROVIDER")
_KEYS: Final = ("id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa")
"""Where a key is looked for in ~/.ssh: first those that want a touch."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a decision at the command line is shown to be a person's."""

    sign: bool = False
    key: Path | None = None
    file: Path | None = None

    @classmethod
    def of(cls, sign: bool, key: Path | None, file: Path | None) -> Self:
        """Read the options. Raises InvalidInput if they contradict each other."""
        if file is not None and (sign or key is not None):
            raise InvalidInput("--signature goes without --sign and --key", hint="Give one of them.")
        return cls(sign=sign or key is not None, key=key, file=file)

    @property
    def channel(self) -> Channel:
        """The channel that the decision comes through."""
        return Channel.SIGNATURE if self.sign or self.file is not None else Channel.TERMINAL

    def require_person(self, what: str) -> None:
        """Raise Forbidden unless a person is here, or a signature made elsewhere speaks for one."""
        if self.file is None:
            require_terminal(what)

    async def signature(self, text: str) -> str:
        """Give the signature on a text: made now, read from the file, or "" where none is wanted.

        Raises InvalidInput, CommandFailed.
        """
        if self.file is not None:
            return _read(self.file)
        return await _sign(text, self.key or _default_key()) if self.sign else ""


def _read(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            return opened.read(MAX_SIGNATURE + 1)
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(
            f"{str(file)!r} holds no signature: {exc}",
            hint=f"Make one with `ssh-keygen -Y sign -n {NAMESPACE}`.",
        ) from exc


def _default_key() -> Path:
    folder = Path.home() / ".ssh"
    for name in _KEYS:
        if (folder / name).is_file():
            return folder / name
    raise InvalidInput(f"{str(folder)!r} has none of {', '.join(_KEYS)}", hint="Name a key: --key FILE.")


async def _sign(text: str, key: Path) -> str:
    program = str(await anyio.to_thread.run_sync(proc.find_program, "ssh-keygen"))
    env = proc.base_env({name: os.environ[name] for name in _PASSED_ON if name in os.environ})
    with tempfile.TemporaryDirectory(prefix="pev-sign-") as folder:
        target = anyio.Path(folder, "decision")
        await target.write_text(text, "ascii")
        argv = [program, "-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE, str(target)]
        code = await proc.run_with_person(argv, cwd=Path(folder), env=env)
        made = Path(folder, "decision.sig")
        if code != 0 or not made.exists():
            raise CommandFailed(
                f"ssh-keygen ended with {code} and signed nothing",
                hint=f"See what it says above; {str(key)!r} must be an SSH key of yours.",
            )
        return _read(made)
