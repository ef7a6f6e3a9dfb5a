"""Opens a port in the network of a confined process: `listen.py PID PORT SOCKET`.

Run outside, before that process becomes the command. It enters the network namespace of PID, listens on
127.0.0.1:PORT there, sends the listening socket through SOCKET, and ends. Nothing of it stays inside.
"""

import array
import ctypes
import fcntl
import os
import socket
import sys

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_OWNER = 0xB701  # NS_GET_USERNS
_BACKLOG = 128


def _enter(fd: int, kind: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, kind) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _into(pid: int) -> None:
    """Enter the network of a process, by way of the user namespace that owns it."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if os.fstat(network).st_ino == os.stat("/proc/self/ns/net").st_ino:
        raise OSError(0, "the process has no network of its own")
    _enter(fcntl.ioctl(network, _OWNER), _NEW_USER)
    _enter(network, _NEW_NETWORK)


def main() -> None:
    """Listen there, and hand the socket over; say why if that fails."""
    pid, port, channel = (int(word) for word in sys.argv[1:4])
    try:
        _into(pid)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("127.0.0.1", port))
            listener.listen(_BACKLOG)
            fds = array.array("i", [listener.fileno()])
            with socket.socket(fileno=channel) as sender:
                sender.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    except OSError as exc:
        sys.exit(exc.strerror or str(exc))


if __name__ == "__main__":
    main()
