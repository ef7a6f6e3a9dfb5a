"""The part of the page where the trail is read: runs, one run, proofs and evidence to take away.

It only reads. The engine holds who may, and makes reads of events into events.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pev.engine import Engine, parse_run_id
from pev.errors import TrailCorrupt, TrailUnavailable
from pev.models import Caller, Scope
from pev_server.web.layout import document, simple
from pev_server.web.markup import Markup, tag
from pev_server.web.record import record_page
from pev_server.web.standing import standing_section
from pev_server.web.trail import runs_page

RUNS: Final = 25
_PATIENCE_S: Final = 0.5
"""How long a page waits for the record to be verified; then it shows what was verified before."""
_PROOF: Final = re.compile(r"events/([0-9]{1,15})/proof")
_EVIDENCE: Final = re.compile(r"runs/([0-9a-f]{8})/evidence")


async def answer_trail(path: str, request: Request, engine: Engine, caller: Caller, base: str) -> Response:
    """Answer a request below `trail/`; `path` is what follows that. Raises what the engine raises."""
    if match := _PROOF.fullmatch(path):
        proof = await engine.reading.prove(caller, int(match[1]))
        return _download(proof.encode(), f"event-{match[1]}.tlog-proof", "text/plain; charset=utf-8")
    if match := _EVIDENCE.fullmatch(path):
        evidence = await engine.reading.evidence(caller, parse_run_id(match[1]))
        return _download(evidence, f"{match[1]}.evidence.json", "application/json")
    first, _, rest = path.partition("/")
    if path and first != "runs":
        return HTMLResponse(simple("Not found", "There is nothing here.", base=base), 404)
    standing = await _standing(engine, caller)
    asked, who = request.query_params, caller.principal
    try:
        if not path:
            page = await engine.recounting.runs(caller, limit=RUNS, before=asked.get("before"))
            return HTMLResponse(runs_page(page, standing, base=base, who=who, first="before" not in asked))
        newest_first = asked.get("order") == "newest"
        found = await engine.recounting.record(
            caller, parse_run_id(rest), cursor=asked.get("cursor"), newest_first=newest_first
        )
        return HTMLResponse(record_page(found, standing, base=base, who=who, newest_first=newest_first))
    except (TrailCorrupt, TrailUnavailable) as exc:
        told = tag("section", tag("p", exc.message))
        body = document("Not readable", tag("h1", "This cannot be read"), standing, told, base=base, who=who)
        return HTMLResponse(body, 500)


async def _standing(engine: Engine, caller: Caller) -> Markup:
    if Scope.AUDIT not in caller.scopes:
        return standing_section(None, None)
    found = await engine.monitoring.standing(caller, wait_s=_PATIENCE_S)
    try:
        size = await engine.monitoring.size(caller)
    except (TrailCorrupt, TrailUnavailable):  # the standing says what is wrong with it
        size = None
    return standing_section(found, size)


def _download(data: bytes, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)
