"""What was found in a tree, and the policy that fits it."""

from pev.gate.demands import BuiltIn, Language, Policy, Project
from pev.models import Model


class DetectedProject(Model):
    """One project, and what it has. `tests` are its test folders, relative to its root.

    `checks` are those that fit what it has; None means all, as for Python.
    """

    root: str
    language: Language = Language.PYTHON
    checks: tuple[BuiltIn, ...] | None = None
    name: str = ""
    tests: tuple[str, ...] = ()
    configured: tuple[str, ...] = ()


class Detected(Model):
    """What was found in a tree."""

    projects: tuple[DetectedProject, ...] = ()
    python_files: int = 0

    def policy(self) -> Policy:
        """Give the policy that fits: the six checks, without a formatter that the repository does not use."""
        if not self.python_files and not self.projects:
            return Policy(checks=())
        checks = tuple(BuiltIn)
        if self._formats_with_black:
            checks = tuple(one for one in checks if one is not BuiltIn.FORMAT)
        plain = [(one.root, one.language) for one in self.projects] in ([], [(".", Language.PYTHON)])
        named = (Project(root=one.root, language=one.language, checks=one.checks) for one in self.projects)
        return Policy(checks=checks, project=() if plain else tuple(named))

    @property
    def _formats_with_black(self) -> bool:
        tools = {tool for one in self.projects for tool in one.configured}
        return "black" in tools and "ruff" not in tools
