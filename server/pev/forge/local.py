"""The local forge: the branch in the user's own repository, and a body that a person can paste.

It opens nothing elsewhere. What became of the pull request is read from the user's branches: merged when
the target branch holds the commit, or its content; closed when the branch is gone.
"""

from typing import ClassVar

from pev.errors import ForgeRefused
from pev.forge.interface import Forge, PrRequest
from pev.repos.depot import Depot
from pev.repos.notes import publish_note, push_note
from pev.run import PrState


class LocalForge(Forge):
    """Pull requests without a server. With a remote URL, the branch is pushed there too."""

    name: ClassVar[str] = "local"

    def __init__(self, *, remote: str | None = None) -> None:
        self._remote = remote

    async def open(self, depot: Depot, request: PrRequest) -> PrState:
        """Make the branch in the user's repository, and push it if the operator allows that."""
        if request.branch == request.target:
            raise ForgeRefused(
                f"branch {request.branch!r} is the target branch", hint="A pull request needs its own branch."
            )
        await depot.publish(request.commit, request.branch)
        await publish_note(depot, request.run_id)
        url = f"{depot.repo.root}#{request.branch}"
        if self._remote is not None:
            remote = await depot.remote_url(self._remote)
            if remote is None:
                raise ForgeRefused(
                    f"the repository has no remote {self._remote!r}", hint="Add it, or set push = false."
                )
            await depot.push(request.commit, request.branch, remote)
            await push_note(depot, request.run_id, remote)
            url = remote
        return PrState(
            forge=self.name, url=url, branch=request.branch, commit=request.commit, tree=request.tree
        )

    async def sync(self, depot: Depot, pr: PrState, target: str) -> PrState:
        """Read the user's branches: merged, open, or closed."""
        await depot.refresh()
        there = await depot.has_branch(pr.branch)
        head = await depot.resolve(f"refs/heads/{pr.branch}") if there else ""
        merged_by = await depot.merged_by(pr.commit, target)
        if merged_by is not None:
            return pr.model_copy(update={"state": "merged", "merged_by": merged_by, "head": head})
        return pr.model_copy(update={"state": "open" if there else "closed", "head": head})
