"""The evasion corpus: its files are sound, and a sample of it meets the gate."""

import subprocess
from collections import Counter

import pytest

from support.evasion_cases import CLASSES, CONTROL, CORPUS, NOT_ATTACKS, OUTCOMES, PLANTED, Case, cases, known
from support.evasions import play

ALL = cases()
ATTACKS = [case for case in ALL if case.kind not in NOT_ATTACKS]
SAMPLE = (
    "config-folder-ruff-toml",
    "deps-index-override",
    "harness-exit-at-end",
    "honest-feature",
    "output-escape",
    "planted-bug",
    "suppress-nosec",
    "tree-replace-ref",
)


def test_case_ids_are_unique_and_name_their_folders() -> None:
    """A case is found by its id, so no two may share one."""
    assert max(Counter(case.id for case in ALL).values()) == 1
    assert [case.id for case in ALL] == [case.folder.name for case in ALL]


def test_there_are_enough_attacks_in_every_class() -> None:
    """The corpus measures classes, so each needs several cases; and a third knew nothing of the defence."""
    by_class = Counter(case.kind for case in ATTACKS)

    assert set(by_class) == set(CLASSES)
    assert min(by_class.values()) >= 5
    assert len(ATTACKS) >= 84
    assert sum(case.written_first for case in ATTACKS) * 3 >= len(ATTACKS)
    assert sum(case.kind == CONTROL for case in ALL) >= 12


def test_every_defect_is_also_planted_openly() -> None:
    """An attack proves nothing about a defect that the gate would not find anyway."""
    planted = {case.defect for case in ALL if case.kind == PLANTED}

    assert {case.defect for case in ALL} - {"none"} <= planted
    assert all(case.expect == ("failed",) for case in ALL if case.kind == PLANTED)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_a_case_expects_something_and_its_scripts_compile(case: Case) -> None:
    """A case that expects every answer, or whose script is broken, can never be lost."""
    assert set(case.expect) <= set(OUTCOMES)
    assert case.expect
    if case.kind not in NOT_ATTACKS and "passed" in case.expect:
        assert (case.folder / "check.py").exists(), "only an effect can tell here"
    assert (CORPUS / "defects" / f"{case.defect}.py").exists()
    assert case.title
    assert case.subverts
    for script in (case.script, case.folder / "check.py"):
        if script.suffix == ".py" and script.exists():
            compile(script.read_text(encoding="utf-8"), str(script), "exec")
        elif script.exists():
            subprocess.run(["bash", "-n", str(script)], check=True)


def test_what_is_known_to_get_through_is_a_case_with_a_reason() -> None:
    """A name that no case has would hide that a case was lost."""
    assert set(known()) <= {case.id for case in ALL}
    assert all(len(why) > 20 for why in known().values())


@pytest.mark.needs_host
def test_the_gate_answers_a_sample_as_expected() -> None:
    """`make corpus` runs all of them; this is one of each kind."""
    verdicts = play([case for case in ALL if case.id in SAMPLE], tell=False)

    assert len(verdicts) == len(SAMPLE)
    assert [(v.case.id, v.outcome, v.detail) for v in verdicts if not v.sound] == []
