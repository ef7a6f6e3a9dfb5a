from kit import write

from pathlib import Path

target = Path("src/larder/_fast.cpython-311-x86_64-linux-gnu.so")
target.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40)
write("src/larder/_fast.pyi", "def rounded(amount: float) -> float: ...\n")
