"""Asking models: what a role was asked, what it said, how it was obtained, and what it cost, on record.

An answer counts once, under the nonce of the newest question that we put to its role.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from pev.core import Core
from pev.errors import BudgetSpent, InvalidInput, ModelUnavailable, PevError
from pev.events import Actor, Kind, NewEvent
from pev.models import Caller, ObjectId, Role, RunId, Source, hash_json, run_stream
from pev.roles.asker import Answer, Asker, Message, Request, Said, ToolSpec
from pev.roles.brief import Brief
from pev.run import RunState, Status

_MOST_TOKENS: Final = 16_000
Consequence = Callable[[RunState], Sequence[NewEvent]]
"""What follows from an answer, in the same step: nobody can die between the two."""
Reader = Callable[[Said], Awaitable[Consequence]]
"""Finds in an answer what follows from it. Raises where it is of no use."""


class Asking:
    """Keeps the record of questions to models."""

    def __init__(self, core: Core, asker: Asker | None) -> None:
        self._core = core
        self.asker = asker

    async def begin(self, caller: Caller, run_id: RunId, brief: Brief, *, about: str = "-") -> str:
        """Record that a model is asked in a role, and give the nonce that its answer must carry.

        `about` is the snapshot that it is asked about, which the nonce then names. An older question to the
        role stands no more. Raises BudgetSpent where the run's loop may ask no more.
        """
        state = await self._core.state(run_id)
        require_budget(state)
        nonce = f"{brief.role}.{about}.{secrets.token_urlsafe(24)}"
        body = {"nonce": nonce, "role": brief.role.value, "brief": hash_json([brief.system, brief.prompt])}
        await self._core.append(run_stream(run_id), [_event(Kind.MODEL_ASKED, caller, brief.role, body)])
        return nonce

    @staticmethod
    def about(nonce: str) -> ObjectId:
        """Give the snapshot that a nonce names; "-" if it names none. It is ours only if `take` says so."""
        _, _, rest = nonce.partition(".")
        return ObjectId(rest.partition(".")[0])

    async def take(
        self, caller: Caller, run_id: RunId, answer: Answer, *, role: Role, read: Reader
    ) -> RunState:
        """Record a model's answer, once, together with what `read` finds in it.

        An answer of no use is recorded alone, for it was paid for, and what is wrong with it is raised.
        Raises InvalidInput if nobody asked for it, or the role was asked anew since.
        """
        said = answer.said
        blob = await self._core.put_blob(said.text.encode("utf-8", "surrogatepass"), "text/plain")
        body = {
            "nonce": answer.nonce,
            "role": role.value,
            "source": answer.source.value,
            "model": said.model,
            "answer": blob,
            "tokens": said.tokens,
            "seconds": round(answer.seconds, 3),
        }
        answered = _event(Kind.MODEL_ANSWERED, caller, role, body)

        async def record(also: Consequence) -> RunState:
            def taking(state: RunState) -> Sequence[NewEvent]:
                _require_asked(state, role, answer.nonce)
                return [answered, *also(state)]

            return await self._core.decide(run_id, taking)

        try:
            return await record(await read(said))
        except PevError:
            await record(lambda _: ())
            raise

    async def ask(
        self,
        caller: Caller,
        run_id: RunId,
        brief: Brief,
        *,
        about: str = "-",
        messages: Sequence[Message] = (),
        tools: Sequence[ToolSpec] = (),
    ) -> Answer:
        """Ask the provider in a role, in a conversation of its own or one that goes on with its `messages`.

        Raises ModelUnavailable where none is configured or it fails, and BudgetSpent.
        """
        if self.asker is None:
            raise ModelUnavailable(
                "no model provider is configured", hint="Configure [provider], or use a host that samples."
            )
        nonce = await self.begin(caller, run_id, brief, about=about)
        request = Request(
            system=brief.system,
            messages=tuple(messages) or brief.messages,
            tools=tuple(tools),
            max_tokens=min(_MOST_TOKENS, max(brief.max_tokens, 1)),
            limit_s=self._core.config.ask_wait_s,
        )
        begun = time.monotonic()
        said = await self.asker.ask(request)
        return Answer(nonce=nonce, said=said, source=Source.PROVIDER, seconds=time.monotonic() - begun)


def require_budget(state: RunState) -> None:
    """Raise BudgetSpent where the run's loop may ask models no more."""
    if exceeded := state.work.exceeded:
        own = "Write the plan yourself, and call submit_plan."
        person = "A person decides how to go on: escalate, then request_decision or `pev decide`."
        raise BudgetSpent(
            f"the budget of run {state.id} is used up: {exceeded}",
            hint=own if state.status is Status.DRAFTED else person,
        )


def _require_asked(state: RunState, role: Role, nonce: str) -> None:
    """Raise InvalidInput unless a nonce is that of the newest question to a role."""
    open_one = state.model_nonces.get(role, "")
    if not open_one or not secrets.compare_digest(open_one.encode(), nonce.encode()):
        why = "another question was put to it since" if open_one else "no question to it stands open"
        raise InvalidInput(
            f"no {role} was asked for this answer in run {state.id}: {why}", hint="Call the tool again."
        )


def _event(kind: Kind, caller: Caller, role: Role, body: dict[str, Any]) -> NewEvent:
    return NewEvent(kind=kind, actor=Actor.of(caller.model_copy(update={"role": role})), payload=body)
