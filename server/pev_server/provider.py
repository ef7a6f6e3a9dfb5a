"""The operator's own model, through pydantic-ai: asked where no host lends one.

Its key comes from a variable or a program, is kept in memory alone, and is cut out of every error; the trail
takes it for a secret too. The library is imported with the first question: who never asks pays nothing.
"""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import anyio

from pev.config import Config, ProviderSettings
from pev.errors import ConfigInvalid, ModelUnavailable, PevError
from pev.roles.asker import Message, Request, Results, Said, Told, ToolCall
from pev.secret import read_secret
from pev.text import one_line

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model

_LEAST_SECRET: Final = 8
_HINT: Final = "Look at [provider] of the operator's configuration, and at the provider's status."


class Provider:
    """A model behind pydantic-ai, as an `Asker`. `fault` says why it cannot be asked, if it cannot."""

    def __init__(
        self, settings: ProviderSettings, key: str = "", *, fault: str = "", model: "Model | None" = None
    ) -> None:
        self._settings = settings
        self._key = key
        self._fault = fault
        self._given = model

    @property
    def model(self) -> str:
        """The name of the model, as the operator wrote it."""
        return self._settings.model

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be stored."""
        return (self._key,) if len(self._key) >= _LEAST_SECRET else ()

    @cached_property
    def _model(self) -> "Model":
        if self._given is not None:
            return self._given
        try:
            from pydantic_ai.models import infer_model
            from pydantic_ai.providers import infer_provider_class
        except ImportError as exc:
            raise ModelUnavailable(
                f"the library for model providers is not installed: {exc.name}",
                hint="Install it: pip install 'pev-server[provider]'.",
            ) from exc
        own: dict[str, Any] = {"api_key": self._key} if self._key else {}
        own |= {"base_url": self._settings.base_url} if self._settings.base_url else {}
        return infer_model(self.model, lambda name: infer_provider_class(name)(**own))

    async def ask(self, request: Request) -> Said:
        """Ask once, and wait within its limit and ours. Raises ModelUnavailable, without the key."""
        if self._fault:
            raise ModelUnavailable(self._fault, hint=_HINT)
        limit_s = min(request.limit_s, self._settings.call_s)
        begun = time.monotonic()
        try:
            with anyio.fail_after(limit_s):
                return await self._ask(request, limit_s)
        except TimeoutError as exc:
            waited = time.monotonic() - begun
            raise ModelUnavailable(
                f"the model {self.model} gave no answer in {waited:.0f} s", hint=_HINT
            ) from exc
        except PevError:
            raise
        except Exception as exc:  # noqa: BLE001  (each provider has errors of its own, and all mean: no answer)
            said = one_line(self._without_key(f"{type(exc).__name__}: {exc}"), 300)
            # the cause is left out: it may hold the request with its key
            raise ModelUnavailable(f"the model {self.model} could not be asked: {said}", hint=_HINT) from None

    async def _ask(self, request: Request, limit_s: float) -> Said:
        model = await anyio.to_thread.run_sync(lambda: self._model)
        from pydantic_ai.direct import model_request
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.settings import ModelSettings
        from pydantic_ai.tools import ToolDefinition

        offered = [
            ToolDefinition(name=one.name, description=one.description, parameters_json_schema=one.parameters)
            for one in request.tools
        ]
        answer = await model_request(
            model,
            _messages(request.system, request.messages),
            model_settings=ModelSettings(max_tokens=request.max_tokens, timeout=limit_s),
            model_request_parameters=ModelRequestParameters(function_tools=offered),
        )
        return _said(answer, self.model)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[redacted:key]") if self._key else text


def _messages(system: str, messages: Sequence[Message]) -> "list[ModelMessage]":
    """Write a conversation as the library does."""
    from pydantic_ai import messages as of

    out: list[ModelMessage] = []
    for one in messages:
        parts: list[Any]
        if isinstance(one, Told):
            first = [of.SystemPromptPart(system)] if not out else []
            out.append(of.ModelRequest(parts=[*first, of.UserPromptPart(one.text)]))
        elif isinstance(one, Results):
            parts = [of.ToolReturnPart(done.name, done.text, done.call) for done in one.results]
            out.append(of.ModelRequest(parts=parts))
        else:
            parts = [of.TextPart(one.text)] if one.text else []
            parts += [of.ToolCallPart(call.name, call.arguments, call.id) for call in one.calls]
            out.append(of.ModelResponse(parts=parts))
    return out


def _said(answer: "ModelResponse", name: str) -> Said:
    from pydantic_ai import messages as of

    texts = [part.content for part in answer.parts if isinstance(part, of.TextPart)]
    calls = [part for part in answer.parts if isinstance(part, of.ToolCallPart)]
    return Said(
        text="\n".join(texts),
        calls=tuple(
            ToolCall(id=one.tool_call_id, name=one.tool_name, arguments=_given(one)) for one in calls
        ),
        model=answer.model_name or name,
        tokens=max(0, answer.usage.total_tokens),
    )


def _given(call: Any) -> dict[str, Any]:
    """Give a call's arguments; none where the model wrote no JSON object: the tool says what it wants."""
    try:
        value = call.args_as_dict()
    except (ValueError, AssertionError):
        return {}
    return value if isinstance(value, dict) else {}


async def provider_of(config: Config) -> Provider | None:
    """Give the operator's model, if one is configured; what keeps it from being asked is told when it is."""
    settings = config.provider
    if settings is None:
        return None
    if settings.key_env is None and not settings.key_command:
        return Provider(settings)
    try:
        key = await read_secret("the provider's key", variable=settings.key_env, command=settings.key_command)
    except ConfigInvalid as exc:
        return Provider(settings, fault=exc.message)
    return Provider(settings, key)
