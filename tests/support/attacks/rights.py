"""Rights, devices and settings of the kernel, and what a command may leave for others to run."""

import ctypes
import os
import resource
import shutil
import stat
import struct
import subprocess
import time
from pathlib import Path

from support.attacks.kit import AT_FDCWD, Place, attempt, call, call_number, claim, family, tried


@family(
    {
        "core_pattern": "/proc/sys/kernel/core_pattern",
        "modprobe": "/proc/sys/kernel/modprobe",
        "sysrq": "/proc/sysrq-trigger",
        "hotplug": "/proc/sys/kernel/hotplug",
        "forwarding": "/proc/sys/net/ipv4/ip_forward",
        "overcommit": "/proc/sys/vm/overcommit_memory",
    },
    odd={key: {"inert": "not in each kernel"} for key in ("hotplug", "modprobe", "sysrq")},
    root=True,
)
def kernel_setting(at: Place, path: str) -> None:
    """Settings that make the kernel run programs or stop; opened for writing, not written."""
    os.close(os.open(path, os.O_WRONLY))
    claim(at, f"{path} open for writing")


@family(
    {"log": "/dev/kmsg", "memory": "/proc/kcore"},
    odd={"memory": {"inert": "not in each kernel"}},
    root=True,
)
def kernel_file(at: Place, path: str) -> None:
    """What the kernel says and holds."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if os.read(opened, 8192):
        claim(at, f"{path} read")


@attempt(inert="may be kept from ordinary users")
def kernel_log_by_call(at: Place) -> None:
    """The log again, without a file."""
    found = ctypes.create_string_buffer(4096)
    if call("syslog", 3, found, 4096):
        claim(at, "kernel log read")


@attempt(root=True)
def make_disk_device(at: Place) -> None:
    """A device node for the disk that holds the worktree, read past all file systems."""
    disk = Path(at.work).stat().st_dev
    node = Path(at.work, "disk")
    os.mknod(node, stat.S_IFBLK | 0o600, disk)
    opened = os.open(node, os.O_RDONLY)
    claim(at, f"{len(os.read(opened, 512))} bytes of the disk")


@attempt(root=True)
def make_character_device(at: Place) -> None:
    """A node for the machine's memory, or any other device, left in the worktree."""
    os.mknod(Path(at.work, "memory"), stat.S_IFCHR | 0o666, os.makedev(1, 1))


@attempt(inert="none of them may be here")
def powerful_devices(at: Place) -> None:
    """Devices beyond the harmless ones: disks, virtual machines, networks, user file systems."""
    for name in (
        "vda",
        "sda",
        "nvme0n1",
        "kvm",
        "fuse",
        "net/tun",
        "loop-control",
        "mem",
        "vhost-net",
        "uinput",
    ):
        with tried():
            os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
            claim(at, f"/dev/{name} open")


@attempt(inert="may be kept from ordinary users")
def page_faults_in_our_hands(at: Place) -> None:
    """Stop the kernel in the middle of a copy, for as long as we like."""
    call("userfaultfd", os.O_CLOEXEC)
    claim(at, "a descriptor that handles faults of the kernel")


@attempt(root=True, inert="not in each kernel")
def ports_of_the_machine(at: Place) -> None:
    """Talk to the hardware; with level 0, which changes nothing but needs the same right."""
    if os.uname().machine == "x86_64":
        call_number(172, 3)
        claim(at, "input and output ports")


@attempt(root=True)
def name_of_the_machine(at: Place) -> None:
    """The host's name, set to what it is."""
    name = os.uname().nodename
    number = 170 if os.uname().machine == "x86_64" else 161
    call_number(number, name.encode(), len(name))
    claim(at, "host name set")


@attempt(root=True, inert="root may lack the right")
def limits_raised(at: Place) -> None:
    """Take back what was given up: a limit that can be raised is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1), hard - 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    claim(at, "a hard limit raised")


@attempt(root=True)
def rights_of_root(at: Place) -> None:
    """Capabilities: none is needed to run a command."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in ("CapEff", "CapPrm", "CapInh", "CapAmb") and int(value, 16):
            claim(at, f"{name} {value.strip()}")


@attempt()
def another_user(at: Place) -> None:
    """Become someone else."""
    if os.getuid() == 0:
        with Path(at.work, "claims").open("w", encoding="utf-8") as claims:
            os.setresuid(12_345, 12_345, 12_345)
            claims.write(f"became {os.getuid()}")
    else:
        _elevated(at)


def _elevated(at: Place) -> None:
    """Start a program that runs as root, and look at whom it runs as."""
    child = subprocess.Popen(
        ["su", "root"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.1)
    for line in Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("Uid:") and line.split()[2] == "0":
            claim(at, "a program runs as root for us")
    child.kill()


@family({"user": 0o4755, "group": 0o2755})
def leave_setuid_program(at: Place, mode: int) -> None:
    """A program in the worktree that runs as its owner, whoever starts it outside."""
    program = Path(at.work, "shell")
    shutil.copyfile("/bin/sh", program)
    program.chmod(mode)


@family({"openat2": 437, "unnamed": 0, "mknod": 1, "high_half": 2})
def leave_setuid_program_made(at: Place, way: int) -> None:
    """The same, by making it so; with the mode in memory, or in an argument of more bits than are read."""
    program = Path(at.work, "shell")
    if way == 1:
        os.mknod(program, stat.S_IFREG | 0o6755)
    elif way == 2:
        program.touch()
        numbers = {"x86_64": 268, "aarch64": 53}
        call_number(numbers[os.uname().machine], AT_FDCWD, bytes(program), 0o6755 | 1 << 33)
    elif way:
        how = struct.pack("QQQ", os.O_WRONLY | os.O_CREAT, 0o6755, 0)
        call_number(way, AT_FDCWD, bytes(program), how, len(how))
    else:
        opened = os.open(at.work, os.O_TMPFILE | os.O_WRONLY, 0o6755)
        call("linkat", AT_FDCWD, f"/proc/self/fd/{opened}".encode(), AT_FDCWD, bytes(program), 0x400)


@family({"fchmod": "f", "created": "c", "fchmodat2": "2"})
def leave_setuid_program_by(at: Place, way: str) -> None:
    """The same, by calls that a filter may forget."""
    program = Path(at.work, "shell")
    opened = os.open(program, os.O_WRONLY | os.O_CREAT, 0o6755 if way == "c" else 0o755)
    if way != "c":
        os.write(opened, b"#!/bin/sh\n")
    if way == "f":
        os.fchmod(opened, 0o6755)
    if way == "2":
        call_number(452, AT_FDCWD, bytes(program), 0o6755, 0)


@attempt(root=True)
def leave_program_with_rights(at: Place) -> None:
    """A capability on a file does what the setuid bit does."""
    program = Path(at.work, "shell")
    shutil.copyfile("/bin/sh", program)
    os.setxattr(program, "security.capability", struct.pack("IIIII", 0x02000001, 1 << 21, 0, 0, 0))


@attempt(inert="cores may go elsewhere")
def core_dump(at: Place) -> None:
    """A dump of our memory, or a handler of the host that is started for it."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    child = os.fork()
    if child == 0:
        os.abort()
    _, status = os.waitpid(child, 0)
    if os.WCOREDUMP(status):
        claim(at, "core dumped")
