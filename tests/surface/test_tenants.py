"""Tenants over HTTP: whatever one of them asks, and however, nothing of another's runs is seen or moved."""

from typing import Any, Final

import pytest
from fastmcp import Client

from pev.errors import EventUnknown, RunUnknown
from pev.models import Caller, Channel, RunId, Source
from pev.trail.query import TrailQuery
from support.clients import ERAS, call, refusal
from support.engines import AGENT, APPROVE, PERSON, engine_at
from support.issuers import ALL, client, hosted, knock, token
from support.plans import PLAN, plan
from support.repos import UserRepoFixture

_ORG: Final = {"tenant_claim": "org"}
_CALLS: Final[dict[str, dict[str, Any]]] = {
    "submit_plan": {"plan": PLAN},
    "request_decision": {},
    "make_worktree": {},
    "run_gate": {},
    "escalate": {"reason": "x"},
    "open_pr": {},
    "list_files": {},
    "run_command": {"argv": ["true"]},
}


def _of(tenant: str) -> Caller:
    return PERSON.model_copy(update={"tenant": tenant})


async def _read(reader: Client[Any], uri: str) -> str:
    try:
        return str(await reader.read_resource(uri))
    except Exception as exc:  # noqa: BLE001  (each era has a type of its own for it)
        return f"refused: {exc}"


@pytest.mark.needs_host
async def test_nothing_of_a_run_reaches_another_tenant(user_repo: UserRepoFixture) -> None:
    """By tool, by resource, by the trail, in both eras; and a token without a tenant is none."""
    async with hosted(user_repo, **_ORG) as (url, home):

        def of(org: str) -> str:
            return token(home, scopes=ALL, org=org)

        async with client(url, of("red")) as red:
            run_id = (await call(red, "draft_plan", task="Add slugify"))["run"]["run_id"]
            await call(red, "submit_plan", run_id=run_id, plan=PLAN)
            own = await call(red, "query_trail", query={"limit": 500})
            assert run_id in await _read(red, "pev://runs")
        number = own["events"][0]["seq"]
        for era in ERAS:
            async with client(url, of("blue"), era) as blue:
                refused = {await refusal(blue, tool, run_id=run_id, **more) for tool, more in _CALLS.items()}
                unknown = await refusal(blue, "request_decision", run_id="ffffffff")
                seen = [await _read(blue, f"pev://runs/{run_id}{part}") for part in ("", "/plan", "/diff")]
                seen += [await _read(blue, f"pev://runs/{run_id}/trail"), await _read(blue, "pev://runs")]
                seen += [await _read(blue, f"pev://trail/{number}")]
                trail = await call(blue, "query_trail", query={"limit": 500})
                named = await call(blue, "query_trail", query={"run": run_id})
            assert refused == {unknown.replace("ffffffff", run_id)}
            assert all("refused" in one or "slugify" not in one for one in seen)
            assert trail["events"] == named["events"] == []
        lost = knock(url, token(home, scopes=ALL))[0]
        odd = knock(url, token(home, scopes=ALL, org=["red"]))[0]
    assert len(own["events"]) >= 3
    assert (lost, odd) == (401, 401)


async def test_the_engine_keeps_tenants_apart_whoever_asks(user_repo: UserRepoFixture) -> None:
    """Not the adapters: a tenant's engine knows no other run, and cannot write to one."""
    async with engine_at(user_repo.path) as whole:
        red, blue = whole.within("red"), whole.within("blue")
        state = await red.planning.open_run(_of("red"), "Add slugify")
        mine = await whole.planning.open_run(AGENT, "Of this machine")
        await red.planning.submit(_of("red"), state.id, plan(), source=Source.HOST_SUBMITTED)
        first = (await red.reading.query(_of("red"), TrailQuery(run=state.id))).events[0].seq
        for run_id in (state.id, mine.id):
            for act in (
                blue.run(_of("blue"), run_id),
                blue.desk.question(run_id, _of("blue")),
                blue.desk.refuse(run_id, "x", channel=Channel.HOST_FORM, caller=_of("blue")),
                blue.desk.answer(run_id, "x", APPROVE, channel=Channel.PAGE, caller=_of("blue")),
                blue.abandon(_of("blue"), run_id, "x"),
                blue.verifying.run_gate(_of("blue"), run_id, wait_s=1),
            ):
                with pytest.raises(RunUnknown):
                    await act
        with pytest.raises(EventUnknown):
            await blue.reading.event(_of("blue"), first)
        assert await blue.reading.runs(_of("blue")) == []
        assert [one.id for one in await red.reading.runs(_of("red"))] == [state.id]
        assert {one.id for one in await whole.reading.runs(PERSON)} == {state.id, mine.id}
        assert (await whole.run(PERSON, state.id)).version == 2
        assert red.verifying is not blue.verifying
        assert red._gate is blue._gate
        assert whole.within("red") is red


async def test_a_page_of_runs_is_full_however_many_are_anothers(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as whole:
        own: list[RunId] = []
        for nth in range(6):
            tenant = "red" if nth % 3 == 0 else "blue"
            state = await whole.within(tenant).planning.open_run(_of(tenant), f"Task {nth}")
            own += [state.id] if tenant == "red" else []
        found = await whole.within("red").reading.runs(_of("red"), limit=2)
    assert [one.id for one in found] == own[::-1]
