"""The evidence of a pull request: signed statements about exactly one commit, and a proof of its gate.

Two in-toto statements, a test result and a verification summary, both about the commit and its tree; and a
proof that the gate's event is in the log. Whoever holds the log's verifier key checks all of it offline.
Sources: in-toto Statement v1, the predicates test-result v0.1 and SLSA verification summary v1. Pure: no
file, no clock.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field, ValidationError

from pev import __version__
from pev.errors import EvidenceInvalid
from pev.events import Kind
from pev.findings import GateReport, Outcome
from pev.forge import dsse
from pev.models import Digest, Model, ObjectId, RunId, canonical, run_stream
from pev.run import RunState
from pev.trail.notes import SignerKey, VerifierKey
from pev.trail.proof import Proven, parse_proof, verify_proof

MEDIA_TYPE: Final = "application/vnd.pev.evidence.v1+json"
MAX_BYTES: Final = 24 * 2**20
STATEMENT: Final = "https://in-toto.io/Statement/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
VERIFIER: Final = "urn:pev:gate"
LEVEL: Final = "PEV_GATE_PASSED"


class Bundle(Model):
    """Evidence as it travels: a git note, or a file."""

    media_type: str = Field(alias="mediaType", default=MEDIA_TYPE)
    run: RunId
    envelopes: tuple[dict[str, Any], ...]
    proof: str

    def to_bytes(self) -> bytes:
        """Write it on one line."""
        return json.dumps(self.model_dump(by_alias=True), separators=(",", ":")).encode() + b"\n"


class Shown(Model):
    """What evidence shows, once everything in it was checked."""

    run: RunId
    commit: ObjectId
    tree: ObjectId
    policy: Digest
    checks: tuple[str, ...] = Field(description="those that passed")
    warned: tuple[str, ...] = Field(description="skipped, or passed because a person allowed it")
    event: int
    log: str
    size: int
    root: str
    witnesses: tuple[str, ...] = ()


def statements(state: RunState, report: GateReport, commit: ObjectId, at: str) -> list[dict[str, Any]]:
    """Give the statements about a commit whose tree passed the gate; `at` is when, in RFC 3339."""
    subject = [
        {"name": "commit", "digest": {"gitCommit": commit}},
        {"name": "tree", "digest": {"gitTree": report.snapshot}},
    ]
    allowed = {one.check for one in report.findings if one.allowed_by}
    good = {one.check for one in report.checks if one.outcome is Outcome.PASSED} - allowed
    passed = [one.check for one in report.checks if one.check in good]
    warned = [one.check for one in report.checks if one.check not in good]
    configuration = [
        {"name": "policy", "digest": {"sha256": report.policy_hash}},
        {"name": "gate", "digest": {"sha256": report.key}},
        {"name": "trusted-commit", "digest": {"gitCommit": report.trusted_commit}},
        {"name": "base-commit", "digest": {"gitCommit": report.base_commit}},
    ]
    if report.plan_hash is not None:
        configuration.append({"name": "plan", "digest": {"sha256": report.plan_hash}})
    result = {
        "result": "WARNED" if warned else "PASSED",
        "configuration": configuration,
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": [],
    }
    summary = {
        "verifier": {"id": VERIFIER, "version": {"pev": __version__}},
        "timeVerified": at,
        "resourceUri": _resource(state.id),
        "policy": {"uri": f"git:{report.trusted_commit}", "digest": {"sha256": report.policy_hash}},
        "verificationResult": "PASSED",
        "verifiedLevels": [LEVEL],
        "slsaVersion": "1.1",
    }
    return [
        {"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": predicate}
        for kind, predicate in ((TEST_RESULT, result), (SUMMARY, summary))
    ]


def bundle(run: RunId, told: Sequence[dict[str, Any]], keys: Sequence[SignerKey], proof: str) -> Bundle:
    """Sign statements, and put them together with the proof of the gate's event."""
    envelopes = tuple(dsse.sign(canonical(one), keys) for one in told)
    return Bundle(run=run, envelopes=envelopes, proof=proof)


def parse_bundle(data: bytes) -> Bundle:
    """Read evidence, none of it verified. Raises EvidenceInvalid."""
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(f"the evidence has more than {MAX_BYTES} bytes", hint="Get it again.")
    try:
        found = Bundle.model_validate_json(data)
    except ValidationError as exc:
        raise EvidenceInvalid(
            f"this is no evidence of a pull request: {exc.error_count()} faults", hint="Get it again."
        ) from exc
    if found.media_type != MEDIA_TYPE:
        raise EvidenceInvalid(f"evidence of the type {found.media_type[:80]!r}", hint="Use a newer PEV.")
    return found


def verify_bundle(
    found: Bundle,
    keys: Sequence[VerifierKey],
    *,
    commit: ObjectId,
    tree: ObjectId,
    witnesses: Sequence[VerifierKey] = (),
    witnesses_needed: int = 0,
) -> Shown:
    """Check evidence against a commit, its tree, and the log's keys. Raises EvidenceInvalid, ProofInvalid.

    What passes says: the holder of the key judged exactly this tree, its gate passed, and the log has that.
    """
    told = {}
    for envelope in found.envelopes:
        statement = _statement(dsse.verify(envelope, keys))
        _check_subject(statement, commit, tree)
        told[statement.get("predicateType")] = statement["predicate"]
    result, summary = told.get(TEST_RESULT), told.get(SUMMARY)
    if not isinstance(result, dict) or not isinstance(summary, dict):
        raise EvidenceInvalid("a test result or a verification summary is missing", hint="Get it again.")
    if summary.get("resourceUri") != _resource(found.run):
        raise EvidenceInvalid(f"the summary is not of run {found.run}", hint="Do not merge it.")
    if summary.get("verificationResult") != "PASSED" or result.get("result") not in ("PASSED", "WARNED"):
        raise EvidenceInvalid("the gate did not pass this commit", hint="Do not merge it.")
    parts = _digests(result)
    proven = verify_proof(
        parse_proof(found.proof.encode()), keys, witnesses=witnesses, witnesses_needed=witnesses_needed
    )
    _check_event(proven, found.run, parts)
    return Shown(
        run=found.run,
        commit=commit,
        tree=tree,
        policy=Digest(parts["policy"]),
        checks=tuple(map(str, result.get("passedTests") or ())),
        warned=tuple(map(str, result.get("warnedTests") or ())),
        event=proven.event.seq,
        log=proven.checkpoint.origin,
        size=proven.checkpoint.head.size,
        root=proven.checkpoint.head.root,
        witnesses=proven.witnesses,
    )


def _resource(run: RunId) -> str:
    return f"pev:run/{run}"


def _statement(payload: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(payload)
    except ValueError as exc:
        raise EvidenceInvalid("a signed statement is no JSON", hint="Get it again.") from exc
    sound = isinstance(statement, dict) and isinstance(statement.get("predicate"), dict)
    if not sound or statement.get("_type") != STATEMENT:
        raise EvidenceInvalid("a signed statement is not one of in-toto", hint="Get it again.")
    return dict(statement)


def _check_subject(statement: dict[str, Any], commit: ObjectId, tree: ObjectId) -> None:
    """Raise EvidenceInvalid unless a statement is about this commit with this tree, and nothing else."""
    try:
        told = {(kind, oid) for one in statement["subject"] for kind, oid in one["digest"].items()}
    except (KeyError, TypeError, AttributeError) as exc:
        raise EvidenceInvalid("a statement has no subject", hint="Get it again.") from exc
    if told != {("gitCommit", commit), ("gitTree", tree)}:
        about = next((oid for kind, oid in told if kind == "gitCommit"), "no commit")
        raise EvidenceInvalid(
            f"the evidence is about {str(about)[:12]}, this is {commit[:12]}",
            hint="The branch was changed after the gate: have the change judged again.",
        )


def _digests(result: dict[str, Any]) -> dict[str, str]:
    try:
        parts = {one["name"]: str(next(iter(one["digest"].values()))) for one in result["configuration"]}
        return {name: parts[name] for name in ("policy", "gate")}
    except (KeyError, TypeError, AttributeError, StopIteration) as exc:
        raise EvidenceInvalid("the test result names no policy or no gate", hint="Get it again.") from exc


def _check_event(proven: Proven, run: RunId, parts: dict[str, str]) -> None:
    """Raise EvidenceInvalid unless what is proven is this run's passed gate."""
    event, body = proven.event, proven.event.payload or {}
    same = (event.kind, event.stream) == (Kind.GATE_FINISHED, run_stream(run))
    if not same or (body.get("outcome"), body.get("key")) != (Outcome.PASSED.value, parts["gate"]):
        raise EvidenceInvalid(
            f"the proven event {event.seq} is not the passed gate of run {run}", hint="Do not merge it."
        )
