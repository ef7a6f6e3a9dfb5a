"""What servers that were killed have left is known by its mark, and cleared up."""

import os
import subprocess

import pytest

from pev.sandbox import leftovers

pytestmark = pytest.mark.needs_host

_DEAD = 2**22 + 1  # above the largest process id


def _waiting(mark: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["/bin/sh", "-c", "echo; read -r word", mark, "x"], stdin=subprocess.PIPE)


def test_what_is_left_of_a_dead_server_is_killed_and_nothing_else() -> None:
    namespace = leftovers.mark().split("-")[2]
    marks = {
        "dead": f"pev-of-{namespace}-{_DEAD}",
        "ours": leftovers.mark(),
        "elsewhere": f"pev-of-1-{_DEAD}",
        "similar": f"pev-of-{namespace}-{_DEAD}x",
    }
    running = {name: _waiting(mark) for name, mark in marks.items()}
    try:
        assert leftovers.sweep() == 1
        assert running["dead"].wait(timeout=20) == -9
        assert [name for name, one in running.items() if one.poll() is None] == [
            "ours",
            "elsewhere",
            "similar",
        ]
    finally:
        for one in running.values():
            one.kill()
            one.communicate()


def test_the_mark_names_this_server() -> None:
    assert leftovers.mark().endswith(f"-{os.getpid()}")
