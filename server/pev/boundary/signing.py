"""Signed decisions: the very bytes that a person signs, and whether a signature on them counts.

A signature is one of SSH (PROTOCOL.sshsig), made by `ssh-keygen -Y sign -n pev-approval` and checked by
`ssh-keygen -Y verify` against a list of allowed signers that no change under judgement can have written.
"""

import base64
import binascii
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import anyio

from pev import proc
from pev.boundary.question import Question, Reply
from pev.errors import ConfigInvalid, DecisionInvalid
from pev.models import Model
from pev.run import Pending, Signer
from pev.text import one_line

NAMESPACE: Final = "pev-approval"
SIGNERS_FILE: Final = ".pev/allowed_signers"
"""Where a repository lists who may sign, on its trusted ref."""
MAX_SIGNATURE: Final = 16_384
_MAX_SIGNERS: Final = 2**20
_LIMIT_S: Final = 20.0
_TITLE: Final = "A decision at a boundary of PEV, version 1"
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
_END: Final = "-----END SSH SIGNATURE-----"
_MAGIC: Final = b"SSHSIG"


class SignersFrom(StrEnum):
    """Who listed the allowed signers."""

    OPERATOR = "operator"
    TRUSTED_REF = "trusted-ref"


class Signers(Model):
    """A list of allowed signers, in the form of ssh-keygen(1), and who wrote it."""

    text: bytes
    source: SignersFrom


@dataclass(frozen=True, slots=True)
class Signed:
    """A text, the signature on it, and whose it is."""

    text: str
    armored: str
    signer: Signer


def canonical_text(
    question: Question, pending: Pending, reply: Reply, let_through: Sequence[Mapping[str, str]]
) -> str:
    """Write what a signature of a decision covers: one form only, in ASCII, and a person can read it."""
    body: dict[str, Any] = {
        "run": question.run_id,
        "boundary": pending.boundary.value,
        "nonce": pending.nonce,
        "subject": pending.subject,
        "shown": pending.shown,
        "binding": pending.binding,
        "asked_at": pending.asked_at,
        "expires_at": pending.expires_at,
        "verdict": reply.verdict.value if reply.verdict else "answers",
        "comment": reply.comment,
        "answers": reply.answers,
        "let_through": [{name: one[name] for name in ("fingerprint", "snapshot")} for one in let_through],
    }
    return f"{_TITLE}\n{json.dumps(body, indent=1, sort_keys=True, ensure_ascii=True)}\n"


def fingerprint_of(armored: str) -> tuple[str, str]:
    """Read the type and the fingerprint of the key inside a signature; nothing is verified here.

    Raises DecisionInvalid if it is no SSH signature.
    """
    lines = armored.strip().splitlines()
    if len(armored) > MAX_SIGNATURE or len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise _no_signature()
    try:
        data = base64.b64decode("".join(lines[1:-1]), validate=True)
        if not data.startswith(_MAGIC):
            raise _no_signature()
        key = _string(data, len(_MAGIC) + 4)
        kind = _string(key, 0).decode("ascii")
    except (binascii.Error, ValueError) as exc:
        raise _no_signature() from exc
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return kind, f"SHA256:{digest}"


def _string(data: bytes, at: int) -> bytes:
    """Read a string of SSH: its length in four bytes, then its bytes (RFC 4251, section 5)."""
    size = int.from_bytes(data[at : at + 4], "big")
    out = data[at + 4 : at + 4 + size]
    if len(data) < at + 4 or len(out) != size or not size:
        raise ValueError("cut short")
    return out


def _no_signature() -> DecisionInvalid:
    return DecisionInvalid(
        "this is no SSH signature", hint=f"Make one with `ssh-keygen -Y sign -n {NAMESPACE}`."
    )


def operators_signers(file: Path) -> Signers:
    """Read the operator's list. Raises ConfigInvalid if it cannot be read, or others can write it."""
    try:
        if file.stat().st_mode & 0o022:
            raise ConfigInvalid(f"others can write {str(file)!r}", hint=f"Run: chmod go-w {file}")
        text = file.read_bytes()
    except OSError as exc:
        raise ConfigInvalid(
            f"allowed_signers {str(file)!r} cannot be read: {exc.strerror}", hint="Correct the setting."
        ) from exc
    return Signers(text=text, source=SignersFrom.OPERATOR)


async def verify_signature(text: str, armored: str, signers: Signers) -> Signer:
    """Say who signed `text`. Raises DecisionInvalid unless an allowed key did, in our namespace, and now.

    Raises ToolMissing without ssh-keygen.
    """
    kind, fingerprint = fingerprint_of(armored)
    if len(signers.text) > _MAX_SIGNERS:
        raise DecisionInvalid(
            f"the list of allowed signers has {len(signers.text)} bytes", hint="Shorten it."
        )
    program = str(await anyio.to_thread.run_sync(proc.find_program, "ssh-keygen"))
    with tempfile.TemporaryDirectory(prefix="pev-sign-") as folder:
        allowed, signature = Path(folder, "allowed_signers"), Path(folder, "text.sig")
        await anyio.Path(allowed).write_bytes(signers.text)
        await anyio.Path(signature).write_text(armored, "utf-8")
        found = await _ask(
            [program, "-Y", "find-principals", "-s", str(signature), "-f", str(allowed)], folder, b""
        )
        principal = _plain_principal(found)
        if not principal:
            raise _refused(f"the key {fingerprint} is not an allowed signer now", found)
        check = [program, "-Y", "verify", "-f", str(allowed), "-I", principal, "-n", NAMESPACE]
        said = await _ask([*check, "-s", str(signature)], folder, text.encode())
        if not said.ok:
            raise _refused(f"the signature of {principal} is not one on this decision", said)
    return Signer(principal=principal, key=kind, fingerprint=fingerprint, listed_by=signers.source.value)


def _plain_principal(found: proc.Completed) -> str:
    """Give the first principal that names one signer, no pattern; "" if there is none."""
    if not found.ok:
        return ""
    names = found.stdout.decode("utf-8", "replace").replace("\n", ",").split(",")
    plain = [name.strip() for name in names if name.strip() and not set("*?!") & set(name)]
    return plain[0] if plain and plain[0].isprintable() and len(plain[0]) <= 200 else ""


def _refused(fact: str, said: proc.Completed) -> DecisionInvalid:
    return DecisionInvalid(
        f"{fact}: {one_line(said.text(), 200)}",
        hint="Sign what `pev decision` prints, with a key that the allowed signers name.",
    )


async def _ask(argv: list[str], folder: str, stdin: bytes) -> proc.Completed:
    return await proc.run(
        argv, cwd=Path(folder), env=proc.base_env(), limit_s=_LIMIT_S, stdin=stdin, output_bytes=16_384
    )
