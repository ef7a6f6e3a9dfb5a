"""Text files as text, and back to the same bytes: UTF-8, with or without a mark, UTF-16, else Latin-1."""

import codecs
from typing import Final

_LOOKED_AT: Final = 8_000
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def is_binary(data: bytes) -> bool:
    """Say whether bytes are no text: a NUL near the beginning, as git decides it, and no mark of UTF-16."""
    return b"\0" in data[:_LOOKED_AT] and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def decode(data: bytes) -> tuple[str, str]:
    """Give the text, and the name of the encoding to write it back with; a mark goes into that name."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding), f"{encoding}-marked"
            except UnicodeDecodeError:
                break
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def encode(text: str, encoding: str) -> bytes:
    """Give the bytes of a text in an encoding that `decode` named. Raises UnicodeEncodeError."""
    plain = encoding.removesuffix("-marked")
    mark = next((mark for mark, name in _MARKS if name == plain and plain != encoding), b"")
    return mark + text.encode(plain)
