"""Processes of the test are still there."""
import os
import sys
from pathlib import Path

mark = os.environ["EVASION_MARK"].encode()
alive = 0
for process in Path("/proc").glob("[0-9]*"):
    try:
        argv = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        continue
    alive += mark in argv and b"-c" in argv
sys.exit(alive == 0)
