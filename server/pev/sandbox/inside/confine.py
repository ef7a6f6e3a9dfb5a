"""Confines itself with Landlock and a system call filter, then becomes the command.

Run as `python -I -S -B confine.py SPEC LIFE STATUS`. SPEC is a descriptor with fields, LIFE a pipe that
closes when all has ended, STATUS one that gets the reason if the command could not be started.

There are three processes: the one that was started and is waited for; a keeper in a session of its own, which
every orphan falls to and which kills what is left however the first one ends; and the command.
"""

import ctypes
import errno
import os
import resource
import signal
import stat
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


class _Spec:
    """What is to be run, and how it is confined: fields that end with NUL, lists after their length."""

    def __init__(self, content: bytes) -> None:
        fields = iter(content.split(b"\0"))

        def number() -> int:
            return int(next(fields))

        def several() -> list[str]:
            return [os.fsdecode(next(fields)) for _ in range(number())]

        self.server, self.abi, self.processes = number(), number(), number()
        self.rlimits = [(number(), number()) for _ in range(number())]
        self.entrances = several()
        self.readable, self.writable = several(), several()
        self.held = {one.split(":", 2)[2]: one.split(":", 2)[:2] for one in several()}
        self.filter = bytes.fromhex(next(fields).decode())
        self.argv = several()
        self.env = dict(one.split("=", 1) for one in several())


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


def _restrict_files(rules: list[tuple[str, bool]], version: int, held: dict[str, list[str]]) -> None:
    """Allow what the rules name, and nothing else. What is held must be what was held."""
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
        found = os.fstat(fd)
        if path in held and held[path] != [str(found.st_dev), str(found.st_ino)]:
            raise OSError(errno.EXDEV, f"{path} leads elsewhere by a link, or was moved meanwhile")
        if not stat.S_ISDIR(found.st_mode):
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
        try:
            _prctl(_DROP_CAPABILITY, number)
        except OSError:
            break  # the kernel has fewer
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_LIBC.syscall(_CAPSET[os.uname().machine], header, nothing))


def _own_tasks() -> int:
    """Count the tasks of this user: the kernel counts them all against the limit of processes.

    Those of other commands that end later leave their room to this one, so its bound is loose by so much.
    """
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == os.getuid():
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
    return count


def _bound(spec: _Spec) -> None:
    for kind, value in spec.rlimits:
        resource.setrlimit(kind, (value, value))
    if spec.processes:
        most = _own_tasks() - 1 + spec.processes  # this process is one of the command's
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    try:
        _write("/proc/self/oom_score_adj", "1000")
    except OSError:
        return  # then the kernel chooses for itself what goes first


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _own_facts() -> list[str]:
    """List what /proc tells of this process.

    Not the network of the host, which threads show as well; and no links, whose targets would be granted.
    """
    with os.scandir(f"/proc/{os.getpid()}") as entries:
        return [one.path for one in entries if one.name not in ("net", "task") and not one.is_symlink()]


def _execute(spec: _Spec) -> None:
    """Become the program, found as execvp() finds one. Raises OSError.

    Not os.execvpe: it imports a module first, and our interpreter may be out of the command's sight.
    """
    name, refused = spec.argv[0], None
    folders = [""] if "/" in name else spec.env.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders:
        try:
            os.execve(os.path.join(folder, name), spec.argv, spec.env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            refused = refused or exc
    raise refused or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _become(spec: _Spec, status: int) -> None:
    """Confine this process and become the command; say why if that fails."""
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and that would be inherited
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for entrance in spec.entrances:
            _write(entrance, "0")
        _bound(spec)
        _drop_capabilities()
        _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        shown = [(path, False) for path in (*spec.readable, *_own_facts())]
        _restrict_files([*shown, *((path, True) for path in spec.writable)], spec.abi, spec.held)
        _restrict_calls(spec.filter)
    except OSError as exc:
        os.write(status, f"setup:{exc}".encode())
        os._exit(1)
    try:
        _execute(spec)
    except OSError as exc:
        os.write(status, f"exec:{exc.strerror}".encode())
    os._exit(1)


def _children() -> list[int]:
    with open("/proc/thread-self/children", encoding="ascii") as handle:
        return [int(word) for word in handle.read().split()]


def _reap() -> dict[int, int]:
    """Take leave of the children that have ended; give their statuses."""
    ended = {}
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = found[1]
    except ChildProcessError:
        return ended
    return ended


def _kill_all() -> None:
    """Kill what is left: children of killed processes become ours, until there are none."""
    while True:
        for pid in _children():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        _reap()
        if not _children():
            return
        time.sleep(0.001)


def _keep(spec: _Spec, status: int, first: int) -> int:
    """Start the command and wait for it, or for the end of the first process; then leave nothing behind."""
    watched = {signal.SIGCHLD, signal.SIGTERM}
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
        _prctl(_SUBREAPER, 1)
        _children()
    except OSError as exc:  # without these nothing could be cleared up
        os.write(status, f"setup:{exc}".encode())
        return 1
    command = os.fork()
    if command == 0:
        _become(spec, status)
    os.close(status)
    code = 1
    while os.getppid() == first:
        if signal.sigwait(watched) == signal.SIGTERM:
            break
        if command in (ended := _reap()):
            code = os.waitstatus_to_exitcode(ended[command])
            break
    _kill_all()
    return code if code >= 0 else 128 - code


def main() -> None:
    """Run the command of SPEC, and end as it ends; 128 and more for a signal."""
    given, life, status = (int(word) for word in sys.argv[1:4])
    _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    with open(given, "rb") as handle:
        spec = _Spec(handle.read())
    if os.getppid() != spec.server:
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
