"""What every forge offers: open a pull request and say what became of it. Never a merge."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pev.models import Model, ObjectId, RunId
from pev.repos.depot import Depot
from pev.run import PrState


class PrRequest(Model):
    """A pull request before it is opened. The commit's tree is the one that the gate judged."""

    run_id: RunId
    title: str
    body: str
    branch: str
    target: str
    commit: ObjectId
    tree: ObjectId


class Forge(ABC):
    """A place for pull requests. `name` is what the trail records."""

    name: ClassVar[str]

    @abstractmethod
    async def open(self, depot: Depot, request: PrRequest) -> PrState:
        """Publish the branch and open the pull request, or update the one that exists for it.

        Raises ForgeRefused if the forge does not take it; nothing is half done that a second call would
        not complete.
        """

    @abstractmethod
    async def sync(self, depot: Depot, pr: PrState, target: str) -> PrState:
        """Say what became of the pull request: open, merged (and by whom), or closed."""
