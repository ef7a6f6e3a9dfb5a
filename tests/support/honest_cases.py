"""The honest changes in tests/honest, as its files say, and what the gate answered to them.

One file per project names released sources by version and hash, and cases: a base version, a later one, and
which part of the difference is the change. Each case says what the gate should answer, and why if that is
not PASSED.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from pev.plan import Plan, parse_plan

HONEST: Final = Path(__file__).resolve().parents[1] / "honest"
EXPECTED: Final = ("PASSED", "HELD", "FAILED", "INCONCLUSIVE")


class Judgement(StrEnum):
    """What stands behind an answer that is not PASSED."""

    PASSES = "passes"
    ASKED = "asked"
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Case:
    """One honest change: what of the difference between two releases it takes, and what it should get.

    `take` and `leave` are patterns of paths, `hunks` texts that a chosen hunk of a path holds, `plan` what
    the approved plan names (none: nobody approved a plan), `pev_toml` the policy that the owner wrote.
    `judgement` says of an answer that is not PASSED whether a person is asked, whether something is stopped
    rightly, or whether the gate is wrong.
    """

    project: str
    id: str
    kind: str
    title: str
    base: str
    to: str
    take: tuple[str, ...] = ("*",)
    leave: tuple[str, ...] = ()
    hunks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plan: tuple[str, ...] = ()
    pev_toml: str = ""
    expect: str = "PASSED"
    judgement: Judgement = Judgement.PASSES
    why: str = ""

    @classmethod
    def of(cls, project: str, raw: dict[str, Any]) -> "Case":
        """Read a case; a key that is not known is an error, so that none is misspelt."""
        known = set(cls.__dataclass_fields__) - {"project"}
        if unknown := sorted(raw.keys() - known):
            raise ValueError(f"{project}: unknown keys {unknown} in {raw.get('id', 'a case')}")
        read: dict[str, Any] = {key: tuple(raw[key]) for key in ("take", "leave", "plan") if key in raw}
        read["hunks"] = {path: tuple(texts) for path, texts in raw.get("hunks", {}).items()}
        read["judgement"] = judgement = Judgement(raw.get("judgement", Judgement.PASSES))
        case = cls(project, **(raw | read))
        if case.expect not in EXPECTED:
            raise ValueError(f"{case.id}: expect {case.expect!r} is none of {', '.join(EXPECTED)}")
        if (case.expect == "PASSED") != (judgement is Judgement.PASSES):
            raise ValueError(f"{case.id}: {case.expect} does not go with the judgement {judgement}")
        if case.expect != "PASSED" and not case.why:
            raise ValueError(f"{case.id}: {case.expect} needs a sentence that says why")
        return case

    def takes(self, path: str) -> bool:
        """Say whether a path of the difference belongs to the change."""
        chosen = path in self.hunks or any(fnmatchcase(path, one) for one in self.take)
        return chosen and not any(fnmatchcase(path, one) for one in self.leave)

    def approved(self) -> Plan | None:
        """Give the plan that a person would have approved; None where the case has none."""
        if not self.plan:
            return None
        return parse_plan(
            {
                "goal": self.title,
                "approach": "As the project did it between two releases.",
                "non_goals": ["Anything else"],
                "steps": [{"id": "s1", "description": self.title, "files_touched": list(self.plan)}],
                "acceptance_criteria": [{"id": "a1", "description": "the project's tests pass"}],
            }
        )


@dataclass(frozen=True, slots=True)
class Project:
    """A project of the corpus: its releases by version, and what a repository would not hold of a release.

    `releases` maps versions to the SHA-256 of their source distributions, `drop` are patterns of files that
    only releasing made.
    """

    name: str
    releases: dict[str, str]
    drop: tuple[str, ...]
    cases: tuple[Case, ...]

    @classmethod
    def load(cls, path: Path) -> "Project":
        """Read one file of the corpus."""
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        name = raw.pop("project")
        cases = tuple(Case.of(name, one) for one in raw.pop("case", ()))
        project = cls(name, raw.pop("releases"), tuple(raw.pop("drop", ())), cases)
        if raw:
            raise ValueError(f"{path.name}: unknown keys {sorted(raw)}")
        for case in cases:
            if missing := {case.base, case.to} - project.releases.keys():
                raise ValueError(f"{case.id}: no release {', '.join(sorted(missing))} in {path.name}")
        return project


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate said about a case. `outcome` is "broken" where it could not be asked."""

    case: Case
    outcome: str
    detail: str
    seconds: float
    files: int = 0
    lines: int = 0
    old: int = 0
    by: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def expected(self) -> bool:
        """Whether the answer is the one that the case names."""
        return self.outcome == self.case.expect

    @property
    def false_alarm(self) -> bool:
        """Whether the gate stopped the change wrongly; an answer that nobody expected counts as that."""
        if self.outcome == "PASSED":
            return False
        return not self.expected or self.case.judgement is Judgement.WRONG


def projects(folder: Path = HONEST) -> list[Project]:
    """All projects of the corpus, by name. Raises ValueError if an id is used twice."""
    found = [Project.load(path) for path in sorted(folder.glob("*.toml"))]
    ids = [case.id for project in found for case in project.cases]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise ValueError(f"used more than once: {', '.join(twice)}")
    return found
