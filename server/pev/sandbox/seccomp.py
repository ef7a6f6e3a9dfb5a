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
from pev.sandbox.syscalls import NUMBERS

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
ERRNO: Final = 0x00050000
_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARGS = 0, 4, 16
_X32: Final = 0x40000000

NEW_NAMESPACE: Final = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_INET: Final = (2, 10)
_TERMINAL: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into a terminal
_CONDITIONAL: Final = frozenset({"socket", "ioctl", "clone", "clone3", "unshare"})


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


def instructions(machine: str, *, network: bool = True) -> list[Instruction]:
    """Give the filter for an architecture.

    With `network` a program can open Internet sockets, which lead nowhere in a network namespace of its own;
    without, no sockets at all. Raises SandboxUnavailable for an architecture that is not known.
    """
    if machine not in ARCHITECTURES:
        raise SandboxUnavailable(
            f"no filter of system calls is known for {machine}", hint="Use x86_64 or aarch64."
        )
    arch = ARCHITECTURES[machine]
    number = {name: row[arch.column] for name, row in NUMBERS.items() if row[arch.column] is not None}
    out = [_load(_ARCH), Instruction(_JEQ, 1, 0, arch.audit), _give(KILL), _load(_NR)]
    if machine == "x86_64":
        out += [Instruction(_JGE, 0, 1, _X32), _give(KILL)]
    for name, its in number.items():
        if name not in _CONDITIONAL:
            out += _always(its or 0, errno.EPERM)
    # libraries that meet ENOSYS fall back to clone(), whose flags can be seen here
    out += _always(number["clone3"] or 0, errno.ENOSYS)
    conditional = {
        "clone": _if_any_bit(0, NEW_NAMESPACE, errno.EPERM),
        "unshare": _if_any_bit(0, NEW_NAMESPACE, errno.EPERM),
        "ioctl": _if_one_of(1, _TERMINAL, errno.EPERM),
        "socket": _unless_one_of(0, _INET, errno.EACCES) if network else [_refuse(errno.EACCES)],
    }
    for name, body in conditional.items():
        out += _when(number[name] or 0, body)
    return [*out, _give(ALLOW)]


@functools.cache
def program(machine: str | None = None, *, network: bool = True) -> bytes:
    """Give the filter as the kernel reads it, by default for this machine. Raises SandboxUnavailable."""
    listed = instructions(machine or platform.machine(), network=network)
    return b"".join(struct.pack("=HBBI", *one) for one in listed)
