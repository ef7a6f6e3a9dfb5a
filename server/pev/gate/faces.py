"""The faces of the languages that there are, and which of them a file shows."""

from typing import Final

from pev.gate.demands import Language
from pev.gate.face import Face, Manifest
from pev.gate.golang.face import GO
from pev.gate.javascript.face import JAVASCRIPT
from pev.gate.rust.face import RUST
from pev.gate.subjects import inventory, is_test_file, is_test_ground
from pev.gate.suppressions import find

PYTHON: Final = Face(
    language=Language.PYTHON,
    suffixes=(".py", ".pyi"),
    configs=(),
    test_files=("test_*.py", "*_test.py"),
    inventory=inventory,
    suppressions=find,
)
FACES: Final[tuple[Face, ...]] = (PYTHON, GO, RUST, JAVASCRIPT)


def face_of(path: str) -> Face | None:
    """Give the face of the language that a file is written in."""
    return next((face for face in FACES if face.reads(path)), None)


def belongs_to_tests(path: str) -> bool:
    """Say whether a file belongs to the tests of whatever language."""
    face = face_of(path)
    return is_test_ground(path) or (face is not None and face.is_test_ground(path))


def is_any_test_file(path: str) -> bool:
    """Say whether some test runner would collect a file by its name."""
    face = face_of(path)
    return is_test_file(path) if face is PYTHON else face is not None and face.is_test_file(path)


def is_config(path: str) -> bool:
    """Say whether a file steers the tools of some language."""
    return any(face.is_config(path) for face in FACES)


def manifest_of(path: str) -> Manifest | None:
    """Give how a file that declares a package is read, if some language has such files."""
    name = path.rpartition("/")[2]
    return next((face.manifests[name] for face in FACES if name in face.manifests), None)
