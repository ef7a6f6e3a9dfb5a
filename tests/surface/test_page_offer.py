"""The page offered by the host (URL-mode elicitation), in both eras: the address lets nobody in."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from fastmcp.client.elicitation import ElicitResult

from pev.config import load_config
from pev.engine import open_engine
from pev.models import Channel, RunId
from pev_server.web.presence import Presence, find_page
from support.clients import ERAS, Era, call, connected
from support.engines import APPROVE, PERSON
from support.plans import PLAN
from support.repos import UserRepoFixture

PAGE: Final = "http://127.0.0.1:9/approvals/a-path/"
_STRICT: Final = {"pev.toml": '[approval]\nassurance = "person-present"\n'}


class Visits:
    """A host that shows addresses: goes there as `then` says, and remembers what it was shown."""

    def __init__(self, action: str, then: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.action = action
        self.then = then
        self.shown: list[Any] = []

    async def __call__(self, _message: str, _type: Any, params: Any, _context: Any) -> Any:
        """Answer one elicitation."""
        self.shown.append(params)
        if self.then is not None:
            await self.then(params.url)
        return ElicitResult(action=self.action)


async def _approve_on_the_page(url: str) -> None:
    """Decide as the page's own process does."""
    run_id = RunId(url.rpartition("/")[2])
    async with open_engine(load_config()) as engine:
        question = await engine.desk.question(run_id, PERSON)
        assert question is not None
        await engine.desk.answer(run_id, question.nonce, APPROVE, channel=Channel.PAGE, caller=PERSON)


async def _asked(repo: UserRepoFixture, era: Era, visits: Visits) -> tuple[str, dict[str, Any]]:
    async with connected("memory", repo.path, era=era, elicitation_handler=visits) as host:
        run_id = str((await call(host, "draft_plan", task="Add slugify"))["run"]["run_id"])
        return run_id, await call(host, "submit_plan", run_id=run_id, plan=PLAN)


@pytest.fixture
def state_dir() -> Path:
    """The state directory of the test's own home."""
    return load_config().state_dir


@pytest.mark.parametrize("era", ERAS)
async def test_where_a_dialog_is_too_weak_the_host_offers_the_open_page(
    era: Era, user_repo: UserRepoFixture, state_dir: Path
) -> None:
    user_repo.commit("policy", _STRICT)
    visits = Visits("accept", _approve_on_the_page)
    with Presence(state_dir) as presence:
        presence.tell(PAGE)
        run_id, run = await _asked(user_repo, era, visits)
    assert run["status"] == "approved"
    assert run["approvals"][0]["channel"] == "page"
    (params,) = visits.shown
    assert params.mode == "url"
    assert params.url == f"{PAGE}runs/{run_id}"


@pytest.mark.parametrize("era", ERAS)
async def test_a_page_on_which_nobody_decides_decides_nothing(
    era: Era, user_repo: UserRepoFixture, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accepted address is leave to open it, and no approval; the wait for the person is bounded."""
    monkeypatch.setenv("PEV_GATE_WAIT_S", "0.2")
    user_repo.commit("policy", _STRICT)
    with Presence(state_dir) as presence:
        presence.tell(PAGE)
        with anyio.fail_after(30):
            _, opened = await _asked(user_repo, era, Visits("accept"))
            _, declined = await _asked(user_repo, era, Visits("decline"))
    assert opened["status"] == declined["status"] == "awaiting_approval"
    assert any("request_decision" in note for note in opened["notes"])
    assert any("decline" in note for note in declined["notes"])


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_session_from_the_terminal_no_address_is_offered(
    era: Era, user_repo: UserRepoFixture, state_dir: Path
) -> None:
    user_repo.commit("policy", _STRICT)
    visits = Visits("accept")
    with Presence(state_dir):
        _, run = await _asked(user_repo, era, visits)
    assert visits.shown == []
    assert any("pev approve" in note for note in run["notes"])


def test_a_second_page_is_told_of_once_the_first_has_ended(state_dir: Path) -> None:
    """Two pages may be begun before a person comes in to the one that stays."""
    first = Presence(state_dir)
    with Presence(state_dir) as silent:
        silent.tell(PAGE)
        with first as late:
            late.tell(f"{PAGE}late/")
            assert find_page(state_dir) == PAGE
    with Presence(state_dir) as one:
        two = Presence(state_dir)
        two.__enter__()
        one.__exit__(None, None, None)
        two.tell(PAGE)
        assert find_page(state_dir) == PAGE
        two.__exit__(None, None, None)
    assert find_page(state_dir) is None
