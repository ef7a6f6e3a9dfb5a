"""Which of the user's repositories may be touched: those that an operator, or a person's command, named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pev.errors import RepoUnknown, RepoUnusable
from pev.repos.source import UserRepo, locate


@dataclass(frozen=True, slots=True)
class Catalog:
    """The allowed repositories by name; `default` names that of the working directory, if it has one."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    default: str | None = None
    allow_roots: bool = False

    @classmethod
    async def of(
        cls, named: Mapping[str, Path], *, working_directory: Path | None = None, allow_roots: bool = False
    ) -> "Catalog":
        """Make a catalog of the `named` repositories and the one that the working directory lies in.

        A working directory without a usable repository adds nothing.
        """
        paths = {name: path.expanduser().absolute() for name, path in named.items()}
        if working_directory is None:
            return cls(paths, None, allow_roots)
        try:
            own = await locate(working_directory)
        except RepoUnusable:
            return cls(paths, None, allow_roots)
        for name, path in paths.items():
            if path.resolve() == own.root:
                return cls(paths, name, allow_roots)
        name = _free_name(own.name, paths)
        return cls({**paths, name: own.root}, name, allow_roots)

    def with_roots(self, roots: Iterable[Path]) -> "Catalog":
        """Add folders that a client declares as its roots. Without the operator's leave nothing is added."""
        if not self.allow_roots:
            return self
        paths = dict(self.paths)
        present = {path.resolve() for path in paths.values()}
        for root in roots:
            if root.is_absolute() and root.resolve() not in present:
                paths[_free_name(root.name or "root", paths)] = root
                present.add(root.resolve())
        return replace(self, paths=paths)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the allowed repositories, sorted."""
        return tuple(sorted(self.paths))

    async def find(self, name: str | None = None) -> UserRepo:
        """Find an allowed repository by its name, or by an absolute path in it; None means the default.

        Raises RepoUnknown that names the allowed ones, and RepoUnusable if what is there cannot be used.
        """
        if name is None:
            return await self._named(self._only())
        if name in self.paths:
            return await self._named(name)
        if name.startswith("/"):
            return await self._at(Path(name))
        raise self._unknown(f"no repository is named {name!r}")

    def _only(self) -> str:
        if self.default is not None:
            return self.default
        if len(self.paths) == 1:
            return next(iter(self.paths))
        raise self._unknown("no repository was named" if self.paths else "no repository is allowed")

    async def _named(self, name: str) -> UserRepo:
        return replace(await locate(self.paths[name]), name=name)

    async def _at(self, path: Path) -> UserRepo:
        """Find the checkout around `path`: an allowed one, or a linked worktree of an allowed repository."""
        try:
            here = await locate(path)
        except RepoUnusable as exc:
            # what is not allowed is not described either
            if self._covers(path):
                raise
            raise self._unknown(f"no allowed repository holds {str(path)!r}") from exc
        for name in self.paths:
            try:
                allowed = await locate(self.paths[name])
            except RepoUnusable:
                continue
            if here.id == allowed.id and (here.root == allowed.root or here.linked):
                return replace(here, name=name)
        raise self._unknown(f"no allowed repository holds {str(path)!r}")

    def _covers(self, path: Path) -> bool:
        try:
            real = path.resolve()
        except (OSError, ValueError, RuntimeError):
            return False
        return any(real.is_relative_to(allowed.resolve()) for allowed in self.paths.values())

    def _unknown(self, fact: str) -> RepoUnknown:
        if not self.paths:
            return RepoUnknown(fact, hint="Start in a repository, or name one with --repo NAME=PATH.")
        return RepoUnknown(fact, hint=f"Allowed: {', '.join(self.names)}. The operator can add more.")


def _free_name(wanted: str, taken: Mapping[str, Path]) -> str:
    """Give `wanted`, or the first of `wanted-2`, `wanted-3` and so on that is not taken."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name
