"""What a tenant learns of a record that it shares with others."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from pev.config import load_config
from pev.models import Caller, Role, Scope
from pev.trail.faults import FaultKind, VerifyReport
from support.engines import PERSON, engine_at
from support.repos import UserRepoFixture
from support.tampering import RUN, opened_raw, small_trail

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

    assert RUN in whole.faults[0].detail
    assert not seen.intact
    assert [(one.kind, one.detail) for one in seen.faults] == [(FaultKind.PROJECTION_CHANGED, "")]
    assert RUN not in seen.model_dump_json()
    assert str(seen.faults[0]) == "projection changed"


async def test_who_asks_for_many_verifications_gets_them_one_after_another(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a core for as long as the log is: nobody gets them all."""
    active, most = 0, 0

    async with engine_at(user_repo.path) as engine:
        verify = engine.core.trail.verify

        def counted(**options: Any) -> VerifyReport:
            nonlocal active, most
            active += 1
            most = max(most, active)
            try:
                return verify(**options)
            finally:
                active -= 1

        monkeypatch.setattr(engine.core.trail, "verify", counted)
        tenant = engine.within("acme")
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(tenant.reading.verify, AUDITOR)
    assert most == 1
