"""What tools, resources and prompts are given: the engine, the caller, progress.

All of it stays out of the tools' schemas.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastmcp import Context
from fastmcp.server.dependencies import get_access_token, get_context
from pydantic import Field

from pev.engine import Engine
from pev.models import Caller, Host, Role, Scope
from pev.roles.sight import scopes_of
from pev_server.asking import Models
from pev_server.decisions import Decisions
from pev_server.opening import EngineHolder
from pev_server.principal import local_principal

HOLDER = "holder"
ROLE = "role"
RunIdText = Annotated[str, Field(description="id of the run, 8 hex digits")]


async def get_engine() -> Engine:
    """Give the engine of this server as the caller's tenant sees it, opened with the first call."""
    return await _holder().engine(get_caller().tenant)


def _holder() -> EngineHolder:
    holder = get_context().lifespan_context[HOLDER]
    if not isinstance(holder, EngineHolder):
        raise TypeError("the server's lifespan holds no engine")
    return holder


def host_of(ctx: Context) -> Host:
    """Name the program on the other side, as it named itself."""
    params = ctx.session.client_params if ctx.request_context is not None else None
    info = params.client_info if params is not None else None
    return Host(name=info.name[:100], version=info.version[:50]) if info is not None else Host()


def held_role() -> Role | None:
    """Give the single role that every session of this server holds, if it was started with one."""
    role = get_context().lifespan_context.get(ROLE)
    return role if isinstance(role, Role) else None


def get_caller() -> Caller:
    """Describe who calls: the token's subject and scopes if there is a token, else the local user."""
    token = get_access_token()
    host = host_of(get_context())
    held = held_role()
    role, most = held or Role.AUTHOR, scopes_of(held)
    if token is None:
        return Caller(principal=local_principal(), role=role, scopes=most, host=host)
    scopes = frozenset(scope for scope in Scope if scope.value in token.scopes)
    from pev_server.auth import principal_of, tenant_of

    tenant = tenant_of(token, _holder().config.auth)
    return Caller(principal=principal_of(token), role=role, scopes=scopes & most, host=host, tenant=tenant)


def may_approve() -> bool:
    """Say whether an answer at the host's dialog may count: the local user's, or one with a token for it."""
    token = get_access_token()
    return token is None or Scope.APPROVE.value in token.scopes


def get_progress() -> Callable[[str, float, float], Awaitable[None]]:
    """Give a function that reports progress to the client, if it asked for that."""
    ctx = get_context()

    async def report(message: str, at: float, of: float) -> None:
        await ctx.report_progress(at, of, message)

    return report


async def get_models() -> Models:
    """Give the models that can be asked in this call."""
    return Models(get_context(), await get_engine(), get_caller())


async def get_decisions() -> Decisions:
    """Give the way to the person and to the model at the host, for this call."""
    return Decisions(
        get_context(), await get_engine(), get_caller(), may_approve=may_approve(), page=page_address()
    )


def page_address() -> str | None:
    """Give the address of the approval page for this caller's person, if there is one to send them to.

    It lets nobody in: the page asks for their login, or for the session that they began at a terminal.
    """
    config = _holder().config
    if get_access_token() is None:
        from pev_server.web.presence import find_page

        return find_page(config.state_dir)
    if config.auth is None or config.auth.page is None:
        return None
    from pev_server.web.hosted import BASE, origin_of

    return f"{origin_of(config.auth)}{BASE}"
