from kit import append

from pathlib import Path

Path("docs").mkdir()
Path("docs/shelf.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
append("README.md", "\n![a shelf](docs/shelf.png)\n")
