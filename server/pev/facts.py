"""Facts of a run: what its events say of plans, decisions, the worktree, gates and the pull request.

Each is a value that a fold puts into the run's state; nothing here knows how.
"""

from pydantic import Field

from pev.findings import Outcome
from pev.models import Boundary, Channel, Digest, Model, ObjectId, Source, Verdict
from pev.plan import Plan


class PlanRevision(Model):
    """A plan as it was submitted."""

    revision: int = Field(ge=1)
    plan: Plan
    plan_hash: Digest
    source: Source
    model: str = ""


class Pending(Model):
    """A question that stands open before a person.

    `subject` is the hash of what is decided on (a plan, a gate report, a commit), `shown` of the very text
    that the person saw. `binding` is the hash of everything that the answer is bound to: run, boundary,
    subject, base commit, policy. `asked_at` and `expires_at` are RFC 3339.
    """

    nonce: str
    boundary: Boundary
    subject: Digest
    shown: Digest
    binding: Digest
    asked_at: str
    expires_at: str
    verdicts: tuple[Verdict, ...]


class Signer(Model):
    """Whose key signed a decision: the name in the list of allowed signers, and the key.

    `fingerprint` is the SHA-256 of the key as ssh-keygen writes it; `listed_by` says whose list it was.
    """

    principal: str
    key: str
    fingerprint: str
    listed_by: str


class Approval(Model):
    """The server's own record of a decision at a boundary."""

    boundary: Boundary
    verdict: Verdict
    subject: Digest
    shown: Digest
    binding: Digest
    channel: Channel
    principal: str
    at: str
    seconds: float = Field(ge=0, description="from the question to the answer")
    comment: str = ""
    signer: Signer | None = None
    event: int = Field(ge=0)


class WorktreeState(Model):
    """The worktree of a run, as the trail knows it."""

    path: str
    branch: str
    base_commit: ObjectId


class GateState(Model):
    """The latest gate of a run; `outcome` is None while it runs."""

    attempt: int = Field(ge=1)
    snapshot: ObjectId
    key: Digest | None = None
    outcome: Outcome | None = None
    report: Digest | None = None
    reason: str = ""


class PrState(Model):
    """The pull request of a run. `head` is the commit that the forge showed last, "" before it was asked."""

    forge: str
    url: str
    branch: str
    commit: ObjectId
    tree: ObjectId
    number: int = 0
    state: str = "open"
    merged_by: str = ""
    merge_commit: str = ""
    head: str = ""

    @property
    def warning(self) -> str:
        """What a reader must know before all else: that the pull request holds what no gate judged; or ""."""
        if self.head in ("", self.commit):
            return ""
        done = "was merged with" if self.state == "merged" else "has"
        return (
            f"NOT COVERED: the pull request {done} head {self.head[:12]}, the gate judged {self.commit[:12]}."
            " It was pushed to after the gate, and the evidence says nothing of that."
        )
