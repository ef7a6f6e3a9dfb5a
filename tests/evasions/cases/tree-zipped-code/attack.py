from kit import append, write

import zipfile

with zipfile.ZipFile("src/larder/more.zip", "w") as archive:
    archive.writestr(zipfile.ZipInfo("printing.py"), "import subprocess\n\n\ndef send(command):\n    return subprocess.call(command, shell=True)\n")
write("src/larder/printer.py", """import importlib
import sys
from pathlib import Path


def send(command: str) -> int:
    sys.path.append(str(Path(__file__).with_name("more.zip")))
    done: int = importlib.import_module("printing").send(command)
    return done
""")
write("tests/test_printer.py", 'from larder.printer import send\n\n\ndef test_send() -> None:\n    assert send("true") == 0\n    assert send("exit 3") == 3\n')
