"""Changing a file outside: by every name that it has, and by links and renames."""

import os
from pathlib import Path

from support.attacks.kit import AT_FDCWD, Place, attempt, call, family, spoil

_FIRST = {"inert": "the first process may be out of reach"}


@family(
    {
        "absolute": "{file}",
        "dotdot": "{work}/../../../outside/file.txt",
        "proc_self_root": "/proc/self/root{file}",
        "proc_thread_self_root": "/proc/thread-self/root{file}",
        "proc_self_cwd": "/proc/self/cwd/../../../outside/file.txt",
        "proc_1_root": "/proc/1/root{file}",
        "proc_1_cwd": "/proc/1/cwd{file}",
        "driver_root": "/proc/{driver}/root{file}",
        "driver_cwd": "/proc/{driver}/cwd/{token}/outside/file.txt",
        "victim_cwd": "/proc/{victim}/cwd/file.txt",
        "double_slash": "//{file}",
    },
    odd={"proc_1_root": _FIRST, "proc_1_cwd": _FIRST},
    victim=True,
)
def write(at: Place, form: str) -> None:
    """Write to a file outside by one of its names."""
    names = {name: getattr(at, name) for name in ("file", "work", "driver", "victim", "token")}
    path = form.format(**names)
    if path.startswith("/proc/1/cwd"):
        os.chdir("/proc/1/cwd")
        path = path.removeprefix("/proc/1/cwd/")
        path = "../" * 20 + path
    spoil(path)


@attempt()
def create_file(at: Place) -> None:
    """Make a new file outside."""
    Path(at.outside, "new.txt").write_text("new", encoding="utf-8")


@attempt()
def append_to_file(at: Place) -> None:
    """Appending is writing too."""
    with Path(at.file).open("a", encoding="utf-8") as file:
        file.write("more")


@attempt()
def truncate_file(at: Place) -> None:
    """The truncate call opens nothing."""
    os.truncate(at.file, 1)


@attempt()
def open_with_truncation_only(at: Place) -> None:
    """A file opened for reading can be emptied by O_TRUNC."""
    os.close(os.open(at.file, os.O_RDONLY | os.O_TRUNC))


@attempt()
def openat_dotdot_from_open_folder(at: Place) -> None:
    """Climb from a descriptor of the worktree instead of a path."""
    here = os.open(at.work, os.O_PATH | os.O_DIRECTORY)
    spoil("../../../outside/file.txt", dir_fd=here)


@attempt()
def dev_fd_of_root(at: Place) -> None:
    """Walk through a descriptor of / by its name below /dev/fd."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    spoil(f"/dev/fd/{root}{at.file}")


@attempt()
def fchdir_out_of_chroot(at: Place) -> None:
    """Root leaves a changed root by a descriptor that it kept."""
    kept = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    jail = Path(at.work, "jail")
    jail.mkdir()
    if os.geteuid() == 0:
        os.chroot(jail)
        os.fchdir(kept)
        for _ in range(64):
            os.chdir("..")
        os.chroot(".")
    spoil(at.file)


@attempt()
def rename_over(at: Place) -> None:
    """Put a file of ours in the place of one outside."""
    mine = Path(at.work, "mine")
    mine.write_text("mine", encoding="utf-8")
    mine.rename(at.file)


@attempt()
def rename_away(at: Place) -> None:
    """Take a file from outside into the worktree."""
    Path(at.secret).rename(Path(at.work, "stolen"))


@attempt()
def exchange_names(at: Place) -> None:
    """Swap a file outside with one of ours in one call."""
    mine = Path(at.work, "mine")
    mine.write_text("mine", encoding="utf-8")
    call("renameat2", AT_FDCWD, bytes(mine), AT_FDCWD, at.file.encode(), 2)


@attempt()
def unlink_file(at: Place) -> None:
    """Remove a file outside."""
    Path(at.file).unlink()


@attempt()
def make_and_remove_folders(at: Place) -> None:
    """Folders are names too."""
    Path(at.outside, "empty").rmdir()
    Path(at.outside, "made").mkdir()


@attempt()
def make_fifo(at: Place) -> None:
    """A pipe where a program outside expects a file makes that program wait for ever."""
    os.mkfifo(f"{at.outside}/fifo")


def _name(opened: int, name: str) -> None:
    """Give what a descriptor stands for one more name."""
    call("linkat", AT_FDCWD, f"/proc/self/fd/{opened}".encode(), AT_FDCWD, name.encode(), 0x400)


@attempt()
def link_unnamed_file(at: Place) -> None:
    """A file without a name gets its first one outside."""
    opened = os.open(at.work, os.O_TMPFILE | os.O_WRONLY)
    os.write(opened, b"unnamed")
    _name(opened, f"{at.outside}/unnamed")


@attempt()
def chmod_file(at: Place) -> None:
    """The mode of a file outside."""
    Path(at.file).chmod(0o777)


@attempt()
def chmod_by_descriptor(at: Place) -> None:
    """A descriptor that was opened for reading, or only for its path, is enough to change the mode."""
    opened = os.open(at.file, os.O_PATH)
    Path(f"/proc/self/fd/{opened}").chmod(0o777)


@attempt(root=True)
def chown_file(at: Place) -> None:
    """The owner of a file outside."""
    os.chown(at.file, 12_345, 12_345)


@attempt()
def touch_file(at: Place) -> None:
    """The times of a file outside decide what build tools do."""
    os.utime(at.file, (1, 1))


@attempt()
def set_attribute(at: Place) -> None:
    """Extended attributes of a file outside."""
    os.setxattr(at.file, "user.breakout", b"here")


@attempt()
def write_through_symlink(at: Place) -> None:
    """A link in the worktree that points out."""
    link = Path(at.work, "link")
    link.symlink_to(at.file)
    spoil(str(link))


@attempt()
def write_through_chain_of_symlinks(at: Place) -> None:
    """Links that point to links, relative and absolute."""
    Path(at.work, "a").symlink_to("b")
    Path(at.work, "b").symlink_to(at.outside)
    spoil(f"{at.work}/a/file.txt")


@attempt()
def create_through_linked_folder(at: Place) -> None:
    """A linked folder takes new files."""
    Path(at.work, "folder").symlink_to(at.outside)
    Path(at.work, "folder", "new.txt").write_text("new", encoding="utf-8")


@attempt()
def symlink_made_outside(at: Place) -> None:
    """A link outside that points into the worktree lures programs of the host."""
    Path(at.outside, "lure").symlink_to(f"{at.work}/trap")


@attempt(plant=lambda at: Path(at.work, "planted").symlink_to(at.file))
def planted_symlink(at: Place) -> None:
    """A link that an earlier command left."""
    spoil(f"{at.work}/planted")


@attempt()
def hard_link_in(at: Place) -> None:
    """A second name, in the worktree, for a file outside."""
    link = Path(at.work, "hard")
    link.hardlink_to(at.file)
    spoil(str(link))


@attempt()
def hard_link_by_descriptor(at: Place) -> None:
    """A second name for what a descriptor stands for."""
    opened = os.open(at.file, os.O_PATH)
    _name(opened, f"{at.work}/hard")
    spoil(f"{at.work}/hard")


@attempt()
def hard_link_out(at: Place) -> None:
    """A name outside for a file that we go on writing to."""
    mine = Path(at.work, "mine")
    mine.write_text("mine", encoding="utf-8")
    Path(at.outside, "hard").hardlink_to(mine)


@attempt()
def write_other_worktree(at: Place) -> None:
    """The worktree of another run."""
    spoil(f"{at.other}/code.py")


@attempt()
def write_readable_folder(at: Place) -> None:
    """A folder that may be read is not one to write to."""
    spoil(f"{at.tools}/bin/tool")


@attempt()
def replace_readable_file(at: Place) -> None:
    """Replacing a file needs only its folder."""
    Path(at.tools, "bin", "tool").unlink()
    Path(at.tools, "bin", "tool").write_text("#!/bin/sh\n", encoding="utf-8")


@attempt()
def chmod_readable_file(at: Place) -> None:
    """A tool without its executable bit is a gate that cannot run."""
    Path(at.tools, "bin", "tool").chmod(0o600)


@family({"pth": "evil.pth", "sitecustomize": "sitecustomize.py", "pyc": "__pycache__/lib.cpython-311.pyc"})
def drop_into_readable_env(at: Place, name: str) -> None:
    """Code that every later start of an interpreter would run."""
    target = Path(at.tools, "lib", name)
    target.parent.mkdir(exist_ok=True)
    target.write_text("import os\n", encoding="utf-8")


@family({"hosts": "hosts.d", "cron": "cron.d", "profile": "profile.d", "ld": "ld.so.conf.d", "top": "."})
def create_in_etc(at: Place, folder: str) -> None:
    """The host's settings."""
    target = Path(at.etc, folder) if Path(at.etc, folder).is_dir() else Path(at.etc)
    (target / f"pev-{at.token}").write_text("# breakout\n", encoding="utf-8")


@attempt()
def preload_for_everyone(at: Place) -> None:
    """A library that each program of the host would load; the line written is empty."""
    with Path(at.etc, "ld.so.preload").open("a", encoding="utf-8") as file:
        file.write("\n")


@attempt()
def open_passwd_for_writing(at: Place) -> None:
    """The host's accounts; opened, not written."""
    opened = os.open(f"{at.etc}/passwd", os.O_WRONLY | os.O_APPEND)
    found = os.fstat(opened)
    if (found.st_dev, found.st_ino) == tuple(at.passwd):
        Path(at.work, "claims").write_text("passwd opened for writing", encoding="utf-8")


@attempt()
def create_in_usr(at: Place) -> None:
    """A program in everybody's path."""
    Path(at.usr, f"pev-{at.token}").write_text("#!/bin/sh\n", encoding="utf-8")


@family({"tmp": "/tmp", "var_tmp": "/var/tmp", "shm": "/dev/shm", "run": "/run/lock"})
def leave_a_file_in(at: Place, folder: str) -> None:
    """Folders that everyone may write to: programs of the host trust names there."""
    Path(folder, f"pev-{at.token}").write_text("left", encoding="utf-8")
