"""The MCP server of PEV: FastMCP app, dialogue with the host, error mapping, command line."""
