"""Why a line is there: from the line to run, approval, gate and merge, however it was merged."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pev.engine import Engine
from pev.errors import Forbidden, InvalidInput, RefNotFound, RoleRefused
from pev.events import Kind
from pev.findings import CheckResult, GateReport, Outcome
from pev.models import Caller, Digest, ObjectId, Role, RunId, Scope, digest_of, run_stream
from pev.stages import explaining
from pev.trail.explanation import Match
from pev.trail.query import TrailQuery
from support.clients import ERAS, Era, call, connected
from support.commands import run_pev
from support.engines import PERSON, engine_at
from support.repos import UserRepoFixture
from support.trail_events import PLAN, answered, asked, event, opened, plan_submitted, worktree_made

RUN = RunId("00000001")
PATH = "src/app/calc.py"
NEW = "def triple(n: int) -> int:\n    return 3 * n\n"


def text_of(repo: UserRepoFixture, path: str) -> str:
    return (repo.path / path).read_text(encoding="utf-8")


@pytest.fixture
async def engine(user_repo: UserRepoFixture) -> AsyncIterator[Engine]:
    async with engine_at(user_repo.path) as one:
        yield one


async def shipped(engine: Engine, repo: UserRepoFixture, *, run: RunId = RUN, **synced: str) -> str:
    """Record a run whose pull request is the commit of branch `agent/00000001`, and give that commit."""
    base = repo.git("rev-parse", "HEAD").strip()
    repo.git("checkout", "-q", "-b", f"agent/{run}")
    repo.commit(f"Triple\n\nPEV-Run: {run}\nPEV-Snapshot: x", {PATH: text_of(repo, PATH) + NEW})
    commit, tree = (repo.git("rev-parse", one).strip() for one in ("HEAD", "HEAD^{tree}"))
    repo.git("checkout", "-q", "main")
    depot = await engine.core.depot(await engine.core.catalog.find(None))
    first = opened(repo=depot.repo.id)
    body = {**first.payload, "base_commit": base, "trusted_commit": base, "task": "Numbers times three"}
    report = GateReport(
        outcome=Outcome.PASSED,
        key=digest_of(b"gate 1"),
        snapshot=ObjectId(tree),
        base_commit=ObjectId(base),
        trusted_commit=ObjectId(base),
        policy_hash=digest_of(b"policy"),
        policy_source="detected",
        checks=(CheckResult(check="lint", outcome=Outcome.PASSED),),
        sandboxed=True,
    )
    trail = engine.core.trail
    blob = trail.put_blob(report.model_dump_json().encode(), "application/json")
    pr = {
        "forge": "local",
        "url": f"x#agent/{run}",
        "branch": f"agent/{run}",
        "commit": commit,
        "tree": tree,
    }
    events = [
        first.model_copy(update={"payload": body}),
        plan_submitted(),
        asked(),
        answered(),
        worktree_made(),
        event(Kind.GATE_STARTED, attempt=1, snapshot=tree),
        event(
            Kind.GATE_FINISHED,
            outcome="PASSED",
            report=blob,
            key=digest_of(b"gate 1"),
            attempts_used=0,
            checks=[],
        ),
        event(Kind.PR_OPENED, pr=pr, body=trail.put_blob(b"body", "text/markdown")),
    ]
    if synced:
        events.append(event(Kind.PR_SYNCED, pr={**pr, **synced}))
    trail.append(run_stream(run), events, expected_version=0)
    return commit


def last_line(repo: UserRepoFixture) -> int:
    return len(text_of(repo, PATH).splitlines())


async def test_a_line_leads_to_its_run_its_approval_its_gate_and_who_merged(
    engine: Engine, user_repo: UserRepoFixture
) -> None:
    commit = await shipped(engine, user_repo, state="merged", merged_by="Grace <grace@example.org>")
    user_repo.git("merge", "-q", "--no-ff", "agent/00000001")

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))

    assert (found.run, found.matched_by) == (RUN, Match.COMMIT)
    assert found.origin.commit == commit
    assert found.origin.text == "return 3 * n"
    assert (found.task, found.goal, found.plan_revision) == ("Numbers times three", PLAN.goal, 1)
    assert [step.id for step in found.steps] == ["s1"]
    (decided,) = found.decisions
    assert (decided.principal, decided.channel, decided.assurance) == (
        "local:grace",
        "terminal",
        "person-present",
    )
    assert found.gate is not None
    assert (found.gate.outcome, found.gate.checks) == (Outcome.PASSED, {"lint": "PASSED"})
    assert found.merged_by == "Grace <grace@example.org>"
    assert "approved by local:grace (terminal, person-present); gate PASSED; merged by Grace" in found.summary
    assert all(engine.core.trail.event(seq).stream == run_stream(RUN) for seq in found.events)


async def test_a_squash_is_seen_through(engine: Engine, user_repo: UserRepoFixture) -> None:
    """The branch moved on meanwhile, so neither commit nor tree is the run's; the change is."""
    await shipped(engine, user_repo)
    user_repo.commit("elsewhere", {"notes.txt": "meanwhile\n"})
    user_repo.git("merge", "-q", "--squash", "agent/00000001")
    user_repo.git("commit", "-q", "-m", "Triple (#7)")

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert (found.run, found.matched_by) == (RUN, Match.PATCH)


async def test_a_squash_onto_the_base_is_known_by_its_tree(
    engine: Engine, user_repo: UserRepoFixture
) -> None:
    await shipped(engine, user_repo)
    user_repo.git("merge", "-q", "--squash", "agent/00000001")
    user_repo.git("commit", "-q", "-m", "Triple (#7)")

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert (found.run, found.matched_by) == (RUN, Match.TREE)


async def test_a_rebase_is_seen_through(engine: Engine, user_repo: UserRepoFixture) -> None:
    await shipped(engine, user_repo)
    user_repo.commit("elsewhere", {"notes.txt": "meanwhile\n"})
    user_repo.git("cherry-pick", "agent/00000001")

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert (found.run, found.matched_by) == (RUN, Match.PATCH)


async def test_what_the_forge_merged_it_as_counts(engine: Engine, user_repo: UserRepoFixture) -> None:
    """Also where a person resolved conflicts, so that the change is not quite the run's."""
    user_repo.git("checkout", "-q", "-b", "side")
    user_repo.commit("Triple (#7)", {PATH: text_of(user_repo, PATH) + NEW.replace("3 * n", "n * 3")})
    merged = user_repo.git("rev-parse", "HEAD").strip()
    user_repo.git("checkout", "-q", "main")
    await shipped(engine, user_repo, state="merged", merge_commit=merged)
    user_repo.git("merge", "-q", "--ff-only", "side")

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert (found.run, found.matched_by) == (RUN, Match.MERGED_AS)


async def test_an_earlier_commit_of_the_pull_request_counts_without_its_trailer(
    engine: Engine, user_repo: UserRepoFixture
) -> None:
    """A run that is published again has two commits; a person may have merged the first by other words."""
    first = await shipped(engine, user_repo)
    state = await engine.core.state(RUN)
    assert state.pr is not None
    later = state.pr.model_copy(update={"commit": ObjectId("c" * 40), "tree": ObjectId("d" * 40)})
    again = event(Kind.PR_OPENED, pr=later.model_dump(mode="json"), body=digest_of(b"body"))
    trail = engine.core.trail
    events = trail.append(run_stream(RUN), [again], expected_version=None)
    assert events
    tree = user_repo.git("rev-parse", f"{first}^{{tree}}").strip()
    parent = user_repo.git("rev-parse", f"{first}^").strip()
    bare = user_repo.git("commit-tree", tree, "-p", parent, "-m", "no trailer").strip()
    user_repo.git("merge", "-q", "--ff-only", bare)

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert (found.run, found.matched_by) == (RUN, Match.TREE)


async def test_a_search_that_stops_says_so(
    engine: Engine, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to have looked is not to know of none."""
    await shipped(engine, user_repo)
    user_repo.commit("elsewhere", {"notes.txt": "meanwhile\n"})
    user_repo.git("merge", "-q", "--squash", "agent/00000001")
    user_repo.git("commit", "-q", "-m", "Triple (#7)")
    monkeypatch.setattr(explaining, "MAX_PATCHES", 0)

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert found.run is None
    assert "only the 0 newest were searched" in found.summary


async def test_a_pull_request_that_was_pushed_to_after_its_gate_is_said_first(
    engine: Engine, user_repo: UserRepoFixture
) -> None:
    """A reader, or a model, of the summary alone must not take the gate's word for it."""
    await shipped(engine, user_repo, state="merged", head="e" * 40)
    user_repo.git("merge", "-q", "--no-ff", "agent/00000001")

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))
    assert "NOT COVERED" in found.summary


async def test_a_name_that_git_writes_in_quotes_is_the_files_name(
    engine: Engine, user_repo: UserRepoFixture
) -> None:
    name = 'say "hi" ü.txt'
    user_repo.commit("odd", {name: "one\n"})

    assert (await engine.reading.explain(PERSON, name, 1)).origin.path == name


@pytest.mark.parametrize("when", ["99999999999999999", "253402300800"])
async def test_a_time_that_no_calendar_has_is_no_obstacle(
    engine: Engine, user_repo: UserRepoFixture, when: str
) -> None:
    """Whoever makes a commit writes its time."""
    user_repo.commit("late", {"late.txt": "one\n"})
    raw = user_repo.git("cat-file", "commit", "HEAD")
    stamp = re.sub(r"(author .*> )[0-9]+", rf"\g<1>{when}", raw)
    (user_repo.path / "raw").write_text(stamp, encoding="utf-8")
    made = user_repo.git("hash-object", "-t", "commit", "-w", "--literally", "raw").strip()
    user_repo.git("update-ref", "HEAD", made)

    found = await engine.reading.explain(PERSON, "late.txt", 1)
    assert (found.origin.commit, found.origin.at) == (made, "")


async def test_a_trailer_alone_is_no_evidence(engine: Engine, user_repo: UserRepoFixture) -> None:
    """Anyone can write one, to lend an approval to another change."""
    await shipped(engine, user_repo)
    user_repo.commit(f"Sneak in\n\nPEV-Run: {RUN}", {PATH: text_of(user_repo, PATH) + "BACKDOOR = True\n"})

    found = await engine.reading.explain(PERSON, PATH, last_line(user_repo))

    assert (found.run, found.matched_by) == (None, Match.TRAILER)
    assert "the trail does not confirm" in found.summary
    assert found.decisions == ()


async def test_a_line_of_no_run_is_said_to_be_so(engine: Engine, user_repo: UserRepoFixture) -> None:
    found = await engine.reading.explain(PERSON, PATH, 1)

    assert (found.run, found.matched_by) == (None, Match.NONE)
    assert "is of no run that this trail knows" in found.summary
    assert "Ada Test" in found.summary


async def test_a_renamed_file_keeps_its_past(engine: Engine, user_repo: UserRepoFixture) -> None:
    await shipped(engine, user_repo)
    user_repo.git("merge", "-q", "--no-ff", "agent/00000001")
    user_repo.git("mv", PATH, "src/app/numbers.py")
    user_repo.git("commit", "-q", "-m", "rename")
    lines = len(text_of(user_repo, "src/app/numbers.py").splitlines())

    found = await engine.reading.explain(PERSON, "src/app/numbers.py", lines)
    assert (found.run, found.origin.path) == (RUN, PATH)


async def test_that_it_was_asked_is_an_event(engine: Engine, user_repo: UserRepoFixture) -> None:
    await engine.reading.explain(PERSON, PATH, 1)

    (read,) = engine.core.trail.query(TrailQuery(kinds=(Kind.TRAIL_READ,))).events
    assert (read.payload or {})["explained"]["path"] == PATH
    assert read.actor.principal == PERSON.principal


@pytest.mark.parametrize(
    ("path", "line"),
    [(PATH, 0), (PATH, 9_999), ("nowhere.py", 1), ("../x", 1), ("/etc/passwd", 1), ("-x", 1)],
)
async def test_a_line_that_is_not_there_is_refused(engine: Engine, path: str, line: int) -> None:
    with pytest.raises(InvalidInput):
        await engine.reading.explain(PERSON, path, line)


async def test_a_revision_that_is_not_there_is_refused(engine: Engine) -> None:
    with pytest.raises(RefNotFound):
        await engine.reading.explain(PERSON, PATH, 1, rev="nowhere")


async def test_who_may_not_audit_is_not_told(engine: Engine) -> None:
    caller = Caller(principal="x", role=Role.AUTHOR, scopes=frozenset({Scope.READ}))
    with pytest.raises(Forbidden):
        await engine.reading.explain(caller, PATH, 1)


async def test_a_role_that_does_not_see_the_trail_gets_no_proof_of_it(engine: Engine) -> None:
    """A proof holds an event and its payload: a reviewer is to judge the change, not who made it."""
    await engine.reading.explain(PERSON, PATH, 1)
    reviewer = Caller(principal="x", role=Role.REVIEWER, scopes=frozenset({Scope.AUDIT}))
    with pytest.raises(RoleRefused):
        await engine.reading.prove(reviewer, 0)
    with pytest.raises(RoleRefused):
        await engine.reading.checkpoint(reviewer)


@pytest.mark.parametrize("era", ERAS)
async def test_a_model_asks_with_the_tool(era: Era, user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        await shipped(engine, user_repo)
    user_repo.git("merge", "-q", "--no-ff", "agent/00000001")

    async with connected("memory", user_repo.path, era=era) as client:
        found = await call(client, "explain_change", path=PATH, line=last_line(user_repo))
    assert found["run"] == RUN
    assert found["decisions"][0]["assurance"] == "person-present"


def test_a_person_asks_on_the_command_line(user_repo: UserRepoFixture) -> None:
    ended = run_pev("why", f"{user_repo.path / PATH}:1", "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["matched_by"] == Match.NONE
    assert "of no run" in run_pev("why", f"{user_repo.path / PATH}:1").out
    assert run_pev("why", str(user_repo.path / PATH)).code == 2
    assert Digest(json.loads(ended.out)["origin"]["commit"]) == user_repo.git("rev-parse", "HEAD").strip()


def test_a_file_outside_of_any_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("x = 1\n", encoding="utf-8")

    assert run_pev("why", f"{tmp_path / 'x.py'}:1").code != 0
