"""A key that was withdrawn carries no pull request, whatever it signed while it was allowed."""

from pathlib import Path
from typing import Literal

import pytest

from pev.errors import ConfigInvalid, RunStateRefused
from pev.models import Channel, Source
from pev.run import Status
from support.engines import AGENT, APPROVE, PERSON, engine_at
from support.loops import RIGHT
from support.plans import plan
from support.repos import UserRepoFixture
from support.signers import SIGNED, KeyHolder

pytestmark = pytest.mark.needs_host


@pytest.mark.parametrize("lists", ["trusted-ref", "operator"])
async def test_a_withdrawn_signers_approval_ships_nothing(
    lists: Literal["trusted-ref", "operator"], user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """Withdrawn between the decision and the pull request: by a later commit, or by the operator."""
    ada, eve = (KeyHolder.make(tmp_path, f"{name}@example.invalid") for name in ("ada", "eve"))
    own = tmp_path / "signers"

    def allow(*who: KeyHolder) -> None:
        text = "".join(one.allowed() for one in who)
        if lists == "operator":
            own.write_text(text, "utf-8")
            own.chmod(0o600)
        else:
            user_repo.commit("signers", {".pev/allowed_signers": text})

    user_repo.commit("policy", {"pev.toml": f'checks = ["format"]\n{SIGNED}'})
    allow(ada)
    settings = {"allowed_signers": own} if lists == "operator" else {}
    async with engine_at(user_repo.path, **settings) as engine:
        run = (await engine.planning.open_run(AGENT, "Add slugify")).id
        await engine.planning.submit(AGENT, run, plan(), source=Source.HOST_SUBMITTED)
        question = await engine.desk.question(run, AGENT)
        assert question is not None
        signature = ada.sign(await engine.desk.text_to_sign(run, APPROVE))
        await engine.desk.answer(
            run, question.nonce, APPROVE, channel=Channel.SIGNATURE, caller=PERSON, signature=signature
        )
        await engine.executing.make(AGENT, run)
        await engine.executing.write(AGENT, run, "src/app/slug.py", RIGHT)
        judged = await engine.verifying.run_gate(AGENT, run, wait_s=240)
        assert judged.state.status is Status.PASSED
        for others in ((eve,), ()):
            allow(*others)
            with pytest.raises(RunStateRefused, match=r"ada@.*, and does not count any more"):
                await engine.shipping.open_pr(AGENT, run)
        if lists == "operator":
            own.unlink()
            with pytest.raises(ConfigInvalid, match="cannot be read"):
                await engine.shipping.open_pr(AGENT, run)
        assert "agent/" not in user_repo.git("branch", "--list")
        allow(eve, ada)
        state, _ = await engine.shipping.open_pr(AGENT, run)
    assert state.status is Status.PR_OPEN
