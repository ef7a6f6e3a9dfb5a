"""GitLab: merge requests over REST; source: https://docs.gitlab.com/api/merge_requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pev.config import ForgeSettings
from pev.errors import ForgeRefused
from pev.forge.hosted import HostedForge, Seen
from pev.forge.interface import PrRequest
from pev.forge.rest import Rest, conversation
from pev.models import ObjectId

PUBLIC: Final = "https://gitlab.com/api/v4"
_DRAFT: Final = "Draft: "
_STATES: Final = {"merged": "merged", "closed": "closed"}


class GitLab(HostedForge):
    """Merge requests of GitLab. A second call finds the one that is open for the branch and updates it."""

    name: ClassVar[str] = "gitlab"
    longest_body: ClassVar[int] = 1_000_000
    public: ClassVar[str] = PUBLIC

    @asynccontextmanager
    async def talk(self, settings: ForgeSettings, token: str) -> AsyncIterator[Rest]:
        """Hold a conversation with the interface."""
        async with conversation(settings.api_url or PUBLIC, {"private-token": token}) as rest:
            yield rest

    async def find(self, rest: Rest, project: str, request: PrRequest) -> Seen | None:
        """Find the open merge request of a branch."""
        rows = await rest.ask("GET", _requests(project), source_branch=request.branch, state="opened")
        mine = [one for one in map(_seen, rows or ()) if one.branch == request.branch]
        return mine[0] if mine else None

    async def create(self, rest: Rest, project: str, request: PrRequest) -> Seen:
        """Open a merge request."""
        body = {
            "title": _DRAFT + request.title if self.settings.draft else request.title,
            "description": request.body,
            "source_branch": request.branch,
            "target_branch": request.target,
            "remove_source_branch": False,
        }
        return _seen(await rest.ask("POST", _requests(project), body))

    async def update(self, rest: Rest, project: str, number: int, request: PrRequest) -> Seen:
        """Write title and description anew; whether it is a draft is left as a person set it."""
        now = await rest.ask("GET", f"{_requests(project)}/{number}")
        draft = isinstance(now, dict) and bool(now.get("draft"))
        body = {"title": _DRAFT + request.title if draft else request.title, "description": request.body}
        return _seen(await rest.ask("PUT", f"{_requests(project)}/{number}", body))

    async def decorate(self, rest: Rest, project: str, number: int) -> None:
        """Add the operator's labels and ask the operator's reviewers; what is there already stays."""
        body: dict[str, Any] = {}
        if self.settings.labels:
            body["add_labels"] = ",".join(self.settings.labels)
        if self.settings.reviewers:
            there = _reviewers(await rest.ask("GET", f"{_requests(project)}/{number}"))
            ours = [await _user(rest, name) for name in self.settings.reviewers]
            if set(ours) - set(there):
                # the list that is sent replaces the one that is there, with whom a person asked
                body["reviewer_ids"] = list(dict.fromkeys([*there, *ours]))
        if body:
            await rest.ask("PUT", f"{_requests(project)}/{number}", body)

    async def read(self, rest: Rest, project: str, number: int) -> Seen:
        """Read a merge request."""
        return _seen(await rest.ask("GET", f"{_requests(project)}/{number}"))


def _requests(project: str) -> str:
    return f"/projects/{quote(project, safe='')}/merge_requests"


async def _user(rest: Rest, name: str) -> int:
    rows = await rest.ask("GET", "/users", username=name)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict) or "id" not in rows[0]:
        raise ForgeRefused(f"GitLab knows no user {name!r}", hint="Correct [forge] reviewers.")
    return int(rows[0]["id"])


def _reviewers(row: Any) -> list[int]:
    try:
        return [int(one["id"]) for one in row.get("reviewers") or ()]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _no_request() from exc


def _seen(row: Any) -> Seen:
    try:
        state = _STATES.get(row["state"], "open")
        by = row.get("merge_user") or row.get("merged_by") or {}
        merged = state == "merged"
        commit = row.get("merge_commit_sha") or row.get("squash_commit_sha") or row["sha"]
        return Seen(
            number=int(row["iid"]),
            url=str(row["web_url"]),
            state=state,
            head=ObjectId(str(row["sha"] or "")),
            branch=str(row["source_branch"]),
            merged_by=str(by.get("username", "")) if merged else "",
            merge_commit=str(commit) if merged else "",
        )
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _no_request() from exc


def _no_request() -> ForgeRefused:
    return ForgeRefused("GitLab's answer is no merge request", hint="Correct [forge] api_url.")
