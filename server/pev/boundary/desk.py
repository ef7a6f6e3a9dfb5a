"""The desk: asks the person, takes the answer once, and keeps the server's own record of it.

An answer counts only if it carries the nonce of the question that stands open, is of a channel that the
policy accepts, and came before the question expired. Everything else is recorded as refused.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pev.boundary.attempts import tried
from pev.boundary.escalation import Attempt
from pev.boundary.question import Question, Reply, build_question, parse_reply
from pev.boundary.signers import allowed_signers
from pev.boundary.signing import Signed, canonical_text, verify_signature
from pev.core import Core
from pev.errors import DecisionInvalid
from pev.events import Actor, Kind, NewEvent
from pev.findings import GateReport
from pev.models import (
    ASSURANCE_OF,
    Assurance,
    Caller,
    Channel,
    Role,
    RunId,
    Scope,
    Source,
    Verdict,
    assured,
    now,
    require_scope,
    run_stream,
    to_rfc3339,
)
from pev.run import Pending, RunState, Status


@dataclass(frozen=True, slots=True)
class _Case:
    """What a question is built of, besides the run's state; immutable as what it was read from."""

    report: GateReport | None
    tries: tuple[Attempt, ...]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Desk:
    """Where questions to a person are put and answered."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def question(self, run_id: RunId, caller: Caller) -> Question | None:
        """Give the question that the run poses to a person now, or None.

        The same question keeps its nonce until it is answered, expires, or what it is about has changed.
        """
        require_scope(caller, Scope.READ)
        case = await self._case(run_id)

        def asking(state: RunState) -> Sequence[NewEvent]:
            built = build_question(state, case.report, case.tries)
            if built is None or self._stands(state, built):
                return ()
            return [self._asked(state, built, caller)]

        state = await self._core.decide(run_id, asking)
        built = build_question(state, case.report, case.tries)
        if built is None or state.pending is None:
            return None
        return built.model_copy(update={"nonce": state.pending.nonce})

    async def answer(
        self,
        run_id: RunId,
        nonce: str,
        raw: Mapping[str, Any],
        *,
        channel: Channel,
        caller: Caller,
        signature: str = "",
    ) -> RunState:
        """Take a person's answer, once. Raises DecisionInvalid, and records the refusal.

        `signature` is an armored SSH signature on what `text_to_sign` gives; with one, the channel is
        SIGNATURE, and the decision is the signer's, whoever delivers it.
        """
        require_scope(caller, Scope.APPROVE)
        case = await self._case(run_id)
        try:
            signed = None
            if signature or channel is Channel.SIGNATURE:
                channel = Channel.SIGNATURE
                signed = await self._verified(run_id, raw, signature, case)
            return await self._core.decide(
                run_id,
                lambda state: self._taking(state, nonce, raw, Actor.of(caller, channel), case, signed),
            )
        except DecisionInvalid as exc:
            await self.refuse(run_id, exc.message, channel=channel, caller=caller)
            raise

    async def text_to_sign(self, run_id: RunId, raw: Mapping[str, Any]) -> str:
        """Give the bytes that a signature of an answer to the run's open question must be on.

        Raises DecisionInvalid where no question stands open, or the answer does not fit it.
        """
        state = await self._core.state(run_id)
        return self._text(state, raw, await self._case(run_id))

    def _text(self, state: RunState, raw: Mapping[str, Any], case: _Case) -> str:
        built = build_question(state, case.report, case.tries)
        if built is None or state.pending is None:
            raise _nothing_open(state)
        reply = parse_reply(built, raw)
        text = canonical_text(built, state.pending, reply, _let_through(reply, "", case.report))
        if self._core.trail.redactor.text(text).value != text:
            raise DecisionInvalid(
                "the answer holds what looks like a secret, and a signed text is kept as it is",
                hint="Say it without the secret.",
            )
        return text

    async def _verified(self, run_id: RunId, raw: Mapping[str, Any], signature: str, case: _Case) -> Signed:
        state = await self._core.state(run_id)
        text = self._text(state, raw, case)
        listed = await allowed_signers(self._core, state, state.trusted_commit)
        signer = await verify_signature(text, signature, listed)
        return Signed(text=text, armored=signature.strip() + "\n", signer=signer)

    async def refuse(self, run_id: RunId, why: str, *, channel: Channel, caller: Caller) -> None:
        """Record that something came as an answer and was not taken."""
        event = NewEvent(kind=Kind.DECISION_REFUSED, actor=Actor.of(caller, channel), payload={"why": why})
        await self._core.append(run_stream(run_id), [event])

    async def _case(self, run_id: RunId) -> _Case:
        """Read what a question is built of, besides the run's state."""
        state = await self._core.state(run_id)
        tries = await tried(self._core, state) if state.status is Status.ESCALATED else ()
        return _Case(await self._core.report(state), tries)

    def _stands(self, state: RunState, built: Question) -> bool:
        pending = state.pending
        return (
            pending is not None
            and pending.binding == built.binding
            and pending.shown == built.shown
            and _moment(pending.expires_at) > now()
        )

    def _asked(self, state: RunState, built: Question, caller: Caller) -> NewEvent:
        moment = now()
        stands_s = min(state.rules.ttl_s or math.inf, self._core.config.decision_ttl_s)
        pending = Pending(
            nonce=secrets.token_urlsafe(24),
            boundary=built.boundary,
            subject=built.subject,
            shown=built.shown,
            binding=built.binding,
            asked_at=to_rfc3339(moment),
            expires_at=to_rfc3339(moment + timedelta(seconds=stands_s)),
            verdicts=built.verdicts,
        )
        body = {"pending": pending.model_dump(mode="json"), "text": built.text}
        return NewEvent(kind=Kind.DECISION_ASKED, actor=Actor.of(caller), payload=body)

    def _taking(
        self,
        state: RunState,
        nonce: str,
        raw: Mapping[str, Any],
        actor: Actor,
        case: _Case,
        signed: Signed | None,
    ) -> Sequence[NewEvent]:
        built = build_question(state, case.report, case.tries)
        pending = state.pending
        if built is None or pending is None or not secrets.compare_digest(pending.nonce, nonce):
            raise _nothing_open(state)
        if not self._stands(state, built):
            raise DecisionInvalid(
                f"the question of run {state.id} expired, or what it is about has changed",
                hint="Call request_decision to be asked again.",
            )
        waited = (now() - _moment(pending.asked_at)).total_seconds()
        actor = actor.model_copy(update={"role": Role.PERSON})
        self._check_rules(state, actor.channel, waited)
        if actor.channel is Channel.HOST_FORM and not built.fits_a_form:
            raise DecisionInvalid(
                f"the question has {len(built.text)} characters, more than a host's dialog shows",
                hint=f"Run `pev approve {state.id}` in a terminal.",
            )
        reply = parse_reply(built, raw)
        if signed is not None and signed.text != self._text(state, raw, case):
            raise DecisionInvalid(
                f"what is asked in run {state.id} changed while its signature was verified",
                hint="Sign what `pev decision` prints now.",
            )
        if not built.verdicts:
            return [self._answered_questions(state, reply, actor, signed)]
        return [self._decided(pending, reply, waited, actor, case, signed)]

    def _check_rules(self, state: RunState, channel: Channel | None, waited: float) -> None:
        least = state.rules.min_assurance
        if channel is None or not assured(channel, least):
            sign = " --sign" if least is Assurance.SIGNED else ""
            has = ASSURANCE_OF[channel] if channel is not None else "nothing"
            raise DecisionInvalid(
                f"the policy wants an approval that is {least}; {channel} is {has}",
                hint=f"Run `pev approve {state.id}{sign}` in a terminal.",
            )
        if waited < state.rules.min_seconds:
            raise DecisionInvalid(
                f"the answer came after {waited:.1f} s; the policy wants {state.rules.min_seconds:g} s",
                hint="Read what is asked and answer again.",
            )

    def _answered_questions(
        self, state: RunState, reply: Reply, actor: Actor, signed: Signed | None
    ) -> NewEvent:
        newest = state.revision
        if newest is None:
            raise DecisionInvalid(f"run {state.id} has no plan", hint="Call submit_plan.")
        plan = newest.plan.with_answers(reply.answers)
        body = {
            "revision": newest.revision + 1,
            "plan": plan.model_dump(mode="json"),
            "plan_hash": plan.content_hash(),
            "source": Source.PERSON.value,
            "model": "",
            **_evidence(signed),
        }
        return NewEvent(kind=Kind.PLAN_SUBMITTED, actor=actor, payload=body)

    def _decided(
        self,
        pending: Pending,
        reply: Reply,
        waited: float,
        actor: Actor,
        case: _Case,
        signed: Signed | None,
    ) -> NewEvent:
        principal = f"signer:{signed.signer.principal}" if signed is not None else actor.principal
        allowed = _let_through(reply, principal, case.report)
        approval = {
            "boundary": pending.boundary.value,
            "verdict": reply.verdict.value if reply.verdict else "",
            "subject": pending.subject,
            "shown": pending.shown,
            "binding": pending.binding,
            "channel": actor.channel.value if actor.channel else "",
            "principal": principal,
            "seconds": round(max(0.0, waited), 3),
            "comment": reply.comment,
            "signer": signed.signer.model_dump(mode="json") if signed is not None else None,
        }
        body = {
            "approval": approval,
            "let_throughs": allowed,
            "nonce": pending.nonce,
            **_evidence(signed),
        }
        return NewEvent(kind=Kind.DECISION_ANSWERED, actor=actor, payload=body)


def _nothing_open(state: RunState) -> DecisionInvalid:
    return DecisionInvalid(
        f"run {state.id} has no open question of this answer",
        hint="It was answered already, or never asked. See request_decision.",
    )


def _evidence(signed: Signed | None) -> dict[str, Any]:
    """Give what anybody needs to verify a signed decision again."""
    if signed is None:
        return {}
    return {"signature": {"text": signed.text, "armored": signed.armored}}


def _let_through(reply: Reply, principal: str, report: GateReport | None) -> list[dict[str, str]]:
    if reply.verdict is not Verdict.ALLOW:
        return []
    counting = [one for one in report.findings if one.counts()] if report else []
    out: list[dict[str, str]] = []
    for name in reply.findings:
        found = {one.fingerprint for one in counting if one.fingerprint.startswith(name)}
        if report is None or len(found) != 1 or len(name) < 6:
            raise DecisionInvalid(
                f"{name!r} names {len(found)} findings of the last gate",
                hint="Give the first 8 characters of one finding's id.",
            )
        out.append(
            {
                "fingerprint": found.pop(),
                "snapshot": report.snapshot,
                "principal": principal,
                "reason": reply.comment,
            }
        )
    return out
