"""The hook is there."""
import os
import sys
from pathlib import Path

sys.exit(not (Path(os.environ["EVASION_REPO"]) / ".git" / "hooks" / "post-commit").exists())
