"""What a watch counts of a tree of processes, and when it has seen enough."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.proc import Completed, Ending
from pev.sandbox.cgroup import Nursery
from pev.sandbox.limits import Limits
from pev.sandbox.watch import Watch, at_most, held, memory_files, tasks, tree, watching

_MIB = 2**20
_TAKE = """
import mmap, os, sys, threading, time
x = mmap.mmap(-1, 40 * 2**20); x.write(b'x' * (40 * 2**20))
f = os.memfd_create('x'); os.write(f, b'x' * (30 * 2**20))
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
if os.fork() == 0:
    os.setsid()
    y = bytearray(os.urandom(2**20)) * 20; x[::4096]
    print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A process and its child, which share memory and a memory file."""
    argv = [sys.executable, "-I", "-S", "-c", _TAKE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            yield parent.pid, child
        finally:
            os.kill(child, 9)
            parent.kill()


def test_a_tree_has_all_processes_and_threads(family: tuple[int, int]) -> None:
    parent, child = family
    assert sorted(tree(parent)) == sorted(family)
    assert tree(child) == [child]
    assert tasks([parent, child]) == 3
    assert tree(2**22 + 1) == [2**22 + 1]
    assert tasks([2**22 + 1]) == at_most([2**22 + 1]) == 0


def test_shared_memory_counts_once_and_memory_files_count(family: tuple[int, int]) -> None:
    """The file is in no address space; 40 MiB of shared memory are in two."""
    pids = list(family)
    assert at_most(pids) >= 100 * _MIB
    assert 60 * _MIB <= held(pids) <= 90 * _MIB


def test_memory_files_of_the_machine_are_seen() -> None:
    with mmap.mmap(-1, 64 * _MIB) as block:
        block.write(b"x" * (64 * _MIB))
        assert memory_files() > 32 * _MIB


def test_a_watch_names_what_was_too_much(family: tuple[int, int]) -> None:
    parent, _ = family
    enough, little = Limits(memory_bytes=2**30, processes=10), Limits(memory_bytes=30 * _MIB, processes=0)
    assert Watch(enough).look(parent) == ""
    assert "30 MiB are allowed (max_memory_bytes)" in Watch(little, processes=False).look(parent)
    assert Watch(little, memory=False, processes=False).look(parent) == ""
    few = Watch(Limits(processes=-1), memory=False)
    assert "-1 are allowed (max_processes)" in few.look(parent)


def test_what_was_ended_says_so() -> None:
    done = Completed(("x",), -9, Ending.SIGNALLED, b"", b"last words", 0, 0.1)
    watch = Watch(Limits())
    assert watch.told(done) is done
    watch.fault = "too much"
    assert watch.told(done).stderr == b"last words\npev: this command was ended: it had too much\n"


def test_where_the_kernel_counts_nobody_watches() -> None:
    here = Path("/")
    assert watching(Nursery({"memory": here, "pids": here}, 2), Limits()) is None
    assert watching(Nursery({"memory": here}, 1), Limits()) is not None
    assert watching(None, Limits()) is not None
