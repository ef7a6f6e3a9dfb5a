"""What a tenant learns of a record that it shares with others."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from pev.config import load_config
from pev.events import NewEvent
from pev.models import Caller, Role, RunId, Scope, run_stream
from pev.trail.faults import FaultKind
from pev.trail.query import TrailPage, TrailQuery
from pev.trail.verify import Examined
from support.engines import PERSON, engine_at
from support.repos import UserRepoFixture
from support.tampering import RUN, opened_raw, small_trail
from support.trail_events import opened

AUDITOR = Caller(principal="ada", role=Role.PERSON, scopes=frozenset({Scope.AUDIT}), tenant="acme")


async def test_a_fault_in_anothers_run_is_told_to_a_tenant_without_its_name(
    user_repo: UserRepoFixture, own_home: Path
) -> None:
    """That the shared record is not intact concerns all; whose run it was, and what it says, does not."""
    path = small_trail(load_config().state_dir)
    with opened_raw(path) as file:
        file.execute("UPDATE runs SET repo = 'elsewhere' WHERE run = ?", (RUN,))
    async with engine_at(user_repo.path) as engine:
        whole = await engine.reading.verify(PERSON)
        seen = await engine.within("acme").reading.verify(AUDITOR)
        shown = await engine.within("acme").monitoring.standing(AUDITOR, wait_s=60)
        # by an adapter that forgot whose engine this is
        strayed = await engine.reading.verify(AUDITOR)

    assert RUN in whole.faults[0].detail
    assert not seen.intact
    assert [(one.kind, one.detail) for one in seen.faults] == [(FaultKind.PROJECTION_CHANGED, "")]
    assert RUN not in seen.model_dump_json()
    assert shown.faults == strayed.faults == seen.faults
    assert str(seen.faults[0]) == "projection changed"


async def test_who_asks_for_many_verifications_gets_them_one_after_another(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a core for as long as the log is: nobody gets them all, tenants together, and pages."""
    active, most = 0, 0

    async with engine_at(user_repo.path) as engine:
        examine = engine.core.trail.examine

        def counted(**options: Any) -> Examined:
            nonlocal active, most
            active += 1
            most = max(most, active)
            try:
                return examine(**options)
            finally:
                active -= 1

        monkeypatch.setattr(engine.core.trail, "examine", counted)
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(engine.within(f"t{number % 3}").reading.verify, AUDITOR)
            group.start_soon(engine.reading.verify, PERSON)
            standing = await engine.monitoring.standing(PERSON, wait_s=60)
    assert standing.verified is not None
    assert most == 1


def run_of(tenant: str, words: str) -> list[NewEvent]:
    first = opened(task=words)
    return [first.model_copy(update={"payload": {**first.payload, "tenant": tenant}})]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 50])
async def test_a_question_tells_a_tenant_nothing_of_what_others_events_say(
    user_repo: UserRepoFixture, limit: int, newest_first: bool
) -> None:
    """Whether others have an event with these words would let them be guessed, letter by letter."""
    async with engine_at(user_repo.path) as engine:
        trail = engine.core.trail
        told = [("acme", "own"), *[("rival", "the merger")] * 60, ("acme", "own too")]
        for n, (tenant, words) in enumerate(told):
            run = RunId(f"{n:08x}")
            trail.append(run_stream(run), run_of(tenant, words), expected_version=0)
        core = engine.core.within("acme")
        sides: dict[str, Any] = {"limit": limit, "newest_first": newest_first}

        hit = await core.query(TrailQuery(text="the merger", **sides))
        miss = await core.query(TrailQuery(text="no such words", **sides))
        theirs = await core.query(TrailQuery(run=RunId("00000001"), **sides))
        mine = await core.query(TrailQuery(run=RunId("00000000"), **sides))
        nobody = await engine.core.within("newcomer").query(TrailQuery(**sides))
        pages, question = [], TrailQuery(text="own", **sides)
        while True:
            pages.append(await core.query(question))
            if pages[-1].cursor is None:
                break
            question = question.model_copy(update={"cursor": pages[-1].cursor})

    assert hit == miss == theirs == nobody == TrailPage(events=())
    assert [one.stream for one in mine.events] == [run_stream(RunId("00000000"))]
    found = [one.stream for page in pages for one in page.events]
    assert sorted(found) == [run_stream(RunId("00000000")), run_stream(RunId("0000003d"))]
