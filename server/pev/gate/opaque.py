"""Knows files that no check can read although a program could run them: machine code, archives, pickles.

They are told by how they begin, not by their names. Pictures, fonts, sounds and office documents pass,
unless something that runs is packed into them.
"""

import io
import zipfile
from pathlib import PurePosixPath
from typing import Final

_MACHINE: Final = (
    (b"\x7fELF", "machine code"),
    (b"\xfe\xed\xfa\xce", "machine code"),
    (b"\xfe\xed\xfa\xcf", "machine code"),
    (b"\xce\xfa\xed\xfe", "machine code"),
    (b"\xcf\xfa\xed\xfe", "machine code"),
    (b"\xca\xfe\xba\xbe", "machine code"),
    (b"\0asm", "machine code"),
    (b"!<arch>\n", "machine code"),
    (b"BC\xc0\xde", "machine code"),
    (b"dex\n", "machine code"),
    (b"\x1f\x8b", "an archive"),
    (b"BZh", "an archive"),
    (b"\xfd7zXZ\0", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"Rar!\x1a\x07", "an archive"),
    (b"\x28\xb5\x2f\xfd", "an archive"),
    (b"\x04\x22\x4d\x18", "an archive"),
    (b"MSCF", "an archive"),
    (b"\xed\xab\xee\xdb", "an archive"),
)
_BY_SUFFIX: Final = {
    **dict.fromkeys(
        (".so", ".pyd", ".dll", ".dylib", ".exe", ".o", ".obj", ".class", ".wasm"), "machine code"
    ),
    **dict.fromkeys((".pyc", ".pyo"), "machine code"),
    **dict.fromkeys((".zip", ".whl", ".egg", ".jar", ".war", ".pyz", ".pyzw", ".tar", ".tgz"), "an archive"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".dill", ".pt", ".ckpt"), "a pickle"),
}
_DOCUMENTS: Final = {".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".odg", ".epub", ".vsdx"}
_RUNS: Final = {".py", ".pyw", ".pth", ".js", ".sh", ".ps1", ".bat", *_BY_SUFFIX}
_PICKLE_PROTOCOLS: Final = range(2, 6)


def what_is(path: str, raw: bytes) -> str | None:
    """Say what makes a file unreadable for the checks, or give None."""
    kind = next((kind for start, kind in _MACHINE if raw.startswith(start)), None)
    if kind is None and raw[:2] == b"MZ" and b"PE\0\0" in raw[:4096]:
        kind = "machine code"
    if kind is None and raw[257:262] == b"ustar":
        kind = "an archive"
    if kind is None and len(raw) > 2 and raw[0] == 0x80 and raw[1] in _PICKLE_PROTOCOLS and raw[-1:] == b".":
        kind = "a pickle"
    suffix = PurePosixPath(path).suffix.lower()
    if kind is None and _is_zip(raw) and not (suffix in _DOCUMENTS and not _holds_code(raw)):
        kind = "an archive"  # also one that begins as a picture: Python imports from it all the same
    if kind is None and b"\0" in raw[:8192]:
        return _BY_SUFFIX.get(suffix)
    return kind


def _is_zip(raw: bytes) -> bool:
    return raw.startswith(b"PK\x03\x04") or zipfile.is_zipfile(io.BytesIO(raw))


def _holds_code(raw: bytes) -> bool:
    """Say whether a zip file holds what runs; one that cannot be listed might."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, RuntimeError):
        return True
    return any(PurePosixPath(name).suffix.lower() in _RUNS for name in names)
