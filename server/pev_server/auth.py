"""Who calls over HTTP: an OAuth 2.1 resource server (RFC 9728, RFC 6750) that issues no tokens itself.

A token counts if the configured issuer made it, for this server, for a named subject, and for a limited time.
Its scopes bound what the engine lets it do; a model's tool calls never approve, whatever the token says.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fastmcp.server.auth import AccessToken, AuthProvider, JWTVerifier, RemoteAuthProvider, TokenVerifier
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from pydantic import AnyHttpUrl

from pev.config import AuthSettings
from pev.errors import ConfigInvalid
from pev.models import Scope
from pev.secret import secret_in

ENTRY: Final = Scope.READ
"""Without this scope nothing can be done here; a token that lacks it is answered with 403."""


_MAX_TENANT: Final = 200


class Verifier(JWTVerifier):
    """Verifies signed tokens; one that never ends, or names nobody or no tenant, is none."""

    def __init__(self, settings: AuthSettings, public_key: str | None) -> None:
        self._settings = settings
        super().__init__(
            issuer=settings.issuer,
            audience=settings.audience,
            algorithm=settings.algorithm,
            jwks_uri=settings.jwks_url,
            public_key=public_key,
        )

    async def load_access_token(self, token: str) -> AccessToken | None:
        """Give what a token says, or None."""
        return _bounded(await super().load_access_token(token), self._settings)


class Introspector(IntrospectionTokenVerifier):
    """Asks the issuer about opaque tokens (RFC 7662)."""

    def __init__(self, settings: AuthSettings, url: str) -> None:
        self._settings = settings
        super().__init__(
            introspection_url=url,
            client_id=settings.introspection_client,
            client_secret=_secret(settings.introspection_secret_file),
            audience=settings.audience,
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        """Give what the issuer says of a token, or None."""
        return _bounded(await super().verify_token(token), self._settings)


def _bounded(found: AccessToken | None, settings: AuthSettings) -> AccessToken | None:
    if found is None or found.expires_at is None or not subject_of(found):
        return None
    return found if tenant_in(found.claims, settings) is not None else None


def tenant_of(token: AccessToken, settings: AuthSettings | None) -> str:
    """Name the tenant of a token that counts. Raises ConfigInvalid where nothing says who counts."""
    tenant = tenant_in(token.claims, settings) if settings is not None else None
    if tenant is None:
        raise ConfigInvalid("a token came where no issuer is configured", hint="Configure [auth].")
    return tenant


def subject_of(token: AccessToken) -> str:
    """Name whom a token speaks for; "" if it does not say."""
    return str(token.subject or token.claims.get("sub") or "")


def principal_of(token: AccessToken) -> str:
    """Name the principal of a token, told apart from users of this machine and of other issuers."""
    return name_principal(subject_of(token), str(token.claims.get("iss") or ""))


def name_principal(subject: str, issuer: str) -> str:
    """Name somebody whom an issuer knows."""
    return f"{subject[:200]}@{urlsplit(issuer).hostname or 'issuer'}"


def tenant_in(claims: Mapping[str, Any], settings: AuthSettings) -> str | None:
    """Name the tenant of whoever an issuer makes these claims about; None if they belong to none.

    It is the issuer, and the value of the operator's `tenant_claim` if there is one.
    """
    if settings.tenant_claim is None:
        return settings.issuer
    said = claims.get(settings.tenant_claim)
    if not isinstance(said, str) or not 0 < len(said) <= _MAX_TENANT:
        return None
    return f"{settings.issuer}#{said}"


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
        return Introspector(settings, settings.introspection_url)
    key = settings.public_key_file
    return Verifier(settings, _read(key) if key is not None else None)


def _secret(file: Path | None) -> str:
    if file is None:
        raise ConfigInvalid(
            "auth.introspection_url is set, and auth.introspection_secret_file is not",
            hint="Name a file that only this user can read, with the client's secret in it.",
        )
    return secret_in(file, "the secret for introspection")


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{str(file)!r} cannot be read: {exc}", hint="Correct [auth].") from exc
