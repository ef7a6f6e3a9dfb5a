"""A set of held-out tests, as the gate is given it: one module, and the criteria that they are about."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from pev.models import Digest, Model, hash_json

Reveal = Literal["criterion", "expectation"]


class HeldOutSet(Model):
    """Tests that the author of a change never sees. `tests` gives their names by criterion."""

    root: str = Field(default=".", description="folder of the Python project that they are of")
    source: str = Field(min_length=1, max_length=200_000, repr=False)
    tests: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> Digest:
        """Give the hash that a gate's key holds."""
        return hash_json(self.model_dump(mode="json"))
