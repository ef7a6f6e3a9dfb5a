"""The child is still there."""
import sys
from pathlib import Path

alive = 0
for process in Path("/proc").glob("[0-9]*"):
    try:
        alive += b"import time; time.sleep(300)" in (process / "cmdline").read_bytes()
    except OSError:
        continue
sys.exit(alive == 0)
