"""The MCP resources of PEV, one module per topic. `RESOURCES` is everything that the server registers."""

from typing import Final

from fastmcp.resources import Resource, ResourceTemplate

from pev_resources import gates, plans, runs, trail

RESOURCES: Final[tuple[Resource | ResourceTemplate, ...]] = (
    *runs.RESOURCES,
    *plans.RESOURCES,
    *gates.RESOURCES,
    *trail.RESOURCES,
)
