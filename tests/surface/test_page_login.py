"""The hosted page: a person logs in at the issuer; an agent's token, and a login gone wrong, open nothing."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from anyio import to_thread

from support.browser import browsing, needs_browser
from support.clients import APPROVE, ERAS, Era, call
from support.issuers import AGENT, ALL, Issuer, client, hosted_page, token
from support.pages import Answer, Visitor, hidden_fields
from support.plans import PLAN
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
BASE: Final = "/approvals/"


def _origin(url: str) -> str:
    place = urlsplit(url)
    return f"{place.scheme}://{place.netloc}"


def _log_in(visitor: Visitor, path: str = BASE) -> Answer:
    """Follow the redirects to the issuer and back, as a browser does, with the cookie of the login."""
    away = visitor.send(path)
    assert away.status == 303
    begun = visitor.send(away.headers["location"])
    assert begun.status == 303, begun.body
    there = urlsplit(begun.headers["location"])
    issuer = Visitor(f"{there.scheme}://{there.netloc}")
    back = urlsplit(issuer.send(f"{there.path}?{there.query}").headers["location"])
    return visitor.send(f"{back.path}?{back.query}")


async def _waiting(url: str, server: Issuer, era: Era = "auto") -> str:
    """Have an agent whose host has no dialog submit a plan: it is told where a person decides."""
    async with client(url, token(server.home, scopes=AGENT), era) as agent:
        run_id = str((await call(agent, "draft_plan", task="Add slugify"))["run"]["run_id"])
        run = await call(agent, "submit_plan", run_id=run_id, plan=PLAN)
    assert run["status"] == "awaiting_approval"
    assert any(f"{_origin(url)}{BASE}runs/{run_id}" in note for note in run["notes"])
    return run_id


async def test_a_person_logs_in_and_approves_and_nobody_else_does(user_repo: UserRepoFixture) -> None:
    """Each fault of a login alone is enough to be kept out."""
    async with hosted_page(user_repo) as (url, server):
        run_id = [await _waiting(url, server, era) for era in ERAS][-1]
        origin = _origin(url)

        def without_login() -> dict[str, int]:
            bearer = f"Bearer {token(server.home, scopes=ALL)}"
            return {
                "a token": Visitor(origin).send(f"{BASE}runs/{run_id}", Authorization=bearer).status,
                "another host": Visitor(origin).send(BASE, Host="evil.example.invalid").status,
                "a callback of nobody": Visitor(origin).send(f"{BASE}callback?code=x&state=y").status,
                "a form": Visitor(origin).send(f"{BASE}runs/{run_id}", APPROVE).status,
            }

        def spoiled() -> dict[str, int]:
            said = {}
            for name, value in {
                "nonce": "another",
                "aud": "another-client",
                "iss": "https://evil.example.invalid",
                "exp": 1,
                "sub": None,
                "azp": "another-client",
            }.items():
                server.spoil = {name: value}
                said[name] = _log_in(Visitor(origin)).status
            server.spoil, server.granted = {}, "openid pev:plan"
            said["scope"] = _log_in(Visitor(origin)).status
            server.granted = "openid pev:approve"
            return said

        def replayed() -> list[int]:
            victim, other = Visitor(origin), Visitor(origin)
            begun = victim.send(victim.send(BASE).headers["location"])
            there = urlsplit(begun.headers["location"])
            back = urlsplit(Visitor(server.home).send(f"{there.path}?{there.query}").headers["location"])
            other.send(other.send(BASE).headers["location"])
            place = f"{back.path}?{back.query}"
            return [other.send(place).status, victim.send(place).status, victim.send(place).status]

        def decided() -> tuple[Answer, Answer]:
            person = Visitor(origin)
            entered = _log_in(person, f"{BASE}runs/{run_id}")
            assert f"{BASE}runs/{run_id}" in entered.body
            shown = person.send(f"{BASE}runs/{run_id}")
            assert "Add a slugify function" in shown.body
            assert "cy@127.0.0.1" in shown.body
            return entered, person.send(f"{BASE}runs/{run_id}", {**hidden_fields(shown.body), **APPROVE})

        outside = await to_thread.run_sync(without_login)
        faulty = await to_thread.run_sync(spoiled)
        assert await to_thread.run_sync(replayed) == [403, 200, 403]
        entered, taken = await to_thread.run_sync(decided)
        async with client(url, token(server.home)) as agent:
            run = await call(agent, "request_decision", run_id=run_id)
    assert outside == {"a token": 303, "another host": 421, "a callback of nobody": 403, "a form": 303}
    assert faulty == dict.fromkeys(faulty, 403)
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert taken.status == 303
    (approval,) = run["approvals"]
    assert (approval["channel"], approval["principal"]) == ("page", "cy@127.0.0.1")


@pytest.mark.slow
@pytest.mark.needs_browser
async def test_a_browser_goes_to_log_in_and_comes_back_to_the_run(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """The redirects cross sites: the strict cookie must still be there on the page that follows."""
    if needs_browser[-1].args[0]:
        pytest.skip("no Chromium is installed here")
    async with hosted_page(user_repo) as (url, server):
        run_id = await _waiting(url, server)

        def decide() -> list[str]:
            with browsing(tmp_path) as browser:
                browser.open(f"{_origin(url)}{BASE}runs/{run_id}")
                browser.wait_until(
                    f"document.readyState === 'complete' && document.title.includes('{run_id}')"
                )
                browser.click("button[value=approve]")
                assert "the run is approved" in browser.text()
                return browser.said

        assert await to_thread.run_sync(decide) == []
