"""What forges with a REST interface share: push, find or open, update, and read what became of it.

The branch is pushed before anything is asked, so a call that is broken off anywhere is completed by the next
one: it finds what is there.
"""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import ClassVar
from urllib.parse import urlsplit

from pev.config import ForgeSettings
from pev.errors import ForgeRefused
from pev.forge.address import address_of
from pev.forge.interface import Forge, PrRequest
from pev.forge.rest import Rest
from pev.models import Model, ObjectId
from pev.repos.depot import Depot
from pev.repos.notes import publish_note, push_note
from pev.run import PrState
from pev.secret import read_secret

_CUT = "\n\n… cut to what the forge takes; the whole body is in the trail."


class Seen(Model):
    """A pull request as the forge tells it. `state` is open, merged or closed."""

    number: int
    url: str
    state: str
    head: ObjectId
    branch: str
    merged_by: str = ""
    merge_commit: str = ""


class HostedForge(Forge):
    """A forge that is reached over HTTP. `longest_body` is in characters."""

    longest_body: ClassVar[int]
    public: ClassVar[str]

    def __init__(self, settings: ForgeSettings, remote: str) -> None:
        self.settings = settings
        self._remote = remote

    @abstractmethod
    def talk(self, settings: ForgeSettings, token: str) -> AbstractAsyncContextManager[Rest]:
        """Hold a conversation with the interface."""

    @abstractmethod
    async def find(self, rest: Rest, project: str, request: PrRequest) -> Seen | None:
        """Find the open pull request of a branch."""

    @abstractmethod
    async def create(self, rest: Rest, project: str, request: PrRequest) -> Seen:
        """Open a pull request."""

    @abstractmethod
    async def update(self, rest: Rest, project: str, number: int, request: PrRequest) -> Seen:
        """Write title and body anew."""

    @abstractmethod
    async def decorate(self, rest: Rest, project: str, number: int) -> None:
        """Add labels and ask reviewers, as the operator configured."""

    @abstractmethod
    async def read(self, rest: Rest, project: str, number: int) -> Seen:
        """Read a pull request."""

    async def open(self, depot: Depot, request: PrRequest) -> PrState:
        """Push the branch, and open its pull request or update the one that is open."""
        url = await self._url(depot)
        project = self._project(url)
        token = await self._token()
        await depot.publish(request.commit, request.branch)
        await publish_note(depot, request.run_id)
        await depot.push(request.commit, request.branch, url)
        await push_note(depot, request.run_id, url)
        wanted = request.model_copy(update={"body": self._fitting(request.body)})
        async with self.talk(self.settings, token) as rest:
            seen = await self.find(rest, project, wanted)
            if seen is None:
                seen = await self._create(rest, project, wanted)
            else:
                seen = await self.update(rest, project, seen.number, wanted)
            await self.decorate(rest, project, seen.number)  # also after a call that was broken off before it
        return PrState(
            forge=self.name,
            url=seen.url,
            number=seen.number,
            branch=request.branch,
            commit=request.commit,
            tree=request.tree,
        )

    async def sync(self, depot: Depot, pr: PrState, target: str) -> PrState:
        """Read what became of the pull request, what its head is now, and who merged it."""
        project = self._project(await self._url(depot))
        token = await self._token()
        async with self.talk(self.settings, token) as rest:
            seen = await self.read(rest, project, pr.number)
        return pr.model_copy(
            update={
                "state": seen.state,
                "merged_by": seen.merged_by,
                "merge_commit": seen.merge_commit,
                "head": seen.head,
            }
        )

    async def _create(self, rest: Rest, project: str, request: PrRequest) -> Seen:
        """Open a pull request; where another call was faster, give that one."""
        try:
            return await self.create(rest, project, request)
        except ForgeRefused:
            seen = await self.find(rest, project, request)
            if seen is None:
                raise
            return seen

    async def _token(self) -> str:
        settings = self.settings
        return await read_secret(
            "the forge's token",
            variable=settings.token_env,
            command=settings.token_command,
            file=settings.token_file,
        )

    async def _url(self, depot: Depot) -> str:
        url = await depot.remote_url(self._remote)
        if url is None:
            raise ForgeRefused(
                f"the repository has no remote {self._remote!r}", hint="Add it with git remote add."
            )
        return url

    def _project(self, url: str) -> str:
        """Give the project's path: the operator's, or the remote's if the remote is of this forge."""
        if self.settings.project is not None:
            return self.settings.project
        address = address_of(url)
        api = (urlsplit(self.settings.api_url or self.public).hostname or "").removeprefix("api.")
        if address.host.removeprefix("www.") != api:
            raise ForgeRefused(
                f"the remote is at {address.host!r}, the forge at {api!r}",
                hint="Set [forge] api_url to the forge of the remote, or project to its path there.",
            )
        return address.path

    def _fitting(self, body: str) -> str:
        return body if len(body) <= self.longest_body else body[: self.longest_body - len(_CUT)] + _CUT
