"""Reading what must stay hidden: homes, state, keys, other worktrees, environments, descriptors, git."""

import os
import struct
import time
from pathlib import Path

from support.attacks.kit import (
    AT_FDCWD,
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
        "absolute": "{outside}/secret.txt",
        "netrc": "{home}/.netrc",
        "ssh_key": "{home}/.ssh/id_ed25519",
        "git_credentials": "{home}/.git-credentials",
        "forge_token": "{home}/.config/gh/hosts.yml",
        "cloud_token": "{home}/.aws/credentials",
        "host_config": "{home}/.claude.json",
        "trail": "{state}/trail.sqlite3",
        "signing_key": "{state}/keys/log.pem",
        "depot": "{state}/depots/repo.git/config",
        "other_worktree": "{other}/code.py",
        "by_dotdot": "{work}/../../../outside/secret.txt",
        "by_proc_root": "/proc/self/root{outside}/secret.txt",
        "by_driver_cwd": "/proc/{driver}/cwd/{token}/outside/secret.txt",
        "by_driver_root": "/proc/{driver}/root{outside}/secret.txt",
        "by_victim_cwd": "/proc/{victim}/cwd/secret.txt",
        "tmp": "/tmp/pev-{token}-secret",
        "shm": "/dev/shm/pev-{token}-secret",
    },
    victim=True,
)
def read(at: Place, form: str) -> None:
    """Read a file that holds a secret."""
    names = ("outside", "home", "state", "other", "work", "driver", "victim", "token")
    take(form.format(**{name: getattr(at, name) for name in names}))


@attempt()
def read_home_of_the_driver(at: Place) -> None:
    """Look for the home where the server has it, whatever our HOME says."""
    found = Path(f"/proc/{at.driver}/environ").read_bytes().split(b"\0")
    home = next(line[5:] for line in found if line.startswith(b"HOME="))
    take(f"{home.decode()}/.netrc")


@attempt()
def list_other_worktrees(at: Place) -> None:
    """The names of other runs."""
    show("\n".join(path.name for path in Path(at.other).parent.iterdir()))


@attempt(inert="the account may have no home")
def list_real_home(at: Place) -> None:
    """The names in the home of the account: nothing there is needed."""
    names = {path.name for path in Path(at.account_home).iterdir()}
    if names:
        claim(at, f"home holds {sorted(names)[:5]}")


@attempt()
def size_of_a_secret(at: Place) -> None:
    """Whether a file is there, and how large, is an answer too."""
    claim(at, f"{Path(at.secret).stat().st_size} bytes")


@attempt()
def watch_a_folder(at: Place) -> None:
    """Be told of what happens in a folder outside."""
    watch = call("inotify_init1", os.O_NONBLOCK)
    call("inotify_add_watch", watch, at.outside.encode(), 0xFFF)
    claim(at, "folder outside is watched")


@attempt()
def read_by_symlink(at: Place) -> None:
    """A link in the worktree."""
    Path(at.work, "link").symlink_to(at.secret)
    take(f"{at.work}/link")


@attempt()
def search_for_secrets(at: Place) -> None:
    """Walk over all places where something may lie about."""
    ends = time.monotonic() + 2
    for top in (
        at.outside,
        at.state,
        at.home,
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/run",
        "/home",
        "/root",
        "/mnt",
    ):
        for folder, folders, names in os.walk(top):
            folders[:] = folders[:50]
            for name in names[:50]:
                with tried():
                    path = Path(folder, name)
                    if "pev" in str(path) and path.is_file() and SECRET_MARK in path.read_bytes()[:4096]:
                        show(path.read_bytes()[:200])
            if time.monotonic() > ends:
                return


@attempt(root=True)
def open_by_handle(at: Place) -> None:
    """Root opens an inode by its handle, through any descriptor of the same file system."""
    kind, handle = at.handle
    raw = bytes.fromhex(handle)
    mount = os.open(at.work, os.O_RDONLY)
    opened = call("open_by_handle_at", mount, struct.pack("Ii", len(raw), kind) + raw, os.O_RDONLY)
    show(os.read(opened, 4096))


@attempt(root=True, alone=True)
def watch_every_opening(at: Place) -> None:
    """Root is handed a descriptor of each file that anyone opens on the same file system."""
    notes = call("fanotify_init", 0x2, os.O_RDONLY)  # FAN_NONBLOCK
    call("fanotify_mark", notes, 0x1 | 0x100, 0x20, AT_FDCWD, at.work.encode())
    ends = time.monotonic() + 1
    while time.monotonic() < ends:
        time.sleep(0.02)
        with tried():
            events = os.read(notes, 2**16)
            for start in range(0, len(events) - 23, 24):
                opened = struct.unpack_from("i", events, start + 16)[0]
                if at.token in str(Path(f"/proc/self/fd/{opened}").readlink()):
                    show(os.pread(opened, 200, 0))
                os.close(opened)


@attempt(naive=True)
def environment_of_the_caller(_at: Place) -> None:
    """Tokens that the server was started with."""
    show("\n".join(f"{key}={value}" for key, value in os.environ.items()))


@attempt(naive=True)
def environment_as_first_given(_at: Place) -> None:
    """What the kernel remembers of the environment at start, even if it was cleared since."""
    take("/proc/self/environ")


@attempt(naive=True)
def inherited_descriptors_read(_at: Place) -> None:
    """Descriptors that the server forgot to close."""
    for number in range(3, 64):
        with tried():
            show(os.pread(number, 4096, 0))
        with tried():
            opened = os.open("outside/secret.txt", os.O_RDONLY, dir_fd=number)
            show(os.read(opened, 4096))


@attempt(naive=True)
def inherited_descriptors_written(_at: Place) -> None:
    """The same, for writing, and as a way up from a folder."""
    for number in range(3, 64):
        with tried():
            os.write(number, b"spoiled")
        with tried():
            spoil("file.txt", dir_fd=number)
        with tried():
            spoil("outside/file.txt", dir_fd=number)


@attempt()
def standard_streams_reopened(at: Place) -> None:
    """What stands behind descriptors 0 to 2, opened again for writing and climbed from."""
    for number in range(3):
        with tried():
            target = str(Path(f"/proc/self/fd/{number}").readlink())
            if target.startswith("/") and not target.startswith(("/dev/null", at.work)):
                claim(at, f"{number} is {target}")
    spoil(at.file)


@family({"read": "r", "config": "c", "replaced": "x", "hook": "h", "renamed": "m"}, git=True)
def git_folder(at: Place, way: str) -> None:
    """The .git of the worktree: read it, make it run a program, replace it, move it out of the way."""
    git = Path(at.work, ".git")
    evil = f"[core]\n\tfsmonitor = touch {at.outside}/owned\n\thooksPath = {at.work}\n"
    if way == "r":
        take(str(git / "config"))
    elif way == "c":
        with (git / "config").open("a", encoding="utf-8") as file:
            file.write(evil)
    elif way == "h":
        (git / "hooks" / "pre-commit").write_text(f"#!/bin/sh\ntouch {at.outside}/owned\n", encoding="utf-8")
    else:
        git.rename(Path(at.work, "moved"))
        if way == "x":
            git.write_text(f"gitdir: {at.work}/evil\n", encoding="utf-8")


@attempt(env={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": "{outside}/loader"})
def loader_writes_outside(_at: Place) -> None:
    """The command's environment must not reach a program that runs outside; the loader would write a file."""


def _plant_code(at: Place, *names: str) -> None:
    text = (
        "import pathlib\n"
        f"pathlib.Path({at.work + '/began'!r}).touch()\n"
        f"pathlib.Path({at.outside + '/owned'!r}).write_text('code of the worktree ran outside')\n"
    )
    for name in names:
        target = Path(at.work, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _plant_modules(at: Place) -> None:
    packages = ("pev/__init__.py", "support/__init__.py", "json/__init__.py")
    _plant_code(at, "sitecustomize.py", "usercustomize.py", "ctypes.py", "os.py", "struct.py", *packages)


def _plant_programs(at: Place) -> None:
    text = f'#!/bin/sh\n: >{at.work}/began\n: >{at.outside}/owned\nexec /usr/bin/env -i "$@"\n'
    for name in ("bwrap", "python3", "python", "prlimit", "setpriv", "unshare", "sh", "env"):
        target = Path(at.work, name)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755)


_PYTHON = ("{python}", "-c", "open({began!r}, 'w')")


@attempt(plant=_plant_modules, env={"PYTHONPATH": "{work}"}, argv=_PYTHON)
def modules_by_python_path(_at: Place) -> None:
    """What starts the sandbox must not import from where the command's environment points."""


@attempt(plant=_plant_modules, env={}, argv=("{python}", "-c", "import ctypes, json"))
def modules_in_working_folder(_at: Place) -> None:
    """Nor from its working folder."""


@attempt(plant=_plant_programs, env={"PATH": "{work}:/usr/bin:/bin"}, argv=("sh", "-c", ": >{began}"))
def programs_by_path(_at: Place) -> None:
    """Nor start a program that it finds on the command's PATH."""


@attempt(
    env={"PYTHONPYCACHEPREFIX": "{outside}/cache"},
    argv=("{python}", "-c", "import colorsys; open({began!r}, 'w')"),
)
def compiled_files_outside(_at: Place) -> None:
    """An interpreter that is told to keep its compiled files outside."""


@attempt(
    plant=lambda at: (
        Path(at.work, "rc").write_text(f": >{at.work}/began\n: >{at.outside}/owned\n", encoding="utf-8")
        and None
    ),
    env={"BASH_ENV": "{work}/rc", "ENV": "{work}/rc"},
    argv=("bash", "-c", ":"),
    inert="needs bash",
)
def shell_start_file(_at: Place) -> None:
    """A start file that each shell reads, also one that starts the sandbox."""
