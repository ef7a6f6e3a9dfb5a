"""The door of a hosted page: the person's own login at the issuer (OpenID Connect, code flow with PKCE).

An answer counts if we began the login for this browser, the issuer signed it for us, and it grants
`pev:approve`, `pev:audit` or `pev:read`: the person gets no more than that. Tokens of MCP clients open
nothing here.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pev.config import AuthSettings, PageSettings, Url
from pev.errors import Forbidden, PevError
from pev.models import RUN_ID, Caller, Host, Role, Scope
from pev.secret import secret_in
from pev.text import one_line
from pev_server.auth import name_principal, tenant_in
from pev_server.web.doors import Door
from pev_server.web.layout import onward, simple
from pev_server.web.sessions import Sessions

LOGIN_S: Final = 600.0
_METADATA_S: Final = 3_600.0
_MOST: Final = 1_000
_LIMIT_S: Final = 20.0
_COOKIE: Final = "pev-login"
_PLACE: Final = re.compile(rf"(?:trail/)?(?:runs/{RUN_ID.pattern})?")
"""Where somebody may be on the way to while they log in."""
_GRANTED: Final = (Scope.READ, Scope.APPROVE, Scope.AUDIT)
"""What a login can be granted here."""


class Metadata(BaseModel):
    """What an issuer says of itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: Url
    token_endpoint: Url
    jwks_uri: Url


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that we sent a browser away for; `ends` is of the monotonic clock."""

    state: str
    nonce: str
    verifier: str
    to: str
    ends: float


class LoginDoor(Door):
    """Lets in whoever the issuer says is a person that may approve, audit or read."""

    paths = frozenset({"login", "callback"})

    def __init__(self, settings: AuthSettings, page: PageSettings, *, origin: str, base: str) -> None:
        self._settings = settings
        self._page = page
        self._base = base
        self._callback = f"{origin}{base}callback"
        self._secure = origin.startswith("https:")
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}
        self._metadata: tuple[float, Metadata] | None = None

    def turn_away(self, path: str) -> Response:
        """Send the browser to log in, and remember where it wanted to go."""
        to = f"?{urlencode({'to': path})}" if path and _PLACE.fullmatch(path) else ""
        return RedirectResponse(f"{self._base}login{to}", 303)

    async def answer(self, path: str, request: Request, sessions: Sessions) -> Response:
        """Begin a login, or take what the issuer sent back."""
        if request.method != "GET":
            return HTMLResponse(simple("Not found", "There is nothing here."), 404)
        try:
            if path == "login":
                return await self._begin(request)
            return await self._end(request, sessions)
        except PevError as exc:
            link = f"{self._base}login"
            return HTMLResponse(
                simple("You were not signed in", f"{exc.message}. {exc.hint}", base=self._base, back=link),
                403,
            )

    async def _begin(self, request: Request) -> Response:
        known = await self._discovered()
        to = request.query_params.get("to", "")
        begun = Begun(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            to=f"{self._base}{to}" if _PLACE.fullmatch(to) else self._base,
            ends=time.monotonic() + LOGIN_S,
        )
        asked = {
            "response_type": "code",
            "client_id": self._page.client_id,
            "redirect_uri": self._callback,
            "scope": " ".join(self._page.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": _challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in known.authorization_endpoint else "?"
        response = RedirectResponse(f"{known.authorization_endpoint}{joint}{urlencode(asked)}", 303)
        # lax: the issuer's redirect comes from another site and must carry it
        response.set_cookie(
            _COOKIE,
            self._sealed(begun),
            max_age=int(LOGIN_S),
            path=f"{self._base}callback",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return response

    async def _end(self, request: Request, sessions: Sessions) -> Response:
        begun = self._opened(request.cookies.get(_COOKIE, ""))
        given = request.query_params
        if begun is None or begun.ends < time.monotonic() or begun.state in self._ended:
            raise Forbidden("no login of this browser was begun here", hint="Begin again.")
        if not hmac.compare_digest(begun.state.encode(), given.get("state", "").encode()):
            raise Forbidden("the answer belongs to another login", hint="Begin again.")
        self._end_once(begun)
        if given.get("iss", self._settings.issuer) != self._settings.issuer:
            raise Forbidden("the answer is of another issuer", hint="Begin again.")
        if "error" in given or not given.get("code"):
            raise Forbidden(
                f"the issuer said {one_line(given.get('error', 'nothing'), 80)!r}", hint="Begin again."
            )
        known = await self._discovered()
        answer = await self._redeem(known, given["code"], begun)
        claims = await self._verified(known, str(answer.get("id_token", "")), begun)
        caller = self._person(claims, answer)
        response = HTMLResponse(onward(begun.to))
        response.delete_cookie(_COOKIE, path=f"{self._base}callback")
        sessions.begin(caller, response)
        return response

    def _sealed(self, begun: Begun) -> str:
        """Write a login so that its browser keeps it for us: strangers who begin many use up nothing here."""
        body = base64.urlsafe_b64encode(json.dumps(asdict(begun)).encode())
        return f"{body.decode()}.{hmac.digest(self._key, body, 'sha256').hex()}"

    def _opened(self, sealed: str) -> Begun | None:
        body, _, seal = sealed.partition(".")
        wanted = hmac.digest(self._key, body.encode(), "sha256").hex()
        if not hmac.compare_digest(wanted.encode(), seal.encode()):
            return None
        return Begun(**json.loads(base64.urlsafe_b64decode(body)))

    def _end_once(self, begun: Begun) -> None:
        """Take no second answer to a login; of too many at once, the issuer's code counts once still."""
        now = time.monotonic()
        self._ended = {state: ends for state, ends in self._ended.items() if ends > now}
        while len(self._ended) >= _MOST:
            del self._ended[next(iter(self._ended))]
        self._ended[begun.state] = begun.ends

    def _person(self, claims: Mapping[str, Any], answer: Mapping[str, Any]) -> Caller:
        """Describe who logged in. Raises Forbidden if the issuer grants them nothing that is done here."""
        principal = name_principal(str(claims["sub"]), self._settings.issuer)
        said = claims.get(self._page.approve_claim)
        if said is None and self._page.approve_claim == "scope":
            said = answer.get("scope")
        granted = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        scopes = frozenset(scope for scope in _GRANTED if scope.value in granted)
        if not scopes:
            raise Forbidden(
                f"{principal} is signed in, and was granted none of {', '.join(_GRANTED)}",
                hint="Ask the operator of the issuer for it.",
            )
        tenant = tenant_in(claims, self._settings)
        if tenant is None:
            raise Forbidden(f"{principal} belongs to no tenant", hint="Ask the operator of the issuer.")
        return Caller(
            principal=principal,
            role=Role.PERSON,
            scopes=scopes | {Scope.READ},
            host=Host(name="pev page"),
            tenant=tenant,
        )

    async def _discovered(self) -> Metadata:
        """Give what the issuer says of itself, an hour old at most."""
        if self._metadata is not None and self._metadata[0] > time.monotonic():
            return self._metadata[1]
        place = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = Metadata.model_validate(await self._fetch("GET", place))
        except ValidationError as exc:
            raise Forbidden("the issuer describes itself in another form", hint="Tell the operator.") from exc
        if found.issuer != self._settings.issuer:
            raise Forbidden(f"the issuer calls itself {found.issuer!r}", hint="Tell the operator.")
        self._metadata = time.monotonic() + _METADATA_S, found
        return found

    async def _redeem(self, known: Metadata, code: str, begun: Begun) -> dict[str, Any]:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "client_id": self._page.client_id,
            "code_verifier": begun.verifier,
        }
        secret = self._page.client_secret_file
        basic = (
            (self._page.client_id, secret_in(secret, "the page's client secret"))
            if secret is not None
            else None
        )
        return await self._fetch("POST", known.token_endpoint, body, basic)

    async def _verified(self, known: Metadata, id_token: str, begun: Begun) -> dict[str, Any]:
        """Verify an identity token (OpenID Connect Core 1.0, section 3.1.3.7)."""
        client = self._page.client_id
        wanted = jwt.JWTClaimsRegistry(
            leeway=30,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": client},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": begun.nonce},
        )
        try:
            keys = KeySet.import_key_set(await self._fetch("GET", known.jwks_uri))  # type: ignore[arg-type]
            claims: dict[str, Any] = jwt.decode(id_token, keys, algorithms=[self._settings.algorithm]).claims
            wanted.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise Forbidden(
                f"the identity token does not count: {type(exc).__name__}", hint="Begin again."
            ) from exc
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else client) != client:
            raise Forbidden("the identity token was made for another client", hint="Begin again.")
        return claims

    async def _fetch(
        self, method: str, url: str, body: dict[str, str] | None = None, basic: tuple[str, str] | None = None
    ) -> dict[str, Any]:
        """Ask the issuer, and give the JSON object that it answers. Raises Forbidden."""
        import httpx2

        try:
            async with httpx2.AsyncClient(timeout=_LIMIT_S, follow_redirects=False) as client:
                answer = await client.request(
                    method, url, data=body, auth=basic, headers={"Accept": "application/json"}
                )
            return TypeAdapter(dict[str, Any]).validate_json(answer.raise_for_status().content)
        except (httpx2.HTTPError, ValidationError) as exc:
            raise Forbidden(
                f"the issuer gave no answer: {type(exc).__name__}", hint="Try again later."
            ) from exc


def _challenge(verifier: str) -> str:
    """Derive the challenge of PKCE (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
