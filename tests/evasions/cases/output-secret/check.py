"""The secret of the gate's environment stands in what the gate shows."""
import os
import sys
from pathlib import Path

shown = (Path(os.environ["EVASION_OUT"]) / "gate.json").read_text(encoding="utf-8")
sys.exit(os.environ["EVASION_SECRET"] not in shown)
