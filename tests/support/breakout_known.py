"""Attempts that get out of a sandbox, and why that is not stopped (yet).

An entry that no longer holds fails its test.
"""

from collections.abc import Mapping
from typing import Final

_SETUID: Final = "a mode with the setuid or setgid bit is not filtered"
_METADATA: Final = "Landlock does not restrict modes, times, attributes and names of files outside"
_OTHERS: Final = "Landlock has no namespace of processes: limits and priorities of others can be set"
_IPC: Final = "Landlock has no namespace of System V objects, nor of the names of sockets"
_PAIR: Final = "a datagram socket of a pair sends to any path"
_MEMORY: Final = "an ordinary user without a control group of its own has no limit of memory"
_PROGRAM: Final = "/proc/1/exe leads to the program of the host, whose owner we are"

_EVERYWHERE: Final[Mapping[str, str]] = {
    "rights.leave_setuid_program_user": _SETUID,
    "rights.leave_setuid_program_group": _SETUID,
    "rights.leave_setuid_program_by_fchmod": _SETUID,
    "rights.leave_setuid_program_by_created": _SETUID,
    "rights.leave_setuid_program_by_fchmodat2": _SETUID,
}
_AS_USER: Final[Mapping[str, str]] = {
    "resources.memory_of_one": _MEMORY,
    "resources.memory_of_many": _MEMORY,
}
_LANDLOCK: Final[Mapping[str, str]] = {
    "files.chmod_by_descriptor": _METADATA,
    "files.chmod_file": _METADATA,
    "files.chmod_readable_file": _METADATA,
    "files.set_attribute": _METADATA,
    "files.touch_file": _METADATA,
    "secrets.size_of_a_secret": _METADATA,
    "secrets.watch_a_folder": _METADATA,
    "processes.limit_outside": _OTHERS,
    "processes.shared_memory_left": _IPC,
    "processes.shared_memory_read": _IPC,
    "network.socket_names_by_proc": _IPC,
    "network.datagram_by_socket_pair_path": _PAIR,
}
_LANDLOCK_AS_USER: Final[Mapping[str, str]] = {
    "processes.idle_disk_priority": _OTHERS,
    "processes.idle_scheduling": _OTHERS,
    "processes.pin_to_one_core": _OTHERS,
    "processes.slow_down": _OTHERS,
}
_BUBBLEWRAP_AS_ROOT: Final[Mapping[str, str]] = {"processes.chmod_program_of_the_sandbox": _PROGRAM}
_ROOT_BY_NAME: Final = "as root in Landlock, programs are not found by their name"
_LANDLOCK_AS_ROOT: Final[Mapping[str, str]] = {
    "secrets.programs_by_path": _ROOT_BY_NAME,
    "secrets.shell_start_file": _ROOT_BY_NAME,
}


def reason_it_works(name: str, mechanism: str, user: str) -> str | None:
    """Give why an attempt is known to work in a sandbox, or None if it must not."""
    tables = {
        ("landlock", "user"): (_EVERYWHERE, _AS_USER, _LANDLOCK, _LANDLOCK_AS_USER),
        ("landlock", "root"): (_EVERYWHERE, _LANDLOCK, _LANDLOCK_AS_ROOT),
        ("bubblewrap", "user"): (_EVERYWHERE, _AS_USER),
        ("bubblewrap", "root"): (_EVERYWHERE, _BUBBLEWRAP_AS_ROOT),
    }
    return next((table[name] for table in tables[mechanism, user] if name in table), None)


def names() -> set[str]:
    """Give all attempts that are known to work somewhere."""
    tables = (_EVERYWHERE, _AS_USER, _LANDLOCK, _LANDLOCK_AS_USER, _LANDLOCK_AS_ROOT, _BUBBLEWRAP_AS_ROOT)
    return {name for table in tables for name in table}
