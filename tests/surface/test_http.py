"""Streamable HTTP: loopback only without authentication, Host and Origin checked, stateful and stateless."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.cli import pev
from support.clients import APPROVE, Person, call, connected, serving_http
from support.plans import PLAN
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
_LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})


def _post(url: str, **headers: str) -> int:
    place = urlsplit(url)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    try:
        sent = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection.request("POST", place.path, body=_LIST, headers=sent)
        return connection.getresponse().status
    finally:
        connection.close()


async def test_another_host_name_or_origin_is_refused(user_repo: UserRepoFixture) -> None:
    """A page in a browser must not reach a server on loopback."""
    async with serving_http(user_repo.path) as url:
        assert _post(url, Host="evil.example") == 421
        assert _post(url, Origin="https://evil.example") == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_an_address_that_is_not_loopback_is_refused_without_authentication(host: str, tmp_path: Path) -> None:
    ended = pev("serve", "--http", "--host", host, "--port", "0", cwd=tmp_path)
    assert ended.code == 5
    assert "not a loopback address" in ended.err


async def test_a_stateless_server_does_the_work_and_says_that_it_cannot_ask(
    user_repo: UserRepoFixture,
) -> None:
    person = Person(APPROVE)
    async with connected(
        "http", user_repo.path, "--stateless", era="legacy", elicitation_handler=person
    ) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert run["status"] == "awaiting_approval"
    assert "pev approve" in " ".join(run["notes"])
    assert person.shown == []
