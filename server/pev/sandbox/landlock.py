"""Confinement by Landlock and a system call filter: needs no program, no namespaces and no privileges.

Degraded: it has no private /proc, /tmp or process numbers, no network even on loopback, and it cannot keep a
command from changing modes and times of files of this user that it cannot read. A folder that must stay
hidden cannot be covered, so what would show one is refused.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import anyio

from pev import proc
from pev.errors import InvalidInput, SandboxUnavailable, ToolMissing
from pev.proc import Completed
from pev.sandbox import seccomp
from pev.sandbox.cgroup import Group, Nursery
from pev.sandbox.descriptors import close_all, in_memory
from pev.sandbox.grants import Mount, Show, plan, system_folders
from pev.sandbox.interface import Command, Sandbox, refuse_hosts
from pev.sandbox.limits import Limits
from pev.sandbox.outcome import named_signal, require_program
from pev.sandbox.pins import Inode, pins
from pev.sandbox.private import private_folder
from pev.sandbox.watch import watching

LEAST_ABI: Final = 6  # Linux 6.12: the first that keeps signals and abstract sockets in
_SCRIPT: Final = Path(__file__).with_name("inside") / "confine.py"
_CREATE_RULESET: Final = 444
_GONE_S: Final = 10.0
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_FACTS: Final = ("cpuinfo", "meminfo", "stat", "filesystems", "loadavg", "uptime", "version", "sys")
_ETC: Final = (
    "passwd",
    "group",
    "hosts",
    "nsswitch.conf",
    "ld.so.cache",
    "localtime",
    "protocols",
    "services",
    "mime.types",
    "ssl/openssl.cnf",
)


def abi() -> int:
    """Give the version of Landlock's interface in this kernel, 0 if there is none or it is off."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def rules(command: Command, hidden: tuple[Path, ...]) -> list[tuple[str, bool]]:
    """List the paths that a command may use, and whether it may write there.

    Raises SandboxUnavailable where a hidden folder, or a `.git` folder, would be shown.
    """
    mounts = plan(command, hidden, [Mount(Show.READ, path, path) for path in system_folders()])
    covered = [one.dest for one in mounts if one.show is Show.EMPTY]
    if covered:
        raise SandboxUnavailable(
            f"{covered[0]} would be visible to a command, and Landlock cannot cover it",
            hint="Install bubblewrap; see `pev doctor`.",
        )
    shown = [(str(one.dest), one.show is Show.WRITE) for one in mounts if one.show is not Show.BLANK]
    shown += [(f"/dev/{name}", True) for name in _DEVICES]
    shown += [(f"/proc/{name}", False) for name in _FACTS]
    return shown + [(f"/etc/{name}", False) for name in _ETC]


class Landlock(Sandbox):
    """Runs commands under Landlock. `hidden` are folders that no command may see; in `private` each has one
    of its own for temporary files, while it runs.
    """

    name = "landlock (degraded)"
    confines = True
    gaps = frozenset({"change a mode outside", "read git data"})

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        hidden: tuple[Path, ...] = (),
        nursery: Nursery | None = None,
        private: Path | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._hidden = hidden
        self._nursery = nursery
        self._private = private

    async def run(self, command: Command) -> Completed:
        """Run a command to its end; nothing of it is left when this returns.

        An exit code above 128 is what a shell makes of a signal, and is given as that signal.
        """
        refuse_hosts(command)
        require_program(command)
        limits = self._limits.narrowed(command.limits)
        with private_folder(self._private) as private, _git_files(command), contextlib.ExitStack() as stack:
            command = _with_private(command, private)
            allowed = rules(command, self._hidden)
            held = stack.enter_context(pins(command))
            group = self._nursery.make(limits) if self._nursery is not None else None
            if group is not None:
                stack.callback(group.remove)
            launch = _Launch(stack)
            spec = self._spec(command, allowed, held, limits, group)
            watch = watching(self._nursery, limits)
            try:
                done = await proc.run(
                    [sys.executable, "-I", "-S", "-B", str(_SCRIPT), *launch.arguments(spec)],
                    cwd=command.cwd,
                    env={},
                    limit_s=command.limit_s,
                    stdin=command.stdin,
                    output_bytes=command.output_bytes,
                    pass_fds=launch.theirs,
                    started=launch.started,
                    beside=watch.guard if watch is not None else None,
                )
            finally:
                with anyio.CancelScope(shield=True):
                    await launch.ended(group)
            done = _read(replace(done, argv=command.argv), launch.said)
            return watch.told(done) if watch is not None else done

    def _spec(
        self,
        command: Command,
        allowed: list[tuple[str, bool]],
        held: Mapping[Path, Inode],
        limits: Limits,
        group: Group | None,
    ) -> bytes:
        """Write what the script reads: fields that end with NUL, lists after their length."""
        counted = self._nursery is not None and self._nursery.counts_processes
        rlimits = limits.rlimits(command.limit_s)
        fields = [os.getpid(), abi(), 0 if counted else limits.processes]
        fields += [len(rlimits), *(number for pair in rlimits.items() for number in pair)]
        texts = [str(number) for number in fields]
        readable = [path for path, writes in allowed if not writes]
        writable = [path for path, writes in allowed if writes]
        pinned = [f"{device}:{inode}:{path}" for path, (device, inode) in held.items()]
        for listed in (group.entrances if group is not None else (), readable, writable, pinned):
            texts += [str(len(listed)), *listed]
        texts.append(seccomp.program(apart=False).hex())
        env = [f"{name}={value}" for name, value in command.env.items()]
        for words in (command.argv, env):
            texts += [str(len(words)), *words]
        if any("\0" in text for text in texts):
            raise InvalidInput("a command, a path or a variable holds NUL", hint="Give plain text.")
        return "\0".join([*texts, ""]).encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Launch:
    """The descriptors of one start: what is written to it, and what tells that it is over."""

    stack: contextlib.ExitStack
    theirs: tuple[int, ...] = ()
    life: int = -1
    status: int = -1
    said: bytes = b""

    def arguments(self, spec: bytes) -> list[str]:
        """Open the descriptors, and name them."""
        self.life, life = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.status, status = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.theirs = (in_memory("spec", spec), life, status)
        self.stack.callback(lambda: close_all((self.life, self.status, *self.theirs)))
        return [str(fd) for fd in self.theirs]

    async def started(self, _pid: int) -> bool:
        """Close what belongs to the other side."""
        close_all(self.theirs)
        self.theirs = ()
        return True

    async def ended(self, group: Group | None) -> None:
        """Wait until the keeper has killed everything; help it where a control group knows what is left."""
        await self.started(0)
        with anyio.move_on_after(_GONE_S):
            await anyio.wait_readable(self.life)
            while group is not None and (left := group.members()):
                for pid in left:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                await anyio.sleep(0.002)
        with contextlib.suppress(BlockingIOError):
            self.said = os.read(self.status, 4096)


def _with_private(command: Command, folder: Path) -> Command:
    # the rest of /etc is out of sight, and git ends when it may not look for its file there
    env = {"GIT_CONFIG_NOSYSTEM": "1", **command.env}
    for name in ("HOME", "TMPDIR"):
        if not any(Path(env.get(name, "/")).is_relative_to(one) for one in command.writable):
            env[name] = str(folder)
    return replace(command, env=env, writable=(*command.writable, folder))


@contextlib.contextmanager
def _git_files(command: Command) -> Iterator[None]:
    """Put the `.git` files of writable folders back as they were: programs of the user read them."""
    kept = {}
    for root in command.writable:
        file = root / ".git"
        if file.is_file() and not file.is_symlink():
            kept[file] = file.read_bytes()
    try:
        yield
    finally:
        for file, content in kept.items():
            if file.is_symlink() or not file.is_file() or file.read_bytes() != content:
                if file.is_dir() and not file.is_symlink():
                    shutil.rmtree(file)
                file.unlink(missing_ok=True)
                file.write_bytes(content)


def _read(done: Completed, said: bytes) -> Completed:
    kind, _, reason = said.decode("utf-8", "replace").partition(":")
    if kind == "exec":
        raise ToolMissing(
            f"program {done.argv[0]!r} cannot be started in the sandbox: {reason}",
            hint="Name a program of the system or of the worktree.",
        )
    if kind:
        raise SandboxUnavailable(f"Landlock could not be set up: {reason}", hint="See `pev doctor`.")
    return named_signal(done)
