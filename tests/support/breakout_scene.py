"""The place that an attack runs in, and the judge of whether it got out.

A scene is a folder tree as PEV's host has it: a home with credentials, a state folder with keys and the
worktrees of two runs, tools, sockets that listen. Before and after, everything outside the worktree is
looked at; each difference is an effect, and so is each secret that came out.
"""

import ctypes
import errno
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from support.attacks.kit import AT_FDCWD, Attempt, Place, call
from support.breakout_ears import Ears

_OPEN_FOLDERS: Final = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")
_GROUPS: Final = ("/sys/fs/cgroup", "/sys/fs/cgroup/freezer")
_SHM_KEY: Final = 0x7EB0_0000
_TREE: Final = {
    "outside/file.txt": "as it was\n",
    "outside/secret.txt": "{secret}\n",
    "outside/empty/": "",
    "home/.netrc": "machine example.invalid login a password {secret}\n",
    "home/.ssh/id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n",
    "home/.git-credentials": "https://a:{secret}@example.invalid\n",
    "home/.config/gh/hosts.yml": "oauth_token: {secret}\n",
    "home/.aws/credentials": "aws_secret_access_key = {secret}\n",
    "home/.claude.json": '{{"token": "{secret}"}}\n',
    "state/trail.sqlite3": "{secret}",
    "state/keys/log.pem": "{secret}",
    "state/depots/repo.git/config": "[core]\n\tbare = true\n# {secret}\n",
    "state/worktrees/other/code.py": "TOKEN = '{secret}'\n",
    "state/worktrees/other-{secret}/code.py": "",
    "state/worktrees/mine/.git/config": "[core]\n\tbare = false\n# {secret}\n",
    "state/worktrees/mine/.git/hooks/": "",
    "state/worktrees/mine/code.py": "VALUE = 1\n",
    "tools/bin/tool": "#!/bin/sh\nexit 0\n",
    "tools/lib/lib.py": "VALUE = 1\n",
    "tools/lib/__pycache__/": "",
    "etc/passwd": "root:x:0:0::/:/bin/sh\n",
    "etc/cron.d/": "",
    "etc/profile.d/": "",
    "usr/": "",
    "run/": "",
}


class Scene:
    """One attempt's surroundings. `confined` decides whether the host's own /etc and /usr are the target,
    `git` whether the worktree has a .git. `host`
    is the terminal's name, and a signal that does no harm."""

    def __init__(
        self, base: Path, attempt: Attempt, secret: str, *, confined: bool, git: bool, host: tuple[str, int]
    ) -> None:
        self.base, self.attempt, self.secret = base, attempt, secret
        self.token = base.name
        self.work = base / "state/worktrees/mine"
        for name, text in _TREE.items():
            if "/.git/" in name and not git:
                continue
            path = base / name.format(secret=secret)
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_text(text.format(secret=secret), encoding="utf-8")
        (base / "tools/bin/tool").chmod(0o755)
        self.lures = [Path(top, f"pev-{self.token}-secret") for top in ("/tmp", "/dev/shm")]
        for lure in self.lures:
            lure.write_text(secret, encoding="utf-8")
        self.ears = Ears(base, self.token, secret)
        self.victim = self._victim() if attempt.victim else None
        self.kernel = _KernelObjects(self.token, secret)
        self.etc = Path("/etc") if confined else base / "etc"
        self.usr = Path("/usr/local/bin") if confined else base / "usr"
        self.preload = _sight(self.etc / "ld.so.preload")
        self.place = self._place(*host)
        if attempt.plant:
            attempt.plant(self.place)
        self.before = self._sights()

    def _victim(self) -> "subprocess.Popen[bytes]":
        program = self.base / "outside/victim"
        shutil.copy(shutil.which("sleep") or "sleep", program)
        hidden = self.base / "outside/hidden"
        hidden.write_text(self.secret, encoding="utf-8")
        with hidden.open("rb") as deleted:
            hidden.unlink()
            for _ in range(50):
                try:
                    return subprocess.Popen(
                        [self.secret, "60"],
                        executable=program,
                        stdin=deleted,
                        cwd=self.base / "outside",
                        env={"TOKEN": self.secret},
                        start_new_session=True,
                    )
                except OSError as exc:  # a fork elsewhere may hold the program open for writing for a moment
                    if exc.errno != errno.ETXTBSY:
                        raise
                    time.sleep(0.01)
        raise TimeoutError(f"{program} stays open for writing")

    def _place(self, pts: str, harmless: int) -> Place:
        passwd = (self.etc / "passwd").stat()
        return Place(
            token=self.token,
            work=str(self.work),
            outside=str(self.base / "outside"),
            home=str(self.base / "home"),
            state=str(self.base / "state"),
            other=str(self.base / "state/worktrees/other"),
            tools=str(self.base / "tools"),
            etc=str(self.etc),
            usr=str(self.usr),
            account_home=_account_home(),
            driver=os.getpid(),
            victim=self.victim.pid if self.victim else 0,
            mnt_ns=str(Path("/proc/self/ns/mnt").readlink()),
            pts=pts,
            harmless=harmless,
            ports={**self.ears.ports, "shm": self.kernel.key},
            sockets=self.ears.paths,
            handle=_handle(self.base / "outside/secret.txt"),
            passwd=(passwd.st_dev, passwd.st_ino),
            limits=dict(self.attempt.limits),
        )

    def _sights(self) -> dict[str, Any]:
        """Look at everything that an attempt could change."""
        seen: dict[str, Any] = {str(path): _sight(path) for path in self._outside()}
        if self.victim:
            seen["victim"] = _process_sight(self.victim.pid)
        seen["driver"] = _process_sight(os.getpid())
        seen["kernel objects"] = self.kernel.sight()
        return seen

    def _outside(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.base):
            here = Path(folder)
            if here == self.work:
                folders[:] = [".git"] if (here / ".git").is_dir() and not (here / ".git").is_symlink() else []
                yield here / ".git"
                continue
            yield from (here / name for name in (*folders, *names))
        yield from self.lures
        yield self.etc / "ld.so.preload"
        tops = [self.etc, *(self.etc.glob("*.d")), self.usr, *map(Path, _OPEN_FOLDERS + _GROUPS)]
        yield from (top / f"pev-{self.token}" for top in tops)

    def effects(self) -> list[str]:
        """Say what is different outside, what was heard, and what the worktree holds that it must not."""
        after = self._sights()
        found = [
            f"changed: {name.removeprefix(str(self.base))}: {self.before.get(name)} -> {after.get(name)}"
            for name in sorted({*self.before, *after})
            if self.before.get(name) != after.get(name)
        ]
        found += [f"heard: {name}" for name in self.ears.heard()]
        return found + list(self._in_worktree())

    def _in_worktree(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.work):
            here = Path(folder)
            if here == self.work and ".git" in folders:
                folders.remove(".git")
            if here.name == self.token or len(here.parts) > len(self.work.parts) + 8:
                folders.clear()
            for name in names:
                yield from self._file_in_worktree(here / name)
        claims = self.work / "claims"
        if claims.is_file():
            yield from (f"claimed: {line}" for line in claims.read_text(encoding="utf-8").splitlines()[:5])

    def _file_in_worktree(self, path: Path) -> Iterator[str]:
        with suppress(OSError):
            mode = path.lstat().st_mode
            name = path.relative_to(self.work)
            if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
                yield f"left: a device, {name}"
            if stat.S_ISREG(mode):
                if mode & (stat.S_ISUID | stat.S_ISGID):
                    yield f"left: a setuid program, {name}"
                if "security.capability" in os.listxattr(path):
                    yield f"left: a program with rights, {name}"
                if path.lstat().st_size < 2**20 and self.secret.encode() in path.read_bytes():
                    yield f"leaked: into {name}"

    def leaks(self, *outputs: bytes) -> list[str]:
        """Say whether the secret is in what a command wrote."""
        return ["leaked: into the output"] if any(self.secret.encode() in out for out in outputs) else []

    def close(self) -> None:
        """Take away all that was made outside the scene's own folder; that goes with the driver's."""
        if self.victim:
            self.victim.kill()
            self.victim.wait()
        self.ears.close()
        self.kernel.close()
        for path in self.lures:
            path.unlink(missing_ok=True)
        if self.preload is None and self.etc == Path("/etc"):
            (self.etc / "ld.so.preload").unlink(missing_ok=True)
        for path in self._outside():
            if path.name == f"pev-{self.token}":
                with suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def _sight(path: Path) -> tuple[Any, ...] | None:
    """Give all that can be changed of a file, or None if it is not there."""
    try:
        seen = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(seen.st_mode):
        return ("folder", oct(seen.st_mode), seen.st_uid, seen.st_gid)
    if stat.S_ISLNK(seen.st_mode):
        return ("link", str(path.readlink()))
    if not stat.S_ISREG(seen.st_mode):
        return ("special", oct(seen.st_mode), seen.st_uid)
    more = sorted(os.listxattr(path)) if os.access(path, os.R_OK) else []
    text = hashlib.sha256(path.read_bytes()).hexdigest()[:12] if os.access(path, os.R_OK) else ""
    return (
        oct(seen.st_mode),
        seen.st_uid,
        seen.st_gid,
        seen.st_size,
        seen.st_nlink,
        seen.st_mtime_ns,
        more,
        text,
    )


def _process_sight(pid: int) -> tuple[Any, ...] | str:
    """Give what another process could change of this one. Whether it runs or sleeps is not told."""
    here = Path("/proc", str(pid))
    try:
        stat_ = (here / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        state = stat_[0] if stat_[0] in "TtZX" else "alive"
        status = dict(
            line.split(":", 1) for line in (here / "status").read_text(encoding="utf-8").splitlines()
        )
        limits = (here / "limits").read_text(encoding="utf-8")
        spoiled = b"SPOILED" in (here / "environ").read_bytes()
        adjusted = (here / "oom_score_adj").read_text(encoding="utf-8")
        groups = (here / "cgroup").read_text(encoding="utf-8")
        disk = call("ioprio_get", 1, pid)
    except OSError:
        return "gone"
    kept = (status["Cpus_allowed"].strip(), status["TracerPid"].strip())
    digest = hashlib.sha256((limits + adjusted + groups).encode()).hexdigest()[:12]
    return (state, stat_[16], os.sched_getscheduler(pid), disk, kept, spoiled, digest)


def _account_home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/home"


def _handle(path: Path) -> tuple[int, str]:
    """Give the handle by which root can open a file without its name; empty where there is none."""
    raw = ctypes.create_string_buffer((128).to_bytes(4, "little"), 136)
    mount = ctypes.c_int()
    try:
        call("name_to_handle_at", AT_FDCWD, bytes(path), raw, ctypes.byref(mount), 0)
    except OSError:
        return (0, "")
    size = int.from_bytes(raw.raw[:4], "little")
    return (int.from_bytes(raw.raw[4:8], "little", signed=True), raw.raw[8 : 8 + size].hex())


class _KernelObjects:
    """A System V segment and a POSIX message queue with the secret in them."""

    def __init__(self, token: str, secret: str) -> None:
        self.key = _SHM_KEY + 2 * (int(token, 36) % 2**20)
        self.queue = f"pev-{token}".encode()
        self.segment = call("shmget", self.key, 4096, 0o1600)
        address = call("shmat", self.segment, None, 0)
        ctypes.memmove(address, secret.encode(), len(secret))
        with suppress(OSError):
            opened = call("mq_open", self.queue, os.O_CREAT | os.O_RDWR, 0o600, None)
            call("mq_timedsend", opened, secret.encode(), len(secret), 0, None)
            os.close(opened)

    def sight(self) -> str:
        """Say whether a second segment has come."""
        for kind, more in (("shmget", (0, 0)), ("semget", (0, 0)), ("msgget", (0,))):
            with suppress(OSError):
                call(kind, self.key + 1, *more)
                return f"something was left: {kind}"
        with suppress(OSError):
            os.close(call("mq_open", self.queue, os.O_RDONLY, 0, None))
            return "as made"
        return "as made, without a queue"

    def close(self) -> None:
        """Remove both, and what an attempt left."""
        for key in (self.key, self.key + 1):
            with suppress(OSError):
                call("shmctl", call("shmget", key, 0, 0), 0, None)
        with suppress(OSError):
            call("semctl", call("semget", self.key + 1, 0, 0), 0, 0)
        with suppress(OSError):
            call("msgctl", call("msgget", self.key + 1, 0), 0, None)
        with suppress(OSError):
            call("mq_unlink", self.queue)


def survivors(token: str) -> list[int]:
    """Give the processes that carry the token of an attempt in arguments or environment."""
    mine, mark = {os.getpid(), os.getppid()}, token.encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(folder.name) not in mine and (
                mark in (folder / "environ").read_bytes() or mark in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
    return found


def tokens_left(tokens: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give those tokens, with their attempts' names, that a process still carries."""
    mine = {os.getpid(), os.getppid()}
    everything = b""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(folder.name) not in mine:
                everything += (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
    return [(token, name) for token, name in tokens.items() if token.encode() in everything]


def end(token: str) -> None:
    """Kill what carries the token of an attempt; more than once, as some start others."""
    for _ in range(200):
        left = survivors(token)
        if not left:
            return
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
