"""The trail on the page, over plain HTTP: who reads what, what is said of the record, and what never is."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import pytest
from anyio import to_thread

from pev.config import load_config
from pev.events import Kind
from pev.models import RunId, Source, run_stream
from pev.trail.notary import Notary
from pev.trail.proof import parse_proof, verify_proof
from pev.trail.query import TrailQuery
from pev.trail.store import Trail
from pev_server.principal import local_principal
from pev_server.web.markup import Markup, text
from pev_server.web.record import record_page
from support.cli import on_terminal, pev
from support.clients import PEV
from support.engines import AGENT, APPROVE, engine_at
from support.issuers import Issuer, hosted_page
from support.pages import Answer, Visitor, hidden_fields, page_open
from support.plans import plan
from support.repos import UserRepoFixture
from support.stories import HOSTILE, HOSTILE_FILE, whole_run
from support.tampering import opened_raw
from support.trail_events import event, opened, plan_submitted

pytestmark = pytest.mark.needs_host
FIRST: Final = RunId("00000000")
BASE: Final = "/approvals/"


@contextmanager
def reading(cwd: Path, *command: str) -> Iterator[tuple[Visitor, str]]:
    """Come in to `pev trail --open`: give the visitor, and the path of the page."""
    with page_open(cwd, *(command or ("trail", "--open"))) as link:
        place = urlsplit(link)
        visitor = Visitor(f"{place.scheme}://{place.netloc}")
        assert visitor.send(f"{place.path}?{place.query}").status == 200
        yield visitor, place.path.removesuffix("enter")


def trail_file() -> Path:
    return load_config().trail_file


def record_runs(count: int, events: int = 0) -> None:
    """Write runs into the trail without the work: the first of them with further events."""
    with Trail.open(trail_file()) as trail:
        for number in range(count):
            run = run_stream(RunId(f"{number:08x}"))
            trail.append(run, [opened(f"task {number}.")], expected_version=0)
        calls = [event(Kind.TOOL_CALLED, tool=f"tool-{n}.") for n in range(events)]
        trail.append(run_stream(FIRST), calls, expected_version=None)


def seen_until(send: Callable[[], Answer], words: str) -> Answer:
    """Load a page until it says something: verification goes on beside it."""
    deadline = time.monotonic() + 120
    while words not in (answer := send()).body:
        assert time.monotonic() < deadline, answer.body
    return answer


def links(answer: Answer, name: str) -> list[str]:
    """Give where the links of a name lead."""
    found = re.findall(rf'<a href="([^"]*)"[^>]*>{name}</a>', answer.body)
    return [one.replace("&amp;", "&").partition("#")[0] for one in found]


def test_a_run_is_read_from_the_list_to_a_proof_and_nothing_foreign_is_markup(
    user_repo: UserRepoFixture,
) -> None:
    run_id = anyio.run(whole_run, user_repo)
    with Trail.open(trail_file()) as trail:
        keys = Notary.of(trail, load_config()).known_keys()
    with reading(user_repo.path) as (visitor, base):
        listed = seen_until(lambda: visitor.send(f"{base}trail/"), "roll-back not excluded")
        assert f"{base}trail/runs/{run_id}" in listed.body
        for part in ("project", "pr open", "local:ada", "PASSED", "agent/"):
            assert part in listed.body
        shown = visitor.send(f"{base}trail/runs/{run_id}")
        for part in (HOSTILE, HOSTILE_FILE):
            assert str(text(part)) in shown.body
        for part in (
            "Revision 2, approved",
            "terminal (person-present), after",
            "Gate 1 ",
            "(let through by local:ada)",
            "ended the gate: HELD (integrity HELD, 1 passed)",
            "606 more lines of this file are not shown.",
            "reviewer: ACCEPT of",
            "Verified up to event",
        ):
            assert part in shown.body, part
        assert "another form" not in shown.body
        decided = re.findall(rf'href="({base}trail/events/(\d+)/proof)"', shown.body)
        place, number = decided[0]
        proof = visitor.send(place)
        assert proof.headers["content-disposition"] == f'attachment; filename="event-{number}.tlog-proof"'
        assert proof.headers["content-type"].startswith("text/plain")
        proven = verify_proof(parse_proof(proof.body.encode()), keys).event
        assert (proven.seq, proven.stream) == (int(number), run_stream(run_id))
        assert proven.kind is Kind.DECISION_ANSWERED
        evidence = visitor.send(f"{base}trail/runs/{run_id}/evidence")
        assert json.loads(evidence.body)["run"] == run_id
        refused = {
            "no run": visitor.send(f"{base}trail/runs/ffffffff").status,
            "no id": visitor.send(f"{base}trail/runs/../..").status,
            "no event": visitor.send(f"{base}trail/events/999999/proof").status,
            "no cursor": visitor.send(f"{base}trail/?before=x").status,
            "no cursor of this": visitor.send(f"{base}trail/runs/{run_id}?cursor=x").status,
            "too long a cursor": visitor.send(f"{base}trail/runs/{run_id}?cursor={'x' * 501}").status,
            "no page": visitor.send(f"{base}trail/secrets").status,
            "a form": visitor.send(f"{base}trail/runs/{run_id}", {"a": "b"}).status,
            "a stranger": Visitor(visitor.origin).send(f"{base}trail/").status,
            "a stranger's proof": Visitor(visitor.origin).send(place).status,
        }
        assert refused == {
            "no run": 404,
            "no id": 404,
            "no event": 404,
            "no cursor": 400,
            "no cursor of this": 400,
            "too long a cursor": 400,
            "no page": 404,
            "a form": 404,
            "a stranger": 401,
            "a stranger's proof": 401,
        }
    pages = [one for one in visitor.seen if one.headers["content-type"].startswith("text/html")]
    for one in pages:
        assert not re.search(r"<(img|script|iframe|button|form)\b", one.body)
        assert "\u202e" not in one.body
        assert " style=" not in one.body
    for one in visitor.seen:
        assert "default-src 'none'" in one.headers["content-security-policy"]
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-content-type-options"] == "nosniff"
    reads = anyio.run(_reads, user_repo.path)
    assert any(read.get("query", {}).get("run") == run_id for read in reads)
    assert any(read.get("proof") and read["event"] == int(number) for read in reads)


async def _reads(repo: Path) -> list[dict[str, Any]]:
    async with engine_at(repo) as engine:
        page = await engine.core.query(TrailQuery(kinds=(Kind.TRAIL_READ,), limit=100))
    assert {one.actor.principal for one in page.events} == {local_principal()}
    return [one.payload or {} for one in page.events]


def test_runs_and_events_come_in_pages_of_a_stable_order(user_repo: UserRepoFixture) -> None:
    record_runs(27, events=120)
    with reading(user_repo.path) as (visitor, base):
        newest = visitor.send(f"{base}trail/")
        (older,) = links(newest, "Older runs")
        oldest = visitor.send(older)
        assert re.findall(r"task (\d+)\.", newest.body) == [str(one) for one in range(26, 1, -1)]
        assert re.findall(r"task (\d+)\.", oldest.body) == ["1", "0"]
        assert links(oldest, "Older runs") == []
        assert links(oldest, "Newest runs") == [f"{base}trail/"]
        run = visitor.send(f"{base}trail/runs/{FIRST}")
        (further,) = links(run, "Further events")
        rest = visitor.send(further)
        told = re.findall(r"called tool-(\d+)\.", run.body) + re.findall(r"called tool-(\d+)\.", rest.body)
        assert told == [str(one) for one in range(120)]
        (turned,) = links(run, "Newest first")
        first = visitor.send(turned)
        (back,) = links(first, "Further events")
        told = re.findall(r"called tool-(\d+)\.", first.body + visitor.send(back).body)
        assert told == [str(one) for one in reversed(range(120))]


async def test_a_run_of_many_revisions_is_still_a_page(user_repo: UserRepoFixture) -> None:
    """An agent may submit as many as it likes; a person must be able to read what came of it."""
    record_runs(1)
    with Trail.open(trail_file()) as trail:
        for number in range(1, 41):
            one = plan(goal=f"goal {number}.", approach="x" * 15_000 + str(number))
            trail.append(run_stream(FIRST), [plan_submitted(one, number)], expected_version=None)
    async with engine_at(user_repo.path) as engine:
        found = await engine.recounting.record(AGENT, FIRST)
    shown = record_page(found, Markup(""), base="/", who="", newest_first=False)
    assert "Revision 40, not approved" in shown
    assert "30 older ones are in the timeline." in shown
    assert len(shown) < 1_000_000


def test_whoever_changes_the_file_is_told_of_on_the_next_page(user_repo: UserRepoFixture) -> None:
    """Also where what is to be shown cannot be read any more: an error is no reason to say nothing."""
    record_runs(2)
    with reading(user_repo.path) as (visitor, base):
        listed = seen_until(lambda: visitor.send(f"{base}trail/"), "consistent")
        assert "BROKEN" not in listed.body
        with opened_raw(trail_file()) as raw:
            raw.execute("UPDATE events SET payload = replace(payload, 'task 0.', '<b>0</b>') WHERE seq = 0")
        broken = seen_until(lambda: visitor.send(f"{base}trail/"), "BROKEN")
        assert "BROKEN: payload changed" in broken.body
        assert "payload changed at 0" in broken.body
        assert "consistent" not in broken.body
        run = visitor.send(f"{base}trail/runs/{FIRST}")
        assert (run.status, "BROKEN: payload changed" in run.body) == (200, True)
        assert str(text("<b>0</b>")) in run.body
        assert "<b>" not in run.body
        with opened_raw(trail_file()) as raw:
            raw.execute("UPDATE runs SET state = '{}' WHERE run = ?", (FIRST,))
        lost = visitor.send(f"{base}trail/runs/{FIRST}")
        assert (lost.status, "BROKEN" in lost.body) == (500, True)
        listed = visitor.send(f"{base}trail/")
        assert (listed.status, "task 1." in listed.body) == (200, True)
        assert f'<a href="{base}trail/runs/{FIRST}">{FIRST}</a> CANNOT BE READ' in listed.body
        with opened_raw(trail_file()) as raw:
            raw.execute("UPDATE runs SET state = '{}', run = '<i>/../' || run")
        spoiled = visitor.send(f"{base}trail/")
        assert (spoiled.status, spoiled.body.count("CANNOT BE READ")) == (200, 2)
        assert "<i>" not in spoiled.body
        with opened_raw(trail_file()) as raw:
            raw.execute("DELETE FROM events WHERE seq > 0")
        cut = seen_until(lambda: visitor.send(f"{base}trail/runs/ffffffff/x"), "no run id")
        assert cut.status == 404
        gone = seen_until(lambda: visitor.send(f"{base}trail/"), "rolled back")
        assert (gone.status, "CANNOT BE READ" in gone.body) == (200, True)


def test_a_checkpoint_kept_elsewhere_is_named_and_a_foreign_one_opens_nothing(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    record_runs(2)
    kept = tmp_path / "kept-elsewhere"
    with Trail.open(trail_file()) as trail:
        kept.write_text(Notary.of(trail, load_config()).checkpoint().note, "utf-8")
    command = ("trail", FIRST, "--open", "--checkpoint", str(kept))
    with reading(user_repo.path, *command) as (visitor, base):
        claim = "consistent; extends the checkpoint of 3 events kept by kept-elsewhere"
        shown = seen_until(lambda: visitor.send(f"{base}trail/runs/{FIRST}"), claim)
        assert f"{base}trail/runs/{FIRST}" in visitor.seen[0].body
        assert "roll-back not excluded" not in shown.body
    kept.write_text(kept.read_text("utf-8").replace("\n3\n", "\n2\n"), "utf-8")
    ended = on_terminal([PEV, *command, "--no-browser"], cwd=user_repo.path, answers={})
    assert (ended.code, "http://" in ended.out) == (5, False)
    assert pev("trail", "--checkpoint", str(kept), cwd=user_repo.path).code == 2


def logged_in(server: Issuer, origin: str, org: str, granted: str, path: str = BASE) -> tuple[Visitor, str]:
    """Log in as somebody of a tenant: give the visitor, and where they are sent then."""
    server.spoil, server.granted = {"org": org}, f"openid {granted}"
    visitor = Visitor(origin)
    begun = visitor.send(visitor.send(path).headers["location"])
    there = urlsplit(begun.headers["location"])
    back = urlsplit(Visitor(server.home).send(f"{there.path}?{there.query}").headers["location"])
    entered = visitor.send(f"{back.path}?{back.query}")
    assert entered.status == 200, entered.body
    return visitor, links(entered, "Go on")[0]


async def test_behind_a_login_everybody_reads_their_own_tenant_as_far_as_they_were_granted(
    user_repo: UserRepoFixture,
) -> None:
    async with hosted_page(user_repo, tenant_claim="org") as (url, server):
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        tenant = f"{server.home}#red"
        async with engine_at(user_repo.path) as engine:
            mine = AGENT.model_copy(update={"tenant": tenant})
            run_id = (await engine.within(tenant).planning.open_run(mine, "Secret of red")).id
            await engine.within(tenant).planning.submit(mine, run_id, plan(), source=Source.HOST_SUBMITTED)
            seq = (await engine.core.query(TrailQuery(run=run_id, limit=1))).events[0].seq
        run, proof = f"{BASE}trail/runs/{run_id}", f"{BASE}trail/events/{seq}/proof"

        def visits() -> dict[str, list[int]]:
            red, to = logged_in(server, origin, "red", "pev:audit", run)
            assert to == run
            blue, _ = logged_in(server, origin, "blue", "pev:audit pev:approve")
            reader, _ = logged_in(server, origin, "red", "pev:read")
            listed = seen_until(lambda: red.send(f"{BASE}trail/"), "roll-back not excluded")
            assert "Secret of red" in listed.body
            shown = red.send(run).body
            assert "opened the run in project" in shown
            assert "Secret" not in seen_until(lambda: blue.send(f"{BASE}trail/"), "not excluded").body
            plain = reader.send(run).body
            assert "Add a slugify function" in plain
            assert "opened the run in project" not in plain + reader.send(f"{BASE}trail/").body
            assert "consistent" not in plain
            waiting = reader.send(f"{BASE}runs/{run_id}").body
            assert "Deciding needs pev:approve" in waiting
            assert "<form" not in waiting
            approver, _ = logged_in(server, origin, "red", "pev:approve")
            form = hidden_fields(approver.send(f"{BASE}runs/{run_id}").body)
            return {
                name: [one.send(run).status, one.send(proof).status, one.send(f"{run}/evidence").status]
                for name, one in {"red": red, "blue": blue, "reader": reader, "approver": approver}.items()
            } | {"forged": [reader.send(f"{BASE}runs/{run_id}", {**form, **APPROVE}).status]}

        answered = await to_thread.run_sync(visits)
    assert answered == {
        "red": [200, 200, 404],
        "blue": [404, 404, 404],
        "reader": [200, 403, 404],
        "approver": [200, 403, 404],
        "forged": [403],
    }
