"""GitHub and GitHub Enterprise: pull requests over REST; source: https://docs.github.com/rest/pulls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

from pev.config import ForgeSettings
from pev.errors import ForgeRefused
from pev.forge.hosted import HostedForge, Seen
from pev.forge.interface import PrRequest
from pev.forge.rest import Rest, conversation
from pev.models import ObjectId

PUBLIC: Final = "https://api.github.com"
_VERSION: Final = "2022-11-28"


class GitHub(HostedForge):
    """Pull requests of GitHub. A second call finds the one that is open for the branch and updates it."""

    name: ClassVar[str] = "github"
    longest_body: ClassVar[int] = 65_536
    public: ClassVar[str] = PUBLIC

    @asynccontextmanager
    async def talk(self, settings: ForgeSettings, token: str) -> AsyncIterator[Rest]:
        """Hold a conversation with the interface."""
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": _VERSION,
        }
        async with conversation(settings.api_url or PUBLIC, headers) as rest:
            yield rest

    async def find(self, rest: Rest, project: str, request: PrRequest) -> Seen | None:
        """Find the open pull request of a branch."""
        owner = project.split("/", 1)[0]
        rows = await rest.ask(
            "GET", f"/repos/{project}/pulls", head=f"{owner}:{request.branch}", state="open"
        )
        # a filter that GitHub does not understand gives all pull requests
        mine = [one for one in map(_seen, rows or ()) if one.branch == request.branch]
        return mine[0] if mine else None

    async def create(self, rest: Rest, project: str, request: PrRequest) -> Seen:
        """Open a pull request."""
        body = {
            "title": request.title,
            "body": request.body,
            "head": request.branch,
            "base": request.target,
            "draft": self.settings.draft,
            "maintainer_can_modify": False,
        }
        return _seen(await rest.ask("POST", f"/repos/{project}/pulls", body))

    async def update(self, rest: Rest, project: str, number: int, request: PrRequest) -> Seen:
        """Write title and body anew."""
        body = {"title": request.title, "body": request.body}
        return _seen(await rest.ask("PATCH", f"/repos/{project}/pulls/{number}", body))

    async def decorate(self, rest: Rest, project: str, number: int) -> None:
        """Add the operator's labels and ask the operator's reviewers; what is there already stays."""
        if self.settings.labels:
            labels = {"labels": list(self.settings.labels)}
            await rest.ask("POST", f"/repos/{project}/issues/{number}/labels", labels)
        people = [name for name in self.settings.reviewers if "/" not in name]
        teams = [name.split("/", 1)[1] for name in self.settings.reviewers if "/" in name]
        if people or teams:
            wanted = {"reviewers": people, "team_reviewers": teams}
            await rest.ask("POST", f"/repos/{project}/pulls/{number}/requested_reviewers", wanted)

    async def read(self, rest: Rest, project: str, number: int) -> Seen:
        """Read a pull request."""
        return _seen(await rest.ask("GET", f"/repos/{project}/pulls/{number}"))


def _seen(row: Any) -> Seen:
    try:
        merged = bool(row.get("merged_at"))
        return Seen(
            number=int(row["number"]),
            url=str(row["html_url"]),
            state="merged" if merged else "open" if row["state"] == "open" else "closed",
            head=ObjectId(str(row["head"]["sha"])),
            branch=str(row["head"]["ref"]),
            merged_by=str((row.get("merged_by") or {}).get("login", "")) if merged else "",
            merge_commit=str(row.get("merge_commit_sha") or "") if merged else "",
        )
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ForgeRefused("GitHub's answer is no pull request", hint="Correct [forge] api_url.") from exc
