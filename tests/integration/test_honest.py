"""The runner of honest changes: what it makes of two releases, how it counts, and a sample of the corpus."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pev.findings import Age, CheckResult, Finding, GateReport, Outcome, fingerprint
from pev.models import Digest, ObjectId
from support.honest import play, row_of, totals, verdict_of
from support.honest_cases import HONEST, Case, Judgement, Project, Verdict, projects
from support.honest_sources import choose_hunks, compose, fetch, make_repository, read_release

RAW: dict[str, Any] = {
    "id": "app-fix",
    "kind": "bug fix",
    "title": "Correct a sum",
    "base": "1.0",
    "to": "1.1",
}
OLD = b"a = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6\ng = 7\nh = 8\n"
NEW = b"a = 10\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6\ng = 7\nh = 80\ni = 9\n"


def case(**more: Any) -> Case:
    return Case.of("app", {**RAW, **more})


def release(folder: Path, version: str, files: dict[str, bytes]) -> str:
    """Write a source distribution, and give its SHA-256."""
    target = folder / f"app-{version}.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz") as tar:
        for path, raw in files.items():
            member = tarfile.TarInfo(f"app-{version}/{path}")
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return hashlib.sha256(target.read_bytes()).hexdigest()


def verdict(outcome: str, own: Case) -> Verdict:
    return Verdict(own, outcome, "", 1.0, old=3)


def test_the_corpus_can_be_read() -> None:
    """Forty changes of five projects at the least, and a reason beside each that is not expected to pass."""
    found = projects()

    assert len(found) >= 5
    assert sum(len(project.cases) for project in found) >= 40
    assert all(one.why for project in found for one in project.cases if one.expect != "PASSED")
    assert len({one.kind for project in found for one in project.cases}) >= 8


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expct": "HELD"}, "unknown keys"),
        ({"expect": "GREEN"}, "none of"),
        ({"expect": "HELD"}, "does not go with"),
        ({"expect": "HELD", "judgement": "asked"}, "why"),
        ({"judgement": "right"}, "does not go with"),
    ],
)
def test_a_case_that_does_not_make_sense_is_refused(more: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        case(**more)


def test_a_release_without_a_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.toml").write_text(
        'project = "app"\n[releases]\n"1.0" = "0"\n[[case]]\n'
        + "".join(f'{key} = "{value}"\n' for key, value in RAW.items())
    )

    with pytest.raises(ValueError, match=r"no release 1\.1"):
        projects(tmp_path)


def test_what_only_releasing_made_is_left_out(tmp_path: Path) -> None:
    release(
        tmp_path,
        "1.0",
        {"PKG-INFO": b"", "src/app.egg-info/PKG-INFO": b"", "a.py": b"a", "src/app/_version.py": b"v"},
    )

    assert read_release(tmp_path / "app-1.0.tar.gz", ("*/_version.py",)) == {"a.py": b"a"}


def test_another_archive_than_the_one_that_was_chosen_is_not_used(tmp_path: Path) -> None:
    release(tmp_path, "1.0", {"a.py": b"a"})

    with pytest.raises(RuntimeError, match="has the SHA-256"):
        fetch("app", "1.0", "0" * 64, tmp_path)


def test_a_change_takes_the_paths_that_it_names() -> None:
    old = {"a.py": b"a", "gone.py": b"g", "same.py": b"s", "docs/x.md": b"x"}
    new = {"a.py": b"b", "new.py": b"n", "same.py": b"s", "docs/x.md": b"y"}

    assert compose(case(leave=["docs/*"]), old, new) == {
        "a.py": b"b",
        "new.py": b"n",
        "same.py": b"s",
        "docs/x.md": b"x",
    }
    assert compose(case(take=["docs/*"]), old, new) == {**old, "docs/x.md": b"y"}


def test_a_change_that_changes_nothing_is_an_error() -> None:
    """A pattern that fits no path any more would count as a change that passed."""
    with pytest.raises(RuntimeError, match="changes nothing"):
        compose(case(take=["nothing/*"]), {"a.py": b"a"}, {"a.py": b"b"})


def test_a_change_takes_the_hunks_that_it_names() -> None:
    assert choose_hunks("a.py", OLD, NEW, ("a = 10",)) == OLD.replace(b"a = 1\n", b"a = 10\n")
    assert choose_hunks("a.py", OLD, NEW, ("i = 9",)) == OLD.replace(b"h = 8\n", b"h = 80\ni = 9\n")
    assert choose_hunks("a.py", OLD, NEW, ("a = 10", "h = 80")) == NEW

    with pytest.raises(RuntimeError, match="no hunk holds"):
        choose_hunks("a.py", OLD, NEW, ("z = 1",))


def test_a_repository_holds_the_base_and_the_change(tmp_path: Path) -> None:
    releases = {
        "1.0": release(tmp_path, "1.0", {"a.py": OLD, ".gitignore": b"b.py\n", "b.py": b"1\n"}),
        "1.1": release(tmp_path, "1.1", {"a.py": NEW, ".gitignore": b"b.py\n", "b.py": b"2\n"}),
    }
    own = case(pev_toml='checks = ["lint"]\n')

    commit, files, lines = make_repository(
        Project("app", releases, (), (own,)), own, tmp_path, tmp_path / "repo"
    )

    assert len(commit) == 40
    assert (files, lines) == (2, 7)
    assert (tmp_path / "repo" / "pev.toml").read_text() == own.pev_toml
    assert (tmp_path / "repo" / "a.py").read_bytes() == OLD


def test_what_nobody_expected_counts_as_a_false_alarm() -> None:
    """Only a reason that somebody wrote down makes a stop anything else."""
    asked = case(expect="HELD", judgement="asked", why="a test is gone")

    assert verdict("HELD", case()).false_alarm
    assert not verdict("HELD", asked).false_alarm
    assert verdict("FAILED", asked).false_alarm
    assert verdict("broken", case()).false_alarm
    assert not verdict("PASSED", asked).false_alarm
    assert not verdict("PASSED", asked).expected


def test_the_totals_say_the_rate() -> None:
    right = case(expect="FAILED", judgement="right", why="no test runs it")
    wrong = case(expect="FAILED", judgement=Judgement.WRONG, why="an old fault")
    found = [
        verdict("PASSED", case()),
        verdict("FAILED", right),
        verdict("FAILED", wrong),
        verdict("PASSED", case()),
    ]

    said = totals(found)

    assert "all: 4 changes, 2 passed, 0 asked of a person, 1 stopped rightly, 1 false alarms (25 %)" in said
    assert "1 projects, 1 of them with old findings" in said


def test_a_report_is_summed_up() -> None:
    """Old findings are counted apart from what stopped the change."""
    old, new = (
        Finding(
            check="lint",
            rule=rule,
            path="a.py",
            message=rule,
            age=age,
            fingerprint=fingerprint("lint", rule, "a.py", rule),
        )
        for rule, age in (("E1", Age.OLD), ("F1", Age.NEW))
    )
    checks = (
        CheckResult(check="lint", outcome=Outcome.FAILED, reason="F1", findings=(old, new)),
        CheckResult(check="types", outcome=Outcome.SKIPPED, reason="cannot run on the base"),
    )
    oid = ObjectId("a" * 40)
    report = GateReport(
        outcome=Outcome.FAILED,
        key=Digest("0" * 64),
        snapshot=oid,
        base_commit=oid,
        trusted_commit=oid,
        policy_hash=Digest("0" * 64),
        policy_source="detected",
        checks=checks,
    )

    found = verdict_of(case(), report, 2.0, 1, 5)

    assert (found.outcome, found.old, len(found.by)) == ("FAILED", 1, 1)
    assert found.skipped == ("types: cannot run on the base",)
    assert "FALSE ALARM" in row_of(found)


@pytest.mark.slow
@pytest.mark.needs_index
@pytest.mark.parametrize("name", ["humanize-filesize", "itsdangerous-date-overflow"])
def test_an_honest_change_of_a_real_project_passes(name: str, tmp_path: Path) -> None:
    """A sample; `make honest` judges all of them."""
    chosen = [(project, one) for project in projects(HONEST) for one in project.cases if one.id == name]

    (found,) = play(chosen, tmp_path)

    assert found.outcome == "PASSED", row_of(found)
