"""Stand-ins for GitHub and GitLab on loopback: pull requests in memory, every request recorded."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pev.forge.interface import PrRequest
from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.notes import keep_note
from support.depots import commit_of
from support.repos import UserRepoFixture

RUN = RunId("0a1b2c3d")
BRANCH = f"agent/{RUN}"
TOKEN = "-".join(("tok", "for", "tests"))


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class ForgeFixture:
    """A forge of one kind. `faults` are answered first, in order: status, headers, body."""

    kind: str
    url: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)

    def answer(self, one: Asked) -> tuple[int, Any]:
        """Answer a request as the forge would."""
        sent = one.headers.get("authorization", one.headers.get("private-token", ""))
        if sent.removeprefix("Bearer ") != TOKEN:
            return 401, {"message": "Bad credentials"}
        return self._github(one) if self.kind == "github" else self._gitlab(one)

    def _github(self, one: Asked) -> tuple[int, Any]:
        parts = one.path.strip("/").split("/")
        if parts[:3] != ["repos", "acme", "app"]:
            return 404, {"message": "Not Found"}
        if parts[3:] == ["pulls"] and one.method == "GET":
            branch = one.query["head"].partition(":")[2]
            return 200, [row for row in self.pulls if row["state"] == "open" and row["head"]["ref"] == branch]
        if parts[3:] == ["pulls"] and one.method == "POST":
            if any(row["head"]["ref"] == one.body["head"] and row["state"] == "open" for row in self.pulls):
                return 422, {"message": "Validation Failed", "errors": [{"message": "it exists already"}]}
            return 201, self._new(one.body["head"], one.body)
        row = self.pulls[int(parts[4]) - 1]
        if parts[3] == "pulls" and len(parts) == 5:
            row |= one.body or {}
            return 200, row
        row.setdefault(parts[5], []).append(one.body)
        return 201, row

    def _new(self, branch: str, sent: dict[str, Any]) -> dict[str, Any]:
        number = len(self.pulls) + 1
        row = {
            "number": number,
            "html_url": f"https://example.com/acme/app/pull/{number}",
            "state": "open",
            "head": {"ref": branch, "sha": "0" * 40},
            "merged_at": None,
            **{key: value for key, value in sent.items() if key not in ("head", "base")},
        }
        self.pulls.append(row)
        return row

    def _gitlab(self, one: Asked) -> tuple[int, Any]:
        parts = one.path.strip("/").split("/")
        if parts[0] == "users":
            return 200, [{"id": 7, "username": one.query["username"]}] if one.query[
                "username"
            ] == "ada" else []
        if unquote(parts[1]) != "acme/app":
            return 404, {"message": "404 Project Not Found"}
        if len(parts) == 3 and one.method == "GET":
            branch = one.query["source_branch"]
            return 200, [
                row for row in self.pulls if (row["source_branch"], row["state"]) == (branch, "opened")
            ]
        if len(parts) == 3:
            number = len(self.pulls) + 1
            row = {
                "iid": number,
                "web_url": f"https://example.com/acme/app/-/merge_requests/{number}",
                "state": "opened",
                "sha": "0" * 40,
                "draft": one.body["title"].startswith("Draft: "),
                **one.body,
            }
            self.pulls.append(row)
            return 201, row
        row = self.pulls[int(parts[3]) - 1]
        row |= one.body or {}
        if "reviewer_ids" in row:  # the list that was sent, and nobody else
            row["reviewers"] = [{"id": one} for one in row.pop("reviewer_ids")]
        return 200, row


async def wanted(depot: Depot, user_repo: UserRepoFixture, *, body: str = "why") -> PrRequest:
    """Give a pull request for a commit of a run, with a note on it."""
    base = ObjectId(commit_of(user_repo))
    tree = await depot.tree_of(base)
    commit = await depot.commit(tree, (base,), f"A change\n\n{body}")
    await depot.keep(f"refs/pev/runs/{RUN}", commit)
    await keep_note(depot, RUN, commit, body.encode())
    return PrRequest(
        run_id=RUN, title="A change", body=body, branch=BRANCH, target="main", commit=commit, tree=tree
    )


@contextmanager
def serve_forge(kind: str) -> Iterator[ForgeFixture]:
    """Run a forge of its own on loopback."""
    forge = ForgeFixture(kind)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()

        def do_PATCH(self) -> None:
            self._take()

        def do_PUT(self) -> None:
            self._take()

        def _take(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            path = parts.path.removeprefix("/api").removeprefix("/v4")
            one = Asked(self.command, path, query, json.loads(raw) if raw else None, headers)
            forge.asked.append(one)
            status, more, body = forge.faults.pop(0) if forge.faults else (0, {}, None)
            if not status:
                status, body = forge.answer(one)
            data = json.dumps(body).encode()
            self.send_response(status)
            for key, value in {**more, "content-length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    forge.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
