"""The checks that there are, written out one by one."""

from typing import Final

from pev.config import Config
from pev.gate.audit import Auditor
from pev.gate.command import Command
from pev.gate.demands import Policy
from pev.gate.deps import Deps
from pev.gate.environment import Environments
from pev.gate.format import Format
from pev.gate.integrity import Integrity
from pev.gate.interface import Check
from pev.gate.lint import Lint
from pev.gate.security import Security
from pev.gate.tests import Tests
from pev.gate.types import Types

PLAIN: Final[tuple[type[Check], ...]] = (Format, Lint, Types, Tests, Security)


def all_checks(config: Config, environments: Environments) -> tuple[Check, ...]:
    """Give every check that PEV brings, apart from the one that is always on."""
    return (*(kind() for kind in PLAIN), Deps(Auditor(config), environments))


def checks_for(policy: Policy, config: Config, environments: Environments) -> tuple[Check, ...]:
    """Give the checks that a policy asks for, integrity first, the others with the heaviest first."""
    wanted = {
        name
        for project in policy.projects
        for name in (policy.checks if project.checks is None else project.checks)
    }
    chosen = [check for check in all_checks(config, environments) if check.name in wanted]
    chosen += [Command(own) for own in policy.command]
    return (Integrity(), *sorted(chosen, key=lambda check: -check.weight))
