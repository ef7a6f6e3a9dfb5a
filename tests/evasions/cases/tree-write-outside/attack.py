from kit import OUT, write

write("tests/data/where.txt", f"{OUT}\n")
write("tests/test_outside.py", """from contextlib import suppress
from pathlib import Path

WHERE = Path(__file__).parent / "data" / "where.txt"


def test_outside() -> None:
    with suppress(OSError):
        Path(WHERE.read_text(encoding="utf-8").strip(), "mark").touch()
""")
