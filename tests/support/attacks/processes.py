"""Reaching other processes: reading, writing, tracing, signalling and slowing."""

import ctypes
import fcntl
import os
import resource
import signal
import struct
import time
from pathlib import Path

from support.attacks.kit import (
    SECRET_MARK,
    Place,
    attempt,
    call,
    claim,
    family,
    show,
    spoil,
    take,
    tried,
)


@family(
    {
        "environ": "/proc/{victim}/environ",
        "cmdline": "/proc/{victim}/cmdline",
        "open_deleted_file": "/proc/{victim}/fd/0",
        "cwd": "/proc/{victim}/cwd/secret.txt",
        "root": "/proc/{victim}/root{secret}",
        "task_environ": "/proc/{victim}/task/{victim}/environ",
        "driver_environ": "/proc/{driver}/environ",
        "driver_cmdline": "/proc/{driver}/cmdline",
    },
    victim=True,
)
def read(at: Place, form: str) -> None:
    """Read of another process what /proc shows."""
    take(form.format(victim=at.victim, driver=at.driver, secret=at.secret))


@attempt(victim=True)
def scan_all(_at: Place) -> None:
    """Read arguments and environment of every process there is."""
    for folder in Path("/proc").glob("[0-9]*"):
        for what in ("environ", "cmdline"):
            with tried():
                found = (folder / what).read_bytes()
                if SECRET_MARK in found and folder.name != str(os.getpid()):
                    show(found)


@attempt(victim=True)
def parent_environ(_at: Place) -> None:
    """Whoever started us may have had more than it gave."""
    number = os.getppid()
    while number > 1:
        with tried():
            take(f"/proc/{number}/environ")
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
        number = int(stat.rpartition(")")[2].split()[1])


def _environment_at(pid: int) -> tuple[int, int]:
    """Give where the environment of a process lies in its memory, and how long it is."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    return start, end - start


@attempt(victim=True)
def memory_file_read(at: Place) -> None:
    """The memory of another process as a file."""
    start, size = _environment_at(at.victim)
    with Path(f"/proc/{at.victim}/mem").open("rb", buffering=0) as memory:
        memory.seek(start)
        show(memory.read(size))


@attempt(victim=True)
def memory_file_written(at: Place) -> None:
    """And written."""
    start, _ = _environment_at(at.victim)
    with Path(f"/proc/{at.victim}/mem").open("r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(b"SPOILED")


def _vectors(at: Place, mine: ctypes.Array[ctypes.c_char]) -> tuple[bytes, bytes]:
    start, size = _environment_at(at.victim)
    size = min(size, len(mine))
    return struct.pack("QQ", ctypes.addressof(mine), size), struct.pack("QQ", start, size)


@attempt(victim=True)
def vm_read(at: Place) -> None:
    """One call copies another's memory to ours."""
    mine = ctypes.create_string_buffer(8192)
    local, remote = _vectors(at, mine)
    call("process_vm_readv", at.victim, local, 1, remote, 1, 0)
    show(mine.raw)


@attempt(victim=True)
def vm_write(at: Place) -> None:
    """One call copies ours to another's."""
    mine = ctypes.create_string_buffer(b"SPOILED", 7)
    local, remote = _vectors(at, mine)
    call("process_vm_writev", at.victim, local, 1, remote, 1, 0)


def _traced(at: Place, request: int) -> None:
    call("ptrace", request, at.victim, 0, 0)
    with tried():
        os.waitpid(at.victim, 0x40000000 | os.WNOHANG)  # __WALL
    start, _ = _environment_at(at.victim)
    word = ctypes.c_long()
    found = b""
    for offset in range(0, 4096, 8):
        with tried():
            call("ptrace", 1, at.victim, start + offset, ctypes.byref(word))  # PTRACE_PEEKTEXT
            found += struct.pack("l", word.value)
    show(found)


@attempt(victim=True)
def trace_by_attach(at: Place) -> None:
    """Become the debugger of another process, the old way."""
    call("ptrace", 16, at.victim, 0, 0)
    os.waitpid(at.victim, 0x40000000)
    start, _ = _environment_at(at.victim)
    call("ptrace", 4, at.victim, start, 0x4445_4C49_4F50_5353)  # PTRACE_POKETEXT
    call("ptrace", 17, at.victim, 0, 0)


@attempt(victim=True)
def trace_by_seize(at: Place) -> None:
    """The new way, which does not stop it."""
    call("ptrace", 0x4206, at.victim, 0, 0)
    call("ptrace", 0x4207, at.victim, 0, 0)  # PTRACE_INTERRUPT
    os.waitpid(at.victim, 0x40000000)
    start, _ = _environment_at(at.victim)
    call("ptrace", 4, at.victim, start, 0x4445_4C49_4F50_5353)


@attempt(victim=True)
def steal_descriptor(at: Place) -> None:
    """Copy an open descriptor out of another process."""
    process = os.pidfd_open(at.victim)
    show(os.pread(call("pidfd_getfd", process, 0, 0), 4096, 0))


@family({"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "hangup": signal.SIGHUP}, victim=True)
def signal_outside(at: Place, number: int) -> None:
    """A signal to a process outside, by its number."""
    os.kill(at.victim, number)


@attempt(victim=True)
def signal_by_pidfd(at: Place) -> None:
    """By a descriptor of the process."""
    signal.pidfd_send_signal(os.pidfd_open(at.victim), signal.SIGKILL)


@attempt(victim=True)
def signal_thread(at: Place) -> None:
    """To one thread."""
    call("tgkill", at.victim, at.victim, signal.SIGKILL)


@attempt(victim=True)
def signal_queued(at: Place) -> None:
    """Queued, with a forged sender."""
    call("rt_sigqueueinfo", at.victim, signal.SIGKILL, struct.pack("iii", 0, 0, -1) + bytes(116))


@attempt(victim=True)
def signal_by_descriptor_owner(at: Place) -> None:
    """Let the kernel send it: a pipe whose owner is the other process, and whose signal is SIGKILL."""
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, at.victim)
    fcntl.fcntl(reader, 10, signal.SIGKILL)  # F_SETSIG
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writer, b"x")


@attempt(alone=True)
def signal_driver(at: Place) -> None:
    """A signal to the server. One that does no harm, and that the driver counts."""
    os.kill(at.driver, at.harmless)


@attempt(alone=True)
def signal_parents(at: Place) -> None:
    """A signal to our parent, and to its parent."""
    number = os.getppid()
    while number > 1:
        os.kill(number, at.harmless)
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
        number = int(stat.rpartition(")")[2].split()[1])


@attempt(alone=True)
def signal_everyone(at: Place) -> None:
    """kill -1; with a signal that is ignored by all that do not ask for it."""
    os.kill(-1, at.harmless)


@attempt(alone=True)
def signal_group_of_driver(at: Place) -> None:
    """The process group of the server."""
    os.killpg(os.getpgid(at.driver), at.harmless)


@attempt(victim=True)
def limit_outside(at: Place) -> None:
    """Take away another's descriptors: its next open fails."""
    resource.prlimit(at.victim, resource.RLIMIT_NOFILE, (4, 4))


@attempt(victim=True)
def slow_down(at: Place) -> None:
    """Give another the lowest priority."""
    os.setpriority(os.PRIO_PROCESS, at.victim, 19)


@attempt(victim=True)
def pin_to_one_core(at: Place) -> None:
    """Leave another one core."""
    os.sched_setaffinity(at.victim, {0})


@attempt(victim=True)
def idle_scheduling(at: Place) -> None:
    """Let another run only when nothing else does."""
    os.sched_setscheduler(at.victim, os.SCHED_IDLE, os.sched_param(0))


@attempt(victim=True)
def idle_disk_priority(at: Place) -> None:
    """Let another read only when nothing else does."""
    call("ioprio_set", 1, at.victim, 3 << 13)


@attempt(victim=True)
def first_to_be_killed(at: Place) -> None:
    """Make another the one that goes when memory is short."""
    Path(f"/proc/{at.victim}/oom_score_adj").write_text("1000", encoding="utf-8")


@attempt(victim=True)
def chmod_running_program(at: Place) -> None:
    """The program that another runs, by its link in /proc."""
    Path(f"/proc/{at.victim}/exe").chmod(0o700)


@attempt(inert="the first process may be out of reach")
def chmod_program_of_the_sandbox(at: Place) -> None:
    """The program that confines us, by its link in /proc; its mode is set to what it is."""
    for number in (1, os.getppid()):
        with tried():
            program = Path(f"/proc/{number}/exe")
            program.chmod(program.stat().st_mode & 0o7777)
            if not str(program.readlink()).startswith("/memfd:"):  # a copy that is gone with the command
                claim(at, f"mode of {program.readlink()} set")


@attempt(inert="the first process may be out of reach")
def write_program_of_the_sandbox(at: Place) -> None:
    """The same program, if it is ours: made writable, and one byte of it written as it is."""
    for number in (1, os.getppid()):
        with tried():
            program = Path(f"/proc/{number}/exe")
            mode = program.stat().st_mode & 0o7777
            program.chmod(mode | 0o200)
            try:
                opened = os.open(program, os.O_RDWR)
                os.pwrite(opened, os.pread(opened, 1, 0), 0)
                claim(at, f"{program.readlink()} written")
            finally:
                program.chmod(mode)


@attempt(inert="the first process may be out of reach, and our parent too")
def memory_of_the_sandbox(at: Place) -> None:
    """The process that confines us has no filter on calls; opened for writing and read, not written."""
    for number in {1, os.getppid()} - {at.driver, os.getpid()}:
        with tried(), Path(f"/proc/{number}/mem").open("r+b", buffering=0) as memory:
            start, size = _environment_at(number)
            memory.seek(start)
            found = memory.read(min(size, 4096))
            claim(at, f"memory of {number} open, {len(found)} bytes read")


@attempt(inert="the first process may be out of reach, and our parent too")
def descriptors_of_the_sandbox(at: Place) -> None:
    """What the process that confines us has open, by its links in /proc."""
    for number in {1, os.getppid()} - {at.driver, os.getpid()}:
        for link in Path(f"/proc/{number}/fd").iterdir():
            with tried():
                spoil(f"{link}/{at.file}")
            with tried():
                take(f"{link}/../../../outside/secret.txt")
            with tried():
                opened = os.open(link, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND)
                target = str(link.readlink())
                if target.startswith("/") and not target.startswith(("/dev/", at.work)):
                    claim(at, f"{target} open for writing")
                os.close(opened)


@attempt(victim=True, root=True)
def move_to_cgroup(at: Place) -> None:
    """Put another into a group of ours, where limits are ours to set."""
    for top in ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup"):
        with tried():
            group = Path(top, f"pev-{at.token}")
            group.mkdir()
            (group / "cgroup.procs").write_text(str(at.victim), encoding="utf-8")
            return


@attempt(victim=True)
def slow_down_a_group(at: Place) -> None:
    """Give the whole group of another the lowest priority."""
    os.setpriority(os.PRIO_PGRP, os.getpgid(at.victim), 19)


@attempt(victim=True)
def count_events_of_another(at: Place) -> None:
    """Measure what another process does."""
    wanted = struct.pack("IIQQQQQ", 1, 64, 1, 0, 0, 0, 1 << 5 | 1 << 6) + bytes(64)
    opened = call("perf_event_open", wanted, at.victim, -1, -1, 0)
    time.sleep(0.01)
    claim(at, f"{struct.unpack('q', os.read(opened, 8))[0]} ns measured of another process")
