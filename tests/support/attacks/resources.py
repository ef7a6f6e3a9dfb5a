"""Taking more than the command was given: processes, memory, disk, output, time, descriptors.

Each stops by itself soon after its limit, so that it does no harm where the limit does not hold.
"""

import mmap
import os
import resource
import sys
import threading
import time
from pathlib import Path

from support.attacks.kit import Place, attempt, claim, tried

_MIB = 2**20
_HELD_S = 0.3  # what looks at memory now and then ends a command a moment after it took too much
_LIMITS = {"processes": 64, "memory_bytes": 256 * _MIB, "file_bytes": 16 * _MIB, "tmp_bytes": 64 * _MIB}


def _bounded() -> None:
    """A net under the attack itself."""
    with tried():
        resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))


@attempt(limits=_LIMITS, limit_s=4, alone=True)
def fork_bomb(at: Place) -> None:
    """Processes that start processes, up to four times what is allowed."""
    _bounded()
    most = 4 * at.limits["processes"]
    count = mmap.mmap(-1, 8)
    for _ in range(most):
        with tried():
            child = os.fork()
            if child == 0:
                time.sleep(0.6)
                os._exit(0)
            count[0:8] = (int.from_bytes(count[0:8], "little") + 1).to_bytes(8, "little")
    alive = int.from_bytes(count[0:8], "little")
    if alive > at.limits["processes"]:
        claim(at, f"{alive} processes at once, {at.limits['processes']} allowed")


@attempt(limits=_LIMITS, limit_s=4, alone=True, slow=True)
def fork_bomb_from_another_group(at: Place) -> None:
    """The same after leaving the group that the limit is set for."""
    for top in Path("/sys/fs/cgroup").glob("**/cgroup.procs"):
        if len(top.parts) < 7 and "pids" in str(top):
            with tried():
                top.write_text(str(os.getpid()), encoding="utf-8")
    fork_bomb(at)


@attempt(limits=_LIMITS, limit_s=4, alone=True, slow=True)
def thread_bomb(at: Place) -> None:
    """Threads count as processes do."""
    ready = 0
    threading.stack_size(2**16)
    for _ in range(4 * at.limits["processes"]):
        with tried():
            try:
                threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
            except RuntimeError:
                break
            ready += 1
    if ready > at.limits["processes"]:
        claim(at, f"{ready} threads at once, {at.limits['processes']} allowed")


def _fill(size: int) -> mmap.mmap:
    block, piece = mmap.mmap(-1, size), b"x" * _MIB
    for _ in range(size // _MIB):
        block.write(piece)
    return block


@attempt(limits=_LIMITS, limit_s=6, alone=True)
def memory_of_one(at: Place) -> None:
    """One process that takes twice what is allowed."""
    _bounded()
    size = 2 * at.limits["memory_bytes"]
    kept = _fill(size)
    time.sleep(_HELD_S)
    claim(at, f"{len(kept) // _MIB} MiB in one process, {at.limits['memory_bytes'] // _MIB} allowed")


@attempt(limits=_LIMITS, limit_s=6, alone=True)
def memory_of_many(at: Place) -> None:
    """Eight processes with less than the limit each, and three times the limit together."""
    part = 3 * at.limits["memory_bytes"] // 8
    full = mmap.mmap(-1, 16)
    for number in range(8):
        if os.fork() == 0:
            kept = _fill(part)
            full[number] = 1
            while not full[8]:
                time.sleep(0.01)
            os._exit(len(kept) and 0)
    ends = time.monotonic() + 4
    while time.monotonic() < ends and sum(full[0:8]) < 8:
        time.sleep(0.01)
    if sum(full[0:8]) == 8:
        time.sleep(_HELD_S)
        claim(at, f"{8 * part // _MIB} MiB in eight processes, {at.limits['memory_bytes'] // _MIB} allowed")
    full[8] = 1


@attempt(limits=_LIMITS, limit_s=6, alone=True)
def memory_by_memory_files(at: Place) -> None:
    """Files in memory that no folder and no address space shows."""
    done, kept = 0, []
    while done < 2 * at.limits["memory_bytes"]:
        kept.append(os.memfd_create("kept"))
        for _ in range(at.limits["file_bytes"] // _MIB - 1):
            done += os.write(kept[-1], b"x" * _MIB)
    time.sleep(_HELD_S)
    claim(at, f"{done // _MIB} MiB in memory files, {at.limits['memory_bytes'] // _MIB} allowed")


def _pour(at: Place, path: str, size_mb: int) -> None:
    with tried():
        opened = os.open(path, os.O_WRONLY | os.O_CREAT)
        for _ in range(size_mb):
            os.write(opened, b"x" * _MIB)
        claim(at, f"{os.fstat(opened).st_size // _MIB} MiB in {path}")


@attempt(limits=_LIMITS, limit_s=6, alone=True)
def disk_by_one_file(at: Place) -> None:
    """A file that grows past the limit."""
    _pour(at, f"{at.work}/large", 4 * at.limits["file_bytes"] // _MIB)


@attempt(limits=_LIMITS, limit_s=6, alone=True, slow=True)
def disk_by_sparse_file(at: Place) -> None:
    """A hole costs nothing here, and much when it is copied."""
    opened = os.open(f"{at.work}/sparse", os.O_WRONLY | os.O_CREAT)
    os.ftruncate(opened, 100 * at.limits["file_bytes"])
    claim(at, f"{os.fstat(opened).st_size // _MIB} MiB in a sparse file")


@attempt(limits=_LIMITS, limit_s=8, alone=True)
def memory_by_private_files(at: Place) -> None:
    """Files that live in memory: /tmp and /dev/shm; together four times what one may hold."""
    done = 0
    places = [f"{top}/pev-{at.token}-{n}" for n in range(32) for top in ("/tmp", "/dev/shm")]
    for path in places:
        with tried():
            opened = os.open(path, os.O_WRONLY | os.O_CREAT)
            Path(path).unlink()
            if os.fstat(opened).st_dev == Path(at.work).stat().st_dev:
                continue
            for _ in range(at.limits["file_bytes"] // _MIB - 1):
                done += os.write(opened, b"x" * _MIB)
        if done > 4 * at.limits["tmp_bytes"]:
            claim(at, f"{done // _MIB} MiB in files that live in memory")
            return


@attempt(output_bytes=2**20, limit_s=8, naive=True)
def output_flood(_at: Place) -> None:
    """Sixty-four times the output that is kept; memory of the server must not follow."""
    block = b"y" * _MIB
    for _ in range(64):
        sys.stdout.buffer.write(block)


@attempt(output_bytes=2**20, limit_s=8, naive=True, slow=True)
def error_flood(_at: Place) -> None:
    """The same on standard error, in short lines."""
    for _ in range(200_000):
        sys.stderr.write("y" * 100 + "\n")


@attempt(ends="timeout", limit_s=0.5, naive=True)
def spin(_at: Place) -> None:
    """Use a core past the limit."""
    ends = time.monotonic() + 2.8
    while time.monotonic() < ends:
        pass


@attempt(ends="timeout", limit_s=0.5, naive=True, slow=True)
def spin_on_all_cores(at: Place) -> None:
    """The same in several processes, which the first one leaves alone."""
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            spin(at)
            os._exit(0)
    spin(at)


@attempt(limit_s=8, limits={"open_files": 256})
def descriptors(at: Place) -> None:
    """Descriptors of the whole machine are finite."""
    with tried():
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    opened = 0
    with tried():
        for _ in range(4 * at.limits["open_files"]):
            os.dup(0)
            opened += 1
    if opened > at.limits["open_files"]:
        claim(at, f"{opened} descriptors in one process, {at.limits['open_files']} allowed")
