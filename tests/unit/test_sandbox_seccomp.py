"""The filter of system calls, run by a small interpreter of the kernel's classic BPF."""

import errno
import os
import re
import socket
import struct
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import SandboxUnavailable
from pev.sandbox import seccomp
from pev.sandbox.seccomp import ALLOW, ARCHITECTURES, ERRNO, KILL, NEW_NAMESPACE, program
from pev.sandbox.syscalls import NUMBERS, SHARED

MACHINES: Final = sorted(ARCHITECTURES)
_HEADERS: Final = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
WORD: Final = st.integers(0, 2**32 - 1)
MODES: Final = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "mknod": 1, "mknodat": 2}
OPENS: Final = {"open": 1, "openat": 2}
HIDDEN: Final = ("clone3", "openat2")
CHECKED: Final = ("socket", "socketpair", "ioctl", "clone", "unshare", *MODES, *OPENS, *HIDDEN)
OF_ACCOUNT: Final = {"setpriority": 2, "ioprio_set": 3}
OF_PROCESS: Final = (
    "sched_setaffinity",
    "sched_setscheduler",
    "sched_setparam",
    "sched_setattr",
    "prlimit64",
)


def answer(code: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a filter on a call, as the kernel does; fails on anything that the kernel would refuse to load."""
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, audit, 0, *(*arguments, *[0] * (6 - len(arguments))))
    listed = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at, accumulator = 0, 0
    while True:
        operation, yes, no, value = listed[at]
        at += 1
        if operation == 0x20:
            assert value % 4 == 0
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return int(value)
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += yes if holds[operation] else no


def on(machine: str, name: str, *arguments: int, apart: bool = True) -> int:
    """Run the filter of a machine on a call by name; skip the test where the machine has no such call."""
    arch = ARCHITECTURES[machine]
    number = {**NUMBERS, **SHARED}[name][arch.column]
    if number is None:
        pytest.skip(f"{machine} has no {name}")
    return answer(program(machine, apart=apart), arch.audit, number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_listed_is_refused_whatever_its_arguments(machine: str) -> None:
    for name, row in NUMBERS.items():
        if row[ARCHITECTURES[machine].column] is not None and name not in CHECKED:
            assert on(machine, name, 1, 2, 3) == ERRNO | errno.EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 600), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_what_is_not_listed_is_allowed(machine: str, number: int, arguments: list[int]) -> None:
    """A filter that refuses more than it says breaks programs in ways that nobody finds."""
    arch = ARCHITECTURES[machine]
    if number not in {row[arch.column] for row in NUMBERS.values()}:
        assert answer(program(machine), arch.audit, number, *arguments) == ALLOW
    if number not in {row[arch.column] for row in (*NUMBERS.values(), *SHARED.values())}:
        assert answer(program(machine, apart=False), arch.audit, number, *arguments) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@given(audit=WORD, number=WORD)
def test_a_call_of_a_foreign_architecture_kills(machine: str, audit: int, number: int) -> None:
    """Its numbers mean something else: int 0x80 on x86_64 would pass every test."""
    if audit != ARCHITECTURES[machine].audit:
        assert answer(program(machine), audit, number) == KILL


@given(number=st.integers(0x40000000, 2**32 - 1))
def test_x32_calls_kill_on_x86_64(number: int) -> None:
    assert answer(program("x86_64"), ARCHITECTURES["x86_64"].audit, number) == KILL


@pytest.mark.parametrize("machine", MACHINES)
@given(domain=WORD, high=WORD)
def test_only_internet_sockets_open_and_the_high_half_cannot_hide_that(
    machine: str, domain: int, high: int
) -> None:
    """The kernel reads an int; a filter that reads 64 bits can be fooled (CVE-2019-10063)."""
    expected = ALLOW if domain in (2, 10) else ERRNO | errno.EACCES
    assert on(machine, "socket", domain | high << 32) == expected
    assert on(machine, "socket", domain | high << 32, apart=False) == ERRNO | errno.EACCES


@pytest.mark.parametrize("machine", MACHINES)
@given(request=WORD, high=WORD)
def test_only_typing_into_terminals_is_refused_of_ioctl(machine: str, request: int, high: int) -> None:
    expected = ERRNO | errno.EPERM if request in (0x5412, 0x541C) else ALLOW
    assert on(machine, "ioctl", 0, request | high << 32) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("request_code", [0x5412, 0x541C, 0x5412 | 1 << 32])
def test_typing_into_terminals_is_refused(machine: str, request_code: int) -> None:
    assert on(machine, "ioctl", 0, request_code) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["clone", "unshare"])
@given(flags=WORD)
def test_new_namespaces_are_refused_and_threads_are_not(machine: str, name: str, flags: int) -> None:
    assert on(machine, name, flags) == (ERRNO | errno.EPERM if flags & NEW_NAMESPACE else ALLOW)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_hides_its_flags_in_memory_is_not_there(machine: str) -> None:
    """So that libraries fall back to clone."""
    for name in HIDDEN:
        for apart in (True, False):
            assert on(machine, name, 0, 0, apart=apart) == ERRNO | errno.ENOSYS


_NO_SET_ID: Final = ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(MODES))
@given(mode=WORD, high=WORD, other=WORD)
def test_no_call_sets_the_setuid_or_setgid_bit(
    machine: str, name: str, mode: int, high: int, other: int
) -> None:
    """And nothing else about a mode, or about another argument, is refused."""
    arguments = [other] * 5
    arguments[MODES[name]] = mode | high << 32
    expected = _NO_SET_ID if mode & 0o6000 else ALLOW
    for apart in (True, False):
        assert on(machine, name, *arguments, apart=apart) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(OPENS))
@given(flags=WORD, mode=WORD, high=WORD)
def test_no_file_is_made_with_the_setuid_or_setgid_bit(
    machine: str, name: str, flags: int, mode: int, high: int
) -> None:
    """Without O_CREAT and O_TMPFILE the mode is whatever was in the register, and means nothing."""
    arguments = [7] * 5
    arguments[OPENS[name]], arguments[OPENS[name] + 1] = flags | high << 32, mode | high << 32
    makes = flags & (0o100 | 0o20000000)
    assert on(machine, name, *arguments) == (_NO_SET_ID if makes and mode & 0o6000 else ALLOW)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6000, 0o106755])
def test_known_set_id_modes_are_refused_and_common_ones_are_not(machine: str, mode: int) -> None:
    """Random words seldom look like a mode."""
    for kind in (os.O_CREAT | os.O_WRONLY, 0o20200000 | os.O_RDWR):
        assert on(machine, "openat", 3, 0, kind, mode) == _NO_SET_ID
    assert on(machine, "openat", 3, 0, os.O_RDONLY, mode) == ALLOW
    for plain in (0o755, 0o1777, 0o600, 0o100644):
        assert on(machine, "fchmodat", 3, 0, plain) == on(machine, "openat", 3, 0, os.O_CREAT, plain) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("flags", [0, os.O_NONBLOCK, os.O_CLOEXEC])
def test_a_pair_of_sockets_is_connected_for_good(machine: str, flags: int) -> None:
    """A datagram socket of a pair sends to any name; SOCK_RAW is another word for it."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        assert on(machine, "socketpair", 1, kind | flags) == ALLOW
    for pair in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_DGRAM | 1 << 32):
        assert on(machine, "socketpair", 1, pair | flags) == ERRNO | errno.EACCES


@pytest.mark.parametrize("machine", MACHINES)
def test_what_only_namespaces_part_is_refused_where_there_are_none(machine: str) -> None:
    """System V objects and message queues outlive a command, and the host's are there to be read."""
    for name, row in SHARED.items():
        if row[ARCHITECTURES[machine].column] is not None and name not in (*OF_ACCOUNT, *OF_PROCESS):
            error = errno.EOPNOTSUPP if "attr" in name else errno.EPERM
            assert on(machine, name, 1, 2, 3, apart=False) == ERRNO | error, name
            assert on(machine, name, 1, 2, 3) == ALLOW, name


@pytest.mark.parametrize("machine", MACHINES)
@given(pid=WORD, high=WORD)
def test_without_namespaces_a_program_rules_only_itself(machine: str, pid: int, high: int) -> None:
    expected = ERRNO | errno.EPERM if pid else ALLOW
    for name in OF_PROCESS:
        assert on(machine, name, pid | high << 32, 7, 7, apart=False) == expected, name
        assert on(machine, name, pid, 7, 7) == ALLOW, name
    for name, account in OF_ACCOUNT.items():
        for kind in {0, 1, 2, 3} - {account}:
            assert on(machine, name, kind, pid | high << 32, 19, apart=False) == expected, name
        assert on(machine, name, account | high << 32, pid, 19, apart=False) == ERRNO | errno.EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("apart", [True, False])
def test_every_jump_is_short_and_lands_inside(machine: str, apart: bool) -> None:
    listed = seccomp.instructions(machine, apart=apart)
    for at, one in enumerate(listed):
        assert max(one.yes, one.no) < 256
        if one.code != 0x06:
            assert at + 1 + max(one.yes, one.no) < len(listed)
    assert len(listed) < 4096


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    """Against the headers of this machine, where they are installed; against a few known ones everywhere."""
    column = ARCHITECTURES[machine].column
    known = {"x86_64": {"ptrace": 101, "socket": 41, "bpf": 321}, "aarch64": {"ptrace": 117, "socket": 198}}
    for name, number in known[machine].items():
        assert NUMBERS[name][column] == number
    if _HEADERS[machine].is_file():
        text = _HEADERS[machine].read_text(encoding="utf-8")
        header = {name: int(value) for name, value in re.findall(r"__NR(?:3264)?_(\w+)\s+(\d+)\s", text)}
        for name, row in (NUMBERS | SHARED).items():
            assert header.get(name, row[column]) == row[column], name


def test_an_unknown_architecture_is_a_refusal() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        program("riscv64")
