"""The operator's configuration: a file in the user's configuration directory, and `PEV_…` variables.

Never read from a repository. Variables win over the file; both are validated here, once.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pev.errors import ConfigInvalid

APP: Final = "pev"


class AuditService(StrEnum):
    """Where advisories come from."""

    PYPI = "pypi"
    OSV = "osv"


def config_file() -> Path:
    """Where the operator's configuration is looked for: `PEV_CONFIG`, else the user's own folder."""
    named = os.environ.get("PEV_CONFIG")
    return Path(named) if named else platformdirs.user_config_path(APP) / "config.toml"


def _expanded(path: Path) -> Path:
    out = path.expanduser()
    if not out.is_absolute():
        raise ValueError(f"{path} is not absolute")
    return out


Folder = Annotated[Path, AfterValidator(_expanded)]


def _safe_url(url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or (parts.scheme != "https" and not (local and parts.scheme == "http")):
        raise ValueError(f"{url!r} is no https address")
    return url


Url = Annotated[str, AfterValidator(_safe_url)]


class PageSettings(BaseModel):
    """How people log in to the approval page: our client at the issuer, and what says that they may approve.

    `approve_claim` is a claim of the identity token that holds `pev:approve`; with "scope" the scope that the
    issuer says it granted will do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = Field(min_length=1)
    client_secret_file: Folder | None = None
    scopes: tuple[str, ...] = ("openid", "pev:approve")
    approve_claim: str = Field(default="scope", min_length=1)


class AuthSettings(BaseModel):
    """How callers over HTTP are known: whose tokens count, and for which address of ours they are made out.

    Signed tokens are verified with the keys at `jwks_url` or in `public_key_file`; opaque ones by asking
    `introspection_url`. Exactly one of the three is given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Url
    audience: str = Field(min_length=1)
    resource_url: Url
    algorithm: Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "Ed25519"] = (
        "RS256"
    )
    jwks_url: Url | None = None
    public_key_file: Folder | None = None
    introspection_url: Url | None = None
    introspection_client: str = ""
    introspection_secret_file: Folder | None = None
    requests_per_second: float = Field(default=10.0, gt=0, le=10_000)
    tenant_claim: str | None = Field(default=None, min_length=1, max_length=200)
    page: PageSettings | None = None

    @model_validator(mode="after")
    def _one_way_to_verify(self) -> Self:
        ways = (self.jwks_url, self.public_key_file, self.introspection_url)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of jwks_url, public_key_file and introspection_url")
        return self


class WitnessSettings(BaseModel):
    """A witness of the trail: its verifier key for cosignatures, and the prefix of its address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vkey: str = Field(max_length=400)
    url: Url


class TrailSettings(BaseModel):
    """How the trail is signed, who must have seen it, and what must not be kept in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: str | None = Field(default=None, min_length=1, max_length=200)
    key_file: Folder | None = None
    witnesses: tuple[WitnessSettings, ...] = Field(default=(), max_length=16)
    witnesses_needed: int = Field(default=0, ge=0)
    redact: dict[str, str] = Field(default_factory=dict)
    retention_days: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _as_many_witnesses(self) -> Self:
        if self.witnesses_needed > len(self.witnesses):
            raise ValueError(f"{self.witnesses_needed} witnesses are needed, {len(self.witnesses)} are named")
        return self


class ForgeSettings(BaseModel):
    """Where pull requests are opened, and with what. The token is named here, and never written here.

    `local` makes the branch in the user's repository, `remote` pushes it too; `github` and `gitlab` open a
    pull request over `api_url`. `reviewers` are user names, at GitHub also `org/team`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["local", "remote", "github", "gitlab"] = "local"
    api_url: Url | None = None
    project: str | None = Field(default=None, pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)+$")
    token_file: Folder | None = None
    token_command: tuple[str, ...] = ()
    token_env: str = Field(default="PEV_FORGE_TOKEN", pattern=r"^[A-Za-z_]\w*$")
    draft: bool = False
    labels: tuple[str, ...] = Field(default=(), max_length=20)
    reviewers: tuple[str, ...] = Field(default=(), max_length=15)


class ProviderSettings(BaseModel):
    """A model of the operator's own, for roles where no host lends one. The key is named here, never written.

    `model` is `service:name`, as pydantic-ai writes it. The key is in the variable `key_env`, or what the
    program `key_command` prints; without both the service's own variable counts. `max_…` bound what a loop
    may cost between two decisions of a person, `call_s` is the longest single answer, in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, max_length=200)
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_]\w*$")
    key_command: tuple[str, ...] = ()
    base_url: Url | None = None
    max_calls: int = Field(default=200, ge=1, le=100_000)
    max_tokens: int = Field(default=4_000_000, ge=1)
    max_seconds: float = Field(default=14_400.0, gt=0)
    call_s: float = Field(default=300.0, gt=0, le=3_600)

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key_env is not None and self.key_command:
            raise ValueError("give one of key_env and key_command")
        return self


class Config(BaseSettings):
    """What the operator decided. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="PEV_", env_ignore_empty=True, extra="forbid", frozen=True)

    state_dir: Folder = Field(default_factory=lambda: platformdirs.user_state_path(APP))
    cache_dir: Folder = Field(default_factory=lambda: platformdirs.user_cache_path(APP))
    worktree_dir: Folder | None = None
    repos: dict[str, Folder] = Field(default_factory=dict)
    allow_roots: bool = False
    allow_submodules: bool = False
    allow_lfs: bool = False
    trusted_ref: str | None = None
    audit_service: AuditService = AuditService.PYPI
    audit_osv_url: str | None = None
    check_limit_s: float = Field(default=300.0, gt=0, le=86_400)
    gate_wait_s: float = Field(default=50.0, gt=0, le=3_600)
    decision_ttl_s: float = Field(default=86_400.0, gt=0)
    ask_wait_s: float = Field(default=600.0, gt=0)
    max_attempts: int = Field(default=3, ge=1, le=100)
    max_command_s: float = Field(default=600.0, gt=0)
    output_bytes: int = Field(default=32 * 2**20, ge=2**16)
    cores: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    push: bool = False
    remote: str = "origin"
    sandbox: Literal["auto", "bubblewrap", "landlock", "seatbelt", "none"] = "auto"
    allow_hosts: tuple[str, ...] = ()
    allow_read: tuple[Folder, ...] = ()
    bwrap_path: Folder | None = None
    max_memory_bytes: int | None = Field(default=None, ge=2**20)
    max_processes: int = Field(default=512, ge=1, le=2**20)
    max_file_bytes: int = Field(default=4 * 2**30, ge=2**16)
    max_tmp_bytes: int = Field(default=2**30, ge=2**16)
    bot_name: str = "PEV"
    bot_email: str = "pev@localhost"
    resources_as_tools: bool = False
    pass_env: tuple[str, ...] = ()
    allowed_signers: Folder | None = None
    forge: ForgeSettings = ForgeSettings()
    auth: AuthSettings | None = None
    provider: ProviderSettings | None = None
    trail: TrailSettings = TrailSettings()

    @model_validator(mode="after")
    def _no_command_sees_a_credential(self) -> Self:
        held: dict[str | None, str] = {self.forge.token_env: "the forge's credential"}
        if self.provider is not None:
            held[self.provider.key_env] = "the provider's key"
        for name in self.pass_env:
            if name in held:
                raise ValueError(f"pass_env names {name}, which holds {held[name]}")
        return self

    @field_validator("repos")
    @classmethod
    def _names_are_plain(cls, repos: dict[str, Path]) -> dict[str, Path]:
        for name in repos:
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
                raise ValueError(f"repository name {name!r} has other characters than a-z 0-9 - _ .")
        return repos

    @property
    def worktrees(self) -> Path:
        """The folder that worktrees are made in."""
        return self.worktree_dir or self.state_dir / "worktrees"

    @property
    def trail_file(self) -> Path:
        """The database of the trail."""
        return self.state_dir / "trail.sqlite3"

    @property
    def trail_key_file(self) -> Path:
        """The keys that sign the trail's checkpoints."""
        return self.trail.key_file or self.state_dir / "checkpoint.key"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then variables, then the file; no .env, which a repository could hold."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, file


def load_config(**given: Any) -> Config:
    """Read the operator's configuration, `given` values first.

    Raises ConfigInvalid that names the field, its value's fault, and the file.
    """
    try:
        return Config(**given)
    except ValidationError as exc:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in exc.errors(include_url=False, include_input=False)
        ]
        raise ConfigInvalid(
            "configuration does not validate: " + "; ".join(faults),
            hint=f"Correct {config_file()} or the PEV_… variable of that name.",
        ) from exc
    except (SettingsError, ValueError, OSError) as exc:
        raise ConfigInvalid(
            f"configuration cannot be read: {exc}",
            hint=f"Correct {config_file()} or the PEV_… variables.",
        ) from exc
