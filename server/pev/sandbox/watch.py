"""Watches the memory and the processes of a command where no control group counts them together.

What is cheap to know comes first: the resident memory of all processes of the tree, shared parts counted more
than once, and what all memory files of the machine grew by. Only where that is above the bound, each part is
counted once, and the command is ended if it holds more than its bound.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from pev.proc import Completed
from pev.sandbox.cgroup import Nursery
from pev.sandbox.limits import Limits

_PAUSE_S: Final = 0.05
_RATE: Final = 8 * 2**30  # bytes that can be filled in a second: the less room, the sooner the next look
_SHARE, _SHARE_SOON = 20, 4  # a look takes at most one part in so many of the time
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_BLOCK: Final = 512
_MIB: Final = 2**20
_OURS: Final = 3  # processes of the sandbox itself
_HELD: Final = ("Pss_Anon:", "SwapPss:")
_SHARED: Final = "Pss_Shmem:"


def tree(root: int) -> list[int]:
    """List a process and all below it; those whose parents have ended belong to the one that adopts them."""
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        found.append(pid)
        with suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    pending += map(int, (thread / "children").read_bytes().split())
    return found


def tasks(pids: list[int]) -> int:
    """Count the threads of processes: the kernel bounds those."""
    count = 0
    for pid in pids:
        with suppress(OSError):
            count += Path(f"/proc/{pid}/task").stat().st_nlink - 2
    return count


def at_most(pids: list[int]) -> int:
    """Give bytes of memory that processes hold at most, without their memory files."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    return pages * _PAGE


def memory_files() -> int:
    """Give the bytes that memory files and shared memory of the whole machine take, swap included."""
    facts = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        facts[name] = int(value.split()[0]) * 1024
    return facts["Shmem"] + facts["SwapTotal"] - facts["SwapFree"]


def held(pids: list[int]) -> int:
    """Give the bytes of memory that processes hold together, each page counted once.

    A memory file counts if a process has it open, mapped or not. What cannot be read counts in full.
    """
    private, shared, files = 0, 0, dict[tuple[int, int], int]()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            private += at_most([pid])
            continue
        facts = [line.split() for line in text.splitlines()]
        private += sum(int(words[1]) for words in facts if words[0] in _HELD) * 1024
        shared += sum(int(words[1]) for words in facts if words[0] == _SHARED) * 1024
        files.update(_open_memory_files(pid))
    return private + max(shared, sum(files.values()))


def _open_memory_files(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()).startswith("/memfd:"):
                    seen = link.stat()
                    yield (seen.st_dev, seen.st_ino), seen.st_blocks * _BLOCK


class Watch:
    """Ends a command whose processes hold more memory together than its limits allow, or are too many.

    `memory` and `processes` say what is to be watched; `fault` why the command was ended, or "".
    """

    def __init__(self, limits: Limits, *, memory: bool = True, processes: bool = True) -> None:
        self._limits = limits
        self._memory, self._processes = memory, processes
        self._files = memory_files()
        self._seen, self._took = 0, 0.0
        self.fault = ""

    async def guard(self, root: int) -> None:
        """Look at a process and all below it again and again; return when they take too much."""
        while not self.fault:
            soon = min(_PAUSE_S, max(0, self._limits.memory - self._seen) / _RATE)
            await anyio.sleep(max(soon, self._took * (_SHARE if soon == _PAUSE_S else _SHARE_SOON)))
            begun = anyio.current_time()
            self.fault = await anyio.to_thread.run_sync(self.look, root, abandon_on_cancel=True)
            self._took = anyio.current_time() - begun

    def look(self, root: int) -> str:
        """Say what the processes below `root` take too much of, or ""."""
        pids, bound = tree(root), self._limits.memory
        if self._processes and (count := tasks(pids)) > self._limits.processes + _OURS:
            return f"{count} processes and threads, {self._limits.processes} are allowed (max_processes)"
        if not self._memory:
            return ""
        files = memory_files()
        self._files = min(self._files, files)
        self._seen = at_most(pids) + files - self._files
        if self._seen > bound:
            self._seen = held(pids)
        if self._seen <= bound:
            return ""
        return (
            f"{self._seen // _MIB} MiB of memory together, {bound // _MIB} MiB are allowed (max_memory_bytes)"
        )

    def told(self, done: Completed) -> Completed:
        """Add to what a command wrote why it was ended, if it was."""
        if not self.fault:
            return done
        told = f"\npev: this command was ended: it had {self.fault}\n"
        return replace(done, stderr=done.stderr + told.encode())


def watching(nursery: Nursery | None, limits: Limits) -> Watch | None:
    """Give what a command without a control group of its own needs; None where the kernel counts it all."""
    if nursery is not None and nursery.counts_memory and nursery.counts_processes:
        return None
    return Watch(
        limits,
        memory=nursery is None or not nursery.counts_memory,
        processes=os.geteuid() == 0 and (nursery is None or not nursery.counts_processes),
    )
