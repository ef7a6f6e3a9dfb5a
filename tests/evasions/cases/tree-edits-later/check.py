"""The file in the worktree was changed after the gate."""
import sys
from pathlib import Path

sys.exit("10 * grams" not in Path("src/larder/stock.py").read_text(encoding="utf-8"))
