"""Models that can be asked, whoever provides them: a conversation goes in, and what the model said comes out.

The engine knows no model library: an adapter gives it an `Asker`. Conversations are plain values, so that one
can be kept in the trail and gone on with after a crash, by another process and another provider.
"""

from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, TypeAdapter

from pev.models import Model, Source


class ToolCall(Model):
    """What a model wants to have done."""

    id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Told(Model):
    """What a model is told."""

    kind: Literal["told"] = "told"
    text: str


class Said(Model):
    """What a model said, which model it was, and how many tokens it took, where that is known."""

    kind: Literal["said"] = "said"
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    model: str = ""
    tokens: int = Field(default=0, ge=0)


class Done(Model):
    """What came of one tool call."""

    call: str
    name: str
    text: str
    failed: bool = False


class Results(Model):
    """What came of all tool calls of one answer."""

    kind: Literal["results"] = "results"
    results: tuple[Done, ...]


Message = Annotated[Told | Said | Results, Field(discriminator="kind")]
MESSAGES: TypeAdapter[list[Message]] = TypeAdapter(list[Message])


class ToolSpec(Model):
    """A tool that a model may call; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Request(Model):
    """What a model is asked: a conversation so far, and what it may call; an answer in `limit_s` seconds."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int = Field(ge=1)
    limit_s: float = Field(gt=0)


class Answer(Model):
    """What a model said in a role, under which nonce, how it was obtained, and the seconds that it took."""

    nonce: str
    said: Said
    source: Source
    seconds: float = Field(default=0.0, ge=0)


class Asker(Protocol):
    """A model that the operator configured."""

    @property
    def model(self) -> str:
        """The name of the model."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be stored: the trail takes it out of everything."""

    async def ask(self, request: Request) -> Said:
        """Ask once, and wait within its limit. Raises ModelUnavailable."""
