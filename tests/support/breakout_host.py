"""What a server has that a command must not get: a terminal, keys, open descriptors; and a careless start.

The terminal and the descriptors are real, and so is the start with everything inherited, which shows what an
attempt would do to a program that takes no care.
"""

import ctypes
import dataclasses
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
import termios
import time
from contextlib import suppress

from pev.sandbox.interface import Command
from support.attacks.kit import call
from support.breakout_scene import Scene


class Terminal:
    """A terminal of our own, as standard input and as that of our session."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.name = os.ttyname(slave)
        with suppress(OSError):
            os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        state = termios.tcgetattr(slave)
        state[3] &= ~(termios.ECHO | termios.ICANON)
        state[6][termios.VMIN] = 0
        termios.tcsetattr(slave, termios.TCSANOW, state)
        os.dup2(slave, 0)
        os.set_blocking(self.master, False)
        self._size = self._sized()

    def _sized(self) -> bytes:
        return fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))

    def effects(self) -> list[str]:
        """Say what was typed or painted, and whether the size is another, since the last time."""
        found = []
        if self._sized() != self._size:
            found.append("terminal: another size")
            fcntl.ioctl(0, termios.TIOCSWINSZ, self._size)
        if typed := os.read(0, 4096):
            found.append(f"terminal: typed {typed!r}")
        with suppress(BlockingIOError):
            found.append(f"terminal: painted {os.read(self.master, 4096)!r}")
        return found


def stock_kernel(secret: str) -> None:
    """Put the secret where a kernel keeps things for a session, a user, or a program."""
    with suppress(OSError):
        call("keyctl", 1, None)
        call("keyctl", 8, -4, -3)  # link the user's ring into the session's, as a log-in does
        for ring in (-3, -4):
            call("add_key", b"user", b"pev-breakout", secret.encode(), len(secret), ring)
    with suppress(OSError):
        made = call("bpf", 0, ctypes.create_string_buffer(struct.pack("IIIII", 2, 4, 64, 1, 0), 128), 128)
        key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(secret.encode(), 64)
        where = struct.pack("IIQQQ", made, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
        call("bpf", 2, ctypes.create_string_buffer(where, 128), 128)


def key() -> bytes:
    """Give the key of the session, or nothing."""
    found = ctypes.create_string_buffer(64)
    with suppress(OSError):
        call("keyctl", 11, call("keyctl", 10, -3, b"user", b"pev-breakout", 0), found, 64)
    return found.value


def own_key_there(token: str) -> bool:
    """Whether an attempt has added a key of its own."""
    with suppress(OSError):
        return call("keyctl", 10, -3, b"user", f"pev-{token}".encode(), 0) > 0
    return False


@dataclasses.dataclass
class Ran:
    """How a command went."""

    stdout: bytes = b""
    stderr: bytes = b""
    seconds: float = 0.0
    failed: str = ""
    refused: bool = False


class Inheritable:
    """Descriptors that a careless server leaves open for its children."""

    def __init__(self, scene: Scene, effects: list[str]) -> None:
        self._scene, self._effects = scene, effects

    def __enter__(self) -> None:
        outside = self._scene.base / "outside"
        self._near, far = socket.socketpair()
        self._near.setblocking(False)
        self._open = [
            os.open(outside / "file.txt", os.O_RDWR),
            os.open(outside / "secret.txt", os.O_RDONLY),
            os.open(self._scene.base, os.O_RDONLY | os.O_DIRECTORY),
            os.dup(0),
            far.detach(),
        ]
        for number in self._open:
            os.set_inheritable(number, True)
        os.environ["SSH_AUTH_SOCK"] = self._scene.place.sockets["agent"]

    def __exit__(self, *_: object) -> None:
        for number in self._open:
            os.close(number)
        with suppress(BlockingIOError):
            if self._near.recv(100):
                self._effects.append("heard: inherited connection")
        self._near.close()
        del os.environ["SSH_AUTH_SOCK"]


def run_naively(command: Command) -> Ran:
    """Start a command as a careless program would: everything inherited, nothing ended."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env={**os.environ, **command.env},
            close_fds=False,
            stdout=out,
            stderr=err,
        )
        with suppress(subprocess.TimeoutExpired):
            done.wait(10)
        seconds = time.monotonic() - begun
        done.kill()
        done.wait()
        out.seek(0)
        err.seek(0)
        return Ran(out.read(2**22), err.read(2**22), seconds)
