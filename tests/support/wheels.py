"""Wheels without a package index: what is installed here, packed again, and packages made up for a test."""

import base64
import hashlib
import importlib.metadata
import zipfile
from pathlib import Path

TEST_TOOLS = ("pytest", "pytest-cov", "coverage", "pluggy", "iniconfig", "packaging", "pygments")


def pack_installed(name: str, into: Path) -> Path:
    """Pack an installed distribution as the wheel that it came from."""
    dist = importlib.metadata.distribution(name)
    tag = next(
        line.split(": ")[1] for line in (dist.read_text("WHEEL") or "").splitlines() if "Tag: " in line
    )
    target = into / f"{dist.metadata['Name'].replace('-', '_')}-{dist.version}-{tag}.whl"
    with zipfile.ZipFile(target, "w") as wheel:
        for file in dist.files or ():
            source = Path(str(dist.locate_file(file)))
            if ".." not in file.parts and "__pycache__" not in file.parts and file.name != "INSTALLER":
                wheel.write(source, str(file))
    return target


def make_wheel(
    into: Path, name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = ()
) -> Path:
    """Make a pure Python wheel."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    whole = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    target = into / f"{name}-{version}-py3-none-any.whl"
    record = "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in whole.items())
    with zipfile.ZipFile(target, "w") as wheel:
        for path, text in whole.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return target


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
