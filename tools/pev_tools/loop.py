"""The tool of the whole loop: run_loop."""

from typing import Annotated, Final, Literal

import anyio
from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import InputRequiredResult, ToolAnnotations
from pydantic import Field

from pev.engine import Engine, parse_run_id
from pev.errors import InvalidInput
from pev.models import Caller, Model, Role, RunId, Source
from pev.phases import ASKS, Judge, Phase, next_judge
from pev.roles.asker import Answer
from pev.roles.hands import HANDS
from pev.stages.jobs import Progress
from pev.views import RunView, view_run
from pev.work import Spent
from pev_server.asking import Models, Nobody
from pev_server.decisions import Decisions
from pev_server.deps import get_caller, get_decisions, get_engine, get_models, get_progress

Standing = Literal["continue", "person", "host", "done", "stopped"]
_LENT: Final = ASKS - {Phase.AUTHOR}
_CONTINUE: Final = "Not done yet: call run_loop again with this run_id. Nothing is lost or done twice."
_SUBMIT: Final = "Write the plan that the brief asks for, and call submit_plan; then call run_loop again."
_WRITE: Final = "Make the change that the brief asks for in the worktree; then call run_loop again."
_ROLE: Final = (
    "The policy wants the {role} role, and no model can be asked for it here. A session of that role does it:"
    " pev serve --role {role}. Then call run_loop again."
)


class LoopView(Model):
    """Where a loop stands, and who is to act: call again, a person, the host itself, or nobody."""

    state: Standing
    phase: Phase
    run: RunView
    brief: str = Field(default="", description="what the host is to do, where no other model does it")
    spent: Spent = Field(description="what models have cost so far")
    notes: tuple[str, ...] = ()


class _Loop:
    """One call of run_loop."""

    def __init__(
        self, engine: Engine, caller: Caller, decisions: Decisions, models: Models, progress: Progress
    ) -> None:
        self._engine = engine
        self._caller = caller
        self._decisions = decisions
        self._models = models
        self._progress = progress
        self._end = anyio.current_time() + engine.core.config.gate_wait_s

    async def view(self, run: RunId, state: Standing, *notes: str, brief: str = "") -> LoopView:
        """Say where the run stands."""
        now = await self._engine.run(self._caller, run)
        phase = await self._engine.looping.phase(run)
        return LoopView(
            state=state, phase=phase, run=view_run(now), brief=brief, spent=now.work.spent, notes=notes
        )

    async def go_on(self, run: RunId) -> LoopView | InputRequiredResult:
        """Go from phase to phase until somebody else is to act, or the time of one call is over."""
        looping = self._engine.looping
        while True:
            phase = await looping.phase(run)
            if phase is Phase.DONE:
                return await self.view(run, "done")
            if anyio.current_time() >= self._end or not self._models.may_ask:
                return await self.view(run, "continue", _CONTINUE)
            if phase is Phase.PERSON:
                settled = await self._decisions.settle(run)
                if isinstance(settled, InputRequiredResult):
                    return settled
                if await looping.phase(run) is Phase.PERSON:
                    return await self.view(run, "person", *settled.notes)
                continue
            if phase in ASKS:
                answer = await self._ask(run, phase)
                if answer is not None:
                    return answer
                continue
            await self._drive(run)
            if looping.driving(run):
                return await self.view(run, "continue", _CONTINUE)

    async def _drive(self, run: RunId) -> None:
        wait_s = max(0.0, self._end - anyio.current_time())
        lent = (_LENT if self._models.lent else frozenset()) | self._author
        await self._engine.looping.drive(
            self._caller, run, wait_s=wait_s, progress=self._progress, leave=lent
        )

    async def _ask(self, run: RunId, phase: Phase) -> LoopView | InputRequiredResult | None:
        """Have a model do a phase: the host's, else the operator's, else the host itself. None: go on."""
        if phase in _LENT and self._models.lent:
            return await self._sample(run, phase)
        if phase in self._author:
            return await self._sample_author(run)
        if self._engine.looping.has_model:
            await self._drive(run)
            driving = self._engine.looping.driving(run)
            return await self.view(run, "continue", _CONTINUE) if driving else None
        if phase is Phase.PLAN:
            brief = await self._engine.planning.brief(self._caller, run)
            return await self.view(run, "host", _SUBMIT, brief=brief.written)
        if phase is Phase.AUTHOR:
            if await self._engine.authoring.has_news(run):
                await self._engine.authoring.by_host(self._caller, run)
                return None
            brief = await self._engine.authoring.brief(self._caller, run)
            return await self.view(run, "host", _WRITE, brief=brief.written)
        role = Role.TESTER if phase is Phase.TESTS else await self._judge(run)
        return await self.view(run, "host", _ROLE.format(role=role))

    @property
    def _author(self) -> frozenset[Phase]:
        """The author's phase, where the host's model can hold it."""
        return frozenset({Phase.AUTHOR}) if self._models.lent_with_tools else frozenset()

    async def _sample_author(self, run: RunId) -> LoopView | InputRequiredResult | None:
        author = self._engine.authoring
        due = await author.due(self._caller, run, Source.HOST_SAMPLED, self._progress)
        if due is None:
            return None
        brief, messages = due
        answer = await self._models.sample(run, brief, messages=messages, tools=HANDS)
        if isinstance(answer, InputRequiredResult):
            return answer
        if isinstance(answer, Nobody):
            return await self.view(run, "host", answer.why)
        await author.take(self._caller, run, answer)
        return None

    async def _judge(self, run: RunId) -> Role:
        return next_judge(await self._engine.core.state(run)) or Role.REVIEWER

    async def _sample(self, run: RunId, phase: Phase) -> LoopView | InputRequiredResult | None:
        engine = self._engine
        if phase is Phase.PLAN:
            return await self._draft(run)
        role = Role.TESTER if phase is Phase.TESTS else await self._judge(run)
        about = "-"
        if role is Role.TESTER:
            brief = await engine.testing.brief(self._caller, run)
        else:
            brief, about = await engine.reviewing.brief(self._caller, run, role)
        answer = await self._models.sample(run, brief, about)
        if isinstance(answer, InputRequiredResult):
            return answer
        if isinstance(answer, Nobody):
            return await self.view(run, "host", answer.why)
        await self._keep(run, role, answer)
        return None

    async def _keep(self, run: RunId, role: Role, answer: Answer) -> None:
        engine = self._engine
        if role is Role.AUTHOR:
            await engine.authoring.take(self._caller, run, answer)
        elif role is Role.TESTER:
            await engine.testing.take(self._caller, run, answer)
        else:
            await engine.reviewing.take(self._caller, run, answer, role)

    async def _draft(self, run: RunId, came_back: bool = False) -> LoopView | InputRequiredResult | None:
        back = await self._decisions.came_back(run) if came_back else None
        drafted = await self._decisions.draft(run, back)
        if isinstance(drafted, InputRequiredResult):
            return drafted
        if isinstance(drafted, tuple):
            return await self.view(run, "host", _SUBMIT, brief=drafted[0].written)
        return None

    async def take(self, run: RunId) -> LoopView | InputRequiredResult | None:
        """Take what came back with a repeated call. None: go on."""
        back = await self._decisions.came_back(run)
        if back is None:
            return None
        if back.person is not None:
            settled = await self._decisions.settle(run, back=back)
            return settled if isinstance(settled, InputRequiredResult) else None
        role = back.nonce.split(".", 1)[0]
        if role not in (Role.AUTHOR, Role.TESTER, Role.REVIEWER, Role.SECURITY):
            return await self._draft(run, came_back=True)
        answer = self._models.came_back(back)
        if isinstance(answer, Nobody):
            return await self.view(run, "host", answer.why)
        await self._keep(run, Role(role), answer)
        return None


async def run_loop(
    task: Annotated[
        str | None, Field(description="what is to be done, to begin a run", max_length=10_000)
    ] = None,
    run_id: Annotated[str | None, Field(description="a run, to go on with it")] = None,
    repo: Annotated[str | None, Field(description="name or path of an allowed repository")] = None,
    attempts: Annotated[
        int | None, Field(ge=1, le=100, description="most attempts of the author before a person is asked")
    ] = None,
    judges: Annotated[
        list[Judge] | None, Field(description="roles beside those that the policy wants; default: all")
    ] = None,
    stop: Annotated[bool, Field(description="stop working on the run; go on later with run_id")] = False,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
    models: Models = Depends(get_models),
    progress: Progress = Depends(get_progress),
) -> LoopView | InputRequiredResult:
    """Do a whole task: plan, a person's approval, author, held-out tests, gate, reviews, pull request.

    Call it with a task, then again with its run_id while it answers `continue`. What failed goes into the
    next attempt; when attempts or budget are used up a person decides. It never approves and never merges.
    """
    back = await decisions.came_back(parse_run_id(run_id) if run_id is not None else None)
    if back is not None:
        run = parse_run_id(back.run_id)
    elif run_id is not None:
        run = parse_run_id(run_id)
    elif task is not None:
        run = (await engine.planning.open_run(caller, task, repo=repo)).id
    else:
        raise InvalidInput("neither a task nor a run is named", hint="Give task, or run_id.")
    loop = _Loop(engine, caller, decisions, models, progress)
    if stop:
        await engine.looping.stop(caller, run)
        return await loop.view(run, "stopped")
    can_ask = models.lent or engine.looping.has_model
    await engine.looping.start(caller, run, attempts=attempts, judges=judges, can_ask=can_ask)
    taken = await loop.take(run)
    return taken if taken is not None else await loop.go_on(run)


TOOLS: Final = (
    Tool.from_function(
        run_loop,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
        ),
    ),
)
