"""Chooses the sandbox that is in force, from the operator's configuration alone."""

from typing import Final

from pev.config import Config
from pev.sandbox.interface import Sandbox
from pev.sandbox.unconfined import Unconfined

_MECHANISMS: Final[dict[str, type[Sandbox]]] = {Unconfined.name: Unconfined}


def choose_sandbox(config: Config) -> Sandbox:
    """Give the sandbox that the operator's configuration names."""
    return _MECHANISMS[config.sandbox]()
