"""The one tree of errors that PEV raises on purpose.

Each class has a stable code, `noun.reason`. The message is the fact with its value, in lower
case and without a full stop; the hint is the next action, a sentence. What is not in this tree is a
bug: adapters mask it and log it with an id.
"""

from typing import ClassVar


class PevError(Exception):
    """Base of all errors that a user can act on."""

    code: ClassVar[str] = "pev.error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Give message and hint in one line, for logs and terminals."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class InvalidInput(PevError):
    """A value from outside does not have the form that it needs."""

    code = "input.invalid"


class ConfigInvalid(PevError):
    """The operator's configuration cannot be used."""

    code = "config.invalid"


class PolicyInvalid(PevError):
    """`pev.toml` or `[tool.pev]` of the trusted ref cannot be used."""

    code = "policy.invalid"


class Forbidden(PevError):
    """The caller lacks the scope, or the operator did not allow it."""

    code = "caller.forbidden"


# Processes and tools


class RoleRefused(Forbidden):
    """The caller's role may not see or do this."""

    code = "role.refused"


class ToolMissing(PevError):
    """A program that is needed is not installed."""

    code = "tool.missing"


class CommandFailed(PevError):
    """A program that must succeed ended with another exit code."""

    code = "command.failed"


class CommandTimedOut(PevError):
    """A program that must succeed ran past its limit and was killed."""

    code = "command.timed_out"


class SandboxUnavailable(PevError):
    """No way to confine a command exists here, so it was not run."""

    code = "sandbox.unavailable"


class EnvironmentUnavailable(PevError):
    """What a project needs could not be installed, so nothing can be measured in it."""

    code = "environment.unavailable"


class ProjectUnsupported(EnvironmentUnavailable):
    """A project is made in a way that PEV cannot work with; the reason lies in its own files."""

    code = "project.unsupported"


# Repositories and worktrees


class RepoUnknown(PevError):
    """No allowed repository has this name or path."""

    code = "repo.unknown"


class RepoUnusable(PevError):
    """The repository cannot be worked with (not one, bare, shallow, empty, submodules, LFS)."""

    code = "repo.unusable"


class RefInvalid(PevError):
    """A ref name or revision has a form that is not allowed."""

    code = "ref.invalid"


class RefNotFound(PevError):
    """A ref or commit does not exist in the repository."""

    code = "ref.not_found"


class PathEscapes(PevError):
    """A path leaves the worktree, or names something that is not a plain file or folder in it."""

    code = "path.escapes"


class FileRefused(PevError):
    """A file operation cannot be done as asked (absent, binary, too large, text not unique)."""

    code = "file.refused"


class WorktreeMissing(PevError):
    """The run has no worktree, or it is gone from the disk."""

    code = "worktree.missing"


class WorktreeBusy(PevError):
    """A live process stands in the worktree or holds a file of it open."""

    code = "worktree.busy"


class StorageFailed(PevError):
    """A folder of ours cannot be written (read-only, full, not a folder)."""

    code = "storage.failed"


class SnapshotRefused(PevError):
    """The worktree holds something that a snapshot may not carry (gitlink, escaping symlink)."""

    code = "snapshot.refused"


# Runs, plans, decisions


class RunUnknown(PevError):
    """No run has this id."""

    code = "run.unknown"


class RunStateRefused(PevError):
    """The run's state does not allow this."""

    code = "run.state"


class TestsInvalid(PevError):
    """Held-out tests that a tester wrote cannot be used."""

    __test__ = False  # the name is right, and pytest is not to collect it
    code = "tests.invalid"


class ReviewInvalid(PevError):
    """A review does not fit the change that it is about."""

    code = "review.invalid"


class ReviewMissing(PevError):
    """A role that must have judged the change has not, or rejected it."""

    code = "review.missing"


class ModelUnavailable(PevError):
    """No model can be asked, or it gave no answer."""

    code = "model.unavailable"


class BudgetSpent(PevError):
    """A run's models have cost what they may."""

    code = "budget.spent"


class PlanInvalid(PevError):
    """A plan does not validate."""

    code = "plan.invalid"


class DecisionInvalid(PevError):
    """An answer does not belong to a pending question, was used before, came late, or is malformed."""

    code = "decision.invalid"


class NotPassed(PevError):
    """No passed gate covers exactly this snapshot."""

    code = "gate.not_passed"


class CheckUnknown(PevError):
    """The policy has no check of this name."""

    code = "check.unknown"


class PolicyNotTrusted(PevError):
    """The repository asks for something that a person must first trust."""

    code = "policy.not_trusted"


class ForgeRefused(PevError):
    """The forge, or the user's repository, did not take the change."""

    code = "forge.refused"


class ForgeBusy(PevError):
    """The forge does not answer, or takes no more requests for now."""

    code = "forge.busy"


class EvidenceInvalid(PevError):
    """The evidence of a pull request does not hold for this commit."""

    code = "evidence.invalid"


# Trail


class TrailUnavailable(PevError):
    """The trail cannot be opened or written (locked, read-only, full, network file system)."""

    code = "trail.unavailable"


class TrailCorrupt(PevError):
    """The trail's content contradicts itself."""

    code = "trail.corrupt"


class VersionConflict(PevError):
    """Another process appended to the stream first."""

    code = "trail.version_conflict"


class BlobUnknown(PevError):
    """No blob has this digest."""

    code = "blob.unknown"


class EventUnknown(PevError):
    """No event has this number."""

    code = "event.unknown"


class ProofInvalid(PevError):
    """A checkpoint, a proof or a disclosure does not show what it claims."""

    code = "proof.invalid"


class WitnessRefused(PevError):
    """Fewer witnesses than the operator demands would cosign a checkpoint."""

    code = "witness.refused"
