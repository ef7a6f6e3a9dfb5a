"""What a command may use up: memory, processes, processor time, sizes of files, open files, /tmp.

Limits of a resource count per process, except where a control group counts them together
(`pev.sandbox.cgroup`). The operator's configuration sets them; a command can only narrow them.
"""

import math
import os
import resource
from dataclasses import dataclass
from typing import Final

CORES: Final = os.cpu_count() or 1
_SHARE: Final = 0.75


def machine_memory() -> int:
    """Give the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one command. Sizes are in bytes, times in seconds.

    `memory_bytes` is by default three quarters of the machine's memory; `cpu_s` by default what all cores
    can do within the wall time.
    """

    memory_bytes: int | None = None
    processes: int = 512
    cpu_s: float | None = None
    file_bytes: int = 4 * 2**30
    open_files: int = 4096
    tmp_bytes: int = 2**30

    @property
    def memory(self) -> int:
        """The bytes of memory that count."""
        return self.memory_bytes or int(machine_memory() * _SHARE)

    def narrowed(self, other: "Limits | None") -> "Limits":
        """Give the smaller of each bound."""
        if other is None:
            return self
        times = [one for one in (self.cpu_s, other.cpu_s) if one is not None]
        return Limits(
            memory_bytes=min(self.memory, other.memory),
            processes=min(self.processes, other.processes),
            cpu_s=min(times) if times else None,
            file_bytes=min(self.file_bytes, other.file_bytes),
            open_files=min(self.open_files, other.open_files),
            tmp_bytes=min(self.tmp_bytes, other.tmp_bytes),
        )

    def rlimits(self, limit_s: float) -> dict[int, int]:
        """Give the resource limits of each process, without the number of processes.

        RLIMIT_DATA and not RLIMIT_AS: address space that is only reserved costs nothing, and programs with a
        virtual machine reserve a great deal of it.
        """
        cpu_s = self.cpu_s if self.cpu_s is not None else limit_s * CORES
        wanted = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_CPU: max(1, math.ceil(cpu_s)),
            resource.RLIMIT_DATA: self.memory,
            resource.RLIMIT_FSIZE: self.file_bytes,
            resource.RLIMIT_NOFILE: self.open_files,
        }
        return {kind: within_hard(kind, value) for kind, value in wanted.items()}


def within_hard(kind: int, value: int) -> int:
    """Give a bound that this process may set: at most its own hard limit."""
    hard = resource.getrlimit(kind)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
