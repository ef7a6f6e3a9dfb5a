"""A real engine over a real repository, and the callers that tests act as."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pev.config import Config, load_config
from pev.engine import Engine, open_engine
from pev.models import AGENT_SCOPES, Caller, Channel, Host, Role, RunId, Scope, Source
from pev.plan import Plan
from pev.run import RunState

AGENT: Final = Caller(
    principal="local:ada", role=Role.AUTHOR, scopes=AGENT_SCOPES, host=Host(name="test", version="1")
)
PERSON: Final = Caller(principal="local:ada", role=Role.PERSON, scopes=frozenset(Scope))
APPROVE: Final = {"decision": "approve", "comment": ""}


def config(**changes: Any) -> Config:
    """Give the configuration of the test's own home, with some settings changed."""
    return load_config(**changes)


@asynccontextmanager
async def engine_at(repo: Path, **changes: Any) -> AsyncIterator[Engine]:
    """Open an engine in a repository."""
    async with open_engine(config(**changes), cwd=repo) as engine:
        yield engine


async def approved(engine: Engine, plan: Plan, *, base: str | None = None) -> RunState:
    """Open a run, submit its plan, and have a person approve it."""
    state = await engine.planning.open_run(AGENT, "Add slugify", base=base)
    await engine.planning.submit(AGENT, state.id, plan, source=Source.HOST_SUBMITTED)
    return await decide(engine, state.id, APPROVE)


async def decide(engine: Engine, run_id: RunId, raw: dict[str, Any]) -> RunState:
    """Answer the run's open question, in a terminal."""
    question = await engine.desk.question(run_id, AGENT)
    assert question is not None
    return await engine.desk.answer(run_id, question.nonce, raw, channel=Channel.TERMINAL, caller=PERSON)


async def trusted(engine: Engine) -> None:
    """Have a person trust the repository's policy."""
    await engine.verifying.trust(PERSON, None)
