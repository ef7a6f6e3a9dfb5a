"""Control sequences reach the terminal of whoever reads."""
import json
import os
import re
import sys
from pathlib import Path

raw = (Path(os.environ["EVASION_OUT"]) / "gate.json").read_text(encoding="utf-8")
try:
    texts = [raw]
    todo = [json.loads(raw)]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, str):
            texts.append(item)
except ValueError:
    texts = [raw]
sys.exit(not any(re.search("[\x1b\x9b\x90\x9d]", text) for text in texts))
