"""Words shared by every room of the engine: identities, roles, scopes, boundaries, digests.

Models are frozen and refuse unknown fields, so that what was validated is what is used.
"""

import hashlib
import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, NewType

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pev.errors import Forbidden

RunId = NewType("RunId", str)
RepoId = NewType("RepoId", str)
StreamId = NewType("StreamId", str)
Digest = NewType("Digest", str)
"""SHA-256 of some bytes, 64 lower-case hex digits."""
ObjectId = NewType("ObjectId", str)
"""Name of a git object, 40 or 64 lower-case hex digits."""

RUN_ID: Final = re.compile(r"[0-9a-f]{8}")
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


class Model(BaseModel):
    """A value: immutable, and without fields that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


def new_run_id() -> RunId:
    """Make a fresh run id of 8 hex digits."""
    return RunId(secrets.token_hex(4))


def now() -> datetime:
    """Give the present moment, in UTC."""
    return datetime.now(UTC)


def to_rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds, ending in Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(value: Any) -> bytes:
    """Serialise a JSON value canonically (RFC 8785)."""
    return rfc8785.dumps(value)


def digest_of(data: bytes) -> Digest:
    """Give the SHA-256 of `data` as hex."""
    return Digest(hashlib.sha256(data).hexdigest())


def hash_json(value: Any) -> Digest:
    """Give the SHA-256 of the canonical form of a JSON value."""
    return digest_of(canonical(value))


SERVER_STREAM: Final = StreamId("server")
"""The stream of what belongs to no run and no repository."""


def run_stream(run_id: RunId) -> StreamId:
    """Name the stream of a run."""
    return StreamId(f"run:{run_id}")


def run_of_stream(stream: str) -> RunId | None:
    """Give the run whose stream this is; None for any other stream."""
    run = stream.removeprefix("run:")
    return RunId(run) if run != stream else None


def repo_stream(repo_id: RepoId) -> StreamId:
    """Name the stream of a repository."""
    return StreamId(f"repo:{repo_id}")


class Role(StrEnum):
    """What a caller, or an asked model, acts as."""

    PERSON = "person"
    PLANNER = "planner"
    AUTHOR = "author"
    TESTER = "tester"
    REVIEWER = "reviewer"
    SECURITY = "security"
    SERVER = "server"


class Scope(StrEnum):
    """What a principal may do; every engine method names the one that it needs."""

    READ = "pev:read"
    PLAN = "pev:plan"
    EXECUTE = "pev:execute"
    VERIFY = "pev:verify"
    SHIP = "pev:ship"
    APPROVE = "pev:approve"
    AUDIT = "pev:audit"


AGENT_SCOPES: Final = frozenset(Scope) - {Scope.APPROVE}
"""All that a model's tool calls may ever hold: approving is not among it."""


class Host(Model):
    """The program that called: name and version as it gave them."""

    name: str = ""
    version: str = ""


class Caller(Model):
    """Who calls the engine: a principal in a role, with scopes, through a host.

    `tenant` is whom they belong to over HTTP; None is this machine's own user, who sees all.
    """

    principal: str
    role: Role
    scopes: frozenset[Scope]
    host: Host = Host()
    tenant: str | None = None


def require_scope(caller: Caller, scope: Scope) -> None:
    """Raise Forbidden unless the caller holds the scope."""
    if scope not in caller.scopes:
        raise Forbidden(
            f"{caller.principal} lacks the scope {scope}",
            hint="Ask the operator for it, or use a principal that holds it.",
        )


class Boundary(StrEnum):
    """The three places where a person decides."""

    PLAN = "plan"
    ESCALATION = "escalation"
    MERGE = "merge"


class Channel(StrEnum):
    """The way by which a decision reached us."""

    HOST_FORM = "host-form"
    TERMINAL = "terminal"
    PAGE = "page"
    SIGNATURE = "signature"


class Assurance(StrEnum):
    """How sure we are that a person, and which, decided. In ascending order."""

    CONVENIENCE = "convenience"
    PERSON_PRESENT = "person-present"
    SIGNED = "signed"


ASSURANCE_OF: Final = {
    Channel.HOST_FORM: Assurance.CONVENIENCE,
    Channel.TERMINAL: Assurance.PERSON_PRESENT,
    Channel.PAGE: Assurance.PERSON_PRESENT,
    Channel.SIGNATURE: Assurance.SIGNED,
}


class ApprovalRules(Model):
    """What the policy demands of a decision. `merge` wants one before a pull request is opened, too."""

    min_assurance: Assurance = Assurance.CONVENIENCE
    min_seconds: float = Field(default=0.0, ge=0, le=3_600)
    ttl_s: float | None = Field(default=None, gt=0)
    merge: bool = False


def assured(channel: Channel, least: Assurance) -> bool:
    """Say whether a channel's assurance reaches `least`."""
    order = list(Assurance)
    return order.index(ASSURANCE_OF[channel]) >= order.index(least)


class Verdict(StrEnum):
    """What a person can answer at a boundary."""

    APPROVE = "approve"
    CHANGE = "change"
    REJECT = "reject"
    RETRY = "retry"
    ALLOW = "allow"
    TAKE_OVER = "take-over"


class Source(StrEnum):
    """Where a role's answer came from. Independence is reported, not claimed."""

    HOST_SAMPLED = "host-sampled"
    PROVIDER = "provider"
    HOST_SUBMITTED = "host-submitted"
    PERSON = "person"


class LetThrough(Model):
    """A person's recorded decision that one finding on one snapshot does not block."""

    fingerprint: Digest
    snapshot: ObjectId
    principal: str
    reason: str
    event: int = Field(ge=0, description="number of the event that recorded the decision")
