"""The checks that there are, written out one by one, and who makes what their tools need.

A check of the policy stands for one lens; which tool looks through it, depends on a project's language.
"""

from collections.abc import Mapping
from typing import Final

from pev.config import Config
from pev.gate.audit import Auditor
from pev.gate.command import Command
from pev.gate.demands import Language, Policy
from pev.gate.deps import Deps
from pev.gate.environment import Environments
from pev.gate.format import Format
from pev.gate.golang.deps import GoDeps
from pev.gate.golang.security import GoSecurity
from pev.gate.golang.static import GoFormat, GoLint, GoTypes
from pev.gate.golang.tests import GoTests
from pev.gate.golang.toolbox import GoBoxes
from pev.gate.install import Interpreters
from pev.gate.integrity import Integrity
from pev.gate.interface import Check, ToolboxMaker
from pev.gate.javascript.deps import NodeDeps
from pev.gate.javascript.format import Format as NodeFormat
from pev.gate.javascript.lint import Lint as NodeLint
from pev.gate.javascript.security import NodeSecurity
from pev.gate.javascript.tests import NodeTests
from pev.gate.javascript.toolbox import NodeBoxes
from pev.gate.javascript.types import Types as NodeTypes
from pev.gate.lens import Absent, Lens
from pev.gate.lint import Lint
from pev.gate.osv import OsvAuditor
from pev.gate.rust.deps import RustDeps
from pev.gate.rust.security import RustSecurity
from pev.gate.rust.static import RustFormat, RustLint, RustTypes
from pev.gate.rust.tests import RustTests
from pev.gate.rust.toolbox import RustBoxes
from pev.gate.security import Security
from pev.gate.tests import Tests
from pev.gate.types import Types

PLAIN: Final[tuple[type[Check], ...]] = (Format, Lint, Types, Tests, Security)
GO: Final[tuple[type[Check], ...]] = (GoFormat, GoLint, GoTypes, GoTests, GoSecurity)
RUST: Final[tuple[type[Check], ...]] = (RustFormat, RustLint, RustTypes, RustTests, RustSecurity)
NODE: Final[tuple[type[Check], ...]] = (NodeFormat, NodeLint, NodeTypes, NodeTests, NodeSecurity)


def makers(config: Config, environments: Environments) -> Mapping[Language, ToolboxMaker]:
    """Give who makes the toolboxes of each language."""
    return {
        Language.PYTHON: Interpreters(environments),
        Language.GO: GoBoxes(config),
        Language.RUST: RustBoxes(config),
        Language.JAVASCRIPT: NodeBoxes(config),
    }


def all_checks(config: Config, environments: Environments) -> tuple[Check, ...]:
    """Give every check that PEV brings, apart from the one that is always on."""
    osv = OsvAuditor(config)
    plain = (kind() for kind in (*PLAIN, *GO, *RUST, *NODE))
    node = NodeDeps(osv, NodeBoxes(config))
    return (*plain, Deps(Auditor(config), environments), GoDeps(osv), RustDeps(osv), node)


def checks_for(policy: Policy, config: Config, environments: Environments, *more: Check) -> tuple[Lens, ...]:
    """Give the checks that a policy asks for, and `more`: integrity first, the others the heaviest first."""
    languages = [project.language for project in policy.projects]
    every = [check for check in all_checks(config, environments) if check.language in languages]
    chosen = []
    for name in policy.wanted():
        members = tuple(check for check in every if check.name == name)
        chosen.append(Lens(members or (Absent(name, languages[0]),)))
    chosen += [Lens((check,)) for check in (*map(Command, policy.command), *more)]
    return (Lens((Integrity(),)), *sorted(chosen, key=lambda lens: -lens.weight))
