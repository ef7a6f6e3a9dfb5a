"""The system calls that a confined program cannot make, as a filter for the kernel.

Assembled here, by pure functions, for the two architectures that PEV knows; each filter is a straight list
of tests without far jumps. What is refused gets an error, so that a program can go on; a call of a foreign
architecture kills it, because its numbers mean something else.
"""

import errno
import functools
import platform
import struct
from typing import Final, NamedTuple

from pev.errors import SandboxUnavailable
from pev.sandbox.syscalls import NUMBERS, SHARED

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
ERRNO: Final = 0x00050000
_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARGS = 0, 4, 16
_X32: Final = 0x40000000

NEW_NAMESPACE: Final = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_INET: Final = (2, 10)
_TERMINAL: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into a terminal
_SET_ID: Final = 0o6000  # S_ISUID, S_ISGID: whoever starts the file becomes its owner
_MAKES_FILE: Final = 0o20000100  # O_CREAT, __O_TMPFILE: without these, open() has no mode
_NAMELESS: Final = 0b10  # of a pair of sockets, set in SOCK_DGRAM and SOCK_RAW: they send to any name
_MODES: Final = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "mknod": 1, "mknodat": 2}
_OPENS: Final = {"open": 1, "openat": 2}
# libraries that meet ENOSYS fall back to calls whose arguments are not hidden in memory: clone, openat
_HIDDEN: Final = ("clone3", "openat2")
_ATTRIBUTES: Final = ("xattr", "file_setattr")
_OF_ACCOUNT: Final = {"setpriority": 2, "ioprio_set": 3}  # PRIO_USER, IOPRIO_WHO_USER: all processes
_OF_PROCESS: Final = (
    "sched_setaffinity",
    "sched_setscheduler",
    "sched_setparam",
    "sched_setattr",
    "prlimit64",
)


class Instruction(NamedTuple):
    """One instruction of classic BPF; `yes` and `no` say how many instructions to skip."""

    code: int
    yes: int
    no: int
    value: int


class Architecture(NamedTuple):
    """How the kernel names an architecture, and in which column its call numbers stand."""

    audit: int
    column: int


ARCHITECTURES: Final = {
    "x86_64": Architecture(0xC000003E, 0),
    "aarch64": Architecture(0xC00000B7, 1),
}


def _load(offset: int) -> Instruction:
    return Instruction(_LD, 0, 0, offset)


def _give(action: int) -> Instruction:
    return Instruction(_RET, 0, 0, action)


def _refuse(number: int) -> Instruction:
    return _give(ERRNO | number)


def _argument(index: int) -> Instruction:
    """Load the low half of an argument: the kernel reads no more of an `int`, whatever the high half says."""
    return _load(_ARGS + 8 * index)


def _always(number: int, error: int) -> list[Instruction]:
    return [Instruction(_JEQ, 0, 1, number), _refuse(error)]


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    """Run `body`, which ends with an answer, for one call only."""
    return [Instruction(_JEQ, 0, len(body), number), *body]


def _unless_one_of(index: int, values: tuple[int, ...], error: int) -> list[Instruction]:
    tests = [Instruction(_JEQ, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [_argument(index), *tests, _refuse(error), _give(ALLOW)]


def _if_one_of(index: int, values: tuple[int, ...], error: int) -> list[Instruction]:
    tests = [Instruction(_JEQ, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [_argument(index), *tests, _give(ALLOW), _refuse(error)]


def _if_any_bit(index: int, mask: int, error: int) -> list[Instruction]:
    return [_argument(index), Instruction(_JSET, 0, 1, mask), _refuse(error), _give(ALLOW)]


def _if_mode(flags: int, error: int) -> list[Instruction]:
    """Refuse to make a file that runs as its owner; `flags` is the place of open's flags, before its mode."""
    made = _if_any_bit(flags + 1, _SET_ID, error)
    return [_argument(flags), Instruction(_JSET, 1, 0, _MAKES_FILE), _give(ALLOW), *made]


def _unless_own(index: int, error: int, *, never: int | None = None) -> list[Instruction]:
    """Refuse a process other than 0, which is the caller itself; and, in the argument before, `never`."""
    own = [_argument(index), Instruction(_JEQ, 0, 1, 0), _give(ALLOW), _refuse(error)]
    if never is None:
        return own
    return [_argument(index - 1), Instruction(_JEQ, 0, 1, never), _refuse(error), *own]


def _conditional(apart: bool) -> dict[str, list[Instruction]]:
    """List the calls that are looked at with their arguments, those that are made most often first."""
    out = {name: _if_mode(flags, errno.EPERM) for name, flags in _OPENS.items()}
    out |= {name: _if_any_bit(at, _SET_ID, errno.EPERM) for name, at in _MODES.items()}
    out |= {
        "ioctl": _if_one_of(1, _TERMINAL, errno.EPERM),
        "clone": _if_any_bit(0, NEW_NAMESPACE, errno.EPERM),
        "unshare": _if_any_bit(0, NEW_NAMESPACE, errno.EPERM),
        "socket": _unless_one_of(0, _INET, errno.EACCES) if apart else [_refuse(errno.EACCES)],
        "socketpair": _if_any_bit(1, _NAMELESS, errno.EACCES),
    }
    if not apart:
        out |= {name: _unless_own(1, errno.EPERM, never=all_) for name, all_ in _OF_ACCOUNT.items()}
        out |= {name: _unless_own(0, errno.EPERM) for name in _OF_PROCESS}
    return out


def _error(name: str) -> int:
    """Give what an always refused call fails with: programs go on where a file system has no attributes."""
    if name in _HIDDEN:
        return errno.ENOSYS
    return errno.EOPNOTSUPP if any(word in name for word in _ATTRIBUTES) else errno.EPERM


def instructions(machine: str, *, apart: bool = True) -> list[Instruction]:
    """Give the filter for an architecture.

    `apart` says that the program has namespaces of its own: then it can open Internet sockets, which lead
    nowhere, and has System V objects and processes to itself. Otherwise it gets no sockets, no such objects,
    and no say over other processes. Raises SandboxUnavailable for an architecture that is not known.
    """
    if machine not in ARCHITECTURES:
        raise SandboxUnavailable(
            f"no filter of system calls is known for {machine}", hint="Use x86_64 or aarch64."
        )
    arch = ARCHITECTURES[machine]
    known = NUMBERS if apart else {**NUMBERS, **SHARED}
    number = {name: row[arch.column] for name, row in known.items() if row[arch.column] is not None}
    out = [_load(_ARCH), Instruction(_JEQ, 1, 0, arch.audit), _give(KILL), _load(_NR)]
    if machine == "x86_64":
        out += [Instruction(_JGE, 0, 1, _X32), _give(KILL)]
    conditional = _conditional(apart)
    for name, body in conditional.items():
        if name in number:
            out += _when(number[name] or 0, body)
    for name, its in number.items():
        if name not in conditional:
            out += _always(its or 0, _error(name))
    return [*out, _give(ALLOW)]


@functools.cache
def program(machine: str | None = None, *, apart: bool = True) -> bytes:
    """Give the filter as the kernel reads it, by default for this machine. Raises SandboxUnavailable."""
    listed = instructions(machine or platform.machine(), apart=apart)
    return b"".join(struct.pack("=HBBI", *one) for one in listed)
