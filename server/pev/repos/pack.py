"""Git objects in memory: their ids, trees in git's order, and packs to hand over.

The formats are those of gitformat-pack(5) and of git's object database; nothing here touches a disk.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pev.models import ObjectId
from pev.repos.objects import FOLDER

ObjectKind = Literal["blob", "tree"]
"""What we make; ids are given to commits too."""
_NUMBER: Final = {"tree": 2, "blob": 3}


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object that a git directory may lack."""

    kind: ObjectKind
    oid: ObjectId
    content: bytes


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a folder: name, mode as git writes it, id."""

    name: str
    mode: str
    oid: ObjectId


def object_id(kind: ObjectKind | Literal["commit"], content: bytes, algorithm: str) -> ObjectId:
    """Give the id that git gives to these bytes. `algorithm` is `sha1` or `sha256`."""
    header = f"{kind} {len(content)}\0".encode("ascii")
    digest = hashlib.new(algorithm, header, usedforsecurity=False)
    digest.update(content)
    return ObjectId(digest.hexdigest())


def tree_content(nodes: Iterable[Node]) -> bytes:
    """Write a tree: entries in git's order, where a folder's name counts with a slash at its end."""

    def order(node: Node) -> bytes:
        return os.fsencode(node.name) + (b"/" if node.mode == FOLDER else b"")

    return b"".join(
        f"{node.mode.lstrip('0')} ".encode("ascii") + os.fsencode(node.name) + b"\0" + bytes.fromhex(node.oid)
        for node in sorted(nodes, key=order)
    )


def write_pack(objects: Iterable[NewObject], algorithm: str) -> bytes:
    """Write a version 2 pack of whole objects."""
    parts = [_packed(one) for one in objects]
    body = b"PACK" + (2).to_bytes(4, "big") + len(parts).to_bytes(4, "big") + b"".join(parts)
    return body + hashlib.new(algorithm, body, usedforsecurity=False).digest()


def _packed(one: NewObject) -> bytes:
    size = len(one.content)
    head = bytearray([_NUMBER[one.kind] << 4 | size & 0x0F])
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + zlib.compress(one.content, 1)
