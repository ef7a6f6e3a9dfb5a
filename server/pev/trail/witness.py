"""Asks witnesses for cosignatures: servers of others that saw this log grow, and never shrink or fork.

Speaks https://c2sp.org/tlog-witness over HTTP. An answer counts only by its signature; whatever else a
witness sends is bounded and passed over. What a witness says of another history is told loudly.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pev.errors import InvalidInput, ProofInvalid, TrailCorrupt, WitnessRefused
from pev.text import one_line
from pev.trail.checkpoint import Checkpoint, hash_line
from pev.trail.notes import COSIGNATURE, Note, Signature, VerifierKey, parse_signatures, signature_line

MAX_ANSWER_BYTES: Final = 65_536
ANSWER_S: Final = 20.0
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
Consistency = Callable[[int], Sequence[bytes]]
"""Gives the proof that the first so many events are a prefix of the checkpoint."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: the key by which its word counts, and the prefix of the address that it is asked at."""

    key: VerifierKey
    url: str

    def __post_init__(self) -> None:
        """Refuse a key of another kind. Raises InvalidInput."""
        if self.key.algorithm != COSIGNATURE:
            raise InvalidInput(
                f"the key of witness {self.key.name!r} is none for cosignatures",
                hint="Ask for its verifier key of type 0x04.",
            )


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What was asked of witnesses: the lines of those who cosigned, by name, and why others did not."""

    lines: dict[str, str]
    refused: dict[str, str]


class _Refused(Exception):
    """A witness did not cosign; the message says why."""


class _OtherHistory(_Refused):
    """A witness says that it has seen another history of this log, or a longer one."""


def ask_witnesses(
    witnesses: Sequence[Witness],
    checkpoint: Checkpoint,
    note: str,
    consistency: Consistency,
    *,
    known: dict[str, int],
    needed: int,
) -> Cosigned:
    """Ask each witness in turn to cosign a signed checkpoint.

    `known` holds the size that each witness saw last, as far as we know. Raises WitnessRefused if fewer than
    `needed` did, and TrailCorrupt instead if one of the others says that it has seen another history of this
    log, or a longer one. Where enough cosigned, that stands in `refused`: a single witness may be wrong.
    """
    import httpx2  # takes 0.1 s, and most logs have no witness

    found, forked = Cosigned({}, {}), False
    with httpx2.Client(timeout=ANSWER_S) as client:
        for witness in witnesses:
            name = witness.key.name
            request = _Request(client, httpx2, witness, checkpoint, note, consistency)
            try:
                found.lines[name] = request.send(min(known.get(name, 0), checkpoint.head.size))
            except _Refused as exc:
                found.refused[name] = str(exc)
                forked |= isinstance(exc, _OtherHistory)
    if len(found.lines) < needed:
        reasons = "; ".join(f"{name}: {why}" for name, why in found.refused.items())
        if forked:
            raise TrailCorrupt(
                f"this log was rolled back or forked, as witnesses say: {reasons}",
                hint="Do not go on with it: compare it with a copy, and with checkpoints kept elsewhere.",
            )
        raise WitnessRefused(
            f"{len(found.lines)} of {needed} witnesses cosigned: {reasons or 'no other is configured'}",
            hint="Try again, or change trail.witnesses and trail.witnesses_needed.",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Request:
    """One checkpoint before one witness."""

    client: Any
    library: Any
    witness: Witness
    checkpoint: Checkpoint
    note: str
    consistency: Consistency

    def send(self, old: int, *, again: bool = True) -> str:
        """Post the checkpoint with the proof from `old` events; a witness that saw others says how many."""
        status, kind, body = self._post(old)
        if status == 200:
            return self._cosignature(body)
        size = _SIZE.fullmatch(body) if status == 409 and kind == "text/x.tlog.size" else None
        if size is not None:
            seen = int(size[1])
            if seen > self.checkpoint.head.size:
                raise _OtherHistory(f"it has seen {seen} events, the log has {self.checkpoint.head.size}")
            if again and seen != old:
                return self.send(seen, again=False)
        if status == 422 or (status == 409 and old == self.checkpoint.head.size):
            raise _OtherHistory(f"the {old} events that it has seen are no prefix of this log")
        raise _Refused(f"HTTP {status}, {one_line(body.decode('utf-8', 'replace'), 100)!r}")

    def _post(self, old: int) -> tuple[int, str, bytes]:
        proof = "".join(f"{hash_line(step)}\n" for step in self.consistency(old))
        content = f"old {old}\n{proof}\n{self.note}".encode()
        url = f"{self.witness.url.rstrip('/')}/add-checkpoint"
        until = time.monotonic() + ANSWER_S  # the client's own limit is one between two bytes
        try:
            with self.client.stream("POST", url, content=content) as answer:
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise _Refused(f"its answer has more than {MAX_ANSWER_BYTES} bytes")
                    if time.monotonic() > until:
                        raise _Refused(f"its answer took more than {ANSWER_S:g} s")
                kind = answer.headers.get("content-type", "").partition(";")[0].strip()
                return answer.status_code, kind, body
        except self.library.HTTPError as exc:
            raise _Refused(f"{type(exc).__name__} {one_line(str(exc), 100)}") from exc

    def _cosignature(self, body: bytes) -> str:
        key, text = self.witness.key, self.checkpoint.text()
        try:
            lines = parse_signatures(body.decode())
            own: list[Signature] = [one for one in lines if (one.name, one.key_id) == (key.name, key.id)]
            if Note(text, tuple(own)).signers([key]):
                return signature_line(key, own[-1].value)
        except (UnicodeDecodeError, InvalidInput, ProofInvalid) as exc:
            raise _Refused(f"its answer is no cosignature: {one_line(str(exc), 100)}") from exc
        raise _Refused("no line of its answer is by the key that is configured for it")
