"""Decisions over MCP: puts the run's open question before the person, and takes what comes back.

The desk in the engine is the authority; here is only the way to the host and back.
"""

import secrets
from typing import Final

from fastmcp import Context
from mcp_types import InputRequiredResult

from pev.boundary.question import Question
from pev.engine import Engine
from pev.errors import PlanInvalid
from pev.gateview import GateView
from pev.models import Assurance, Caller, Channel, Role, RunId, Scope, Source, assured
from pev.plan import Plan, find_plan
from pev.roles.brief import Brief
from pev.run import Status
from pev.views import RunView, view_run
from pev_server.dialogue import (
    Declined,
    ForgedAnswer,
    ModelAnswer,
    PersonAnswer,
    Returned,
    Unavailable,
    ask_model,
    ask_person,
    may_ask_again,
    model_answer,
    person_reply,
    returned,
)

_ROUNDS: Final = 6
_NO_HOST: Final = "This host cannot ask the person ({why}). A person decides in a terminal: pev approve {run}"
_TOO_WEAK: Final = (
    "The policy wants a decision that is {least}, and this host's dialog is not. A person decides in a"
    " terminal: pev approve {run}{sign}"
)
_TOO_LONG: Final = (
    "What is asked is longer than a dialog shows. A person reads it in a terminal: pev approve {run}"
)
_TOO_OFTEN: Final = "Enough was asked in one call. Go on with request_decision."
_NO_SCOPE: Final = (
    "This token lacks the scope pev:approve. A person who holds it decides, or one at the server's terminal:"
    " pev approve {run}"
)


class Decisions:
    """The decisions of one call: what came back with it, and how to ask for more."""

    def __init__(self, ctx: Context, engine: Engine, caller: Caller, *, may_approve: bool) -> None:
        self._ctx = ctx
        self._engine = engine
        self._caller = caller
        self._may_approve = may_approve
        self._rounds = 0
        approve = {Scope.APPROVE} if may_approve else set()
        self._person = caller.model_copy(update={"role": Role.PERSON, "scopes": caller.scopes | approve})

    async def came_back(self, run_id: RunId | None = None) -> Returned | None:
        """Give what came back with a repeated call; None on a first call.

        Answers that we did not ask for are recorded on the run and raise DecisionInvalid.
        """
        try:
            back = returned(self._ctx)
            self._rounds = back.rounds if back is not None else 0
            if back is not None and run_id is not None and back.run_id != run_id:
                raise ForgedAnswer
        except ForgedAnswer as exc:
            if run_id is not None:
                await self._engine.desk.refuse(
                    run_id, exc.message, channel=Channel.HOST_FORM, caller=self._person
                )
            raise
        return back

    async def settle(
        self,
        run_id: RunId,
        *,
        back: Returned | None = None,
        gate: GateView | None = None,
        notes: tuple[str, ...] = (),
    ) -> RunView | InputRequiredResult:
        """Ask the person whatever the run poses, until nothing is open or nobody can be asked here."""
        if back is not None and back.person is not None:
            reply = person_reply(back.nonce, back.person)
            if isinstance(reply, Declined):
                return await self._view(run_id, gate, (*notes, f"The person's answer: {reply.how}."))
            notes += await self._take(run_id, reply)
        for _ in range(_ROUNDS):
            question = await self._engine.desk.question(run_id, self._caller)
            if question is None:
                break
            if not self._may_approve:
                notes += (_NO_SCOPE.format(run=run_id),)
                break
            unfit = await self._unfit(question)
            if unfit:
                notes += (unfit,)
                break
            asked = await ask_person(
                self._ctx, question, limit_s=self._engine.core.config.ask_wait_s, rounds=self._rounds
            )
            if isinstance(asked, InputRequiredResult):
                return asked
            if isinstance(asked, Unavailable):
                notes += (_NO_HOST.format(why=asked.why, run=run_id),)
                break
            if isinstance(asked, Declined):
                notes += (f"The person's answer: {asked.how}. Ask again with request_decision.",)
                break
            notes += await self._take(run_id, asked)
        return await self._view(run_id, gate, notes)

    async def _unfit(self, question: Question) -> str:
        """Say why an answer at the host's dialog would not count; "" if it would."""
        least = (await self._engine.run(self._caller, question.run_id)).rules.min_assurance
        if not assured(Channel.HOST_FORM, least):
            sign = " --sign" if least is Assurance.SIGNED else ""
            return _TOO_WEAK.format(least=least, run=question.run_id, sign=sign)
        if not question.fits_a_form:
            return _TOO_LONG.format(run=question.run_id)
        return "" if may_ask_again(self._rounds) else _TOO_OFTEN

    async def _take(self, run_id: RunId, reply: PersonAnswer) -> tuple[str, ...]:
        await self._engine.desk.answer(
            run_id, reply.nonce, reply.data, channel=Channel.HOST_FORM, caller=self._person
        )
        return ()

    async def _view(self, run_id: RunId, gate: GateView | None, notes: tuple[str, ...]) -> RunView:
        return view_run(await self._engine.run(self._caller, run_id), gate=gate, notes=notes)

    async def plan(
        self, run_id: RunId, back: Returned | None
    ) -> RunView | InputRequiredResult | tuple[Brief, str]:
        """Have the host's model draft, and ask the person; if they want changes, again with their words.

        Gives where the run stands then, or what to return to the client, or the brief for the host's own
        model and why no other could be asked.
        """
        while True:
            if back is None or back.model is not None:
                drafted = await self.draft(run_id, back)
                if isinstance(drafted, InputRequiredResult):
                    return drafted
                if not isinstance(drafted[0], Plan):
                    return drafted
                plan, answer = drafted
                await self._engine.planning.submit(
                    self._caller, run_id, plan, source=Source.HOST_SAMPLED, model=answer.model
                )
            before = await self._engine.run(self._caller, run_id)
            settled = await self.settle(run_id, back=back)
            if isinstance(settled, InputRequiredResult) or settled.status is not Status.DRAFTED:
                return settled
            self._rounds += 1
            if len(settled.approvals) == len(before.approvals) or not may_ask_again(self._rounds):
                return settled
            back = None

    async def draft(
        self, run_id: RunId, back: Returned | None
    ) -> tuple[Plan, ModelAnswer] | InputRequiredResult | tuple[Brief, str]:
        """Have the host's model draft a plan.

        Gives the plan and the answer that it came in; or what to return to the client; or, where no model
        can be asked or its answer is no plan, the brief for the host's own model and the reason.
        """
        brief = await self._engine.planning.brief(self._caller, run_id)
        answer = model_answer(back) if back is not None else None
        if answer is None:
            nonce = secrets.token_urlsafe(24)
            asked = await ask_model(
                self._ctx,
                brief,
                run_id=run_id,
                nonce=nonce,
                limit_s=self._engine.core.config.ask_wait_s,
                rounds=self._rounds,
            )
            if isinstance(asked, Unavailable):
                return brief, asked.why
            await self._engine.planning.ask_model(self._caller, run_id, brief, nonce)
            if isinstance(asked, InputRequiredResult):
                return asked
            answer = asked
        await self._engine.planning.take_model_answer(
            self._caller,
            run_id,
            answer.nonce,
            answer.text,
            source=Source.HOST_SAMPLED,
            model=answer.model,
        )
        try:
            return find_plan(answer.text), answer
        except PlanInvalid as exc:
            return brief, str(exc)
