"""The page in a real browser: a person comes in by the link, reads, and decides; hostile text stays text."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pev.models import RunId, Source
from support.browser import Browser, browsing, needs_browser
from support.cli import pev
from support.engines import AGENT, PERSON, approved, engine_at
from support.pages import page_open
from support.plans import PLAN, plan
from support.repos import UserRepoFixture

pytestmark = list(needs_browser)
_HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    "'\"></textarea><form action=https://evil.example.invalid><button>Approve</button></form>\u202egnp.exe"
)


async def _waiting(repo: Path, **changes: Any) -> RunId:
    async with engine_at(repo) as engine:
        state = await engine.planning.open_run(AGENT, changes.pop("task", "Add slugify"))
        await engine.planning.submit(AGENT, state.id, plan(**changes), source=Source.HOST_SUBMITTED)
    return state.id


def _come_in(browser: Browser, link: str) -> None:
    browser.open(link)
    browser.wait_until("document.readyState === 'complete' && document.title.startsWith('Runs that wait')")


def _status(run_id: RunId, repo: Path) -> dict[str, Any]:
    shown: dict[str, Any] = pev("show", run_id, "--json", cwd=repo).json()
    return shown


async def test_a_person_comes_in_by_the_link_reads_and_approves(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """Once: the link lets nobody else in, and the cookie is for this page alone."""
    run_id = await _waiting(user_repo.path)
    with page_open(user_repo.path) as link, browsing(tmp_path) as browser:
        _come_in(browser, link)
        browser.shoot("approvals-list")
        browser.click(f"a[href$='{run_id}']")
        text = browser.text()
        for part in ("Add a slugify function", "Transliteration", "src/app/slug.py", "What happened"):
            assert part in text
        browser.shoot("approvals-plan")
        browser.click("button[value=approve]")
        assert "the run is approved" in browser.text()
        (cookie,) = browser.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert cookie["path"] == urlsplit(link).path.removesuffix("enter")
        assert browser.said == []
        with browsing(tmp_path / "other") as other:
            other.open(link)
            assert "not signed in" in other.text()
    (approval,) = _status(run_id, user_repo.path)["approvals"]
    assert approval["channel"] == "page"
    assert approval["principal"].startswith("local:")


async def test_hostile_text_stays_text_and_hidden_characters_are_shown(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    run_id = await _waiting(user_repo.path, task=f"{_HOSTILE} task", goal=_HOSTILE, approach=_HOSTILE)
    with page_open(user_repo.path) as link, browsing(tmp_path) as browser:
        _come_in(browser, link)
        browser.click(f"a[href$='{run_id}']")
        assert "<img src=x onerror" in browser.text()
        assert browser.evaluate("document.querySelectorAll('img, script').length") == 0
        assert browser.evaluate("document.forms.length") == 1
        assert "owned" not in browser.evaluate("document.title").replace(_HOSTILE, "")
        assert browser.evaluate("document.querySelector('.hidden').innerText") == "\\u202e"
        browser.shoot("approvals-hostile")
        blocked = browser.evaluate(
            "(s => {s.textContent = 'window.ran = 1'; document.body.append(s); return window.ran})"
            "(document.createElement('script'))"
        )
        assert blocked is None
        assert any("Content Security Policy" in one for one in browser.said)


@pytest.mark.slow
async def test_questions_are_answered_changes_asked_for_and_the_difference_read(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    asking = [
        {"id": "q1", "question": "Which alphabet?", "choices": ["latin", "greek"]},
        {"id": "q2", "question": "How long at most?"},
    ]
    run_id = await _waiting(user_repo.path, open_questions=asking)
    with page_open(user_repo.path) as link, browsing(tmp_path) as browser:
        _come_in(browser, link)
        browser.click(f"a[href$='{run_id}']")
        browser.choose("#q_q1", "greek")
        browser.type("#q_q2", "80 characters")
        browser.shoot("approvals-questions")
        browser.click("form button")
        assert "Which alphabet? → greek" in browser.text()
        browser.type("#comment", "smaller, please")
        browser.click("button[value=change]")
        assert "the run is drafted" in browser.text()
        async with engine_at(user_repo.path) as engine:
            state = await engine.run(PERSON, run_id)
            assert state.guidance == ("smaller, please",)
            assert state.revision is not None
            smaller = state.revision.plan.model_copy(update={"steps": plan(steps=PLAN["steps"][:1]).steps})
            await engine.planning.submit(AGENT, run_id, smaller, source=Source.HOST_SUBMITTED)
        browser.click("a")
        browser.click(f"a[href$='{run_id}']")
        assert "what changed since revision 2" in browser.text()
        assert "step s2" in browser.text()
        browser.shoot("approvals-difference")


async def test_an_escalation_shows_findings_and_the_judged_change_and_lets_named_ones_through(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    async with engine_at(user_repo.path, max_attempts=1, sandbox="none") as engine:
        run_id = (await approved(engine, plan())).id
        made, _ = await engine.executing.make(AGENT, run_id)
        assert made.worktree is not None
        Path(made.worktree.path, "src/app/slug.py").write_text('"""Slugs."""\n\nimport os\n', "utf-8")
        judged = await engine.verifying.run_gate(AGENT, run_id, wait_s=60)
        assert judged.state.status.value == "escalated", judged.report
    with page_open(user_repo.path) as link, browsing(tmp_path) as browser:
        _come_in(browser, link)
        browser.click(f"a[href$='{run_id}']")
        text = browser.text()
        for part in ("F401", "+import os", "Try again with this guidance", "Take over", "Abandon"):
            assert part in text
        browser.shoot("approvals-escalation")
        for box in range(browser.evaluate("document.querySelectorAll('input[type=checkbox]').length")):
            browser.tick(f"label.tick:nth-of-type({box + 1}) input")
        browser.type("#comment", "it is needed soon")
        browser.click("button[value=allow]")
        assert "the run is executing" in browser.text()
    async with engine_at(user_repo.path) as engine:
        state = await engine.run(PERSON, run_id)
    assert state.let_throughs
    assert state.let_throughs[0].reason == "it is needed soon"
