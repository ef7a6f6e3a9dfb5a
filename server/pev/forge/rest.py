"""A conversation with the REST interface of a forge: JSON, one credential, bounded waits.

What may be asked twice is asked again after a fault of the network or the server; a limit of requests is
waited for as long as the forge says, if that is soon. The credential goes to the configured address and
nowhere else.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import anyio

from pev import __version__
from pev.errors import ForgeBusy, ForgeRefused
from pev.text import one_line

_TRIES: Final = 4
_ANSWER_S: Final = 30.0
_FIRST_PAUSE_S: Final = 0.5
_MOST_WAIT_S: Final = 60.0
_MAX_BYTES: Final = 8 * 2**20
_LIMITED: Final = b"rate limit"
_UNTOLD_S: Final = 60.0
"""A secondary limit of GitHub without a word of its end; source: its documentation, rate limits."""
_AGAIN: Final = frozenset({500, 502, 503, 504})
_REPEATABLE: Final = frozenset({"GET", "PATCH", "PUT"})
_MOVED: Final = frozenset({301, 302, 307, 308})


class Rest:
    """One conversation. `base` is the address of the interface, without a slash at its end."""

    def __init__(self, base: str, http: ModuleType, client: Any) -> None:
        self._base = base.rstrip("/")
        self._http = http
        self._client = client

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """Send a request and give its JSON. `path` begins with a slash.

        Raises ForgeRefused with what the forge says, and ForgeBusy where it could not be had in time.
        """
        url, waited = self._base + path, 0.0
        for left in reversed(range(_TRIES)):
            try:
                status, headers, raw = await self._send(method, url, body, query)
            except self._http.TransportError as exc:
                never_sent = isinstance(exc, self._http.ConnectError | self._http.ConnectTimeout)
                if not left or not (never_sent or method in _REPEATABLE):
                    raise ForgeBusy(
                        f"{_host(url)} does not answer: {type(exc).__name__}", hint="Try again later."
                    ) from exc
                pause = _FIRST_PAUSE_S * 2 ** (_TRIES - left)
            else:
                if status in _MOVED and method == "GET" and (to := self._elsewhere(url, headers)):
                    url, query = to, {}
                    continue
                again = _pause(status, headers, raw, method, _TRIES - left)
                if again is None:
                    return _answer(method, url, status, raw)
                pause = again
            waited += pause
            if waited > _MOST_WAIT_S or not left:
                raise ForgeBusy(
                    f"{_host(url)} takes no requests for {pause:.0f} s more",
                    hint="Nothing is lost: call again after that.",
                )
            await anyio.sleep(pause)
        raise ForgeRefused(f"{_host(url)} sends requests in a circle", hint="Correct [forge] api_url.")

    async def _send(
        self, method: str, url: str, body: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        raw = bytearray()
        async with self._client.stream(method, url, json=body, params=query or None) as answer:
            async for chunk in answer.aiter_bytes():
                raw += chunk
                if len(raw) > _MAX_BYTES:
                    raise ForgeRefused(
                        f"{_host(url)} answers with more than {_MAX_BYTES} bytes", hint="Check api_url."
                    )
            return answer.status_code, answer.headers, bytes(raw)

    def _elsewhere(self, url: str, headers: Mapping[str, str]) -> str:
        """Give where a request is sent to, if that is the same server: a project that was renamed."""
        to = urljoin(url, headers.get("location", ""))
        here, there = urlsplit(url), urlsplit(to)
        return to if (here.scheme, here.netloc) == (there.scheme, there.netloc) and to != url else ""


@asynccontextmanager
async def conversation(base: str, headers: Mapping[str, str]) -> AsyncIterator[Rest]:
    """Hold a conversation with the interface at `base`; `headers` carry the credential."""
    import httpx2  # takes 0.1 s, and most runs ask no forge

    own = {"user-agent": f"pev/{__version__}", **headers}
    async with httpx2.AsyncClient(headers=own, timeout=_ANSWER_S, follow_redirects=False) as client:
        yield Rest(base, httpx2, client)


def _pause(status: int, headers: Mapping[str, str], raw: bytes, method: str, tries: int) -> float | None:
    """Give the seconds after which a request is to be made again; None if the answer stands."""
    if status in (403, 429):
        if after := headers.get("retry-after"):
            return _seconds(after)
        spent = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        if spent and reset.isdigit():
            return max(1.0, int(reset) - time.time())
        if _LIMITED in raw.lower():
            return _UNTOLD_S
        return 5.0 * tries if status == 429 else None
    return _FIRST_PAUSE_S * 2**tries if status in _AGAIN and method in _REPEATABLE else None


def _seconds(after: str) -> float:
    if after.isdigit():
        return float(after)
    try:
        return max(1.0, (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 5.0


def _answer(method: str, url: str, status: int, raw: bytes) -> Any:
    try:
        value = json.loads(raw) if raw else None
    except ValueError:
        value = None
    if 200 <= status < 300 and (value is not None or not raw):
        return value
    said = one_line(_said(value), 300) or "no JSON"
    hint = {
        401: "The token is not accepted: renew it, and see [forge] in the configuration.",
        403: "The token may not do this: give it pull requests and contents of this project.",
        404: "The project is not there, or the token may not see it: check the remote and the token.",
    }.get(status, "Correct what the forge says, then call again.")
    raise ForgeRefused(f"{_host(url)} answered {method} with {status}: {said}", hint=hint)


def _said(value: Any) -> str:
    """Give what a forge says of a fault, in GitHub's or GitLab's form."""
    if not isinstance(value, dict):
        return ""
    parts = [value.get("message") or value.get("error") or value.get("error_description") or ""]
    errors = value.get("errors")
    parts += [
        one.get("message") or one.get("code") if isinstance(one, dict) else one
        for one in (errors if isinstance(errors, list) else ())
    ]
    return "; ".join(str(part) for part in parts if part)


def _host(url: str) -> str:
    return urlsplit(url).netloc
