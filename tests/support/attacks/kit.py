"""What the attacks have in common: what an attacker is told, how one is declared, system calls by name.

An attacker knows every path, port and process number, and none of the secrets.
"""

import ctypes
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, Literal, NamedTuple

CALLS: Final = {  # name: number on x86_64, number on aarch64
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clone": (56, 220),
    "clone3": (435, 435),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "inotify_add_watch": (254, 27),
    "inotify_init1": (294, 26),
    "io_uring_enter": (426, 426),
    "io_uring_setup": (425, 425),
    "ioprio_set": (251, 30),
    "ioprio_get": (252, 31),
    "keyctl": (250, 219),
    "linkat": (265, 37),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "mq_timedreceive": (243, 183),
    "mq_timedsend": (242, 182),
    "mq_unlink": (241, 181),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "prctl": (157, 167),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "renameat2": (316, 276),
    "rt_sigqueueinfo": (129, 138),
    "semctl": (66, 191),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmget": (29, 194),
    "syslog": (103, 116),
    "tgkill": (234, 131),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
AT_FDCWD: Final = -100
SECRET_MARK: Final = b"canary-"
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
Ends = Literal["exit", "timeout", "cancelled", "killed"]


class Place(NamedTuple):  # a data class would double the start-up time of each attack
    """All that an attacker is told. Paths are absolute and those of the host."""

    token: str
    work: str
    outside: str
    home: str
    state: str
    other: str
    tools: str
    etc: str
    usr: str
    account_home: str
    driver: int
    victim: int
    mnt_ns: str
    pts: str
    harmless: int
    ports: Mapping[str, int]
    sockets: Mapping[str, str]
    handle: tuple[int, str]
    passwd: tuple[int, int]
    limits: Mapping[str, int]

    @property
    def file(self) -> str:
        """A file outside, to be changed."""
        return f"{self.outside}/file.txt"

    @property
    def secret(self) -> str:
        """A file outside, to be read."""
        return f"{self.outside}/secret.txt"


Attack = Callable[[Place], None]
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Attempt(NamedTuple):
    """One way to break out, and what it takes.

    `plant` runs on the host before, as what an earlier command left in the worktree. `env` is added to the
    command's environment; `{work}` and `{outside}` in it are filled in, as in `cwd` and in `grants`, which
    gives `writable` and `readable` one more folder. `swaps`: something swaps the folder `sub` of the worktree
    for a link to the outside all the time. `argv` replaces the program. `naive`:
    with no sandbox it is started as a careless program would, descriptors and environment inherited.
    `root`: without a sandbox only root can do it. `inert` says why it may have no effect even then. `alone`:
    nothing else may run at the same time. `git`: it needs the .git of the worktree, which a sandbox that
    cannot hide it answers with a refusal. `may_refuse`: the command is odd enough to be refused.
    """

    topic: str
    name: str
    attack: Attack
    plant: Attack | None = None
    env: Mapping[str, str] = _NOTHING
    cwd: str = "{work}"
    grants: Mapping[str, str] = _NOTHING
    swaps: bool = False
    argv: tuple[str, ...] = ()
    ends: Ends = "exit"
    limit_s: float = 8.0
    naive: bool = False
    root: bool = False
    victim: bool = False
    inert: str = ""
    alone: bool = False
    git: bool = False
    may_refuse: bool = False
    slow: bool = False
    limits: Mapping[str, int] = _NOTHING
    output_bytes: int = 2**20

    @property
    def id(self) -> str:
        """The name that tests and reports use."""
        return f"{self.topic}.{self.name}"


REGISTRY: Final[dict[str, Attempt]] = {}


def attempt(**traits: Any) -> Callable[[Attack], Attack]:
    """Declare a function to be an attempt; its module is the topic, its name the attempt's."""

    def declare(attack: Attack) -> Attack:
        topic = attack.__module__.rpartition(".")[2]
        made = Attempt(topic, attack.__name__, attack, **traits)
        assert made.id not in REGISTRY, made.id
        REGISTRY[made.id] = made
        return attack

    return declare


def family(
    names: Mapping[str, Any], *, odd: Mapping[str, Mapping[str, Any]] | None = None, **traits: Any
) -> Callable[[Callable[[Place, Any], None]], None]:
    """Declare one attempt for each name, with a value of its own. `odd` has the traits of single ones."""

    def declare(attack: Callable[[Place, Any], None]) -> None:
        for name, value in names.items():
            one = functools.partial(_with_value, attack, value)
            topic = attack.__module__.rpartition(".")[2]
            its = {**traits, **(odd or {}).get(name, {})}
            made = Attempt(topic, f"{attack.__name__}_{name}", one, **its)
            assert made.id not in REGISTRY, made.id
            REGISTRY[made.id] = made

    return declare


def _with_value(attack: Callable[[Place, Any], None], value: Any, at: Place) -> None:
    attack(at, value)


def named(module: ModuleType, name: str) -> Attempt:
    """Give an attempt of a topic."""
    return REGISTRY[f"{module.__name__.rpartition('.')[2]}.{name}"]


def call(name: str, *args: Any) -> int:
    """Make a system call. Raises OSError, as `os` does."""
    machines = {"x86_64": 0, "aarch64": 1}
    number = CALLS[name][machines[os.uname().machine]]
    return call_number(number, *args)


def call_number(number: int, *args: Any) -> int:
    """Make a system call by its number. Raises OSError."""
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    _LIBC.syscall.restype = ctypes.c_long
    done = _LIBC.syscall(ctypes.c_long(number), *passed)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{number}: {os.strerror(code)}")
    return int(done)


def show(found: bytes | str) -> None:
    """Hand something to the one who ran the command."""
    sys.stdout.buffer.write(found if isinstance(found, bytes) else found.encode())
    sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def take(path: str) -> None:
    """Read a file and hand it out."""
    with Path(path).open("rb") as file:
        show(file.read(2**16))


def spoil(path: str, *, dir_fd: int | None = None) -> None:
    """Overwrite a file that is there."""
    opened = os.open(path, os.O_WRONLY | os.O_TRUNC, dir_fd=dir_fd)
    os.write(opened, b"spoiled")
    os.close(opened)


def claim(at: Place, what: str) -> None:
    """Say that something was got that shows only here. For what has no effect outside to look at."""
    with Path(at.work, "claims").open("a", encoding="utf-8") as file:
        file.write(f"{what}\n")


def beat(at: Place, *, for_s: float = 8.0) -> None:
    """Show a sign of life in the worktree every few milliseconds."""
    opened = os.open(f"{at.work}/beat", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ends = time.monotonic() + for_s
    while time.monotonic() < ends:
        os.write(opened, b".")
        time.sleep(0.01)


def wait_for(path: str, limit_s: float = 3.0) -> None:
    """Wait until a file is there."""
    ends = time.monotonic() + limit_s
    while not Path(path).exists() and time.monotonic() < ends:
        time.sleep(0.005)


@contextmanager
def tried() -> Iterator[None]:
    """Go on when a step is refused: an attacker has more than one."""
    with suppress(OSError, ValueError, AttributeError):
        yield


def own_mounts(at: Place) -> None:
    """Get a mount namespace of our own, so that no mount is made on the host. Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    with tried():
        call("unshare", CLONE_NEWNS)
    if not apart(at):
        with tried():
            call("unshare", CLONE_NEWNS | CLONE_NEWUSER)
            Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="utf-8")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="utf-8")
    if apart(at):
        with tried():
            call("mount", b"none", b"/", None, 0x4000 | 0x40000, None)  # MS_REC | MS_PRIVATE


def apart(at: Place) -> bool:
    """Whether this process has other mounts than the host."""
    return str(Path("/proc/self/ns/mnt").readlink()) != at.mnt_ns
