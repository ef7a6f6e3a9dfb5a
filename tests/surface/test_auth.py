"""Callers over HTTP, with real signed tokens of a local issuer: who is let in, and what each may do."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from pev.config import load_config
from pev.errors import ConfigInvalid
from pev_server.app import create_app
from pev_server.cli.serving import serve_app
from support.clients import APPROVE, ERAS, MOSTLY_MODERN, Era, Person, call, refusal, serving_http
from support.issuers import (
    ALL,
    AUDIENCE,
    ask,
    client,
    confused,
    hosted,
    issuer,
    knock,
    list_tools,
    token,
    unsigned,
)
from support.plans import plan
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


async def test_only_a_sound_token_is_let_in(user_repo: UserRepoFixture) -> None:
    """Each fault alone is enough to be refused, and the refusal says where tokens come from."""
    async with hosted(user_repo) as (url, home):
        refused = {
            "none": None,
            "garbage": "no.token.at-all",
            "expired": token(home, exp=int(time.time()) - 60),
            "endless": token(home, exp=None),
            "another audience": token(home, aud="https://else.example.invalid"),
            "no audience": token(home, aud=None),
            "another issuer": token(home, iss="https://evil.example.invalid"),
            "nobody": token(home, sub=None, client_id="a-client"),
            "unsigned": unsigned(home),
            "another algorithm": confused(home),
            "changed": token(home)[:-6] + "AAAAAA",
        }
        said = {name: await to_thread.run_sync(knock, url, bearer) for name, bearer in refused.items()}
        lacking = await to_thread.run_sync(knock, url, token(home, scopes=["openid"]))
        sound = await to_thread.run_sync(knock, url, token(home))

    assert {name: status for name, (status, _, _) in said.items()} == dict.fromkeys(refused, 401)
    assert all("resource_metadata=" in challenge for _, challenge, _ in said.values())
    assert lacking[0] == 403
    assert 'error="insufficient_scope"' in lacking[1]
    assert "pev:read" in lacking[1]
    assert sound[0] == 200


async def test_the_metadata_says_where_tokens_come_from_and_for_what(user_repo: UserRepoFixture) -> None:
    async with hosted(user_repo) as (url, home):
        place = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")

        status, _, body = await to_thread.run_sync(ask, place)

    said = json.loads(body)
    assert status == 200
    assert said["resource"] == f"{AUDIENCE}/mcp"
    assert [one.rstrip("/") for one in said["authorization_servers"]] == [home]
    assert set(said["scopes_supported"]) == set(ALL)


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_a_token_bounds_what_its_holder_can_do_and_events_name_them(
    user_repo: UserRepoFixture, era: Era
) -> None:
    async with hosted(user_repo) as (url, home):
        async with client(url, token(home, scopes=["pev:read"]), era) as reader:
            told = await refusal(reader, "draft_plan", task="anything")
        async with client(url, token(home, subject="bob"), era) as agent:
            drafted = await call(agent, "draft_plan", task="Add rate limiting")
            run_id = drafted["run"]["run_id"]
            events = (await call(agent, "query_trail", query={"run": run_id}))["events"]

    assert told.startswith("[caller.forbidden]")
    assert "ada@127.0.0.1 lacks the scope pev:plan" in told
    assert {one["actor"]["principal"] for one in events} == {"bob@127.0.0.1"}


@pytest.mark.parametrize("era", ERAS)
async def test_an_answer_counts_only_with_the_scope_to_approve(user_repo: UserRepoFixture, era: Era) -> None:
    """An agent's token lacks it, so its host cannot approve for it, whatever its form says."""
    person = Person(APPROVE)
    given = plan().model_dump(mode="json")
    async with hosted(user_repo) as (url, home):
        async with client(url, token(home), era, elicitation_handler=person) as agent:
            run_id = (await call(agent, "draft_plan", task="Add rate limiting"))["run"]["run_id"]
            held = await call(agent, "submit_plan", run_id=run_id, plan=given)
        asked = list(person.shown)
        async with client(
            url, token(home, scopes=ALL, subject="cy"), era, elicitation_handler=person
        ) as holder:
            done = await call(holder, "request_decision", run_id=run_id)

    assert asked == []
    assert not held["plan"]["approved"]
    assert any("lacks the scope pev:approve" in note for note in held["notes"])
    assert done["plan"]["approved"]
    assert done["approvals"][0]["principal"] == "cy@127.0.0.1"


async def test_an_opaque_token_is_asked_about(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """With the client's own secret, from a file that nobody else can read."""
    secret = tmp_path / "secret"
    secret.write_text("a-secret\n", "utf-8")
    secret.chmod(0o600)
    with issuer() as home:
        auth = {"issuer": home, "audience": AUDIENCE, "resource_url": AUDIENCE}
        auth |= {"introspection_url": f"{home}/introspect", "introspection_client": "pev"}
        auth |= {"introspection_secret_file": str(secret)}
        env = {"PEV_AUTH": json.dumps(auth), "PEV_SANDBOX": "none"}
        async with serving_http(user_repo.path, env=env) as url:
            good, bad = [
                (await to_thread.run_sync(knock, url, one))[0] for one in ("opaque-ada", "opaque-eve")
            ]
    secret.chmod(0o644)
    with pytest.raises(ConfigInvalid, match="others may read"):
        create_app(load_config(auth=auth), local=False)

    assert (good, bad) == (200, 401)


async def test_each_principal_has_an_allowance_of_its_own(user_repo: UserRepoFixture) -> None:
    """One that asks without end does not keep out the others."""
    async with hosted(user_repo, requests_per_second=0.1) as (url, home):
        greedy = [(await to_thread.run_sync(list_tools, url, token(home)))[1] for _ in range(4)]
        other = (await to_thread.run_sync(list_tools, url, token(home, subject="bob")))[1]

    assert "result" in greedy[0]
    assert "Rate limit exceeded" in greedy[-1]
    assert "result" in other


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"jwks_url": None}, "give one of"),
        ({"public_key_file": "/keys/issuer.pem"}, "give one of"),
        ({"issuer": "http://login.example.invalid"}, "no https address"),
        ({"algorithm": "HS256"}, "algorithm"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_faulty_configuration_is_named(given: dict[str, Any], fault: str) -> None:
    """Shared secrets are not among the algorithms: whoever verifies could sign."""
    sound = {
        "issuer": "https://login.example.invalid",
        "audience": AUDIENCE,
        "resource_url": AUDIENCE,
        "jwks_url": "https://login.example.invalid/jwks",
    }
    with pytest.raises(ConfigInvalid, match=fault):
        load_config(auth={name: value for name, value in (sound | given).items() if value is not None})


def test_an_address_that_others_reach_needs_authentication() -> None:
    with pytest.raises(ConfigInvalid, match=r"no authentication is configured") as caught:
        serve_app(load_config(), http=True, host="0.0.0.0", port=1, stateless=False)
    assert "[auth]" in caught.value.hint
