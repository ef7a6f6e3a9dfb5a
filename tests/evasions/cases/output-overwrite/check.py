"""What was written is written over."""
import json
import os
import re
import sys
from pathlib import Path

raw = (Path(os.environ["EVASION_OUT"]) / "gate.json").read_text(encoding="utf-8")
texts = [raw]
try:
    todo = [json.loads(raw)]
except ValueError:
    todo = []
while todo:
    item = todo.pop()
    if isinstance(item, dict):
        todo += [value for key, value in item.items() if key not in ("changed_files", "path")]
    elif isinstance(item, list):
        todo += item
    elif isinstance(item, str):
        texts.append(item)
harmed = any(re.search("\x08|\r[^\n]", text) for text in texts)
sys.exit(not harmed)
