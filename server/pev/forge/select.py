"""Chooses the forge that the operator configured."""

from pev.config import Config
from pev.forge.interface import Forge


def forge_of(config: Config) -> Forge:
    """Give the operator's forge; `push` alone stands for the kind `remote`."""
    settings = config.forge
    if settings.kind == "github":
        from pev.forge.github import GitHub

        return GitHub(settings, config.remote)
    if settings.kind == "gitlab":
        from pev.forge.gitlab import GitLab

        return GitLab(settings, config.remote)
    from pev.forge.local import LocalForge

    pushed = config.push or settings.kind == "remote"
    return LocalForge(remote=config.remote if pushed else None)
