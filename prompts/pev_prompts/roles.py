"""Prompts of the roles: author, tests, review, security_review, each with its run's context filled in."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.prompts import Prompt

from pev.engine import Engine, parse_run_id
from pev.errors import RunUnknown
from pev.gateview import view_gate
from pev.models import Caller, Role
from pev.roles.brief import Brief, brief_author, brief_reviewer
from pev_server.deps import get_caller, get_engine


def _written(brief: Brief) -> str:
    return brief.written


async def _gate_json(engine: Engine, caller: Caller, run_id: str) -> str:
    try:
        report = await engine.reading.report(caller, parse_run_id(run_id))
    except RunUnknown:
        return ""
    return view_gate(report).model_dump_json(indent=1)


async def author(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """Make the change of an approved plan."""
    state = await engine.run(caller, parse_run_id(run_id))
    return _written(brief_author(state, await _gate_json(engine, caller, run_id)))


async def held_out_tests(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """Write tests from the acceptance criteria and the interface before the change; never from the change."""
    return _written(await engine.testing.brief(caller, parse_run_id(run_id)))


async def review(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """Review the change of a run against its plan."""
    return await _reviewed(run_id, Role.REVIEWER, engine, caller)


async def security_review(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """Look for vulnerabilities, secrets and weakened checks in the change of a run."""
    return await _reviewed(run_id, Role.SECURITY, engine, caller)


async def _reviewed(run_id: str, role: Role, engine: Engine, caller: Caller) -> str:
    state = await engine.run(caller, parse_run_id(run_id))
    diff = await engine.reading.diff(caller, state.id)
    return _written(brief_reviewer(state, diff, await _gate_json(engine, caller, run_id), role=role))


PROMPTS: Final = (
    Prompt.from_function(author),
    Prompt.from_function(held_out_tests, name="tests"),
    Prompt.from_function(review),
    Prompt.from_function(security_review),
)
