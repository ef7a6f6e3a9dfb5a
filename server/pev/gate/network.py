"""Which settings of the operator's network reach the few programs of the gate that need one.

Only the resolver of requirements and the audit use it, both outside every checkout and on parsed data.
A repository's own index settings are never among these.
"""

import os
from pathlib import Path
from typing import Final

from pev import proc
from pev.models import Digest, hash_json

_TLS: Final = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_INSECURE_HOST",
    "UV_OFFLINE",
    "UV_FIND_LINKS",
    "UV_HTTP_TIMEOUT",
)
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def network_env(cache: Path) -> dict[str, str]:
    """Give the whole environment for uv and pip-audit: index, TLS and proxy settings, and a cache of ours."""
    own = proc.base_env()
    for name in (*_TLS, *_PROXIES, *(proxy.lower() for proxy in _PROXIES), "HOME", "NETRC"):
        if name in os.environ:
            own[name] = os.environ[name]
    own |= {name: value for name, value in os.environ.items() if name.startswith("UV_") and "INDEX" in name}
    for theirs, ours in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_EXTRA_INDEX_URL", "UV_INDEX")):
        if theirs in os.environ and not {ours, "UV_INDEX_URL"} & own.keys():
            own[ours] = os.environ[theirs]
    return own | {"UV_CACHE_DIR": str(cache / "uv"), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


def index_key() -> Digest:
    """Name the package index that is in force, without telling its address or its credentials."""
    env = network_env(Path())
    return hash_json({name: value for name, value in env.items() if "INDEX" in name or "FIND_LINKS" in name})
