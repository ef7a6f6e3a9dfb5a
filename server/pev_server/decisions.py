"""Decisions over MCP: puts the run's open question before the person, and takes what comes back.

The desk in the engine is the authority; here is only the way to the host and back.
"""

from typing import Final

import anyio
from fastmcp import Context
from mcp_types import InputRequiredResult

from pev.boundary.question import Question, poses_question
from pev.engine import Engine
from pev.errors import PlanInvalid
from pev.gateview import GateView
from pev.models import Assurance, Caller, Channel, Role, RunId, Scope, assured
from pev.roles.asker import Answer
from pev.roles.brief import Brief
from pev.run import RunState, Status
from pev.views import RunView, view_run
from pev_server.asking import Models, Nobody
from pev_server.dialogue import (
    Declined,
    ForgedAnswer,
    Opened,
    PersonAnswer,
    Returned,
    Unavailable,
    ask_person,
    end_page,
    may_ask_again,
    opens_pages,
    page_reply,
    person_reply,
    returned,
    show_page,
)

_ROUNDS: Final = 6
_POLL_S: Final = 0.5
_ON_PAGE: Final = "The person has the page. Call request_decision to see whether they decided."
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

    def __init__(
        self, ctx: Context, engine: Engine, caller: Caller, *, may_approve: bool, page: str | None = None
    ) -> None:
        """Decide for a caller; `page` is the address of the approval page, if there is one."""
        self._ctx = ctx
        self._engine = engine
        self._caller = caller
        self._may_approve = may_approve
        self._page = page
        self._rounds = 0
        self._went_there = False
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
            reply = page_reply(back.person) if back.by_page else person_reply(back.nonce, back.person)
            if isinstance(reply, Declined):
                return await self._view(run_id, gate, (*notes, f"The person's answer: {reply.how}."))
            if isinstance(reply, Opened):
                await self._decided_there(run_id)
            else:
                await self._take(run_id, reply)
        for _ in range(_ROUNDS):
            question = await self._engine.desk.question(run_id, self._caller)
            if question is None:
                break
            asked = _ON_PAGE if self._went_there else await self._ask(question)
            if isinstance(asked, InputRequiredResult):
                return asked
            if isinstance(asked, str):
                notes += (asked,)
                break
            if isinstance(asked, PersonAnswer):
                await self._take(run_id, asked)
        return await self._view(run_id, gate, notes)

    async def _ask(self, question: Question) -> PersonAnswer | Opened | InputRequiredResult | str:
        """Ask at the host's dialog if its answer would count, else on the page; or say why neither."""
        if not may_ask_again(self._rounds):
            return _TOO_OFTEN
        limit_s = self._engine.core.config.ask_wait_s
        least = (await self._engine.run(self._caller, question.run_id)).rules.min_assurance
        why = self._unfit(question, least)
        if not why:
            asked = await ask_person(self._ctx, question, limit_s=limit_s, rounds=self._rounds)
            if isinstance(asked, Declined):
                return f"The person's answer: {asked.how}. Ask again with request_decision."
            if not isinstance(asked, Unavailable):
                return asked
            why = _NO_HOST.format(why=asked.why, run=question.run_id)
        if self._page is None or not assured(Channel.PAGE, least):
            return why
        url = f"{self._page}runs/{question.run_id}"
        if not opens_pages(self._ctx):
            return f"{why}. Or on the page: {url}" if self._person.tenant is not None else why
        shown = await show_page(self._ctx, question, url, limit_s=limit_s, rounds=self._rounds)
        if isinstance(shown, Opened):
            await self._decided_there(question.run_id)
            await end_page(self._ctx, question)
        if isinstance(shown, Unavailable):
            return f"{why}; {shown.why}"
        return f"The person's answer: {shown.how}." if isinstance(shown, Declined) else shown

    def _unfit(self, question: Question, least: Assurance) -> str:
        """Say why an answer at the host's dialog would not count; "" if it would."""
        if not self._may_approve:
            return _NO_SCOPE.format(run=question.run_id)
        if not assured(Channel.HOST_FORM, least):
            sign = " --sign" if least is Assurance.SIGNED else ""
            return _TOO_WEAK.format(least=least, run=question.run_id, sign=sign)
        return "" if question.fits_a_form else _TOO_LONG.format(run=question.run_id)

    async def _decided_there(self, run_id: RunId) -> None:
        """Wait, within bounds, until a person has decided on the page whatever the run poses."""
        self._went_there = True
        config = self._engine.core.config
        with anyio.move_on_after(min(config.ask_wait_s, config.gate_wait_s)):
            while True:
                if not poses_question(await self._engine.run(self._caller, run_id)):
                    return
                await anyio.sleep(_POLL_S)

    async def _take(self, run_id: RunId, reply: PersonAnswer) -> None:
        await self._engine.desk.answer(
            run_id, reply.nonce, reply.data, channel=Channel.HOST_FORM, caller=self._person
        )

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
                if not isinstance(drafted, RunState):
                    return drafted
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
    ) -> RunState | InputRequiredResult | tuple[Brief, str]:
        """Have the host's model draft a plan, and take it.

        Gives the run; or what to return to the client; or, where no model can be asked or its answer is no
        plan, the brief for the host's own model and the reason.
        """
        brief = await self._engine.planning.brief(self._caller, run_id)
        models = Models(self._ctx, self._engine, self._caller)
        if back is not None and back.model is not None:
            answer: Answer | Nobody | InputRequiredResult = models.came_back(back)
        else:
            answer = await models.sample(run_id, brief)
        if isinstance(answer, InputRequiredResult):
            return answer
        if isinstance(answer, Nobody):
            return brief, answer.why
        try:
            return await self._engine.planning.take(self._caller, run_id, answer)
        except PlanInvalid as exc:
            return brief, str(exc)
