"""Held-out tests over MCP: written by another than the author, and in none of the author's views."""

from typing import Any

import pytest
from fastmcp import Client

from pev.models import Role, RunId
from pev_server.web.markup import Markup
from pev_server.web.record import record_page
from support.clients import APPROVE, MOSTLY_MODERN, Era, Person, call, refusal
from support.engines import PERSON, engine_at
from support.plans import PLAN
from support.repos import UserRepoFixture
from support.roles import Model, session

MARK = "wunderbar"
TESTS = f"""\
def test_c1_joins_words() -> None:
    from app.slug import slugify

    assert slugify("Foo  BAR") == "foo-bar", "{MARK}"
"""
WRONG = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n    return "-".join(text.split())\n'
SLUG = WRONG.replace("text.split()", "text.lower().split()")
POLICY = 'checks = ["format"]\n[roles]\nrequire = ["tester"]\n'
pytestmark = pytest.mark.needs_host


async def _approved(client: Client[Any]) -> str:
    run_id = str((await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"])
    await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    await call(client, "make_worktree", run_id=run_id)
    return run_id


async def _everything(client: Client[Any], run_id: str) -> str:
    """Everything that the author's session can read of a run."""
    parts = [str(await call(client, "query_trail", query={"limit": 500}))]
    uris = ("", "/gate", "/trail", "/plan", "/diff", "/status", "/gate/1/held-out", "/gate/1/format")
    parts += [str(await client.read_resource(f"pev://runs/{run_id}{part}")) for part in uris]
    parts += [str(await client.get_prompt(name, {"run_id": run_id})) for name in ("author", "review")]
    return "\n".join(parts)


async def _page(repo: UserRepoFixture, run_id: str) -> str:
    """Give the page that people read of a run."""
    async with engine_at(repo.path) as engine:
        found = await engine.recounting.record(PERSON, RunId(run_id))
    return record_page(found, Markup(""), base="/", who="", newest_first=False)


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_the_hosts_model_writes_them_in_a_conversation_of_its_own(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Model(planner="no", tester=f"```python\n{TESTS}```")
    person = Person(APPROVE)
    async with session(user_repo.path, era=era, elicitation_handler=person, sampling_handler=model) as client:
        run_id = await _approved(client)
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=WRONG)
        drafted = await call(client, "draft_tests", run_id=run_id)
        again = await call(client, "draft_tests", run_id=run_id)
        failed = await call(client, "run_gate", run_id=run_id, wait_s=240)
        seen = await _everything(client, run_id)
        alone = await refusal(client, "run_check", check="held-out", run_id=run_id)
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=SLUG)
        passed = await call(client, "run_gate", run_id=run_id, wait_s=240)
        opened = await call(client, "open_pr", run_id=run_id)
    assert drafted["tests"] == 1
    assert drafted["criteria"] == ["c1"]
    assert drafted["source"] == "host-sampled"
    assert again["on_base"]["measured"] or again["on_base"]["reason"]
    assert again["on_base"]["passing"] == []
    assert [role for role, _ in model.asked].count("tester") == 1
    told = next(text for role, text in model.asked if role == "tester")
    assert "def add(a: int, b: int) -> int" in told
    assert "text.split()" not in told
    assert failed["status"] == "failed"
    assert "criterion c1 is not met" in str(failed["gate"]["findings"])
    assert passed["status"] == "passed"
    page = await _page(user_repo, run_id)
    assert "handed in 1 held-out test of c1" in page
    for text in (str(drafted), str(failed), seen, alone, str(passed), opened["body"], page):
        assert MARK not in text
        assert "Foo  BAR" not in text
    assert alone.startswith("[check.unknown]")
    assert "criterion c1 is met" in opened["body"]


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_without_sampling_a_session_of_the_tester_writes_them(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    async with session(user_repo.path, era=era, elicitation_handler=Person(APPROVE)) as author:
        run_id = await _approved(author)
        await call(author, "write_file", run_id=run_id, path="src/app/slug.py", content=SLUG)
        told = await call(author, "draft_tests", run_id=run_id)
        assert told["brief"] == ""
        assert "pev serve --role tester" in told["notes"][0]
        missing = await call(author, "run_gate", run_id=run_id, wait_s=240)
        assert missing["gate"]["outcome"] == "INCONCLUSIVE"
        async with session(user_repo.path, Role.TESTER, era=era) as tester:
            brief = (await call(tester, "draft_tests", run_id=run_id))["brief"]
            assert "You are the tester" in brief
            assert "text.lower()" not in brief
            wrong = await refusal(
                tester, "submit_tests", run_id=run_id, source="def test_x():\n    assert 1\n"
            )
            assert wrong.startswith("[tests.invalid]")
            taken = await call(tester, "submit_tests", run_id=run_id, source=TESTS)
            assert len(TESTS) < 300  # a text as short as this would be recorded as it is
            assert taken["tests"] == 1
            assert taken["source"] == "host-submitted"
        passed = await call(author, "run_gate", run_id=run_id, wait_s=240)
        assert passed["status"] == "passed", passed
        assert MARK not in str(await call(author, "query_trail", query={"limit": 500}))
        async with session(user_repo.path, Role.TESTER, era=era) as tester:
            late = await refusal(tester, "submit_tests", run_id=run_id, source=TESTS.replace("Foo", "Bar"))
    assert late.startswith("[run.state]")
    assert "was judged with the held-out tests" in late


async def test_a_models_useless_answer_is_not_shown_to_the_author(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Model(planner="no", tester=f"def test_{MARK}():\n    assert 1\n")
    async with session(user_repo.path, elicitation_handler=Person(APPROVE), sampling_handler=model) as client:
        run_id = await _approved(client)
        said = await refusal(client, "draft_tests", run_id=run_id)
        trail = str(await call(client, "query_trail", query={"limit": 500}))
    assert said.startswith("[tests.invalid]")
    assert MARK not in said
    assert MARK not in trail
