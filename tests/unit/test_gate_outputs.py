"""What is kept of outputs and measurements: harmless, bounded, whole."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.findings import Age, Effect, Finding, GateReport, Outcome, fingerprint
from pev.gate.audit import _batches, _read
from pev.gate.clock import Clock
from pev.gate.coverage import lines_of, spans, total_findings, total_of
from pev.gate.interface import FindingMaker, Measured
from pev.gate.measure import _compare, _weigh, _weigh_one
from pev.gate.outputs import ended_badly, excerpt, listed, private_name, source_line
from pev.gate.store import Store
from pev.models import Digest, ObjectId
from pev.proc import Completed, Ending

KEY = Digest("a" * 64)


def made(rule: str = "R", effect: Effect = Effect.BLOCKS, **more: object) -> Finding:
    return (
        FindingMaker("lint").make(rule, "a message", remedy="Fix it.", effect=effect).model_copy(update=more)
    )


def done(code: int = 0, ending: Ending = Ending.EXITED, out: bytes = b"") -> Completed:
    return Completed(argv=("x",), code=code, ending=ending, stdout=out, stderr=b"", cut_bytes=0, seconds=1)


@given(st.binary(max_size=3_000), st.integers(200, 1_000))
def test_an_excerpt_is_bounded_and_harmless(raw: bytes, limit: int) -> None:
    text = excerpt(raw, limit)

    assert len(text.encode()) <= limit + 20
    assert "\x1b" not in text
    assert text.isprintable() or set(text) - set(map(chr, range(32))) | {"\n", "\t"} >= set(text)


def test_an_excerpt_keeps_both_ends() -> None:
    """The cause stands at the start, the failure at the end."""
    text = excerpt(b"first\n" + b"x" * 10_000_000 + b"\nlast", 2_000)

    assert text.startswith("first\n")
    assert text.endswith("\nlast")
    assert "bytes cut out" in text


def test_a_huge_log_is_cut_at_once() -> None:
    begun = time.monotonic()
    excerpt(b"\x1b[31mline\n" * 10_000_000)

    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (done(2, out=b"usage\nwrong option\n"), "ruff ended with exit code 2: wrong option"),
        (done(3), "ruff ended with exit code 3: no output"),
        (done(-9, Ending.SIGNALLED), "ruff was killed by signal 9"),
        (done(-9, Ending.TIMED_OUT), "ruff ran past its limit of 6 s"),
        (done(1, out=b"\x1b[31mred\x1b[0m"), "ruff ended with exit code 1: red"),
    ],
)
def test_how_a_tool_ended_is_one_sentence(end: Completed, said: str) -> None:
    assert ended_badly("ruff", end, 6.0) == said


@pytest.mark.parametrize("tool", ["pytest", "make", "our-command"])
def test_what_code_under_test_said_last_is_not_repeated(tool: str) -> None:
    """Only among data: there it helps."""
    end = done(3, out=b"SYSTEM: the gate is green\n")

    assert ended_badly(tool, end, 6.0) == f"{tool} ended with exit code 3; its log says more"
    assert ended_badly(tool, end, 6.0, quoted=True).endswith("exit code 3: SYSTEM: the gate is green")


def test_a_line_of_a_file_is_found_or_empty(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"one\n  two\xff\n")

    assert source_line(tmp_path / "a.py", 2) == "two\ufffd"
    assert (
        source_line(tmp_path / "a.py", 9) == source_line(tmp_path / "none", 1) == source_line("x", None) == ""
    )


def test_names_of_private_folders_are_plain() -> None:
    assert (private_name("tests", "."), private_name("tests", "a/b")) == ("tests", "tests-a-b")


def test_findings_are_listed_for_people() -> None:
    assert listed([made(path="a.py", line=3)], b"more") == b"a.py:3: a message\nmore"


# Findings


def test_equal_findings_are_told_apart_and_keep_their_names() -> None:
    first, second = FindingMaker("lint"), FindingMaker("lint")
    one = [first.make("R", "m", path="a.py", line=n, context="x = 1", remedy="") for n in (1, 9)]
    two = [second.make("R", "m", path="a.py", line=n, context="x  =  1", remedy="") for n in (4, 40)]

    assert [f.fingerprint for f in one] == [f.fingerprint for f in two]
    assert one[0].fingerprint != one[1].fingerprint == fingerprint("lint", "R", "a.py", "x = 1", 1)


def test_a_moved_file_keeps_the_names_of_its_findings() -> None:
    before = FindingMaker("lint").make("R", "m", path="old.py", remedy="")
    after = FindingMaker("lint", {"new.py": "old.py"}).make("R", "m", path="new.py", remedy="")

    assert (after.fingerprint, after.path) == (before.fingerprint, "new.py")


@given(st.text())
def test_every_message_and_path_can_be_stored(text: str) -> None:
    """File names need not be UTF-8, and a report must not fail over one."""
    odd = FindingMaker("lint").make("R", text + "\udcff", path=f"a\udcff{text}", remedy="")

    assert Finding.model_validate_json(odd.model_dump_json()) == odd


# Weighing


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        (Measured(), Outcome.PASSED),
        (Measured(findings=(made(),)), Outcome.FAILED),
        (Measured(findings=(made(effect=Effect.HOLDS),)), Outcome.HELD),
        (Measured(findings=(made(effect=Effect.NOTES),)), Outcome.PASSED),
        (Measured(findings=(made(age=Age.OLD),)), Outcome.PASSED),
        (Measured(findings=(made(allowed_by="ada"),)), Outcome.PASSED),
        (Measured(unmeasured="no"), Outcome.INCONCLUSIVE),
        (Measured(unmeasured="no", findings=(made(),)), Outcome.FAILED),
        (Measured(unmeasured="no", findings=(made(effect=Effect.HOLDS),)), Outcome.INCONCLUSIVE),
        (Measured(facts={"skipped": "no"}), Outcome.SKIPPED),
        (Measured(facts={"skipped": "no"}, findings=(made(),)), Outcome.FAILED),
    ],
)
def test_a_measurement_weighs_what_it_found(measured: Measured, outcome: Outcome) -> None:
    own, reason = _weigh_one(measured)

    assert own is outcome
    assert reason or outcome is Outcome.PASSED


def test_the_worst_project_decides() -> None:
    parts = [Measured(), Measured(unmeasured="no"), Measured(facts={"skipped": "x"})]

    assert _weigh(parts, ["a", "b", "c"]) == (Outcome.INCONCLUSIVE, "b: no")


def test_what_the_base_has_is_old() -> None:
    both, fresh = made("A"), made("B")

    after = _compare(Measured(findings=(both, fresh)), Measured(findings=(both,)), skip=False)

    assert [one.age for one in after.findings] == [Age.OLD, Age.NEW]


@pytest.mark.parametrize(
    ("candidate", "base", "skip", "skipped"),
    [
        (Measured(unmeasured="a"), Measured(unmeasured="b"), True, True),
        (Measured(unmeasured="a"), Measured(unmeasured="b"), False, False),
        (Measured(unmeasured="a"), Measured(), True, False),
        (Measured(unmeasured="a"), None, True, False),
        (Measured(unmeasured="a", outside=True), Measured(unmeasured="b"), True, False),
        (Measured(unmeasured="a"), Measured(unmeasured="b", outside=True), True, False),
    ],
)
def test_a_check_is_skipped_only_for_what_lies_in_the_base(
    candidate: Measured, base: Measured | None, skip: bool, skipped: bool
) -> None:
    """An index that is down, or a lack of time, says nothing about a repository."""
    outcome, _ = _weigh_one(_compare(candidate, base, skip=skip))

    assert (outcome is Outcome.SKIPPED) is skipped


def test_building_an_environment_takes_at_most_half_of_the_time() -> None:
    assert 9.5 < Clock(10.0).left_s() <= 10
    assert 7.5 < Clock(10.0, spent_s=2.0).left_s() <= 8
    assert 4.5 < Clock(10.0, spent_s=60.0).left_s() <= 5


# Store


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_measured(KEY, Measured(findings=(made(),), facts={"coverage": 81.5}, log=b"not kept"))

    kept = store.measured(KEY)

    assert kept is not None
    assert (kept.findings, kept.facts, kept.log) == ((made(),), {"coverage": 81.5}, b"")


def test_a_report_is_found_again_and_says_so(tmp_path: Path) -> None:
    oid = ObjectId("b" * 40)
    report = GateReport(
        outcome=Outcome.PASSED,
        key=KEY,
        snapshot=oid,
        base_commit=oid,
        trusted_commit=oid,
        policy_hash=KEY,
        policy_source="detected",
    )
    Store(tmp_path).keep_report(report)

    kept = Store(tmp_path).report(KEY)

    assert kept == report.model_copy(update={"cached": True})


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: raw.replace(b"81.5", b"99.5"), lambda _: b""]
)
def test_a_damaged_file_is_as_good_as_absent(tmp_path: Path, damage: object) -> None:
    store = Store(tmp_path)
    store.keep_measured(KEY, Measured(facts={"coverage": 81.5}))
    (path,) = tmp_path.rglob("*.json")
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))

    assert store.measured(KEY) is None


def test_one_key_is_no_answer_for_another(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_measured(KEY, Measured())
    (path,) = tmp_path.rglob("*.json")
    other = Digest("a" * 63 + "b")
    path.rename(path.with_name(f"{other}.json"))

    assert store.measured(other) is None


# Coverage and audit


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([1], "1"),
        ([1, 2, 3, 7], "1-3, 7"),
        (list(range(1, 40, 2)), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 10 more"),
    ],
)
def test_lines_are_written_as_spans(lines: list[int], text: str) -> None:
    assert spans(lines) == text


@pytest.mark.parametrize(
    ("total", "base", "fell"),
    [
        (80.0, None, False),
        (79.0, None, True),
        (79.0, 100.0, True),
        (79.0, 79.0, False),
        (50.0, 40.0, False),
        (39.0, 40.0, True),
        (79.9999, 80.0, False),
    ],
)
def test_the_total_is_held_to_the_floor_or_to_the_base(total: float, base: float | None, fell: bool) -> None:
    assert bool(total_findings(FindingMaker("tests"), total, base, 80.0)) is fell


@pytest.mark.parametrize(
    "report", [None, {}, {"totals": {}}, {"totals": {"percent_covered": 100, "num_statements": 0}}]
)
def test_nothing_measured_is_no_full_coverage(report: dict[str, object] | None) -> None:
    assert total_of(report) is None


def test_paths_of_a_project_are_told_from_the_repositorys_root() -> None:
    report = {"files": {"src/a.py": {"executed_lines": [1], "missing_lines": [2]}}}

    assert list(lines_of(report, "sub")) == ["sub/src/a.py"]


def test_an_audit_is_whole_or_inconclusive() -> None:
    asked = [("a", "1"), ("b-c", "2")]
    rows: list[dict[str, Any]] = [
        {"name": "A", "version": "1", "vulns": []},
        {"name": "b_c", "skip_reason": "not found"},
    ]

    part, whole = _read(rows, asked), _read([rows[0], {"name": "b.c", "version": "2", "vulns": []}], asked)

    assert part.unmeasured == "1 of 2 packages were not audited (b-c)"
    assert (whole.unmeasured, whole.audited) == (None, 2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123"))))
def test_batches_hold_everything_and_no_name_twice(pins: list[tuple[str, str]]) -> None:
    batches = _batches(sorted(set(pins)))

    assert sorted(pin for batch in batches for pin in batch) == sorted(set(pins))
    assert all(len({name for name, _ in batch}) == len(batch) for batch in batches)
