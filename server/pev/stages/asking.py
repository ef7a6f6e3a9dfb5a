"""Asking models: what a role was asked, what it said, how it was obtained, and what it cost, on record.

An answer counts once, under the nonce of a question that we put, for the role that it was put to.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from pev.core import Core
from pev.errors import BudgetSpent, InvalidInput, ModelUnavailable
from pev.events import Actor, Kind, NewEvent
from pev.models import Caller, ObjectId, Role, RunId, Source, hash_json, run_stream
from pev.roles.asker import Asker, Message, Said, ToolSpec
from pev.roles.brief import Brief
from pev.run import RunState

_MOST_TOKENS: Final = 16_000
Consequence = Callable[[RunState], Sequence[NewEvent]]
"""What follows from an answer, in the same step: nobody can die between the two."""


def _nothing(_state: RunState) -> Sequence[NewEvent]:
    return ()


class Asking:
    """Keeps the record of questions to models."""

    def __init__(self, core: Core, asker: Asker | None) -> None:
        self._core = core
        self.asker = asker

    async def begin(self, caller: Caller, run_id: RunId, brief: Brief, *, about: str = "-") -> str:
        """Record that a model is asked in a role, and give the nonce that its answer must carry.

        `about` is the snapshot that it is asked about, which the nonce then names. Raises BudgetSpent where
        the run's loop may ask no more.
        """
        state = await self._core.state(run_id)
        require_budget(state)
        nonce = f"{brief.role}.{about}.{secrets.token_urlsafe(24)}"
        body = {"nonce": nonce, "role": brief.role.value, "brief": hash_json([brief.system, brief.prompt])}
        await self._core.append(run_stream(run_id), [_event(Kind.MODEL_ASKED, caller, brief.role, body)])
        return nonce

    @staticmethod
    def about(nonce: str) -> ObjectId:
        """Give the snapshot that a nonce of ours names."""
        return ObjectId(nonce.split(".", 2)[1])

    async def take(
        self,
        caller: Caller,
        run_id: RunId,
        nonce: str,
        said: Said,
        *,
        role: Role,
        source: Source,
        seconds: float = 0.0,
        also: Consequence = _nothing,
    ) -> RunState:
        """Record a model's answer, once, and `also` what follows from it. Raises InvalidInput if unasked."""
        blob = await self._core.put_blob(said.text.encode("utf-8", "surrogatepass"), "text/plain")
        body = {
            "nonce": nonce,
            "role": role.value,
            "source": source.value,
            "model": said.model,
            "answer": blob,
            "tokens": said.tokens,
            "seconds": round(seconds, 3),
        }

        def taking(state: RunState) -> Sequence[NewEvent]:
            known = secrets.compare_digest(state.model_nonce.encode(), nonce.encode())
            if not nonce or not known or not nonce.startswith(f"{role}."):
                raise InvalidInput(
                    f"no {role} was asked for this answer in run {run_id}", hint="Call the tool again."
                )
            return [_event(Kind.MODEL_ANSWERED, caller, role, body), *also(state)]

        return await self._core.decide(run_id, taking)

    async def ask(
        self,
        caller: Caller,
        run_id: RunId,
        brief: Brief,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        *,
        nonce: str | None = None,
    ) -> tuple[str, Said, float]:
        """Ask the provider in a role; give the nonce, what it said, and the seconds that it took.

        Raises ModelUnavailable where none is configured or it fails, and BudgetSpent.
        """
        if self.asker is None:
            raise ModelUnavailable(
                "no model provider is configured", hint="Configure [provider], or use a host that samples."
            )
        nonce = nonce or await self.begin(caller, run_id, brief)
        begun = time.monotonic()
        said = await self.asker.ask(
            brief.system,
            messages,
            tools,
            max_tokens=min(_MOST_TOKENS, max(brief.max_tokens, 1)),
            limit_s=self._core.config.ask_wait_s,
        )
        return nonce, said, time.monotonic() - begun


def require_budget(state: RunState) -> None:
    """Raise BudgetSpent where the run's loop may ask models no more."""
    if exceeded := state.work.exceeded:
        raise BudgetSpent(
            f"the budget of run {state.id} is used up: {exceeded}",
            hint="A person decides how to go on: escalate, then request_decision or `pev decide`.",
        )


def _event(kind: Kind, caller: Caller, role: Role, body: dict[str, Any]) -> NewEvent:
    return NewEvent(kind=kind, actor=Actor.of(caller.model_copy(update={"role": role})), payload=body)
