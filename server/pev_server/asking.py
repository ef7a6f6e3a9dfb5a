"""Asking a model in a role: the host's by sampling where it lends one, else the operator's, else nobody.

Each role is a conversation of its own. What comes back counts once, under the nonce of our question; the
engine keeps that record.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fastmcp import Context
from mcp_types import InputRequiredResult

from pev.engine import Engine
from pev.errors import ModelUnavailable
from pev.models import Caller, RunId, Source
from pev.roles.asker import Answer, Message, Said, ToolSpec
from pev.roles.brief import Brief
from pev_server.dialogue import (
    ModelAnswer,
    Returned,
    Unavailable,
    ask_model,
    cannot_sample,
    may_ask_again,
    model_answer,
    returned,
)


@dataclass(frozen=True, slots=True)
class Nobody:
    """No model can be asked here; `why` says what is missing."""

    why: str


class Models:
    """The models that one call can ask."""

    def __init__(self, ctx: Context, engine: Engine, caller: Caller) -> None:
        self._ctx = ctx
        self._engine = engine
        self._caller = caller

    @property
    def lent(self) -> bool:
        """Whether the host lends its model."""
        return not cannot_sample(self._ctx)

    @property
    def lent_with_tools(self) -> bool:
        """Whether the host lends its model with tools, so that it can be the author."""
        return not cannot_sample(self._ctx, tools=True)

    @property
    def _rounds(self) -> int:
        back = returned(self._ctx)
        return back.rounds if back is not None else 0

    @property
    def may_ask(self) -> bool:
        """Whether this call may ask the host again: it is to hand back before the protocol's limit."""
        return may_ask_again(self._rounds)

    def came_back(self, back: Returned) -> Answer | Nobody:
        """Give the answer of the host's model that came back with a repeated call."""
        found = model_answer(back)
        if found is None:
            return Nobody("the host gave no answer of its model")
        return _lent(found)

    async def sample(
        self,
        run_id: RunId,
        brief: Brief,
        about: str = "-",
        *,
        messages: Sequence[Message] = (),
        tools: Sequence[ToolSpec] = (),
    ) -> Answer | Nobody | InputRequiredResult:
        """Ask the host's model; an InputRequiredResult is to be returned from the tool."""
        if why := cannot_sample(self._ctx, tools=bool(tools)):
            return Nobody(why)
        nonce = await self._engine.asking.begin(self._caller, run_id, brief, about=about)
        begun = time.monotonic()
        limit_s = self._engine.core.config.ask_wait_s
        asked = await ask_model(
            self._ctx,
            brief,
            run_id=run_id,
            nonce=nonce,
            limit_s=limit_s,
            rounds=self._rounds,
            messages=messages,
            tools=tools,
        )
        if isinstance(asked, InputRequiredResult):
            return asked
        if isinstance(asked, Unavailable):
            return Nobody(asked.why)
        return _lent(asked, seconds=time.monotonic() - begun)

    async def ask(
        self, run_id: RunId, brief: Brief, back: Returned | None = None, *, about: str = "-"
    ) -> Answer | Nobody | InputRequiredResult:
        """Give what came back, or ask the host's model, else the operator's."""
        if back is not None:
            return self.came_back(back)
        asked = await self.sample(run_id, brief, about)
        if not isinstance(asked, Nobody) or self._engine.asking.asker is None:
            return asked
        try:
            return await self._engine.asking.ask(self._caller, run_id, brief, about=about)
        except ModelUnavailable as exc:
            return Nobody(f"{asked.why}; {exc.message}")


def _lent(found: ModelAnswer, *, seconds: float = 0.0) -> Answer:
    said = Said(text=found.text, calls=found.calls, model=found.model)
    return Answer(nonce=found.nonce, said=said, source=Source.HOST_SAMPLED, seconds=seconds)
