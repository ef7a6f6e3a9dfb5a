"""The filter of system calls, run by a small interpreter of the kernel's classic BPF."""

import errno
import re
import struct
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import SandboxUnavailable
from pev.sandbox import seccomp
from pev.sandbox.seccomp import ALLOW, ARCHITECTURES, ERRNO, KILL, NEW_NAMESPACE, program
from pev.sandbox.syscalls import NUMBERS

MACHINES: Final = sorted(ARCHITECTURES)
_HEADERS: Final = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
WORD: Final = st.integers(0, 2**32 - 1)
CHECKED: Final = ("socket", "ioctl", "clone", "clone3", "unshare")


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


def on(machine: str, name: str, *arguments: int, network: bool = True) -> int:
    """Run the filter of a machine on a call by name."""
    arch = ARCHITECTURES[machine]
    number = NUMBERS[name][arch.column]
    assert number is not None
    return answer(program(machine, network=network), arch.audit, number, *arguments)


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
    assert on(machine, "socket", domain | high << 32, network=False) == ERRNO | errno.EACCES


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
    assert on(machine, "clone3", 0, 0) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_every_jump_is_short_and_lands_inside(machine: str) -> None:
    listed = seccomp.instructions(machine)
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
        for name, row in NUMBERS.items():
            assert header.get(name, row[column]) == row[column], name


def test_an_unknown_architecture_is_a_refusal() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        program("riscv64")
