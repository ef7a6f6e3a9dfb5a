"""Tools of the trail: query_trail, explain_change, verify_trail."""

from typing import Annotated, Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field

from pev.engine import Engine
from pev.errors import InvalidInput
from pev.models import Caller, Digest
from pev.trail.explanation import Explanation
from pev.trail.faults import VerifyReport
from pev.trail.merkle import TreeHead
from pev.trail.query import TrailPage, TrailQuery
from pev_server.deps import get_caller, get_engine


async def query_trail(
    query: Annotated[
        TrailQuery | None, Field(description="all filters are optional; they narrow each other")
    ] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> TrailPage:
    """Ask the record what happened: by run, kind, tool, check, outcome, file, principal, time or text.

    Pages by cursor, in stable order. That you asked becomes an event too.
    """
    return await engine.reading.query(caller, query or TrailQuery())


async def verify_trail(
    expected_size: Annotated[
        int | None, Field(ge=0, description="size of a head that was kept elsewhere")
    ] = None,
    expected_root: Annotated[
        str | None, Field(pattern="^[0-9a-f]{64}$", description="root of that head")
    ] = None,
    checkpoint: Annotated[
        str | None,
        Field(max_length=1_000_000, description="a signed checkpoint, or a proof, that was kept elsewhere"),
    ] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> VerifyReport:
    """Check that the record is intact: no event changed, removed, reordered or inserted.

    A cut tail or a roll-back can only be seen against a head or a signed checkpoint kept elsewhere, for
    instance in a pull request.
    """
    if (expected_size is None) != (expected_root is None) or (checkpoint and expected_root):
        raise InvalidInput(
            "a head needs both its size and its root, and no checkpoint beside it",
            hint="Give expected_size and expected_root, or checkpoint.",
        )
    expected = None
    if expected_size is not None and expected_root is not None:
        expected = TreeHead(size=expected_size, root=Digest(expected_root))
    kept = checkpoint.encode() if checkpoint else None
    return await engine.reading.verify(caller, expected, kept=kept)


async def explain_change(
    path: Annotated[str, Field(max_length=1_000, description="the file, relative to the repository")],
    line: Annotated[int, Field(ge=1, le=10_000_000, description="number of the line, from 1")],
    repo: Annotated[
        str | None, Field(description="name of an allowed repository, if there are several")
    ] = None,
    rev: Annotated[
        str, Field(max_length=200, description="the commit, branch or tag at which the line has this number")
    ] = "HEAD",
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> Explanation:
    """Say why a line is there: its commit, the run and plan step, who approved how, the gate, who merged.

    Sees through squash and rebase merges. That you asked becomes an event.
    """
    return await engine.reading.explain(caller, path, line, repo=repo, rev=rev)


_READS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
TOOLS: Final = (
    Tool.from_function(query_trail, annotations=_READS),
    Tool.from_function(explain_change, annotations=_READS),
    Tool.from_function(verify_trail, annotations=_READS),
)
