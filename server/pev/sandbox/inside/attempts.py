"""Tries to get out of a sandbox, once, and prints what came of it: `attempts.py GIVEN`.

GIVEN is JSON with what to try on. Each attempt is named; "done" means that nothing stopped it. Whoever
started it looks at the effects too, and believes them more than this.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable

_WAIT_S = 2.0
_MODE = 0o751
_MOUNT = {"x86_64": 165, "aarch64": 40}
_UNSHARE = {"x86_64": 272, "aarch64": 97}
_REMOUNT_BIND = 32 | 4096
_NEW_USER_AND_MOUNTS = 0x10000000 | 0x00020000


def _call(numbers: dict[str, int], *values: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(numbers[os.uname().machine], *values) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _read(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read(4096)


def _connect(family: int, kind: int, address: object) -> None:
    with socket.socket(family, kind) as sock:
        sock.settimeout(_WAIT_S)
        sock.connect(address)  # type: ignore[arg-type]  # one function for all families
        sock.send(b"from inside")


def _list(folder: str) -> bytes:
    return b"\n".join(os.listdir(folder.encode()))


def _write(path: str) -> None:
    with open(path, "a", encoding="ascii") as handle:
        handle.write("from inside\n")


def attempts(given: dict[str, str]) -> dict[str, Callable[[], bytes | None]]:
    """Give all attempts by name."""
    other, port = int(given["pid"]), int(given["port"])
    return {
        "read outside": lambda: _read(given["canary"]),
        "list outside": lambda: _list(os.path.dirname(given["canary"])),
        "write outside": lambda: _write(given["canary"]),
        "change a mode outside": lambda: os.chmod(given["mode"], _MODE),
        "connect over TCP": lambda: _connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
        "send over UDP": lambda: _connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
        "connect to a socket file": lambda: _connect(socket.AF_UNIX, socket.SOCK_STREAM, given["socket"]),
        "connect to an abstract socket": lambda: _connect(
            socket.AF_UNIX, socket.SOCK_STREAM, f"\0{given['abstract']}"
        ),
        "read another's environment": lambda: _read(f"/proc/{other}/environ"),
        "kill another process": lambda: os.kill(other, signal.SIGKILL),
        "remount the root": lambda: _call(_MOUNT, None, b"/", None, _REMOUNT_BIND, None),
        "make a user namespace": lambda: _call(_UNSHARE, _NEW_USER_AND_MOUNTS),
        "read git data": lambda: _read(given["git"]),
    }


def main() -> None:
    """Write in the folder that is granted, which must work, then try everything else."""
    given = json.loads(sys.argv[1])
    _write(given["granted"])
    for name, attempt in attempts(given).items():
        result, found = "done", None
        try:
            found = attempt()
        except OSError as exc:
            result = exc.strerror or str(exc)
        sys.stdout.write(f"tried: {json.dumps([name, result, (found or b'').hex()])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
