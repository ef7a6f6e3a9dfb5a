"""The dialogue with the host, and the only module that knows the protocol's two eras.

It asks two questions: *ask the person* and *ask the model*. In the handshake era the server sends a request
and waits. In 2026-07-28 the tool returns what it wants to know, and is called again with the answer and
with the nonce that we gave; an answer without a nonce of ours is a forgery.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import anyio
from fastmcp import Context
from mcp import MCPDeprecationWarning, MCPError
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from pev.boundary.question import FormField, Question
from pev.errors import DecisionInvalid
from pev.models import digest_of
from pev.roles.asker import Message, ToolCall, ToolSpec
from pev.roles.brief import Brief
from pev_server.sampled import Sampled, said_by, sampling_messages, sampling_tools

_PERSON: Final = "decision"
_MODEL: Final = "answer"
_ROOTS_S: Final = 5.0
_MOST_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody can be asked this way; `why` says what is missing."""

    why: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The host gave no answer: declined, cancelled, or not in time."""

    how: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The host says that its person went to the page."""


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """A form that the host says was filled in, unchecked, and the nonce of the question it belongs to."""

    nonce: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the host's model said, and which model it was."""

    nonce: str
    text: str
    model: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Returned:
    """What a client sent back on a repeated call: our own state, and its answers."""

    run_id: str
    nonce: str
    person: ElicitResult | None
    model: Sampled | None
    rounds: int = 0
    by_page: bool = False


class ForgedAnswer(DecisionInvalid):
    """Answers came that carry no state of ours."""

    def __init__(self) -> None:
        super().__init__(
            "the call carries answers to a question that was not asked",
            hint="Call the tool without input responses first.",
        )


def is_modern(ctx: Context) -> bool:
    """Say whether the connection is of the stateless era."""
    return ctx.session.protocol_version in MODERN_PROTOCOL_VERSIONS


def returned(ctx: Context) -> Returned | None:
    """Give what came back on a repeated call; None on a first call.

    Raises ForgedAnswer if there are answers without our state.
    """
    answers = ctx.input_responses
    if ctx.request_state is None:
        if answers:
            raise ForgedAnswer
        return None
    try:
        state = json.loads(ctx.request_state)
        run_id, nonce, rounds = str(state["run"]), str(state["nonce"]), int(state.get("rounds", 0))
    except (ValueError, KeyError, TypeError) as exc:
        raise ForgedAnswer from exc
    person = (answers or {}).get(_PERSON)
    model = (answers or {}).get(_MODEL)
    return Returned(
        run_id=run_id,
        nonce=nonce,
        person=person if isinstance(person, ElicitResult) else None,
        model=model if isinstance(model, Sampled) else None,
        rounds=rounds,
        by_page=state.get("page") is True,
    )


def _state(run_id: str, nonce: str, rounds: int, **more: bool) -> str:
    return json.dumps({"run": run_id, "nonce": nonce, "rounds": rounds + 1, **more})


def may_ask_again(rounds: int) -> bool:
    """Say whether a client that came back `rounds` times may be asked once more; it gives up after ten."""
    return rounds < _MOST_ROUNDS


def _field_schema(field: FormField) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "title": field.title[:200]}
    if field.description:
        schema["description"] = field.description
    if field.choices:
        schema["enum"] = list(field.choices)
    if not field.required:
        schema["default"] = ""
    return schema


def form_schema(question: Question) -> dict[str, Any]:
    """Give the flat JSON schema of a question's form."""
    return {
        "type": "object",
        "properties": {field.name: _field_schema(field) for field in question.fields},
        "required": [field.name for field in question.fields if field.required],
    }


def person_reply(nonce: str, result: ElicitResult) -> PersonAnswer | Declined:
    """Give what a form came back with: what was filled in, or how it was left."""
    if result.action != "accept":
        return Declined(result.action)
    return PersonAnswer(nonce, result.content or {})


async def ask_person(
    ctx: Context, question: Question, *, limit_s: float, rounds: int = 0
) -> PersonAnswer | Declined | Unavailable | InputRequiredResult:
    """Put a question before the person at the host, as a form, and wait at most `limit_s` seconds.

    An InputRequiredResult is to be returned from the tool as it is; the answer comes with the next call,
    see `returned`.
    """
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        return Unavailable("the host did not declare elicitation")
    if capabilities.elicitation.form is None and capabilities.elicitation.url is not None:
        return Unavailable("the host shows no forms")
    if is_modern(ctx):
        params = ElicitRequestFormParams(message=question.text, requested_schema=form_schema(question))
        return InputRequiredResult(
            result_type="input_required",
            request_state=_state(question.run_id, question.nonce, rounds),
            input_requests={_PERSON: ElicitRequest(params=params)},
        )
    if not ctx.session.can_send_request:
        return Unavailable("this connection has no way back to the host")
    with anyio.move_on_after(limit_s):
        try:
            result = await ctx.session.elicit(
                message=question.text,
                requested_schema=form_schema(question),
                related_request_id=ctx.request_id,
            )
        except (MCPError, ValidationError) as exc:
            return Unavailable(f"the host could not ask: {exc}")
        return person_reply(question.nonce, result)
    return Declined(f"no answer in {limit_s:g} s")


def opens_pages(ctx: Context) -> bool:
    """Say whether the host declared that it shows addresses to its person."""
    capabilities = ctx.session.client_capabilities
    return (
        capabilities is not None
        and capabilities.elicitation is not None
        and capabilities.elicitation.url is not None
        and (is_modern(ctx) or ctx.session.can_send_request)
    )


async def show_page(
    ctx: Context, question: Question, url: str, *, limit_s: float, rounds: int = 0
) -> Opened | Declined | Unavailable | InputRequiredResult:
    """Have the host offer its person the page at `url`, and wait at most `limit_s` seconds for their leave.

    The decision itself does not come this way: it is made on the page.
    """
    message = f"A decision on the {question.boundary} of run {question.run_id} is to be made on this page."
    if is_modern(ctx):
        return InputRequiredResult(
            result_type="input_required",
            request_state=_state(question.run_id, question.nonce, rounds, page=True),
            input_requests={_PERSON: ElicitRequest(params=ElicitRequestURLParams(message=message, url=url))},
        )
    with anyio.move_on_after(limit_s):
        try:
            result = await ctx.session.elicit_url(
                message=message,
                url=url,
                elicitation_id=_elicitation_id(question),
                related_request_id=ctx.request_id,
            )
        except (MCPError, ValidationError) as exc:
            return Unavailable(f"the host could not show the page: {exc}")
        return page_reply(result)
    return Declined(f"no answer in {limit_s:g} s")


async def end_page(ctx: Context, question: Question) -> None:
    """Tell a host of the handshake era that its person need not look at the page any more."""
    if not is_modern(ctx):
        with suppress(MCPError):
            await ctx.session.send_elicit_complete(_elicitation_id(question), ctx.request_id)


def _elicitation_id(question: Question) -> str:
    return digest_of(question.nonce.encode())[:16]


def page_reply(result: ElicitResult) -> Opened | Declined:
    """Give what became of an address that the host was to show."""
    return Opened() if result.action == "accept" else Declined(result.action)


def cannot_sample(ctx: Context, *, tools: bool = False) -> str:
    """Say why the host's model cannot be asked, or cannot be given `tools`; "" if it can."""
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        return "the host did not declare sampling"
    if tools and capabilities.sampling.tools is None:
        return "the host did not declare sampling with tools"
    if not is_modern(ctx) and not ctx.session.can_send_request:
        return "this connection has no way back to the host"
    return ""


async def ask_model(
    ctx: Context,
    brief: Brief,
    *,
    run_id: str,
    nonce: str,
    limit_s: float,
    rounds: int = 0,
    messages: Sequence[Message] = (),
    tools: Sequence[ToolSpec] = (),
) -> ModelAnswer | Unavailable | InputRequiredResult:
    """Ask the host's model, and wait at most `limit_s` seconds.

    It is a fresh conversation, or one that goes on with all its `messages`; in one with `tools` it may call.
    """
    if why := cannot_sample(ctx, tools=bool(tools)):
        return Unavailable(why)
    said, offered = sampling_messages(messages or brief.messages), sampling_tools(tools)
    if is_modern(ctx):
        params = CreateMessageRequestParams(
            messages=said, system_prompt=brief.system, max_tokens=brief.max_tokens, tools=offered
        )
        return InputRequiredResult(
            result_type="input_required",
            request_state=_state(run_id, nonce, rounds),
            input_requests={_MODEL: CreateMessageRequest(params=params)},
        )
    with anyio.move_on_after(limit_s):
        with warnings.catch_warnings():
            # deprecated by the newer revision, and the only way in this era; it warns when called
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            asking = ctx.session.create_message(
                said,
                max_tokens=brief.max_tokens,
                system_prompt=brief.system,
                tools=offered,
                related_request_id=ctx.request_id,
            )
        try:
            result = await asking
        except (MCPError, ValidationError) as exc:
            return Unavailable(f"the host's model could not be asked: {exc}")
        return _answer(nonce, result)
    return Unavailable(f"the host's model did not answer in {limit_s:g} s")


async def roots_of(ctx: Context) -> tuple[Path, ...]:
    """Give the folders that a client of the handshake era declares as its roots; none in the other era."""
    capabilities = ctx.session.client_capabilities
    if is_modern(ctx) or capabilities is None or capabilities.roots is None:
        return ()
    if not ctx.session.can_send_request:
        return ()
    with anyio.move_on_after(_ROOTS_S):
        try:
            listed = await ctx.session.send_request(ListRootsRequest(), ListRootsResult)
        except (MCPError, ValidationError):
            return ()
        places = [urlsplit(str(root.uri)) for root in listed.roots]
        return tuple(Path(unquote(one.path)) for one in places if one.scheme == "file")
    return ()


async def tell_resources_changed(ctx: Context) -> None:
    """Tell a client of the handshake era that the list of resources has changed; the other era asks again."""
    if not is_modern(ctx) and ctx.session.can_send_request:
        with suppress(MCPError):
            await ctx.session.send_resource_list_changed()


def model_answer(back: Returned) -> ModelAnswer | None:
    """Give the model's answer that came back on a repeated call, if one did."""
    if back.model is None:
        return None
    return _answer(back.nonce, back.model)


def _answer(nonce: str, result: Sampled) -> ModelAnswer:
    said = said_by(result)
    return ModelAnswer(nonce, said.text, said.model, said.calls)
