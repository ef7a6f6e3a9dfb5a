"""Something was heard."""
import os
import sys
from pathlib import Path

sys.exit(not Path(os.environ["EVASION_HEARD"]).exists())
