"""PEV: plan, execute, verify over a git repository.

The engine. It knows nothing of MCP, of a terminal or of HTTP; adapters sit on `pev.engine`.
"""

from typing import Final

__version__: Final = "0.1.0"
