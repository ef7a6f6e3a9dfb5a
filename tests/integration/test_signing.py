"""Signed decisions, with real keys: only an allowed key's signature on exactly this decision counts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from pev.boundary.signing import fingerprint_of
from pev.engine import Engine
from pev.errors import ConfigInvalid, DecisionInvalid
from pev.events import Event, Kind
from pev.models import Channel, RunId, Source
from pev.run import RunState, Status
from pev.trail.query import TrailQuery
from support.engines import AGENT, APPROVE, PERSON, engine_at
from support.plans import plan
from support.repos import UserRepoFixture
from support.signers import SIGNED, KeyHolder

LIST: Final = ".pev/allowed_signers"


@pytest.fixture
def ada(tmp_path: Path) -> KeyHolder:
    """A person whose key the tests allow."""
    return KeyHolder.make(tmp_path)


@pytest.fixture
async def engine(user_repo: UserRepoFixture, ada: KeyHolder) -> AsyncIterator[Engine]:
    """An engine over a repository whose policy wants a signature of that person."""
    user_repo.commit("policy", {"pev.toml": SIGNED, LIST: ada.allowed()})
    async with engine_at(user_repo.path) as one:
        yield one


async def _waiting(engine: Engine, **changes: Any) -> RunId:
    state = await engine.planning.open_run(AGENT, "Add slugify")
    await engine.planning.submit(AGENT, state.id, plan(**changes), source=Source.HOST_SUBMITTED)
    await engine.desk.question(state.id, AGENT)
    return state.id


async def _give(engine: Engine, run_id: RunId, signature: str, raw: dict[str, Any] | None = None) -> RunState:
    question = await engine.desk.question(run_id, AGENT)
    assert question is not None
    return await engine.desk.answer(
        run_id,
        question.nonce,
        APPROVE if raw is None else raw,
        channel=Channel.SIGNATURE,
        caller=PERSON,
        signature=signature,
    )


async def _events(engine: Engine, run_id: RunId, kind: Kind) -> tuple[Event, ...]:
    return (await engine.reading.query(PERSON, TrailQuery(run=run_id, kinds=(kind,)))).events


async def _is_refused(engine: Engine, run_id: RunId, signature: str, why: str, **more: Any) -> None:
    """Check that a signature is refused for its fault, that this is recorded, and that nothing moved."""
    before = len(await _events(engine, run_id, Kind.DECISION_REFUSED))
    with pytest.raises(DecisionInvalid, match=why):
        await _give(engine, run_id, signature, **more)
    refused = await _events(engine, run_id, Kind.DECISION_REFUSED)
    assert len(refused) == before + 1
    assert (await engine.run(PERSON, run_id)).approved_revision is None


async def test_a_signature_of_an_allowed_key_approves_and_says_whose_it_was(
    engine: Engine, ada: KeyHolder
) -> None:
    run_id = await _waiting(engine)
    text = await engine.desk.text_to_sign(run_id, APPROVE)
    state = await _give(engine, run_id, ada.sign(text))
    (event,) = await _events(engine, run_id, Kind.DECISION_ANSWERED)
    approval = state.approvals[0]
    assert state.status is Status.APPROVED
    assert (approval.channel, approval.principal) == (Channel.SIGNATURE, "signer:ada@example.invalid")
    assert approval.signer is not None
    assert approval.signer.fingerprint == ada.fingerprint
    assert approval.signer.listed_by == "trusted-ref"
    assert event.payload is not None
    assert event.payload["signature"]["text"] == text
    assert fingerprint_of(event.payload["signature"]["armored"]) == ("ssh-ed25519", ada.fingerprint)
    assert event.actor.principal == PERSON.principal


async def test_the_text_holds_all_that_the_approval_is_bound_to(engine: Engine, ada: KeyHolder) -> None:
    run_id = await _waiting(engine)
    question = await engine.desk.question(run_id, AGENT)
    text = await engine.desk.text_to_sign(run_id, {"decision": "approve", "comment": "go\u202eod"})
    assert question is not None
    for part in (run_id, question.nonce, question.binding, question.shown, '"approve"', "go\\u202eod"):
        assert part in text
    assert text.isascii()


async def test_no_other_channel_approves_where_the_policy_wants_a_signature(
    engine: Engine, ada: KeyHolder
) -> None:
    run_id = await _waiting(engine)
    question = await engine.desk.question(run_id, AGENT)
    assert question is not None
    for channel in (Channel.HOST_FORM, Channel.TERMINAL, Channel.PAGE):
        with pytest.raises(DecisionInvalid, match="wants an approval that is signed"):
            await engine.desk.answer(run_id, question.nonce, APPROVE, channel=channel, caller=PERSON)
    await _is_refused(engine, run_id, "", "no SSH signature")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("", "not one on this decision"),
        ('valid-before="20200101"', "not an allowed signer now"),
        ('valid-after="29990101"', "not an allowed signer now"),
        ('namespaces="git"', "not one on this decision|not an allowed signer now"),
    ],
)
async def test_a_key_that_is_not_allowed_now_and_for_this_signs_nothing(
    options: str, why: str, user_repo: UserRepoFixture, ada: KeyHolder
) -> None:
    """Expired, not yet valid, or allowed for something else; and an allowed key in another namespace."""
    user_repo.commit("policy", {"pev.toml": SIGNED, LIST: ada.allowed(options)})
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        text = await engine.desk.text_to_sign(run_id, APPROVE)
        signature = ada.sign(text) if options else ada.sign(text, namespace="file")
        await _is_refused(engine, run_id, signature, why)


async def test_an_unknown_key_another_text_and_garbage_are_refused(
    engine: Engine, ada: KeyHolder, tmp_path: Path
) -> None:
    eve = KeyHolder.make(tmp_path, "eve@example.invalid")
    run_id = await _waiting(engine)
    text = await engine.desk.text_to_sign(run_id, APPROVE)
    good = ada.sign(text)
    lines = good.splitlines()
    await _is_refused(engine, run_id, eve.sign(text), "not an allowed signer now")
    await _is_refused(engine, run_id, ada.sign(text.replace("approve", "reject")), "not one on this")
    await _is_refused(
        engine, run_id, good, "not one on this", raw={"decision": "approve", "comment": "and more"}
    )
    for broken in ("x", "\n".join([lines[0], "AAAA", lines[-1]]), good * 60, f"{lines[0]}\n{lines[-1]}"):
        await _is_refused(engine, run_id, broken, "no SSH signature")
    assert (await _give(engine, run_id, good)).status is Status.APPROVED


async def test_a_signature_is_for_one_revision_of_one_run_once(engine: Engine, ada: KeyHolder) -> None:
    first, second = await _waiting(engine), await _waiting(engine)
    signature = ada.sign(await engine.desk.text_to_sign(first, APPROVE))
    await _is_refused(engine, second, signature, "not one on this decision")
    await engine.planning.submit(AGENT, first, plan(goal="Something else"), source=Source.HOST_SUBMITTED)
    await _is_refused(engine, first, signature, "not one on this decision")
    good = ada.sign(await engine.desk.text_to_sign(first, APPROVE))
    assert (await _give(engine, first, good)).status is Status.APPROVED
    with pytest.raises(DecisionInvalid, match="no open question"):
        await engine.desk.answer(
            first, "x", APPROVE, channel=Channel.SIGNATURE, caller=PERSON, signature=good
        )


async def test_the_operators_list_wins_over_the_repositorys(
    user_repo: UserRepoFixture, ada: KeyHolder, tmp_path: Path
) -> None:
    """A repository whose default branch was taken over names no new signers there."""
    eve = KeyHolder.make(tmp_path, "eve@example.invalid")
    user_repo.commit("policy", {"pev.toml": SIGNED, LIST: eve.allowed()})
    own = tmp_path / "allowed_signers"
    own.write_text(ada.allowed(), "utf-8")
    own.chmod(0o600)
    async with engine_at(user_repo.path, allowed_signers=own) as engine:
        run_id = await _waiting(engine)
        text = await engine.desk.text_to_sign(run_id, APPROVE)
        await _is_refused(engine, run_id, eve.sign(text), "not an allowed signer now")
        own.chmod(0o666)
        with pytest.raises(ConfigInvalid, match="others can write"):
            await _give(engine, run_id, ada.sign(text))
        own.chmod(0o644)
        state = await _give(engine, run_id, ada.sign(text))
    assert state.approvals[0].signer is not None
    assert state.approvals[0].signer.listed_by == "operator"


async def test_the_list_is_that_of_the_pinned_commit(
    user_repo: UserRepoFixture, ada: KeyHolder, tmp_path: Path
) -> None:
    """Neither the branch's later commits nor files that lie about name signers of a run that is open."""
    eve = KeyHolder.make(tmp_path, "eve@example.invalid")
    user_repo.commit("policy", {"pev.toml": SIGNED, LIST: ada.allowed()})
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        user_repo.commit("eve", {LIST: eve.allowed()})
        text = await engine.desk.text_to_sign(run_id, APPROVE)
        await _is_refused(engine, run_id, eve.sign(text), "not an allowed signer now")


async def test_without_a_list_nobody_can_sign(user_repo: UserRepoFixture, ada: KeyHolder) -> None:
    user_repo.commit("policy", {"pev.toml": SIGNED})
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        signature = ada.sign(await engine.desk.text_to_sign(run_id, APPROVE))
        await _is_refused(engine, run_id, signature, "nobody is allowed to sign")


async def test_answers_to_open_questions_are_signed_too(user_repo: UserRepoFixture, ada: KeyHolder) -> None:
    user_repo.commit("policy", {"pev.toml": SIGNED, LIST: ada.allowed()})
    asking = [{"id": "q1", "question": "Which alphabet?"}]
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine, open_questions=asking)
        raw = {"q_q1": "latin"}
        text = await engine.desk.text_to_sign(run_id, raw)
        await _is_refused(engine, run_id, ada.sign(text), "not one on this", raw={"q_q1": "greek"})
        state = await _give(engine, run_id, ada.sign(text), raw)
    assert state.status is Status.AWAITING_APPROVAL
    assert state.revision is not None
    assert state.revision.plan.answers[0].answer == "latin"


async def test_a_signed_text_may_hold_no_secret(engine: Engine, ada: KeyHolder) -> None:
    """It is kept word for word, so that anybody can verify it again."""
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    run_id = await _waiting(engine)
    with pytest.raises(DecisionInvalid, match="looks like a secret"):
        await engine.desk.text_to_sign(run_id, {"decision": "approve", "comment": f"use {token}"})


async def test_another_kind_of_key_signs_too_and_a_pattern_names_nobody(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    bob = KeyHolder.make(tmp_path, "bob@example.invalid", kind="ecdsa")
    line = f"*@example.invalid,{bob.allowed()}"
    user_repo.commit("policy", {"pev.toml": SIGNED, LIST: line})
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        text = await engine.desk.text_to_sign(run_id, APPROVE)
        state = await _give(engine, run_id, bob.sign(text))
    assert state.approvals[0].principal == "signer:bob@example.invalid"
    assert state.approvals[0].signer is not None
    assert state.approvals[0].signer.key.startswith("ecdsa-sha2")
