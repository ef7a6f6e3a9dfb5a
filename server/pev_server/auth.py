"""Who calls over HTTP: an OAuth 2.1 resource server (RFC 9728, RFC 6750) that issues no tokens itself.

A token counts if the configured issuer made it, for this server, for a named subject, and for a limited time.
Its scopes bound what the engine lets it do; a model's tool calls never approve, whatever the token says.
"""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastmcp.server.auth import AccessToken, AuthProvider, JWTVerifier, RemoteAuthProvider, TokenVerifier
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from pydantic import AnyHttpUrl

from pev.config import AuthSettings
from pev.errors import ConfigInvalid
from pev.models import Scope

ENTRY: Final = Scope.READ
"""Without this scope nothing can be done here; a token that lacks it is answered with 403."""


class Verifier(JWTVerifier):
    """Verifies signed tokens; one that never ends, or names nobody, is none."""

    async def load_access_token(self, token: str) -> AccessToken | None:
        """Give what a token says, or None."""
        return _bounded(await super().load_access_token(token))


class Introspector(IntrospectionTokenVerifier):
    """Asks the issuer about opaque tokens (RFC 7662)."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """Give what the issuer says of a token, or None."""
        return _bounded(await super().verify_token(token))


def _bounded(found: AccessToken | None) -> AccessToken | None:
    if found is None or found.expires_at is None or not subject_of(found):
        return None
    return found


def subject_of(token: AccessToken) -> str:
    """Name whom a token speaks for; "" if it does not say."""
    return str(token.subject or token.claims.get("sub") or "")


def principal_of(token: AccessToken) -> str:
    """Name the principal of a token, told apart from users of this machine and of other issuers."""
    host = urlsplit(str(token.claims.get("iss") or "")).hostname or "issuer"
    return f"{subject_of(token)[:200]}@{host}"


def create_auth(settings: AuthSettings) -> AuthProvider:
    """Make the provider that the server puts before every request. Raises ConfigInvalid."""
    provider = RemoteAuthProvider(
        token_verifier=_verifier(settings),
        authorization_servers=[AnyHttpUrl(settings.issuer)],
        base_url=settings.resource_url,
        scopes_supported=[scope.value for scope in Scope],
        resource_name="PEV",
    )
    # here, and not in the verifier: a good token without it gets 403 and is told what it lacks, not 401
    provider.required_scopes = [ENTRY.value]
    return provider


def _verifier(settings: AuthSettings) -> TokenVerifier:
    if settings.introspection_url is not None:
        return Introspector(
            introspection_url=settings.introspection_url,
            client_id=settings.introspection_client,
            client_secret=_secret(settings.introspection_secret_file),
            audience=settings.audience,
        )
    key = settings.public_key_file
    return Verifier(
        issuer=settings.issuer,
        audience=settings.audience,
        algorithm=settings.algorithm,
        jwks_uri=settings.jwks_url,
        public_key=_read(key) if key is not None else None,
    )


def _secret(file: Path | None) -> str:
    if file is None:
        raise ConfigInvalid(
            "auth.introspection_url is set, and auth.introspection_secret_file is not",
            hint="Name a file that only this user can read, with the client's secret in it.",
        )
    if file.exists() and file.stat().st_mode & 0o077:
        raise ConfigInvalid(f"{str(file)!r} can be read by others", hint=f"Run: chmod 600 {file}")
    return _read(file).strip()


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{str(file)!r} cannot be read: {exc}", hint="Correct [auth].") from exc
