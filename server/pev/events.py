"""Events: what the trail is made of, and the only kinds that there are.

An event is a consequence of something that the server did. Its envelope is hashed into the log;
its payload is bound by a salted digest, so that it can be erased later without changing the log.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field

from pev.models import Caller, Channel, Digest, Host, Model, Role, StreamId


class Kind(StrEnum):
    """Every kind of event."""

    TOOL_CALLED = "tool.called"
    RUN_OPENED = "run.opened"
    PLAN_SUBMITTED = "plan.submitted"
    MODEL_ASKED = "model.asked"
    MODEL_ANSWERED = "model.answered"
    DECISION_ASKED = "decision.asked"
    DECISION_ANSWERED = "decision.answered"
    DECISION_REFUSED = "decision.refused"
    WORKTREE_MADE = "worktree.made"
    WORKTREE_REMOVED = "worktree.removed"
    FILE_WRITTEN = "file.written"
    COMMAND_RAN = "command.ran"
    NETWORK_DENIED = "network.denied"
    GATE_STARTED = "gate.started"
    GATE_FINISHED = "gate.finished"
    GATE_CANCELLED = "gate.cancelled"
    GATE_JUDGED = "gate.judged"
    CHECK_RAN = "check.ran"
    RUN_ESCALATED = "run.escalated"
    RUN_ABANDONED = "run.abandoned"
    PR_OPENED = "pr.opened"
    PR_SYNCED = "pr.synced"
    POLICY_TRUSTED = "policy.trusted"
    ROLE_REFUSED = "role.refused"
    TESTS_SUBMITTED = "tests.submitted"
    TESTS_TRIED = "tests.tried"
    REVIEW_SUBMITTED = "review.submitted"
    LOOP_STARTED = "loop.started"
    AUTHOR_STEPPED = "author.stepped"
    AUTHOR_WORKED = "author.worked"
    TRAIL_READ = "trail.read"
    TRAIL_KEY = "trail.key"
    TRAIL_WITNESSED = "trail.witnessed"
    PAYLOAD_ERASED = "payload.erased"
    REPAIRED = "server.repaired"


class Actor(Model):
    """Who did it, in which role, from where."""

    principal: str
    role: Role
    host: Host = Host()
    channel: Channel | None = None

    @classmethod
    def of(cls, caller: Caller, channel: Channel | None = None) -> "Actor":
        """Describe a caller as an actor."""
        return cls(principal=caller.principal, role=caller.role, host=caller.host, channel=channel)


class NewEvent(Model):
    """An event before the log has taken it. `payload` is a JSON object."""

    kind: Kind
    actor: Actor
    payload: dict[str, Any] = Field(default_factory=dict)


class Event(Model):
    """An event in the log.

    `seq` counts from 0 over the whole log and is its leaf index; `version` counts from 1 within its
    stream. `payload` is None once it was erased. `redacted` says that secrets were taken out
    before it was hashed.
    """

    seq: int = Field(ge=0)
    stream: StreamId
    version: int = Field(ge=1)
    kind: Kind
    at: str
    actor: Actor
    payload_digest: Digest
    redacted: bool = False
    payload: dict[str, Any] | None = None
