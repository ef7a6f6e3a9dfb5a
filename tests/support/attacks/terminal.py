"""Typing into, painting on, or taking over the terminal that the server was started from."""

import fcntl
import os
import struct
import termios
from pathlib import Path

from support.attacks.kit import Place, attempt, tried

_KEYS = b"echo typed\n"


def _type(opened: int) -> None:
    for key in _KEYS:
        fcntl.ioctl(opened, termios.TIOCSTI, bytes([key]))


@attempt(naive=True, alone=True, inert="the kernel may refuse it")
def type_by_descriptor(_at: Place) -> None:
    """Push keys into the terminal through a descriptor that we were given."""
    for number in range(32):
        with tried():
            _type(number)


@attempt(naive=True, alone=True, inert="the kernel may refuse it")
def type_by_controlling_terminal(_at: Place) -> None:
    """Through the terminal that belongs to our session."""
    _type(os.open("/dev/tty", os.O_RDWR))


@attempt(root=True, alone=True)
def type_by_name(at: Place) -> None:
    """Through its device; root needs no more than its name."""
    _type(os.open(at.pts, os.O_RDWR | os.O_NOCTTY))


@attempt(alone=True)
def paint_by_name(at: Place) -> None:
    """Show a person what we like: a false prompt, for instance."""
    os.write(os.open(at.pts, os.O_WRONLY | os.O_NOCTTY), b"\x1b[2JPassword: ")


@attempt(naive=True, alone=True)
def paint_by_controlling_terminal(_at: Place) -> None:
    """The same by the terminal of our session."""
    os.write(os.open("/dev/tty", os.O_WRONLY), b"\x1b[2JPassword: ")


@attempt(naive=True, alone=True)
def paint_by_descriptor(_at: Place) -> None:
    """The same by a descriptor that was passed on."""
    for number in (0, *range(3, 32)):
        with tried():
            if os.isatty(number):
                os.write(number, b"\x1b[2JPassword: ")


@attempt(alone=True)
def read_what_is_typed(at: Place) -> None:
    """Take what a person types, before the program that it is for."""
    opened = os.open(at.pts, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    found = termios.tcgetattr(opened)
    Path(at.work, "claims").write_text(f"terminal open, speed {found[4]}", encoding="utf-8")


@attempt(root=True, alone=True)
def take_over(at: Place) -> None:
    """Make the terminal ours; root may take it from another session."""
    if os.fork() == 0:
        with tried():
            os.setsid()
        opened = os.open(at.pts, os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(opened, termios.TIOCSCTTY, 1)
        os.write(os.open("/dev/tty", os.O_WRONLY), b"taken")
        os._exit(0)
    os.wait()


@attempt(alone=True)
def resize(at: Place) -> None:
    """Another size sends a signal to the programs of the terminal."""
    opened = os.open(at.pts, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(opened, termios.TIOCSWINSZ, struct.pack("HHHH", 7, 7, 0, 0))
