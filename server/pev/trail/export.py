"""Writes the log in the forms of others: JSON lines, CSV, agent audit trail records, OpenTelemetry.

Each is a view of the events in the log's order, one at a time, so that a log of any size can be written.
Nothing is ever read back from them: evidence is what proofs and checkpoints show, not these.
"""

import csv
import hashlib
import io
import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pev.events import Event, Kind
from pev.models import canonical, digest_of
from pev.trail.signing_key import SigningKey

CSV_COLUMNS: Final = (
    *("event", "time", "stream", "version", "kind", "principal", "role", "host", "channel"),
    *("tool", "check", "outcome", "redacted", "payload_sha256", "payload"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_TYPES: Final = {
    Kind.TOOL_CALLED: "tool_call",
    Kind.COMMAND_RAN: "tool_call",
    Kind.FILE_WRITTEN: "tool_call",
    Kind.CHECK_RAN: "tool_response",
    Kind.MODEL_ASKED: "delegation",
    Kind.MODEL_ANSWERED: "tool_response",
    Kind.PLAN_SUBMITTED: "decision",
    Kind.DECISION_ANSWERED: "decision",
    Kind.DECISION_REFUSED: "decision",
    Kind.GATE_FINISHED: "decision",
    Kind.RUN_ESCALATED: "escalation",
}
"""What the draft calls actions of these kinds; all others are of its kind `lifecycle`."""
_TRUST_LEVEL: Final = 1
"""Recorded by the server that acted, not by an independent recorder. A number, as the verifier reads it."""


def json_lines(events: Iterable[Event]) -> Iterator[str]:
    """Write each event as one line of JSON."""
    for event in events:
        yield event.model_dump_json() + "\n"


def csv_lines(events: Iterable[Event]) -> Iterator[str]:
    """Write events as CSV (RFC 4180) with a header; no cell begins like a formula of a spreadsheet."""
    yield _csv_row(CSV_COLUMNS)
    for event in events:
        body = event.payload or {}
        yield _csv_row(
            (
                *(event.seq, event.at, event.stream, event.version, event.kind.value),
                *(event.actor.principal, event.actor.role.value, event.actor.host.name),
                event.actor.channel.value if event.actor.channel else "",
                *(body.get(name, "") for name in ("tool", "check", "outcome")),
                *(event.redacted, event.payload_digest),
                "" if event.payload is None else json.dumps(event.payload, ensure_ascii=False),
            )
        )


def _csv_row(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_cell(one) for one in cells])
    return out.getvalue()


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def audit_records(events: Iterable[Event], key: SigningKey, *, session: str) -> Iterator[str]:
    """Write events as records of draft-sharif-agent-audit-trail: a hash chain, each record signed by ES256.

    Payloads stand in by their digests, never in the clear: the number of the event leads to its proof.
    """
    last: str | None = None
    for event in events:
        record: dict[str, Any] = {
            "record_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{session}/{event.seq}")),
            "timestamp": event.at,
            "agent_id": f"urn:pev:{event.actor.principal}",
            "agent_version": event.actor.host.version or "unknown",
            "session_id": session,
            "action_type": _TYPES.get(event.kind, "lifecycle"),
            "action_detail": _detail(event),
            "outcome": _outcome(event),
            "trust_level": _TRUST_LEVEL,
            "parent_record_id": None,
            "prev_hash": last,
            "record_phase": "post_execution",
            "input_hash": event.payload_digest,
            "sig_alg": "ES256",
            "signer_kid": key.kid,
        }
        record["signature"] = key.sign(hashlib.sha256(canonical(record)).digest())
        last = digest_of(canonical(record))
        yield canonical(record).decode() + "\n"


def _detail(event: Event) -> dict[str, Any]:
    body = event.payload or {}
    said = {name: body[name] for name in ("tool", "check", "path") if isinstance(body.get(name), str)}
    return {
        "event": event.seq,
        "stream": event.stream,
        "kind": event.kind.value,
        "role": event.actor.role.value,
        "host": event.actor.host.name,
        "channel": event.actor.channel.value if event.actor.channel else "",
        "payload_erased": event.payload is None,
        **said,
    }


def _outcome(event: Event) -> str:
    said = (event.payload or {}).get("outcome")
    if event.kind is Kind.DECISION_REFUSED:
        return "denied"
    if event.kind is Kind.RUN_ESCALATED:
        return "escalated"
    return "success" if not isinstance(said, str) or said in ("ok", "PASSED", "SKIPPED") else "failure"


def keystore(key: SigningKey) -> str:
    """Write the public key as the draft's verifier reads it."""
    return json.dumps({key.kid: {"alg": "ES256", "jwk_x_y": key.public}}, indent=1) + "\n"
