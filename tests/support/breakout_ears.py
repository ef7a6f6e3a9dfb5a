"""Sockets of the host that an attack should not reach. Whether one was reached shows afterwards."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_STREAMS: Final = {
    "stream": "outside/stream.sock",
    "docker": "run/docker.sock",
    "agent": "home/.ssh/agent.sock",
    "bus": "run/bus",
}


class Ears:
    """One listening socket of each kind. `ports` and `paths` say where; `@` stands for the abstract names.

    One more has the secret for its name.
    """

    def __init__(self, base: Path, token: str, secret: str) -> None:
        self._open: dict[str, socket.socket] = {}
        self.ports: dict[str, int] = {}
        self.paths: dict[str, str] = {}
        tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
        for name, family, kind in (
            ("tcp4", socket.AF_INET, tcp),
            ("tcp6", socket.AF_INET6, tcp),
            ("udp4", socket.AF_INET, udp),
            ("udp6", socket.AF_INET6, udp),
        ):
            with suppress(OSError):  # IPv6 may be switched off
                ear = socket.socket(family, kind)
                ear.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
                self._hear(name, ear)
                self.ports[name] = ear.getsockname()[1]
        for name, where in _STREAMS.items():
            self._unix(name, str(base / where), tcp)
        self._unix("datagram", str(base / "outside/datagram.sock"), udp)
        self._unix("packet", str(base / "outside/packet.sock"), socket.SOCK_SEQPACKET)
        self._unix("tmp", f"/tmp/pev-{token}.sock", tcp)
        self._unix("abstract", f"@pev-{token}", tcp)
        self._unix("abstract_datagram", f"@pev-{token}-datagram", udp)
        self._unix("display", f"@/tmp/.X11-unix/X{token}", tcp)
        self._unix("telltale", f"@pev-{secret}-{token}", tcp)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.ports["free"] = free.getsockname()[1]

    def _hear(self, name: str, ear: socket.socket) -> None:
        ear.setblocking(False)
        if ear.type != socket.SOCK_DGRAM:
            ear.listen(4)
        self._open[name] = ear

    def _unix(self, name: str, where: str, kind: int) -> None:
        ear = socket.socket(socket.AF_UNIX, kind)
        ear.bind(where.replace("@", "\0"))
        self._hear(name, ear)
        if "canary" not in where:
            self.paths[name] = where

    def heard(self) -> Iterator[str]:
        """Name the sockets that were reached since the last time."""
        for name, ear in self._open.items():
            with suppress(OSError):
                if ear.type == socket.SOCK_DGRAM:
                    ear.recv(2**16)
                else:
                    ear.accept()[0].close()
                yield name

    def close(self) -> None:
        """Close all, and remove the one that lies outside the scene."""
        for ear in self._open.values():
            ear.close()
        Path(self.paths["tmp"]).unlink(missing_ok=True)


class Swapper:
    """Something that swaps a folder for a link to another one, and back, all the time."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder, self._link, self._aside = folder, folder.with_name("link"), folder.with_name("aside")
        self._link.symlink_to(target)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._swap, daemon=True)

    def __enter__(self) -> None:
        """Start swapping."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    def _swap(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                self._folder.rename(self._aside)
                self._link.rename(self._folder)
                time.sleep(0.001)
                self._folder.rename(self._link)
                self._aside.rename(self._folder)
                time.sleep(0.001)


class Chatter:
    """What goes on outside meanwhile: a program that reads a secret, sends it to itself, and calls a port."""

    def __init__(self, secret_file: Path, port: int) -> None:
        self.called = False
        self._file, self._port = secret_file, port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def __enter__(self) -> "Chatter":
        """Start talking."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    def _talk(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.bind(("127.0.0.1", 0))
            while not self._stop.is_set():
                with suppress(OSError):
                    own.sendto(self._file.read_bytes(), own.getsockname())
                    own.recv(4096)
                self._call()
                time.sleep(0.02)

    def _call(self) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=0.2) as line:
            self.called |= bool(line.recv(16))
