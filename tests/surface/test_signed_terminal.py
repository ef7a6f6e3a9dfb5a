"""A person signs at the command line, or elsewhere: `pev decision`, `pev approve --sign`, `--signature`."""

from pathlib import Path
from typing import Final

import pytest

from pev.models import Source
from support.cli import pev, pev_on_terminal
from support.clients import APPROVE, Person, call, connected
from support.engines import AGENT, engine_at
from support.plans import PLAN, plan
from support.repos import UserRepoFixture
from support.signers import SIGNED, KeyHolder

pytestmark = pytest.mark.needs_host
_CONFIRM: Final = {r"Type ([0-9a-f]{6}) to confirm": r"\1"}


async def _waiting(repo: UserRepoFixture, ada: KeyHolder) -> str:
    repo.commit("policy", {"pev.toml": SIGNED, ".pev/allowed_signers": ada.allowed()})
    async with engine_at(repo.path) as engine:
        state = await engine.planning.open_run(AGENT, "Add slugify")
        await engine.planning.submit(AGENT, state.id, plan(), source=Source.HOST_SUBMITTED)
    return state.id


async def test_a_person_signs_in_the_terminal(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """ssh-keygen talks to them by itself; without --sign the policy is told."""
    ada = KeyHolder.make(tmp_path)
    run_id = await _waiting(user_repo, ada)
    plain = pev_on_terminal("approve", run_id, cwd=user_repo.path, answers=_CONFIRM)
    assert plain.code == 5
    assert "--sign" in plain.out
    ended = pev_on_terminal(
        "approve", run_id, "--sign", "--key", str(ada.key), cwd=user_repo.path, answers=_CONFIRM
    )
    assert ended.code == 0, ended.out
    shown = pev("show", run_id, "--json", cwd=user_repo.path).json()
    assert shown["approvals"][0]["signer"]["fingerprint"] == ada.fingerprint
    assert pev("approve", run_id, "--sign", cwd=user_repo.path).code == 5


async def test_a_decision_is_signed_on_another_machine(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """What is to be signed is printed exactly, and the signature needs no terminal."""
    ada = KeyHolder.make(tmp_path)
    run_id = await _waiting(user_repo, ada)
    printed = pev("decision", run_id, "--comment", "go", cwd=user_repo.path)
    assert "Add a slugify function" in printed.err
    file = tmp_path / "decision.sig"
    file.write_text(ada.sign(printed.out), "utf-8")
    other = pev("approve", run_id, "--signature", str(file), cwd=user_repo.path)
    ended = pev("approve", run_id, "--comment", "go", "--signature", str(file), cwd=user_repo.path)
    both = pev("approve", run_id, "--sign", "--signature", str(file), cwd=user_repo.path)

    assert (other.code, ended.code, both.code) == (5, 0, 2), ended.err
    assert "not one on this decision" in other.err


async def test_a_host_is_not_asked_for_what_the_policy_would_not_take(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.commit("policy", {"pev.toml": SIGNED})
    person = Person(APPROVE)
    async with connected("memory", user_repo.path, elicitation_handler=person) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert person.shown == []
    assert run["status"] == "awaiting_approval"
    assert any(f"pev approve {run_id} --sign" in note for note in run["notes"])
