"""A local issuer: signs tokens, publishes its keys, answers for opaque tokens, and logs people in."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server.auth.providers.jwt import RSAKeyPair
from joserfc import jwt
from joserfc.jwk import RSAKey

from pev.models import Scope
from support.clients import Era, serving_http
from support.repos import UserRepoFixture

KEYS: Final = RSAKeyPair.generate()
ALL: Final = [scope.value for scope in Scope]
AGENT: Final = [scope for scope in ALL if scope != "pev:approve"]
AUDIENCE: Final = "https://pev.example.invalid"


class Issuer(http.server.ThreadingHTTPServer):
    """An issuer whose only user is logged in already: `person` are their claims, `granted` their scopes.

    `spoil` replaces claims of the identity tokens that it makes, `codes` are those that it gave out.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.home = f"http://127.0.0.1:{self.server_port}"
        self.person: dict[str, Any] = {"sub": "cy"}
        self.granted = "openid pev:approve"
        self.spoil: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}

    def id_token(self, asked: dict[str, str]) -> str:
        """Sign who the person is, for a client."""
        said = {"iss": self.home, "aud": asked["client_id"], "nonce": asked["nonce"], **self.person}
        said |= {"iat": int(time.time()), "exp": int(time.time()) + 300} | self.spoil
        kept = {name: value for name, value in said.items() if value is not None}
        key = RSAKey.import_key(KEYS.private_key.get_secret_value())
        return jwt.encode({"alg": "RS256", "kid": "one"}, kept, key)


class _Answers(http.server.BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        """Describe the issuer, log the person in, or give the key set."""
        place = urlsplit(self.path)
        if place.path == "/.well-known/openid-configuration":
            home = self.server.home
            self._say(
                {
                    "issuer": home,
                    "authorization_endpoint": f"{home}/authorize",
                    "token_endpoint": f"{home}/token",
                    "jwks_uri": f"{home}/jwks",
                }
            )
            return
        if place.path == "/authorize":
            asked = dict(parse_qsl(place.query))
            code = secrets.token_urlsafe(16)
            self.server.codes[code] = asked
            back = urlencode({"code": code, "state": asked["state"], "iss": self.server.home})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
            return
        key = RSAKey.import_key(KEYS.public_key, {"kid": "one", "use": "sig"})
        self._say({"keys": [key.as_dict(private=False)]})

    def do_POST(self) -> None:
        """Redeem a code, or say of an opaque token what it is good for to the client that we know."""
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/token":
            given = dict(parse_qsl(sent))
            asked = self.server.codes.pop(given["code"], None)
            digest = hashlib.sha256(given["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            good = asked is not None and challenge == asked["code_challenge"]
            good = good and asked is not None and given["redirect_uri"] == asked["redirect_uri"]
            if asked is None or not good:
                self._say({"error": "invalid_grant"}, 400)
                return
            answer = {"access_token": "opaque", "token_type": "Bearer", "scope": self.server.granted}
            self._say(answer | {"id_token": self.server.id_token(asked)})
            return
        known = base64.b64encode(b"pev:a-secret").decode()
        good = self.headers["Authorization"] == f"Basic {known}" and "token=opaque-ada" in sent
        said = {"active": good, "sub": "ada", "aud": AUDIENCE, "scope": "pev:read pev:verify"}
        said |= {"client_id": "a-client", "exp": int(time.time()) + 600}
        self._say(said if good else {"active": False})

    def _say(self, value: dict[str, Any], status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer on loopback."""
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def issuer() -> Iterator[str]:
    """Run an issuer on loopback, and give its address."""
    with issuing() as server:
        yield server.home


@asynccontextmanager
async def hosted(repo: UserRepoFixture, **more: Any) -> AsyncIterator[tuple[str, str]]:
    """Serve a repository with authentication; give the address of the endpoint, and the issuer's."""
    with issuer() as home:
        auth = {"issuer": home, "audience": AUDIENCE, "resource_url": AUDIENCE, "jwks_url": f"{home}/jwks"}
        env = {"PEV_AUTH": json.dumps(auth | more), "PEV_SANDBOX": "none"}
        async with serving_http(repo.path, env=env) as url:
            yield url, home


@asynccontextmanager
async def hosted_page(repo: UserRepoFixture, **more: Any) -> AsyncIterator[tuple[str, Issuer]]:
    """Serve a repository with the approval page; give the address of the endpoint, and the issuer."""
    with issuing() as server, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        auth = {"issuer": server.home, "audience": AUDIENCE, "jwks_url": f"{server.home}/jwks"}
        auth |= {"resource_url": f"http://127.0.0.1:{port}", "page": {"client_id": "pev-page"}} | more
        env = {"PEV_AUTH": json.dumps(auth), "PEV_SANDBOX": "none"}
        async with serving_http(repo.path, env=env, port=port) as url:
            yield url, server


def token(home: str, *, scopes: list[str] = AGENT, subject: str = "ada", **claims: Any) -> str:
    """Sign a token as the issuer does; `claims` replaces some, None takes one out."""
    said: dict[str, Any] = {"iss": home, "aud": AUDIENCE, "sub": subject, "scope": " ".join(scopes)}
    said |= {"exp": int(time.time()) + 600, "iat": int(time.time())} | claims
    kept = {name: value for name, value in said.items() if value is not None}
    key = RSAKey.import_key(KEYS.private_key.get_secret_value())
    return jwt.encode({"alg": "RS256", "kid": "one"}, kept, key)


def unsigned(home: str) -> str:
    """Write a token that says of itself that it needs no signature."""
    _, body, _ = token(home).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').decode().rstrip("=")
    return f"{none}.{body}."


def confused(home: str) -> str:
    """Sign a token with the public key as if it were a shared secret."""
    _, body, _ = token(home).split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    mark = hmac.digest(KEYS.public_key.encode(), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def ask(url: str, body: Any = None, **headers: str) -> tuple[int, str, bytes]:
    """Send one request; give status, challenge and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        raw = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", parts.path, raw, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("WWW-Authenticate", ""), answer.read(65_536)
    finally:
        connection.close()


def knock(url: str, bearer: str | None = None) -> tuple[int, str, bytes]:
    """Send the first request of a client."""
    info = {"name": "t", "version": "1"}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers |= {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    return ask(url, body, **headers)


def list_tools(url: str, bearer: str) -> tuple[int, str]:
    """Ask for the tools, without a session, as clients of 2026-07-28 do."""
    meta: dict[str, Any] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    meta |= {"io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}}
    meta |= {"io.modelcontextprotocol/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers |= {"Authorization": f"Bearer {bearer}", "MCP-Protocol-Version": "2026-07-28"}
    headers |= {"Mcp-Method": "tools/list"}
    status, _, answer = ask(url, body, **headers)
    return status, answer.decode()


@asynccontextmanager
async def client(url: str, bearer: str, era: Era = "auto", **more: Any) -> AsyncIterator[Client[Any]]:
    """Connect a client that holds a token."""
    transport = StreamableHttpTransport(url, auth=bearer)
    async with Client(transport, mode=era, timeout=60, **more) as connected:
        yield connected
