"""Folders that a sandbox is told of, and that are something else when it looks again.

What plants the links is an earlier command of the same worktree, or another one at the same time.
"""

from pathlib import Path

from support.attacks.kit import Place, attempt

_SPOIL = ("/bin/sh", "-c", ": >{began}; cd {work}/sub 2>/dev/null; echo spoiled >file.txt; cat secret.txt")

_RACE = "a race is not always won"


def _linked(at: Place) -> None:
    Path(at.work, "sub").symlink_to(at.outside)


def _folder(at: Place) -> None:
    Path(at.work, "sub").mkdir()


@attempt(plant=_linked, cwd="{work}/sub", argv=_SPOIL, may_refuse=True)
def working_folder_is_a_link(_at: Place) -> None:
    """The folder that a command runs in leads out."""


@attempt(plant=_folder, cwd="{work}/sub", argv=_SPOIL, swaps=True, may_refuse=True, inert=_RACE)
def working_folder_swapped(_at: Place) -> None:
    """It leads out only now and then."""


@attempt(plant=_linked, grants={"writable": "{work}/sub"}, argv=_SPOIL, may_refuse=True)
def writable_folder_is_a_link(_at: Place) -> None:
    """A folder of the worktree that a policy names, for a cache, say, leads out."""


@attempt(plant=_linked, grants={"readable": "{work}/sub"}, argv=_SPOIL, may_refuse=True)
def readable_folder_is_a_link(_at: Place) -> None:
    """The same for reading."""


@attempt(
    plant=_folder, grants={"readable": "{work}/sub"}, argv=_SPOIL, swaps=True, may_refuse=True, inert=_RACE
)
def readable_folder_swapped(_at: Place) -> None:
    """A folder that is checked, and then is a link when it is bound."""


@attempt(
    plant=_folder, grants={"writable": "{work}/sub"}, argv=_SPOIL, swaps=True, may_refuse=True, inert=_RACE
)
def writable_folder_swapped(_at: Place) -> None:
    """The same for writing."""
