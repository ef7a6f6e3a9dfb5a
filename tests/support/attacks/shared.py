"""Reaching what the kernel shares between processes: memory, queues, semaphores, keys, maps of programs."""

import ctypes
import os
import struct
from pathlib import Path

from support.attacks.kit import Place, attempt, call, family, show, tried


@attempt()
def shared_memory_read(at: Place) -> None:
    """A System V segment of the host."""
    found = call("shmget", int(at.ports["shm"]), 0, 0)
    address = call("shmat", found, None, 0o10000)
    show(ctypes.string_at(address, 64))


@attempt()
def shared_memory_left(at: Place) -> None:
    """A System V segment stays when its maker is gone."""
    call("shmget", int(at.ports["shm"]) + 1, 4096, 0o1666)


@attempt()
def semaphores_left(at: Place) -> None:
    """Semaphores of System V, which stay too."""
    call("semget", int(at.ports["shm"]) + 1, 1, 0o1666)


@attempt()
def messages_left(at: Place) -> None:
    """A queue of System V messages, which stays too, and what is in it."""
    call("msgget", int(at.ports["shm"]) + 1, 0o1666)


@attempt()
def shared_memory_by_number(at: Place) -> None:
    """A System V segment of the host, whose number is guessed and not asked for."""
    for line in Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:]:
        if int(line.split()[0]) == at.ports["shm"]:
            address = call("shmat", int(line.split()[1]), None, 0o10000)
            show(ctypes.string_at(address, 64))


@attempt(inert="queues of all processes may be used up")
def message_queue_removed(at: Place) -> None:
    """A POSIX message queue of the host, taken away by its name."""
    call("mq_unlink", f"pev-{at.token}".encode())


@attempt()
def message_queue_read(at: Place) -> None:
    """A POSIX message queue of the host."""
    queue = call("mq_open", f"pev-{at.token}".encode(), os.O_RDONLY | os.O_NONBLOCK, 0, None)
    found = ctypes.create_string_buffer(8192)
    call("mq_timedreceive", queue, found, 8192, None, None)
    show(found.raw[:100])


def _key(ring: int) -> int:
    return call("keyctl", 10, ring, b"user", b"pev-breakout", 0)


@family({"session": -3, "user": -4, "user_session": -5}, odd={"user_session": {"inert": "needs a link"}})
def keyring(_at: Place, ring: int) -> None:
    """Keys that the kernel keeps for the session or the account; namespaces do not part them all."""
    found = ctypes.create_string_buffer(256)
    call("keyctl", 11, _key(ring), found, 256)
    show(found.raw)


@attempt(alone=True)
def keyring_changed(at: Place) -> None:
    """A key of the host with another value, and one more key."""
    with tried():
        call("keyctl", 2, _key(-3), b"spoiled", 7)
    call("add_key", b"user", f"pev-{at.token}".encode(), b"spoiled", 7, -3)


@attempt(root=True)
def kernel_map_read(_at: Place) -> None:
    """Maps of kernel programs, which root can walk through."""
    number = 0
    for _ in range(200):
        asked = ctypes.create_string_buffer(struct.pack("III", number, 0, 0), 128)
        call("bpf", 12, asked, 128)
        number = struct.unpack_from("I", asked.raw, 4)[0]
        with tried():
            opened = call("bpf", 14, ctypes.create_string_buffer(struct.pack("I", number), 128), 128)
            key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(64)
            where = struct.pack("IIQQQ", opened, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
            call("bpf", 1, ctypes.create_string_buffer(where, 128), 128)
            show(value.raw)
