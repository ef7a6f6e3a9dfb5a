"""Events as the engine would record them, and whole runs made of them."""

from typing import Any, Final

from pev.events import Actor, Kind, NewEvent
from pev.findings import Outcome
from pev.models import (
    Boundary,
    Channel,
    Digest,
    Host,
    Role,
    RunId,
    StreamId,
    Verdict,
    digest_of,
    run_stream,
)
from pev.plan import Plan
from pev.trail.store import Trail

COMMIT: Final = "c0ffee00" * 5
TREE: Final = "7ee1badd" * 5
AUTHOR: Final = Actor(principal="local:ada", role=Role.AUTHOR, host=Host(name="claude-code", version="2.1"))
PERSON: Final = Actor(principal="local:grace", role=Role.PERSON, channel=Channel.TERMINAL)
SERVER: Final = Actor(principal="pev", role=Role.SERVER)
PLAN: Final = Plan.model_validate(
    {
        "goal": "Division by zero gives a clear error",
        "approach": "Check the divisor first",
        "non_goals": ["Other arithmetic"],
        "steps": [{"id": "s1", "description": "Guard divide", "files_touched": ["src/app/calc.py"]}],
        "acceptance_criteria": [{"id": "c1", "description": "divide(1, 0) raises ValueError"}],
    }
)
FINDING: Final = {
    "check": "lint",
    "rule": "F401",
    "path": "src/app/calc.py",
    "line": 3,
    "fingerprint": digest_of(b"lint F401 calc.py"),
}


def event(kind: Kind, actor: Actor = AUTHOR, **payload: Any) -> NewEvent:
    """Make an event with the given payload."""
    return NewEvent(kind=kind, actor=actor, payload=payload)


def opened(task: str = "divide by zero", repo: str = "app-1") -> NewEvent:
    """The first event of a run."""
    return event(
        Kind.RUN_OPENED,
        repo=repo,
        repo_name="app",
        task=task,
        trusted_ref="refs/heads/main",
        trusted_commit=COMMIT,
        base_ref="refs/heads/main",
        base_commit=COMMIT,
        policy_hash=digest_of(b"policy"),
        policy_source="detected",
        max_attempts=3,
    )


def plan_submitted(plan: Plan = PLAN, revision: int = 1) -> NewEvent:
    """A revision of the plan."""
    return event(
        Kind.PLAN_SUBMITTED,
        revision=revision,
        plan=plan.model_dump(mode="json"),
        plan_hash=plan.content_hash(),
        source="host-submitted",
        model="",
    )


def asked(boundary: Boundary = Boundary.PLAN) -> NewEvent:
    """A question to a person."""
    pending = {
        "nonce": "n-1",
        "boundary": boundary.value,
        "subject": PLAN.content_hash(),
        "shown": digest_of(b"what the person saw"),
        "binding": digest_of(b"binding"),
        "asked_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2026-01-02T00:00:00.000000Z",
        "verdicts": ["approve", "reject"],
    }
    return event(Kind.DECISION_ASKED, SERVER, pending=pending)


def answered(verdict: Verdict = Verdict.APPROVE, boundary: Boundary = Boundary.PLAN) -> NewEvent:
    """A person's answer."""
    approval = {
        "boundary": boundary.value,
        "verdict": verdict.value,
        "subject": PLAN.content_hash(),
        "shown": digest_of(b"what the person saw"),
        "binding": digest_of(b"binding"),
        "channel": "terminal",
        "principal": PERSON.principal,
        "seconds": 31.5,
        "comment": "fine",
    }
    return event(Kind.DECISION_ANSWERED, PERSON, approval=approval, let_throughs=[])


def worktree_made() -> NewEvent:
    """A worktree for the run."""
    tree = {"path": "/state/worktrees/1", "branch": "agent/0a1b2c3d", "base_commit": COMMIT}
    return event(Kind.WORKTREE_MADE, worktree=tree)


def gate(outcome: Outcome, report: Digest, attempt: int = 1) -> list[NewEvent]:
    """A gate from its start to its end, with one check."""
    key = digest_of(f"gate {attempt}".encode())
    finished = {
        "outcome": outcome.value,
        "report": report,
        "key": key,
        "attempts_used": 1,
        "checks": [{"check": "lint", "outcome": outcome.value}, {"check": "types", "outcome": "PASSED"}],
        "findings": [FINDING] if outcome is Outcome.FAILED else [],
    }
    return [
        event(Kind.GATE_STARTED, SERVER, attempt=attempt, snapshot=TREE, key=key),
        event(Kind.GATE_FINISHED, SERVER, **finished),
    ]


def pr_opened() -> NewEvent:
    """A pull request."""
    pr = {
        "forge": "local",
        "url": "agent/0a1b2c3d",
        "branch": "agent/0a1b2c3d",
        "commit": COMMIT,
        "tree": TREE,
    }
    return event(Kind.PR_OPENED, pr=pr, changed_files=["src/app/calc.py"])


def record_run(trail: Trail, run: RunId, *, repo: str = "app-1") -> StreamId:
    """Record a run from its task to an open pull request, one failed gate on the way."""
    stream = run_stream(run)
    report = trail.put_blob(b'{"outcome":"PASSED"}', "application/json")
    steps: list[list[NewEvent]] = [
        [event(Kind.TOOL_CALLED, tool="draft_plan")],
        [plan_submitted(), asked()],
        [answered()],
        [event(Kind.TOOL_CALLED, tool="make_worktree"), worktree_made()],
        [event(Kind.FILE_WRITTEN, path="src/app/calc.py", bytes=120)],
        gate(Outcome.FAILED, report, attempt=1),
        [event(Kind.COMMAND_RAN, argv=["sed", "-i", "s/import os//", "src/app/calc.py"], exit_code=0)],
        gate(Outcome.PASSED, report, attempt=2),
        [pr_opened()],
    ]
    trail.append(stream, [opened(repo=repo)], expected_version=0)
    for step in steps:
        trail.append(stream, step, expected_version=trail.version(stream))
    return stream
