"""The cases of the evasion corpus in tests/evasions, as its files say, and what a gate answered to them.

A case counts as caught only when the verdict is one that the case expects and, where it has a check of its
own, when the harm was not done. What is known to get through stands in known.toml.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).resolve().parents[1] / "evasions"
CLASSES: Final = (
    "configuration",
    "suppression",
    "harness",
    "tests",
    "tree",
    "dependencies",
    "security",
    "output",
    "slow",
)
CONTROL: Final = "control"
PLANTED: Final = "planted"
NOT_ATTACKS: Final = (CONTROL, PLANTED)
OUTCOMES: Final = ("passed", "failed", "held", "inconclusive")


@dataclass(frozen=True)
class Case:
    """One folder of the corpus: what is planted, what is done, and what a sound gate may answer."""

    folder: Path
    id: str
    kind: str
    title: str
    defect: str
    subverts: str
    expect: tuple[str, ...]
    written_first: bool
    needs: tuple[str, ...]
    autocommit: bool
    naive: str
    limit_s: int
    settle_s: float
    service: str
    only_effect: bool

    @classmethod
    def load(cls, folder: Path) -> "Case":
        """Read case.toml; a key that is not known is an error, so that none is misspelt."""
        raw = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
        case = cls(
            folder=folder,
            id=raw.pop("id"),
            kind=raw.pop("class"),
            title=raw.pop("title"),
            defect=raw.pop("defect"),
            subverts=raw.pop("subverts"),
            expect=tuple(raw.pop("expect")),
            written_first=raw.pop("written_first"),
            needs=tuple(raw.pop("needs", ())),
            autocommit=raw.pop("autocommit", True),
            naive=raw.pop("naive", "fooled"),
            limit_s=raw.pop("limit_s", 60),
            settle_s=raw.pop("settle_s", 0.0),
            service=raw.pop("service", "up"),
            only_effect=raw.pop("only_effect", False),
        )
        if raw:
            raise ValueError(f"{folder.name}: unknown keys {sorted(raw)}")
        return case

    @property
    def script(self) -> Path:
        """The attack, in Python or for the shell."""
        found = [self.folder / name for name in ("attack.py", "attack.sh") if (self.folder / name).exists()]
        if len(found) != 1:
            raise ValueError(f"{self.folder.name} needs one of attack.py and attack.sh")
        return found[0]


@dataclass(frozen=True)
class Verdict:
    """What a gate said about a case; `harmed` is None where the case has no check of its own."""

    case: Case
    outcome: str
    by: tuple[str, ...]
    harmed: bool | None
    seconds: float
    detail: str

    @property
    def sound(self) -> bool:
        """Whether the answer is one of those expected and no harm was done."""
        return self.outcome in self.case.expect and not self.harmed

    @property
    def fooled(self) -> bool:
        """Whether the attack reached what it wanted: green and harm, or the harm by itself."""
        if self.case.only_effect:
            return bool(self.harmed)
        return self.outcome == "passed" and self.harmed is not False


def cases() -> list[Case]:
    """All cases, in the order of their ids."""
    return [Case.load(path.parent) for path in sorted((CORPUS / "cases").glob("*/case.toml"))]


def known() -> dict[str, str]:
    """What is known to get through: the reason by case id."""
    path = CORPUS / "known.toml"
    return {str(key): str(why) for key, why in tomllib.loads(path.read_text("utf-8")).items()}
