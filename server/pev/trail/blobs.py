"""Blobs: large payloads kept beside the log, addressed by the SHA-256 of their content.

What is text is redacted before it is hashed, so the digest is that of what is stored. Content is checked
against its digest each time it is read.
"""

import json
import sqlite3
import zlib
from typing import Final

from pev.errors import BlobUnknown, InvalidInput, TrailCorrupt
from pev.models import Digest, Model, canonical, digest_of
from pev.trail.log import VERIFY
from pev.trail.redact import Redactor

MAX_BLOB_BYTES: Final = 256 * 2**20
_TEXTUAL: Final = ("json", "xml", "yaml", "toml", "javascript", "diff", "patch", "x-sh", "sarif", "ndjson")
_READ: Final = "SELECT media_type, size, redacted, CAST(packed AS BLOB) FROM blobs WHERE digest = ?"


class Blob(Model):
    """Stored content and its media type. `redacted` says that secrets were taken out of it.

    The digest binds the content alone: media type and `redacted` are labels, which the log does not prove.
    """

    digest: Digest
    media_type: str
    redacted: bool
    data: bytes

    def text(self) -> str:
        """Give the content as text; bytes that are not UTF-8 are replaced."""
        return self.data.decode("utf-8", "replace")


def prepare_blob(data: bytes, media_type: str, redactor: Redactor) -> Blob:
    """Redact content if it is text, and name it by its digest.

    JSON is redacted by its structure and stays JSON, in canonical form if anything was taken out. Raises
    InvalidInput for a media type of another form, or for more than 256 MiB.
    """
    kind, slash, name = media_type.partition(";")[0].strip().lower().partition("/")
    if not (kind and slash and name) or not media_type.isprintable() or len(media_type) > 200:
        raise InvalidInput(f"{media_type[:80]!r} is no media type", hint="Write it like text/plain.")
    if len(data) > MAX_BLOB_BYTES:
        raise InvalidInput(
            f"blob has {len(data)} bytes, more than {MAX_BLOB_BYTES}", hint="Store a part of it."
        )
    clean, redacted = data, False
    if name == "json" or name.endswith("+json"):
        clean, redacted = _clean_json(data, redactor)
    elif kind == "text" or any(part in name for part in _TEXTUAL) or _is_utf8(data):
        clean, redacted = _clean_text(data, redactor)
    return Blob(digest=digest_of(clean), media_type=media_type, redacted=redacted, data=clean)


def write_blob(connection: sqlite3.Connection, blob: Blob, packed: bytes) -> None:
    """Keep a blob; one that is there already stays as it is."""
    connection.execute(
        "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, ?)",
        (blob.digest, blob.media_type, len(blob.data), int(blob.redacted), packed),
    )


def read_blob(connection: sqlite3.Connection, digest: Digest) -> Blob:
    """Give a blob. Raises BlobUnknown, or TrailCorrupt if its content is not what its digest says."""
    row = connection.execute(_READ, (digest,)).fetchone()
    if row is None:
        raise BlobUnknown(f"no blob {digest!r} in the trail", hint="Take the digest from an event.")
    media_type, size, redacted, packed = row
    data = unpack(packed, size)
    if data is None or digest_of(data) != digest:
        raise TrailCorrupt(f"content of blob {digest} is not what its digest says", hint=VERIFY)
    return Blob(digest=digest, media_type=media_type, redacted=bool(redacted), data=data)


def pack(data: bytes) -> bytes:
    """Compress content for storing."""
    return zlib.compress(data, 1)


def unpack(packed: bytes, size: int) -> bytes | None:
    """Undo `pack`, or give None if the bytes are not those of `size` bytes of content."""
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(packed, size + 1)  # one more than claimed: a bomb stops here
    except (zlib.error, TypeError, ValueError, OverflowError):
        return None
    return data if len(data) == size and inflate.eof else None


def _clean_json(data: bytes, redactor: Redactor) -> tuple[bytes, bool]:
    try:
        value, kinds = redactor.value(json.loads(data))
        return (canonical(value), True) if kinds else (data, False)
    except (ValueError, RecursionError, InvalidInput):
        return _clean_text(data, redactor)  # not JSON after all, or JSON that cannot be written again


def _clean_text(data: bytes, redactor: Redactor) -> tuple[bytes, bool]:
    text, kinds = redactor.text(data.decode("utf-8", "surrogateescape"))
    return (text.encode("utf-8", "surrogateescape"), True) if kinds else (data, False)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data
