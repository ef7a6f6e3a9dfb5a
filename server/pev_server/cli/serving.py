"""Starting the server: stdio for a local host, Streamable HTTP for others.

Nothing but the protocol is written to standard output. Without authentication only loopback is served.
"""

import gc
import ipaddress
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pev.config import Config
from pev.errors import ConfigInvalid
from pev.models import Role

os.environ.setdefault("FASTMCP_SHOW_SERVER_BANNER", "false")
os.environ.setdefault("FASTMCP_CHECK_FOR_UPDATES", "off")
os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")  # our own handler writes what matters
_LOOPBACK_NAMES: Final = ("localhost", "ip6-localhost")


def is_loopback(host: str) -> bool:
    """Say whether an address can only be reached from this machine."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _log_to_stderr() -> None:
    from pev_server.errors import QuietWhereMapped

    logging.basicConfig(
        stream=sys.stderr,
        level=os.environ.get("PEV_LOG_LEVEL", "WARNING").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(QuietWhereMapped())


def serve_app(
    config: Config, *, http: bool, host: str, port: int, stateless: bool, role: Role | None = None
) -> None:
    """Serve until the client is gone or the process is told to end.

    Raises ConfigInvalid for a non-loopback address where nobody would be authenticated.
    """
    if http and config.auth is None and not is_loopback(host):
        raise ConfigInvalid(
            f"{host!r} is not a loopback address, and no authentication is configured",
            hint="Configure [auth], serve on 127.0.0.1, or put an authenticating proxy before it.",
        )
    _log_to_stderr()
    from pev_server.app import create_app

    app = create_app(config, cwd=_working_directory(), local=not http, role=role)
    gc.freeze()  # what was imported stays: no use in looking at it again
    gc.enable()
    if not http:
        app.run(transport="stdio", show_banner=False)
        return
    options: dict[str, Any] = {"stateless_http": stateless, "host_origin_protection": True}
    if config.auth is not None:
        parts = urlsplit(config.auth.resource_url)
        options["allowed_origins"] = [f"{parts.scheme}://{parts.netloc}"]
        options["allowed_hosts"] = [urlsplit(config.auth.resource_url).netloc, f"{host}:{port}"]
    app.run(
        transport="http",
        host=host,
        port=port,
        show_banner=False,
        uvicorn_config={"log_level": "warning", "timeout_graceful_shutdown": 3},
        **options,
    )


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the folder that we were started in is gone
        return None
