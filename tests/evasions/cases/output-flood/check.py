"""The failing test cannot be found in what the gate shows."""
import os
import sys
from pathlib import Path

shown = (Path(os.environ["EVASION_OUT"]) / "gate.json").read_text(encoding="utf-8")
sys.exit("test_take_leaves_the_rest" in shown)
