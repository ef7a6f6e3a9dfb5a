"""Confinement by bubblewrap: own namespaces, an empty root with what was granted, a system call filter.

The command is a process without privileges in a new user, process, network, IPC and host name namespace.
It starts only after its limits are set, and all of it is gone when `run` returns or is cancelled, or when the
server dies: until bubblewrap has bound itself to our life, the command waits for a word from us.
"""

import contextlib
import os
import re
import resource
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import anyio
import anyio.to_thread

from pev import proc
from pev.errors import InvalidInput, PevError, SandboxUnavailable
from pev.proc import Completed, Ending
from pev.sandbox import leftovers, seccomp
from pev.sandbox.cgroup import SHELL, Group, Nursery
from pev.sandbox.descriptors import close_all, in_memory, sealed_copy
from pev.sandbox.grants import Mount, Show, plan
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.limits import Limits, within_hard
from pev.sandbox.network import listen_in, proxy_for
from pev.sandbox.outcome import named_signal, require_program
from pev.sandbox.pins import check_mounts, pins
from pev.sandbox.proxy import Proxy, proxy_env
from pev.sandbox.watch import watching
from pev.text import one_line

UID: Final = 1000  # as in etc/passwd; many programs refuse to run as root, and nothing here is root
# folders of the sandbox, private to each command
_TMP, _VAR_TMP, _SHARED = "/tmp", "/var/tmp", "/dev/shm"  # nosec B108
# bubblewrap binds the first process inside to its parent's life only after it has started the second one.
# Whoever is killed before that leaves them running: so the second one is this shell, which reads the word
# that we send once we see the first one wait, and ends if the pipe closes without it.
_GATE: Final = 'read -r word && exec "$@"'
_WORD: Final = b"go\n"
_POLL_S: Final = 0.0005
_POLLS: Final = 20_000
_GONE_S: Final = 10.0
_CHILD: Final = re.compile(rb'"child-pid":\s*(\d+)')
_EXIT: Final = re.compile(rb'"exit-code":\s*(-?\d+)')
_SHOW: Final = {Show.READ: "--ro-bind", Show.WRITE: "--bind", Show.BLANK: "--ro-bind"}
_LOG_CHARS: Final = 300
# /dev and the root are small file systems in memory that the command would own
_SEALED: Final = ("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/")


def options(
    command: Command,
    mounts: Iterable[Mount],
    limits: Limits,
    *,
    seccomp_fd: int,
    block_fd: int,
    status_fd: int,
    copies: Mapping[Path, int] = MappingProxyType({}),
    nested: bool,
) -> list[str]:
    """Give bubblewrap's options. `nested` says that it can forbid user namespaces inside (0.8 and later);
    `copies` maps files that are copied to descriptors.
    """
    out = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    out += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    out += ["--uid", str(UID), "--gid", str(UID), "--hostname", "sandbox"]
    out += ["--disable-userns"] if nested else []
    out += ["--proc", "/proc", "--dev", "/dev"]
    for folder in (_SHARED, _TMP):
        out += ["--perms", "1777", "--size", str(limits.tmp_bytes), "--tmpfs", folder]
    out += ["--dir", "/var", "--symlink", "../tmp", _VAR_TMP]
    for mount in mounts:
        out += _mount(mount, copies)
    out += _SEALED
    for name, value in command.env.items():
        out += ["--setenv", name, value]
    out += ["--chdir", str(command.cwd), "--seccomp", str(seccomp_fd)]
    return [*out, "--block-fd", str(block_fd), "--json-status-fd", str(status_fd)]


def _mount(mount: Mount, copies: Mapping[Path, int]) -> list[str]:
    dest = str(mount.dest)
    if mount.show is Show.COPY:
        return ["--perms", "0444", "--file", str(copies[mount.source]), dest]
    if mount.show is Show.EMPTY:
        return ["--perms", "0555", "--size", "4096", "--tmpfs", dest, "--remount-ro", dest]
    if mount.show is Show.LINK:
        return ["--symlink", str(mount.source), dest]
    return [_SHOW[mount.show], str(mount.source), dest]


def inner_env(command: Command) -> dict[str, str]:
    """Give the environment inside: a home and a folder for temporary files that are there."""
    env = {"HOME": _TMP, "TMPDIR": _TMP, **command.env, **(proxy_env() if command.hosts else {})}
    for name in ("HOME", "TMPDIR"):
        path = Path(env[name])
        if not any(path.is_relative_to(one) for one in command.writable):
            env[name] = _TMP
    if any("\0" in part or "=" in name for name, value in env.items() for part in (name, value)):
        raise InvalidInput("a variable of a command holds NUL", hint="Give plain text.")
    return env


@dataclass(slots=True)
class _Launch:
    """One start of bubblewrap: the descriptors that it gets, and what it says."""

    limits: Limits
    limit_s: float
    nursery: Nursery | None
    status: int
    go: int
    theirs: tuple[int, ...]
    pidfd: int = -1
    group: Group | None = None
    said: bytes = b""
    fault: str = ""
    proxy: Proxy | None = None
    check: Callable[[int], None] | None = None

    def joined(self, argv: list[str]) -> list[str]:
        """Make a control group if one can be made, and let the program enter it before it does anything."""
        if self.nursery is None:
            return argv
        try:
            self.group = self.nursery.make(self.limits)
        except OSError as exc:
            raise SandboxUnavailable(
                f"a control group cannot be made: {exc.strerror}", hint="See `pev doctor`."
            ) from exc
        return self.group.entering(argv)

    async def started(self, _pid: int) -> bool:
        """Set limits and network of the first process inside, which waits for that, and let it go on."""
        close_all(self.theirs)
        self.theirs = ()
        while not (found := _CHILD.search(self.said)):
            await anyio.wait_readable(self.status)
            chunk = os.read(self.status, 4096)
            if not chunk:
                return True  # it could not set itself up, and ends by itself
            self.said += chunk
        try:
            self._bound(int(found[1]))
        except OSError as exc:
            self.fault = f"limits cannot be set: {exc.strerror}"
            return False
        try:
            if self.proxy is not None:
                self.proxy.serve(await listen_in(int(found[1])))
        except PevError as exc:
            self.fault = exc.message
            return False
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, b"x")
        for _ in range(_POLLS):
            if not _begins(int(found[1])):
                break
            await anyio.sleep(_POLL_S)
        return self._as_checked(int(found[1]))

    def _as_checked(self, first: int) -> bool:
        """Compare what is mounted with what was granted, where somebody could have changed that."""
        try:
            if self.check is not None:
                self.check(first)
        except (PevError, OSError, UnicodeError) as exc:
            self.fault = str(exc)
        return not self.fault

    def _bound(self, child: int) -> None:
        self.pidfd = os.pidfd_open(child)
        for kind, value in self.limits.rlimits(self.limit_s).items():
            resource.prlimit(child, kind, (value, value))
        if self.nursery is None or not self.nursery.counts_processes:
            # counted per user namespace, so that the user's other processes do not matter; not for root
            most = within_hard(resource.RLIMIT_NPROC, self.limits.processes)
            resource.prlimit(child, resource.RLIMIT_NPROC, (most, most))
        with contextlib.suppress(OSError):  # if memory runs out, this goes first
            Path(f"/proc/{child}/oom_score_adj").write_text("1000", encoding="ascii")

    async def ended(self) -> None:
        """End the process namespace, wait until it is empty, and clear up."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            with anyio.move_on_after(_GONE_S):
                await anyio.wait_readable(self.pidfd)
        if self.group is not None:
            self.group.remove()
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.status, 4096):
                self.said += chunk

    def open(self, files: Iterable[Path]) -> dict[Path, int]:
        """Open files for bubblewrap to copy."""
        out = {}
        for path in files:
            out[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.theirs = (*self.theirs, out[path])
        return out

    def close(self) -> None:
        """Close what is still open."""
        close_all((*self.theirs, self.status, self.go, self.pidfd))


@contextlib.contextmanager
def startable(program: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give by what path bubblewrap is to be started, and with which environment. Raises SandboxUnavailable.

    A command finds its program by /proc/1/exe, and could change the mode of a file that is ours. Then a
    sealed copy is started, once for each command, as the mode of a copy can be changed too. Programs of
    others are started where they are: AppArmor knows them by their path.
    """
    try:
        fd = sealed_copy(program) if program.stat().st_uid == os.geteuid() else -1
    except OSError as exc:
        raise SandboxUnavailable(
            f"{program} cannot be copied: {exc.strerror}", hint="See `pev doctor`."
        ) from exc
    if fd < 0:
        yield str(program), {}
        return
    # what the wheel's program finds beside its folder, a copy does not
    beside = Path(f"{program.resolve().parent.parent}.libs")
    try:
        yield f"/proc/{os.getpid()}/fd/{fd}", {"LD_LIBRARY_PATH": str(beside)} if beside.is_dir() else {}
    finally:
        close_all((fd,))


class Bubblewrap(Sandbox):
    """Runs commands in bubblewrap. `program` is its path, `hidden` are folders that no command may see."""

    name = "bubblewrap"
    confines = True

    def __init__(
        self,
        program: Path,
        *,
        limits: Limits | None = None,
        hidden: tuple[Path, ...] = (),
        nested: bool = True,
        nursery: Nursery | None = None,
    ) -> None:
        self.program = program
        self._limits = limits or Limits()
        self._hidden = hidden
        self._nested = nested
        self._nursery = nursery
        self._swept = False

    async def run(self, command: Command) -> Completed:
        """Run a command to its end; nothing of it is left when this returns.

        An exit code above 128 is what a shell makes of a signal, and is given as that signal.
        """
        if not self._swept:
            self._swept = True
            await anyio.to_thread.run_sync(leftovers.sweep)
        command = replace(command, env=inner_env(command))
        mounts = plan(command, self._hidden)
        require_program(command, [one.dest for one in mounts if one.show not in (Show.EMPTY, Show.BLANK)])
        limits = self._limits.narrowed(command.limits)
        async with proxy_for(command) as proxy:
            with pins(command) as held:
                check = partial(check_mounts, command=command, held=held) if held else None
                return await self._run(command, mounts, limits, proxy, check)

    async def _run(
        self,
        command: Command,
        mounts: tuple[Mount, ...],
        limits: Limits,
        proxy: Proxy | None,
        check: Callable[[int], None] | None,
    ) -> Completed:
        with (
            startable(self.program) as (program, env),
            _descriptors(command.limit_s, limits, self._nursery) as (launch, fds),
        ):
            launch.proxy, launch.check = proxy, check
            copies = launch.open(one.source for one in mounts if one.show is Show.COPY)
            listed = options(command, mounts, limits, nested=self._nested, copies=copies, **fds)
            args_fd = in_memory("args", "\0".join([*listed, ""]).encode("utf-8", "surrogateescape"))
            launch.theirs = (*launch.theirs, args_fd)
            watch = watching(self._nursery, limits)
            gate = _GATE if command.stdin is not None else f"{_GATE} < /dev/null"
            argv = [program, "--args", str(args_fd), "--", SHELL, "-c", gate, leftovers.mark(), *command.argv]
            try:
                done = await proc.run(
                    launch.joined(argv),
                    cwd=Path("/"),
                    env=env,
                    limit_s=command.limit_s,
                    stdin=_WORD + (command.stdin or b""),
                    output_bytes=command.output_bytes,
                    pass_fds=launch.theirs,
                    started=launch.started,
                    beside=watch.guard if watch is not None else None,
                )
            finally:
                with anyio.CancelScope(shield=True):
                    await launch.ended()
        done = _read(done, command, launch)
        return watch.told(done) if watch is not None else done


@contextlib.contextmanager
def _descriptors(
    limit_s: float, limits: Limits, nursery: Nursery | None
) -> Iterator[tuple[_Launch, dict[str, int]]]:
    filter_fd = in_memory("filter", seccomp.program())
    status, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(status, False)
    # open for reading too: bubblewrap that is killed by SIGPIPE, because we died, leaves a stuck process
    status_fd = os.open(f"/proc/self/fd/{writer}", os.O_RDWR | os.O_CLOEXEC)
    os.close(writer)
    block_fd, go = os.pipe2(os.O_CLOEXEC)
    fds = {"seccomp_fd": filter_fd, "block_fd": block_fd, "status_fd": status_fd}
    launch = _Launch(limits, limit_s, nursery, status, go, tuple(fds.values()))
    try:
        yield launch, fds
    finally:
        launch.close()


def _begins(first: int) -> bool:
    """Say whether the first process inside has still to start the second one, or to bind itself to us.

    Once it has a child and sleeps, it waits for that, and has done both.
    """
    try:
        state = Path(f"/proc/{first}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii")
    except OSError:
        return False  # it has ended
    return state != "Z" and not (children.strip() and state == "S")


def _read(done: Completed, command: Command, launch: _Launch) -> Completed:
    """Say what became of the command itself. Raises SandboxUnavailable."""
    if launch.fault:
        raise SandboxUnavailable(launch.fault, hint="See `pev doctor`.")
    done = replace(done, argv=command.argv)
    if done.ending is not Ending.EXITED:
        return done
    if _EXIT.search(launch.said) is None:
        said = one_line(done.stderr.decode("utf-8", "replace"), _LOG_CHARS)
        raise SandboxUnavailable(f"bubblewrap could not set up: {said}", hint="See `pev doctor`.")
    return named_signal(done)
