"""A lens of the gate: the checks that go by one name, one for each language."""

from dataclasses import dataclass

from pev.gate.demands import Language
from pev.gate.interface import Check, CheckJob, Measured


@dataclass(frozen=True, slots=True)
class Lens:
    """The checks of one name, one for each language that projects are written in."""

    members: tuple[Check, ...]

    @property
    def name(self) -> str:
        """The name that all of them have."""
        return self.members[0].name

    @property
    def weight(self) -> int:
        """How early it starts: as early as the heaviest."""
        return max(one.weight for one in self.members)

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools of PEV's own environment that they use."""
        return tuple(dict.fromkeys(tool for one in self.members for tool in one.tools))

    @property
    def needs_environment(self) -> bool:
        """Whether any of them runs in the dependencies of a project."""
        return any(one.needs_environment for one in self.members)

    def of(self, language: Language) -> Check:
        """Give the check for a language."""
        found = (one for one in self.members if one.language in (language, None))
        return next(found, None) or Absent(self.name, language)


class Absent(Check):
    """Stands for a check that PEV does not have for a language; it says so."""

    def __init__(self, name: str, language: Language) -> None:
        self.name = name
        self._reason = f"there is no check {name} for {language}"

    async def run(self, job: CheckJob) -> Measured:
        """Say that there is nothing to look with."""
        return Measured(facts={"skipped": self._reason})
