"""Runs, findings and approvals: folded from the log, updated with it, and made again from it alone."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.errors import BlobUnknown, InvalidInput, RunUnknown, TrailCorrupt
from pev.events import Event, Kind, NewEvent
from pev.findings import Outcome
from pev.models import Boundary, RepoId, RunId, Verdict, digest_of, repo_stream, run_stream
from pev.run import Status, apply_event, fold
from pev.trail.query import RunPage, TrailQuery
from pev.trail.store import Trail
from support.trail_events import (
    FINDING,
    PERSON,
    PLAN,
    answered,
    asked,
    event,
    opened,
    plan_submitted,
    record_run,
)

FIRST = RunId("00000001")
SECOND = RunId("00000002")


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    """An empty trail."""
    with Trail.open(tmp_path / "trail.sqlite3") as opened_trail:
        yield opened_trail


def projected(trail: Trail) -> dict[str, list[object]]:
    """Read every row of every projection from outside."""
    connection = sqlite3.connect(trail._database.path)
    try:
        tables = ("runs", "tags", "findings", "approvals", "shape")
        return {name: sorted(connection.execute(" ".join(["SELECT * FROM", name]))) for name in tables}
    finally:
        connection.close()


def tamper(trail: Trail, statement: str) -> None:
    """Change the file from outside."""
    connection = sqlite3.connect(trail._database.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_run_is_the_fold_of_its_events(trail: Trail) -> None:
    """From the task to the pull request, one failed gate on the way."""
    stream = record_run(trail, FIRST)

    state = trail.run_state(FIRST)

    assert state == fold(trail.read(stream))
    assert state.status is Status.PR_OPEN
    assert state.version == trail.version(stream) == 14
    assert [gate.outcome for gate in state.gates] == [Outcome.FAILED, Outcome.PASSED]
    assert state.approved_revision is not None
    assert state.approved_revision.plan == PLAN
    assert state.opened_by == "local:ada"
    assert trail.verify().summary == "consistent; roll-back not excluded"


def test_state_moves_with_each_append(trail: Trail) -> None:
    """There is no moment at which the log says one thing and the state another."""
    stream = run_stream(FIRST)
    seen = []
    for step in ([opened()], [plan_submitted()], [asked()], [answered(Verdict.REJECT)]):
        trail.append(stream, step, expected_version=trail.version(stream))
        seen.append(trail.run_state(FIRST).status)

    assert seen == [Status.DRAFTED, Status.AWAITING_APPROVAL, Status.AWAITING_APPROVAL, Status.ABANDONED]


def test_an_unknown_run_is_said(trail: Trail) -> None:
    """With its id, and where to look."""
    with pytest.raises(RunUnknown, match="no run 'ffffffff'"):
        trail.run_state(RunId("ffffffff"))


def test_runs_come_newest_first_in_pages(trail: Trail) -> None:
    """A long list is walked page by page, and each run comes once, even while new ones are opened."""
    for n in range(7):
        trail.append(run_stream(RunId(f"{n:08x}")), [opened(repo=f"r{n % 2}")], expected_version=0)

    first = trail.runs(limit=3)
    trail.append(run_stream(RunId("ffffffff")), [opened()], expected_version=0)
    second = trail.runs(limit=3, before=first.cursor)
    third = trail.runs(limit=3, before=second.cursor)

    assert [[int(run.id, 16) for run in page] for page in (first, second, third)] == [
        [6, 5, 4],
        [3, 2, 1],
        [0],
    ]
    assert third.cursor is None
    assert [run.id for run in trail.runs(repo=RepoId("r1"))] == ["00000005", "00000003", "00000001"]


def test_open_runs_are_those_that_are_not_over(trail: Trail) -> None:
    """What a developer comes back to."""
    for run in (FIRST, SECOND):
        trail.append(run_stream(run), [opened()], expected_version=0)
    trail.append(run_stream(FIRST), [event(Kind.RUN_ABANDONED, reason="no")], expected_version=1)

    assert [run.id for run in trail.runs(open_only=True)] == [SECOND]
    assert [run.id for run in trail.runs()] == [SECOND, FIRST]


@pytest.mark.parametrize(
    "value",
    [
        "'{}'",
        "'no json'",
        "x'ff'",
        "CAST(x'227bff' AS TEXT)",
        "1.5",
        "(SELECT state FROM runs WHERE run = '00000002')",
        "replace(state, '00000001', '0000000f')",
    ],
)
def test_a_state_that_somebody_changed_is_named_beside_those_that_can_be_read(
    trail: Trail, value: str
) -> None:
    """One run must not stop the list of all; who counts on the list being whole is told of it instead."""
    for run in (FIRST, SECOND):
        trail.append(run_stream(run), [opened()], expected_version=0)
    tamper(trail, " ".join(["UPDATE runs SET state =", value, "WHERE run = '00000001'"]))

    page = trail.runs(tolerant=True)
    assert ([run.id for run in page], page.unreadable) == ([SECOND], (FIRST,))
    newest = trail.runs(tolerant=True, limit=1)
    assert trail.runs(tolerant=True, limit=1, before=newest.cursor).unreadable == (FIRST,)
    with pytest.raises(TrailCorrupt, match="state of run 00000001 cannot be read"):
        trail.runs()
    with pytest.raises(TrailCorrupt):
        trail.run_state(FIRST)


def of_tenant(name: str) -> NewEvent:
    first = opened()
    return first.model_copy(update={"payload": {**first.payload, "tenant": name}})


def test_a_tenants_list_ends_where_its_own_runs_do(trail: Trail) -> None:
    """A cursor that leads to an empty page tells of others' runs."""
    for n, name in enumerate(["blue", "red", "blue", "red", "blue"]):
        trail.append(run_stream(RunId(f"{n:08x}")), [of_tenant(name)], expected_version=0)

    both = trail.runs(tenant="red", limit=2)
    assert ([run.id for run in both], both.cursor) == (["00000003", "00000001"], None)
    first = trail.runs(tenant="red", limit=1)
    second = trail.runs(tenant="red", limit=1, before=first.cursor)
    assert [*first, *second] == [*both]
    assert second.cursor is None
    assert trail.runs(tenant="green") == RunPage(runs=())


def test_another_tenants_state_that_somebody_changed_is_no_matter_of_this_one(trail: Trail) -> None:
    """Neither is its run named to them, nor are their own kept from them."""
    for run, name in ((FIRST, "blue"), (SECOND, "red")):
        trail.append(run_stream(run), [of_tenant(name)], expected_version=0)
    tamper(trail, "UPDATE runs SET state = 'no json' WHERE run = '00000001'")

    page = trail.runs(tenant="red")
    assert ([run.id for run in page], page.unreadable) == ([SECOND], ())
    found = trail.query(TrailQuery(), tenant="red")
    assert [one.stream for one in found.events] == [run_stream(SECOND)]


def test_a_stream_of_no_run_is_no_beginning_of_one() -> None:
    """Its name would become a run's id."""
    first = Event(
        seq=0,
        stream=repo_stream(RepoId("r")),
        version=1,
        at="2026-01-01T00:00:00Z",
        payload_digest=digest_of(b""),
        **opened().model_dump(),
    )
    with pytest.raises(TrailCorrupt, match="stream repo:r is no run's"):
        apply_event(None, first)


def test_a_cursor_of_another_list_is_refused(trail: Trail) -> None:
    """It would skip runs silently."""
    for run in (FIRST, SECOND):
        trail.append(run_stream(run), [opened()], expected_version=0)
    cursor = trail.runs(limit=1).cursor

    with pytest.raises(InvalidInput, match="does not belong"):
        trail.runs(limit=1, before=cursor, open_only=True)
    with pytest.raises(InvalidInput, match="limit 0"):
        trail.runs(limit=0)


def test_findings_are_found_by_run_path_and_fingerprint(trail: Trail) -> None:
    """Has this been seen before, and where? The newest answer comes first."""
    record_run(trail, FIRST)
    record_run(trail, SECOND)

    everywhere = trail.findings(path="src/app/calc.py")

    assert [one.run for one in everywhere] == [SECOND, FIRST]
    assert everywhere[0].finding.model_dump(exclude={"message"}) == FINDING
    assert trail.findings(run=FIRST) == everywhere[1:]
    assert (
        trail.findings(fingerprint=everywhere[0].finding.fingerprint, before=everywhere[0].event)
        == everywhere[1:]
    )
    assert trail.findings(path="src/app/other.py") == ()
    assert trail.event(everywhere[0].event).kind is Kind.GATE_FINISHED


def test_approvals_are_found_by_run_and_person(trail: Trail) -> None:
    """Who decided what, for an auditor."""
    record_run(trail, FIRST)
    record_run(trail, SECOND)

    decisions = trail.approvals(principal=PERSON.principal)

    assert [one.run for one in decisions] == [SECOND, FIRST]
    assert decisions[0].approval == trail.run_state(SECOND).approvals[0]
    assert decisions[0].approval.boundary is Boundary.PLAN
    assert trail.approvals(run=FIRST) == decisions[1:]
    assert trail.approvals(principal="local:nobody") == ()


def test_a_rebuild_gives_what_was_there(trail: Trail) -> None:
    """The log alone is enough: projections hold nothing of their own."""
    record_run(trail, FIRST)
    record_run(trail, SECOND, repo="other")
    live = projected(trail)

    assert trail.rebuild() == 28

    assert projected(trail) == live
    assert all(live.values())


def test_a_rebuild_keeps_few_states_in_memory(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs there are, and however their events alternate, the result is the same."""
    for run in (FIRST, SECOND):
        trail.append(run_stream(run), [opened()], expected_version=0)
    for run in (FIRST, SECOND, FIRST):
        trail.append(run_stream(run), [plan_submitted()], expected_version=None)
    live = projected(trail)
    monkeypatch.setattr("pev.trail.projections._KEPT_STATES", 1)

    trail.rebuild()

    assert projected(trail) == live


def test_a_rebuild_mends_changed_projections(trail: Trail) -> None:
    """And nothing of the log."""
    record_run(trail, FIRST)
    live, head = projected(trail), trail.head()
    for statement in (
        "UPDATE runs SET state = replace(state, 'pr_open', 'merged')",
        "DELETE FROM tags WHERE tag LIKE 'path:%'",
        "DELETE FROM findings",
        "UPDATE approvals SET principal = 'local:mallory'",
    ):
        tamper(trail, statement)

    trail.rebuild()

    assert projected(trail) == live
    assert trail.head() == head


def test_a_rebuild_that_cannot_be_leaves_everything_as_it_was(trail: Trail) -> None:
    """A log that contradicts itself is no reason to lose the last good state."""
    record_run(trail, FIRST)
    tamper(trail, "UPDATE events SET payload = NULL WHERE kind = 'plan.submitted'")
    live = projected(trail)

    with pytest.raises(TrailCorrupt, match="was erased"):
        trail.rebuild()

    assert projected(trail) == live


def test_projections_made_by_other_rules_are_made_anew_on_opening(trail: Trail) -> None:
    """An upgrade that reads events in another way must not ask the user for a command first."""
    record_run(trail, FIRST)
    live = projected(trail)
    tamper(trail, "UPDATE shape SET hash = 'older'")
    tamper(trail, "DELETE FROM tags")

    with Trail.open(trail._database.path) as again:
        assert projected(again) == live


def test_a_trail_that_cannot_be_folded_still_opens(trail: Trail) -> None:
    """Else nobody could verify it."""
    record_run(trail, FIRST)
    tamper(trail, "UPDATE events SET payload = NULL WHERE kind = 'plan.submitted'")
    tamper(trail, "UPDATE shape SET hash = 'older'")

    with Trail.open(trail._database.path) as again:
        assert not again.verify().intact
        assert again.run_state(FIRST).status is Status.PR_OPEN


def test_a_stored_state_that_cannot_be_read_names_the_way_out(trail: Trail) -> None:
    """A changed projection is mended from the log."""
    record_run(trail, FIRST)
    tamper(trail, "UPDATE runs SET state = '{}'")

    with pytest.raises(TrailCorrupt, match="stored state of run 00000001") as caught:
        trail.run_state(FIRST)
    assert "rebuild" in caught.value.hint

    trail.rebuild()
    assert trail.run_state(FIRST).status is Status.PR_OPEN


def test_the_report_of_a_gate_is_there_as_a_blob(trail: Trail) -> None:
    """The state names it, the trail has it."""
    record_run(trail, FIRST)
    gate = trail.run_state(FIRST).gate

    assert gate is not None
    assert gate.report is not None
    assert trail.get_blob(gate.report).data == b'{"outcome":"PASSED"}'
    with pytest.raises(BlobUnknown):
        trail.get_blob(digest_of(b"another"))
