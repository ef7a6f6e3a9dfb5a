"""Confines itself with Landlock and a system call filter, then becomes the command.

Run as `python -I -S -B confine.py SPEC LIFE STATUS`. SPEC is a descriptor with JSON, LIFE a pipe that closes
when everything has ended, STATUS a pipe that gets the reason if the command could not be started. There are
three processes: the one that was started and is waited for; a keeper in a session of its own, which every
orphan falls to and which kills what is left however the first one ends; and the command.
"""

import base64
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on all architectures
_SET_DEATH_SIGNAL, _DROP_CAPABILITY, _SET_SECCOMP, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 24, 22, 36, 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
_CAPABILITIES = 64

_READ = 0b1101  # execute, read a file, read a folder
_FILE_ONLY = 0b1100_0000_0000_0111
# all rights of each version of the interface; what a rule does not give is refused
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_SINCE, _SCOPE_SINCE = 4, 6
_BOTH = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _checked(value: int) -> int:
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return value


def _prctl(option: int, value: int, third: object = 0) -> None:
    _checked(_LIBC.prctl(option, ctypes.c_ulong(value), third, 0, 0))


def abi() -> int:
    """Give the version of Landlock's interface, 0 if the kernel has none."""
    return max(0, int(_LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def _restrict_files(rules: list[tuple[str, bool]], version: int) -> None:
    every = _RIGHTS[min(version, max(_RIGHTS))]
    attr = _Ruleset(every, _BOTH if version >= _NETWORK_SINCE else 0, _BOTH if version >= _SCOPE_SINCE else 0)
    size = 8 + 8 * (version >= _NETWORK_SINCE) + 8 * (version >= _SCOPE_SINCE)
    ruleset = _checked(_LIBC.syscall(_CREATE, ctypes.byref(attr), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    for path, writes in rules:
        rights = every if writes else _READ
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not os.path.isdir(path):
            rights &= _FILE_ONLY & every
        rule = _Beneath(rights, fd)
        _checked(_LIBC.syscall(_ADD, ruleset, 1, ctypes.byref(rule), ctypes.c_uint32(0)))
        os.close(fd)
    _prctl(_NO_NEW_PRIVILEGES, 1)
    _checked(_LIBC.syscall(_RESTRICT, ruleset, ctypes.c_uint32(0)))
    os.close(ruleset)


def _restrict_calls(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    listed = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(_SET_SECCOMP, 2, ctypes.byref(listed))


def _drop_capabilities() -> None:
    """Give up what root could do beyond owning its files."""
    if os.geteuid() != 0:
        return
    for number in range(_CAPABILITIES):
        with contextlib.suppress(OSError):  # the kernel has fewer
            _prctl(_DROP_CAPABILITY, number)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_LIBC.syscall(_CAPSET[os.uname().machine], header, nothing))


def _own_tasks() -> int:
    """Count the tasks of this user: the kernel counts them all against the limit of processes."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == os.getuid():
                    count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _bound(spec: dict) -> None:  # type: ignore[type-arg]  # this script imports nothing to say it with
    for kind, value in spec["rlimits"].items():
        resource.setrlimit(int(kind), (value, value))
    if spec["processes"]:
        most = _own_tasks() + spec["processes"]
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    with contextlib.suppress(OSError):
        _write("/proc/self/oom_score_adj", "1000")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _become(spec: dict, status: int) -> None:  # type: ignore[type-arg]
    """Confine this process and become the command; say why if that fails."""
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and that would be inherited
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for folder in spec["groups"]:
            _write(f"{folder}/cgroup.procs", "0")
        _bound(spec)
        _drop_capabilities()
        _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        _restrict_files([*spec["rules"], (f"/proc/{os.getpid()}", False)], spec["abi"])
        _restrict_calls(base64.b64decode(spec["filter"]))
    except OSError as exc:
        os.write(status, f"setup:{exc}".encode())
        os._exit(1)
    try:
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except OSError as exc:
        os.write(status, f"exec:{exc.strerror}".encode())
    os._exit(1)


def _children() -> list[int]:
    with open("/proc/thread-self/children", encoding="ascii") as handle:
        return [int(word) for word in handle.read().split()]


def _kill_all() -> None:
    """Kill what is left: children of killed processes become ours, until there are none."""
    while True:
        for pid in _children():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _keep(spec: dict, status: int, first: int) -> int:  # type: ignore[type-arg]
    """Start the command and wait for it, or for the end of the first process; then leave nothing behind."""
    os.setsid()
    watched = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    _prctl(_SUBREAPER, 1)
    command = os.fork()
    if command == 0:
        _become(spec, status)
    os.close(status)
    code = 1
    while os.getppid() == first:
        if signal.sigwait(watched) == signal.SIGTERM:
            break
        ended = {}
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended[found[0]] = found[1]
        if command in ended:
            code = os.waitstatus_to_exitcode(ended[command])
            break
    _kill_all()
    return code if code >= 0 else 128 - code


def main() -> None:
    """Run the command of SPEC, and end as it ends; 128 and more for a signal."""
    given, life, status = (int(word) for word in sys.argv[1:4])
    _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    with open(given, encoding="utf-8") as handle:
        spec = json.load(handle)
    if os.getppid() != spec["server"]:
        os._exit(1)
    for fd in (life, status):
        os.set_inheritable(fd, False)
    first = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        os._exit(_keep(spec, status, first))
    os.close(life)
    os.close(status)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) & 0xFF)


if __name__ == "__main__":
    main()
