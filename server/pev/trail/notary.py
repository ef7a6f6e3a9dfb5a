"""Signs what the log is, and proves events under that: checkpoints, cosignatures, proofs, rotation of keys.

Which keys have signed, and what witnesses saw, are events of the log itself: a checkpoint covers the event
that tells of its own key. What a checkpoint kept elsewhere is worth is `verify`'s business.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pev.config import Config
from pev.errors import InvalidInput, ProofInvalid
from pev.events import Actor, Event, Kind, NewEvent
from pev.models import SERVER_STREAM, Role
from pev.trail.checkpoint import Checkpoint, open_checkpoint
from pev.trail.faults import Fault, FaultKind
from pev.trail.keyring import Keyring
from pev.trail.merkle import TreeHead
from pev.trail.notes import SignerKey, VerifierKey, parse_vkey, write_note
from pev.trail.proof import MAGIC, parse_proof, verify_proof, write_proof
from pev.trail.query import MAX_LIMIT, TrailQuery
from pev.trail.stopping import Stop, never
from pev.trail.store import Trail
from pev.trail.verify import Examined, summary_of
from pev.trail.witness import Cosigned, Witness, ask_witnesses

_SERVER: Final = Actor(principal="server", role=Role.SERVER)
_RECENT: Final = 20


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint as a signed note, what it says, and which witnesses would not cosign it, with reasons."""

    note: str
    checkpoint: Checkpoint
    refused: dict[str, str]


class Notary:
    """Signs and proves for one trail. Methods block until they are done."""

    def __init__(
        self, trail: Trail, keyring: Keyring, *, witnesses: Sequence[Witness] = (), needed: int = 0
    ) -> None:
        self._trail = trail
        self._keyring = keyring
        self._witnesses = tuple(witnesses)
        self._needed = needed

    @classmethod
    def of(cls, trail: Trail, config: Config) -> "Notary":
        """Make the notary that the operator configured. Raises InvalidInput for a witness without a key."""
        settings = config.trail
        witnesses = [Witness(parse_vkey(one.vkey), one.url) for one in settings.witnesses]
        ring = Keyring(config.trail_key_file, origin=settings.origin)
        return cls(trail, ring, witnesses=witnesses, needed=settings.witnesses_needed)

    @property
    def has_witnesses(self) -> bool:
        """Whether the operator named witnesses."""
        return bool(self._witnesses)

    def checkpoint(self, *, witnessed: bool = False) -> SignedHead:
        """Sign the log as it is now, with all keys of the ring; `witnessed` asks the witnesses too.

        Raises WitnessRefused if fewer of them cosign than the operator demands, TrailCorrupt where these say
        that the log was rolled back or forked, ConfigInvalid for a key file that cannot be used, and
        InvalidInput if witnesses are to be asked and there is none.
        """
        if witnessed and not self._witnesses:
            raise InvalidInput("no witness is configured", hint="Name one in trail.witnesses.")
        keys = self.signers()
        return self._sign(keys, self._trail.head(), witnessed=witnessed)

    def prove(self, seq: int, *, payload: bool = True, witnessed: bool = False) -> str:
        """Write a proof that stands alone: event `seq`, its place, and a checkpoint that covers it.

        Without `payload` it shows the event and the digest of its payload only. Raises EventUnknown.
        """
        stored = self._trail.stored(seq)
        head = self.checkpoint(witnessed=witnessed)
        path = self._trail.inclusion(seq, size=head.checkpoint.head.size)
        shown = stored if payload else stored._replace(payload=None)
        return write_proof(shown, seq, [bytes.fromhex(step) for step in path], head.note)

    def known_keys(self) -> tuple[VerifierKey, ...]:
        """Give every verifier key that is the log's: those on its record, also retired ones, and the ring's.

        The ring counts too, since a log that was rolled back has forgotten what it told of its keys.
        """
        recorded = [parse_vkey(vkey) for vkey, _ in self._key_events()]
        return tuple(dict.fromkeys([*recorded, *(key.verifier for key in self._keyring.present())]))

    def signing_keys(self) -> tuple[VerifierKey, ...]:
        """Give the verifier keys of those that sign now, the newest first, once they are on record."""
        return tuple(key.verifier for key in self.signers())

    def signers(self) -> tuple[SignerKey, ...]:
        """Give the keys that sign now, the newest first, once they are on record."""
        keys = self._keyring.keys()
        self._record_keys(keys)
        return keys

    def rotate(self, actor: Actor) -> VerifierKey:
        """Let a new key sign beside those that do, and give it."""
        keys = self._keyring.add()
        self._record_keys(keys, actor)
        return keys[0].verifier

    def retire(self, key_id: str, actor: Actor) -> VerifierKey:
        """Let a key sign no longer, and give it; what it signed holds. Raises InvalidInput."""
        key = self._keyring.remove(key_id)
        self._trail.append(SERVER_STREAM, [_key_event(str(key), "retired", actor)], expected_version=None)
        return key

    def open(self, data: bytes, keys: Sequence[VerifierKey] = ()) -> Checkpoint:
        """Read a checkpoint that was kept elsewhere: a signed note, or the one in a proof, which must hold.

        By `keys`, or else by those that the log's own record names. Raises InvalidInput and ProofInvalid.
        """
        trusted = tuple(keys) or self.known_keys()
        if data.startswith(MAGIC.encode()):
            return verify_proof(parse_proof(data), trusted).checkpoint
        return open_checkpoint(data, trusted)

    def _sign(self, keys: Sequence[SignerKey], head: TreeHead, *, witnessed: bool) -> SignedHead:
        checkpoint = Checkpoint(keys[0].name, head)
        text = checkpoint.text()
        lines = [key.sign(text) for key in keys]
        if not witnessed:
            return SignedHead(write_note(text, lines), checkpoint, {})
        found = ask_witnesses(
            self._witnesses,
            checkpoint,
            write_note(text, lines),
            lambda old: (
                [bytes.fromhex(one) for one in self._trail.consistency(old, head.size)] if old else []
            ),
            known=self._last_seen(),
            needed=self._needed,
        )
        note = write_note(text, [*lines, *found.lines.values()])
        self._record_witnesses(head, note, found)
        return SignedHead(note, checkpoint, found.refused)

    def _record_witnesses(self, head: TreeHead, note: str, found: Cosigned) -> None:
        body = {
            "size": head.size,
            "root": head.root,
            "note": note,
            "witnesses": sorted(found.lines),
            "refused": found.refused,
        }
        event = NewEvent(kind=Kind.TRAIL_WITNESSED, actor=_SERVER, payload=body)
        self._trail.append(SERVER_STREAM, [event], expected_version=None)

    def _last_seen(self) -> dict[str, int]:
        """Give the size that each witness cosigned last, as far as the newest records tell."""
        question = TrailQuery(kinds=(Kind.TRAIL_WITNESSED,), newest_first=True, limit=_RECENT)
        seen: dict[str, int] = {}
        for event in self._trail.query(question).events:
            for name in (event.payload or {}).get("witnesses", ()):
                seen.setdefault(str(name), int((event.payload or {})["size"]))
        return seen

    def _record_keys(self, keys: Iterable[SignerKey], actor: Actor = _SERVER) -> None:
        recorded = dict(self._key_events())
        new = [vkey for vkey in (str(key.verifier) for key in keys) if recorded.get(vkey) != "added"]
        if new:
            events = [_key_event(vkey, "added", actor) for vkey in new]
            self._trail.append(SERVER_STREAM, events, expected_version=None)

    def _key_events(self) -> Iterator[tuple[str, str]]:
        question: TrailQuery | None = TrailQuery(kinds=(Kind.TRAIL_KEY,), limit=MAX_LIMIT)
        while question is not None:
            page = self._trail.query(question)
            yield from (_vkey_of(event) for event in page.events if event.payload)
            question = question.model_copy(update={"cursor": page.cursor}) if page.cursor else None


def examine_against(
    trail: Trail, notary: Notary, kept: bytes, keys: Sequence[VerifierKey] = (), *, stop: Stop = never
) -> Examined:
    """Examine the whole record against a checkpoint, or a proof, that was kept elsewhere.

    One that no trusted key signed is a fault of the record: either it is of another log, or the log's record
    of its keys was changed. Raises InvalidInput if `kept` is of another form, and Stopped.
    """
    try:
        return trail.examine(expected=notary.open(kept, keys).head, stop=stop)
    except ProofInvalid as exc:
        found = trail.examine(stop=stop)
        report = found.report
        fault = Fault(kind=FaultKind.WRONG_KEY, detail=exc.message)
        faults, count = (*report.faults, fault), report.fault_count + 1
        told = report.model_copy(
            update={
                "intact": False,
                "faults": faults,
                "fault_count": count,
                "summary": summary_of(faults, count, None),
            }
        )
        return found._replace(report=told)


def _vkey_of(event: Event) -> tuple[str, str]:
    body = event.payload or {}
    return str(body["vkey"]), str(body["change"])


def _key_event(vkey: str, change: str, actor: Actor) -> NewEvent:
    return NewEvent(kind=Kind.TRAIL_KEY, actor=actor, payload={"vkey": vkey, "change": change})
