"""Authoring: a model makes the change, with file and command tools of the worktree, step by step.

Each thing that it said, and what came of each tool call, is on record before the next begins: whoever goes on
after a crash continues the same conversation, and no call that was recorded is made again.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import anyio

from pev.core import Core
from pev.errors import InvalidInput, PevError, RunStateRefused
from pev.events import Actor, Event, Kind, NewEvent
from pev.gateview import view_gate
from pev.models import Caller, Role, RunId, Scope, Source, digest_of, require_scope, run_stream
from pev.repos import files
from pev.roles.asker import MESSAGES, Answer, Done, Message, Results, Said, Told, ToolCall
from pev.roles.brief import Brief, brief_author
from pev.roles.hands import HANDS
from pev.run import RunState, Status
from pev.stages.asking import Asking, Consequence
from pev.stages.executing import Executing
from pev.stages.jobs import Progress
from pev.stages.verifying import Verifying
from pev.text import clip, fence, one_line
from pev.work import Authored

MAX_STEPS: Final = 80
_MAX_RESULT: Final = 12_000
_COMMAND_S: Final = 300.0
_OPEN: Final = (Status.EXECUTING, Status.FAILED)


class Authoring:
    """Turns of the author's model."""

    def __init__(self, core: Core, executing: Executing, verifying: Verifying, asking: Asking) -> None:
        self._core = core
        self._executing = executing
        self._verifying = verifying
        self._asking = asking

    async def brief(self, caller: Caller, run_id: RunId) -> Brief:
        """Give the author's brief: the plan, what was tried, and what came of it."""
        require_scope(caller, Scope.EXECUTE)
        state = await self._core.state(run_id)
        report = await self._core.report(state)
        found = view_gate(report).model_dump_json(indent=1) if report is not None else ""
        return brief_author(state, found)

    async def turn(self, caller: Caller, run_id: RunId, progress: Progress) -> RunState:
        """Let the provider's model make the change, or go on with a turn that was broken off.

        Raises ModelUnavailable, and BudgetSpent where it may ask no more.
        """
        while (due := await self.due(caller, run_id, Source.PROVIDER, progress)) is not None:
            brief, messages = due
            answer = await self._asking.ask(caller, run_id, brief, messages=messages, tools=HANDS)
            await self.take(caller, run_id, answer)
        return await self._core.state(run_id)

    async def due(
        self, caller: Caller, run_id: RunId, source: Source, progress: Progress
    ) -> tuple[Brief, list[Message]] | None:
        """Do what the author's model asked for, and give the conversation that it is to go on with.

        None once its turn is over: it asked for nothing more, or has said enough.
        """
        require_scope(caller, Scope.EXECUTE)
        author = caller.model_copy(update={"role": Role.AUTHOR})
        brief = await self.brief(author, run_id)
        state = await self._begin(author, run_id, brief, source)
        while state.work.turn is not None:
            messages = await self._conversation(state)
            pending = _pending(messages)
            if pending:
                await progress(f"author: {pending[0].name}", float(state.work.turn.steps), float(MAX_STEPS))
                done = await self._recall(state, pending[0]) or await self._do(author, run_id, pending[0])
                state = await self._step(author, run_id, Results(results=(done,)))
            elif isinstance(messages[-1], Said) or _count(messages) >= MAX_STEPS:
                state = await self._end(author, run_id, messages)
            else:
                return brief, messages
        return None

    async def take(self, caller: Caller, run_id: RunId, answer: Answer) -> RunState:
        """Take what the author's model said, as one step with the turn that it goes on with.

        Raises RunStateRefused where that turn is over: a person has decided, or the host went on.
        """
        require_scope(caller, Scope.EXECUTE)
        author = caller.model_copy(update={"role": Role.AUTHOR})

        async def read(said: Said) -> Consequence:
            return _next_step(author, await self._part(said))

        return await self._asking.take(author, run_id, answer, role=Role.AUTHOR, read=read)

    async def has_news(self, run_id: RunId) -> bool:
        """Say whether the worktree holds something that no gate has judged."""
        state = await self._core.state(run_id)
        depot, tree = await self._verifying.snapshot(state)
        judged = {gate.snapshot for gate in state.gates[-1:] if gate.outcome is not None}
        return tree not in {*judged, await depot.tree_of(state.base_commit)}

    async def by_host(self, caller: Caller, run_id: RunId) -> RunState:
        """Record that the host says that its own work is done, so that it is judged."""
        require_scope(caller, Scope.EXECUTE)
        state = await self._core.state(run_id)
        _, tree = await self._verifying.snapshot(state)
        authored = Authored(tree=tree, models=(), whole=False)
        return await self._worked(caller, run_id, authored, Source.HOST_SUBMITTED, "")

    async def _begin(self, caller: Caller, run_id: RunId, brief: Brief, source: Source) -> RunState:
        state = await self._core.state(run_id)
        state.require(*_OPEN, to="have its author at work")
        if state.work.turn is not None:
            return state
        _, tree = await self._verifying.snapshot(state)
        begins = {"before": tree, "source": source.value}
        return await self._step(caller, run_id, Told(text=brief.prompt), begins=begins)

    async def _step(
        self, caller: Caller, run_id: RunId, message: Message, *, begins: dict[str, Any] | None = None
    ) -> RunState:
        event = _stepped(caller, await self._part(message), begins)

        def stepping(now: RunState) -> Sequence[NewEvent]:
            now.require(*_OPEN, to="have its author at work")
            return [event] if (now.work.turn is None) == (begins is not None) else ()

        return await self._core.decide(run_id, stepping)

    async def _part(self, message: Message) -> str:
        return await self._core.put_blob(MESSAGES.dump_json([message]), "application/json")

    async def _conversation(self, state: RunState) -> list[Message]:
        """Give the conversation so far, the results of one answer's calls together."""
        out: list[Message] = []
        for digest in state.work.turn.parts if state.work.turn is not None else ():
            for one in MESSAGES.validate_json(await self._core.blob(digest)):
                last = out[-1] if out else None
                if isinstance(one, Results) and isinstance(last, Results):
                    out[-1] = Results(results=(*last.results, *one.results))
                else:
                    out.append(one)
        return out

    async def _end(self, caller: Caller, run_id: RunId, messages: Sequence[Message]) -> RunState:
        state = await self._core.state(run_id)
        depot, tree = await self._verifying.snapshot(state)
        before, turn = state.work.authored, state.work.turn
        first = turn is not None and turn.before == await depot.tree_of(state.base_commit)
        follows = before is not None and turn is not None and before.whole and before.tree == turn.before
        known = before.models if before is not None and follows else ()
        models = tuple(dict.fromkeys([*known, *(one.model for one in messages if isinstance(one, Said))]))
        authored = Authored(tree=tree, models=models, whole=first or follows)
        said = next((one.text for one in reversed(messages) if isinstance(one, Said)), "")
        source = turn.source if turn is not None else Source.PROVIDER
        return await self._worked(caller, run_id, authored, source, said)

    async def _worked(
        self, caller: Caller, run_id: RunId, authored: Authored, source: Source, said: str
    ) -> RunState:
        body = {
            "authored": authored.model_dump(mode="json"),
            "source": source.value,
            "said": one_line(said, 1_000),
            "ready": True,
        }
        event = NewEvent(kind=Kind.AUTHOR_WORKED, actor=Actor.of(caller), payload=body)

        def working(now: RunState) -> Sequence[NewEvent]:
            now.require(*_OPEN, to="have its author at work")
            return () if now.work.ready else [event]

        return await self._core.decide(run_id, working)

    async def _recall(self, state: RunState, call: ToolCall) -> Done | None:
        """Give what came of a call that was made, and recorded, before a crash kept its result from us."""
        reading = partial(self._core.trail.read, run_stream(state.id))
        for event in reversed(await anyio.to_thread.run_sync(reading)):
            if event.kind in (Kind.AUTHOR_STEPPED, Kind.MODEL_ANSWERED):
                return None
            if said := _recalled(event, call):
                return Done(call=call.id, name=call.name, text=said)
        return None

    async def _do(self, caller: Caller, run_id: RunId, call: ToolCall) -> Done:
        """Make one call; what refuses it is told to the model."""
        try:
            text, failed = await self._call(caller, run_id, call.name, call.arguments), False
        except PevError as exc:
            text, failed = f"[{exc.code}] {exc}", True
        return Done(call=call.id, name=call.name, text=clip(text, _MAX_RESULT), failed=failed)

    async def _call(self, caller: Caller, run_id: RunId, name: str, given: dict[str, Any]) -> str:
        if name == "run_command":
            argv = given.get("argv")
            if not isinstance(argv, list) or not all(isinstance(part, str) for part in argv):
                raise InvalidInput("argv is no list of texts", hint="Give program and arguments.")
            ran = await self._executing.command(caller, run_id, argv, limit_s=_COMMAND_S)
            head = f"exit code {ran.code} ({ran.ending})"
            return f"{head}. {ran.hint}\n{fence('Output', ran.output, limit=_MAX_RESULT)}"
        if name == "write_file":
            path, content = _text(given, "path"), _text(given, "content")
            return (await self._executing.write(caller, run_id, path, content)).model_dump_json()
        if name == "edit_file":
            path, old, new = (_text(given, key) for key in ("path", "old", "new"))
            return (await self._executing.edit(caller, run_id, path, old, new)).model_dump_json()
        root = await self._executing.root(caller, run_id, Scope.READ)
        if name == "list_files":
            listed = await files.list_files(root, pattern=_text(given, "pattern", "**"), limit=500)
            return listed.model_dump_json()
        if name == "search_files":
            glob = _text(given, "glob", "**")
            found = await files.search_files(root, _text(given, "pattern"), glob=glob, limit=100)
            return fence("Matches", found.model_dump_json())
        if name == "read_file":
            read = await files.read_file(root, _text(given, "path"), offset=0, limit=2_000)
            return fence("Content", read.model_dump_json())
        known = ", ".join(one.name for one in HANDS)
        raise InvalidInput(f"there is no tool {name!r}", hint=f"There are: {known}.")


def _text(given: dict[str, Any], name: str, default: str | None = None) -> str:
    value = given.get(name, default)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {json.dumps(value)[:80]}, not a text", hint=f"Give {name}.")
    return value


def _stepped(caller: Caller, part: str, begins: dict[str, Any] | None = None) -> NewEvent:
    body: dict[str, Any] = {"part": part} | ({"begins": begins} if begins is not None else {})
    return NewEvent(kind=Kind.AUTHOR_STEPPED, actor=Actor.of(caller), payload=body)


def _next_step(caller: Caller, part: str) -> Consequence:
    def stepping(now: RunState) -> Sequence[NewEvent]:
        now.require(*_OPEN, to="have its author at work")
        if now.work.turn is None:
            raise RunStateRefused(
                f"the author's turn in run {now.id} is over, and this answer belongs to it",
                hint="Call run_loop again.",
            )
        return [_stepped(caller, part)]

    return stepping


def _count(messages: Sequence[Message]) -> int:
    return sum(isinstance(one, Said) for one in messages)


def _pending(messages: Sequence[Message]) -> list[ToolCall]:
    """Give the calls of the newest answer that have no result yet."""
    said = next((one for one in reversed(messages) if isinstance(one, Said)), None)
    done = {one.call for message in messages if isinstance(message, Results) for one in message.results}
    return [call for call in said.calls if call.id not in done] if said is not None else []


def _recalled(event: Event, call: ToolCall) -> str:
    """Say what an event tells of a call; "" if it is of another."""
    body, given = event.payload or {}, call.arguments
    if event.kind is Kind.COMMAND_RAN and call.name == "run_command" and not body.get("setup"):
        if body.get("argv") == given.get("argv"):
            return f"It ran, with exit code {body.get('code')}; its output was lost when the server ended."
    elif event.kind is Kind.FILE_WRITTEN and body.get("path") == given.get("path"):
        parts = [given.get("content")] if call.name == "write_file" else [given.get("old"), given.get("new")]
        written = "\0".join(part for part in parts if isinstance(part, str))
        if body.get("digest") == digest_of(written.encode("utf-8", "surrogatepass")):
            return "done"
    return ""
