"""The MCP prompts of PEV. `PROMPTS` is everything that the server registers."""

from typing import Final

from fastmcp.prompts import Prompt

from pev_prompts import roles, workflow

PROMPTS: Final[tuple[Prompt, ...]] = (*workflow.PROMPTS, *roles.PROMPTS)
