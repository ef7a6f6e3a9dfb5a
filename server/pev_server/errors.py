"""One table from errors to what a client is told, and one middleware that uses it.

Errors of our own tree are shown whole: code, fact, next action. Everything else is a bug: the client gets an
id, the log the rest.
"""

import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import anyio
from fastmcp.exceptions import FastMCPError, NotFoundError, PromptError, ResourceError, ToolError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from pydantic import ValidationError

from pev.errors import InvalidInput, PevError, RunUnknown
from pev.events import Actor, Kind, NewEvent
from pev.models import RUN_ID, SERVER_STREAM, Role, RunId, digest_of, run_stream
from pev_server.deps import get_caller, get_engine
from pev_server.telemetry import name_run

log = logging.getLogger("pev.server")
_MAX_ARGUMENT: Final = 300
_TESTERS: Final = frozenset({"draft_tests", "submit_tests"})
"""Tools whose arguments may hold held-out tests, under whatever name a model puts them."""


def describe(error: PevError) -> str:
    """Write an error for a model or a person: code, fact, next action."""
    hint = f" Next: {error.hint}" if error.hint else ""
    return f"[{error.code}] {error.message}.{hint}"


def describe_validation(error: ValidationError) -> str:
    """Write the faults of a call's arguments, each with its place."""
    faults = [
        f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return f"[input.invalid] {'; '.join(faults[:10])}. Next: correct the arguments and call again."


def describe_bug(error: Exception) -> str:
    """Log what nobody expected, and write only its id."""
    bug = secrets.token_hex(4)
    log.error("unexpected error %s", bug, exc_info=error)
    return f"[server.bug] internal error {bug}. Next: look for this id in the server's log, and report it."


def root_of(error: BaseException) -> BaseException:
    """Give what the framework wrapped: it masks what a tool raises, and keeps that as the cause."""
    while isinstance(error, FastMCPError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def map_error(error: Exception) -> tuple[str, str]:
    """Give an error's stable code, and what a client is told. Of a bug it is told an id only."""
    root = root_of(error)
    if isinstance(root, PevError):
        return root.code, describe(root)
    if isinstance(root, ValidationError):
        return InvalidInput.code, describe_validation(root)
    if isinstance(root, FastMCPError):
        return "call.refused", f"[call.refused] {root}"
    return "server.bug", describe_bug(error)


class QuietWhereMapped(logging.Filter):
    """Drops the frameworks' own log, with its traceback, of an error that a client is told whole."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record is to be written."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None or record.name.startswith("pev"):
            return True
        # a bug is told by an id only, and this module has logged it under that id
        return not isinstance(root_of(error), PevError | FastMCPError | ValidationError)


def shorten_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Cut what is long among a call's arguments to digest and size, for the trail."""
    out: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, str | int | float | bool | None) and len(str(value)) <= _MAX_ARGUMENT:
            out[name[:_MAX_ARGUMENT]] = value
        else:
            data = str(value).encode("utf-8", "replace")
            out[name[:_MAX_ARGUMENT]] = {"sha256": digest_of(data), "size_bytes": len(data)}
    return out


def _recorded(tool: str, role: Role, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the trail keeps of a call's arguments; of a tester's nothing that its author may not read."""
    if tool not in _TESTERS and role is not Role.TESTER:
        return shorten_arguments(arguments)
    run_id = arguments.get("run_id")
    known = {"run_id": run_id} if isinstance(run_id, str) and RUN_ID.fullmatch(run_id) else {}
    rest = {name: value for name, value in arguments.items() if name not in known}
    data = str(rest).encode("utf-8", "replace")
    return known | {"withheld": {"sha256": digest_of(data), "size_bytes": len(data)}}


def _opened_run(result: Any) -> str | None:
    """Give the run that a call without one has opened."""
    content = getattr(result, "structured_content", None) or {}
    run = content.get("run") if isinstance(content, dict) else None
    return run.get("run_id") if isinstance(run, dict) else None


class ErrorsAndTrail(Middleware):
    """Maps errors, and makes every tool call an event."""

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Call the tool, record it, and map what it raises."""
        begun = time.monotonic()
        result: Any = None
        outcome = "cancelled"
        try:
            result, outcome = await call_next(context), "ok"
        except Exception as exc:
            outcome, told = map_error(exc)
            raise ToolError(told, log_level=logging.DEBUG) from exc
        finally:
            # a cancelled call is a call: it is recorded too
            with anyio.CancelScope(shield=True):
                seconds = time.monotonic() - begun
                try:
                    await self._record(context.message, result, outcome, seconds)
                except PevError as exc:
                    raise ToolError(describe(exc), log_level=logging.DEBUG) from exc
        return result

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Read the resource and map what it raises."""
        try:
            return await call_next(context)
        except Exception as exc:
            if isinstance(exc, NotFoundError):
                raise
            raise ResourceError(map_error(exc)[1], log_level=logging.DEBUG) from exc

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Render the prompt and map what it raises."""
        try:
            return await call_next(context)
        except Exception as exc:
            raise PromptError(map_error(exc)[1], log_level=logging.DEBUG) from exc

    async def _record(self, message: Any, result: Any, outcome: str, seconds: float) -> None:
        arguments, caller = message.arguments or {}, get_caller()
        body = {
            "tool": message.name,
            "arguments": _recorded(message.name, caller.role, arguments),
            "outcome": outcome,
            "seconds": round(seconds, 4),
        }
        event = NewEvent(kind=Kind.TOOL_CALLED, actor=Actor.of(caller), payload=body)
        engine = await get_engine()
        stream = SERVER_STREAM
        run_id = arguments.get("run_id") or _opened_run(result)
        if isinstance(run_id, str):
            try:
                await engine.core.state(RunId(run_id))
                stream = run_stream(RunId(run_id))
                name_run(RunId(run_id))
            except RunUnknown:
                stream = SERVER_STREAM
        await engine.core.append(stream, [event])
