"""Names in a depot: what the user means by them, and which of their branches is trusted.

The user's branches, remote branches and tags stand under `refs/pev/user/`, and HEAD of each of their
checkouts under a name of its own; everything here is as of the last refresh.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import Final

from pev.errors import RefNotFound
from pev.git import Git, check_branch, check_revision, is_hex
from pev.models import Model, ObjectId
from pev.repos import history
from pev.repos.source import UserRefs, UserRepo
from pev.repos.store import ObjectStore

USER: Final = "refs/pev/user"
_CHECKOUTS: Final = f"{USER}/checkouts/"
_SHOWN: Final = 20


class Head(Model):
    """Where a checkout of the user's stood: on a branch, or detached, or without any commit."""

    ref: str | None
    commit: ObjectId | None


class Seen(Model):
    """What the last refreshes saw; kept in the depot. `heads` has each checkout by its token."""

    fingerprint: str
    symbolic: dict[str, str]
    heads: dict[str, Head]


class NamedStore(ObjectStore):
    """An object store that knows the names of one user's repository, as seen from one checkout of it."""

    def __init__(self, git: Git, author: tuple[str, str], repo: UserRepo, remote: str) -> None:
        super().__init__(git, author, repo.object_format)
        self.repo = repo
        self.remote = remote
        self._token = hashlib.sha256(os.fsencode(repo.git_dir)).hexdigest()[:8]

    @property
    def head_name(self) -> str:
        """The ref of ours that stands for HEAD of this checkout."""
        return f"{_CHECKOUTS}{self._token}"

    def last_seen(self) -> Seen | None:
        """Give what the last refresh saw; None before the first, or if that record is torn."""
        try:
            return Seen.model_validate_json((self.git.git_dir / "pev-seen.json").read_bytes())
        except (OSError, ValueError):
            return None

    def is_current(self, seen: UserRefs) -> bool:
        """Say whether the depot already holds what was seen in the user's repository."""
        last = self.last_seen()
        if last is None:
            return False
        return last.fingerprint == seen.fingerprint and last.heads.get(self._token) == _head(seen)

    def with_seen(self, seen: UserRefs) -> Seen:
        """Give the record of a refresh: the refs as they are now, and this checkout among the others."""
        last = self.last_seen()
        heads = {**(last.heads if last else {}), self._token: _head(seen)}
        return Seen(fingerprint=seen.fingerprint, symbolic=seen.symbolic, heads=heads)

    async def trusted(self, configured: str | None = None) -> tuple[str, ObjectId]:
        """Give the ref that policy comes from, by its full name in the user's repository, and its commit.

        That is the `configured` one; else the default branch of the remote; else `main`, `master`, the only
        branch, or the branch that HEAD is on; else the same of the remote. Raises RefNotFound with what
        exists.
        """
        refs = await self._user_refs()
        if configured is not None:
            check_revision(configured)
            wanted = [ref for ref in _full_names(configured) if ref in refs]
        else:
            wanted = self._default_refs(refs)
        if not wanted:
            named = f"trusted ref {configured!r}" if configured else "a branch that can be trusted"
            detached = "" if self.repo.head_branch else " and HEAD is detached"
            raise RefNotFound(
                f"{named} is not in {self.repo.name!r}{detached}; it has {_shown(refs)}",
                hint="Name the branch in the configuration: trusted_ref.",
            )
        return wanted[0], await self._find(f"{self._ours(wanted[0])}^{{commit}}", f"ref {wanted[0]!r}")

    def _default_refs(self, refs: list[str]) -> list[str]:
        last = self.last_seen()
        symbolic = last.symbolic if last else {}
        local = [
            ref for ref in refs if ref.startswith("refs/heads/") and not ref.startswith("refs/heads/agent/")
        ]
        far = f"refs/remotes/{self.remote}/"
        remote = [ref for ref in refs if ref.startswith(far) and ref != f"{far}HEAD"]
        wanted = [symbolic.get(f"{far}HEAD", ""), "refs/heads/main", "refs/heads/master"]
        wanted += local if len(local) == 1 else []
        head = last.heads.get(self._token) if last else None
        wanted += [head.ref or ""] if head else []
        wanted += [f"{far}main", f"{far}master", *(remote if len(remote) == 1 else [])]
        return [ref for ref in wanted if ref in refs]

    async def _user_refs(self) -> list[str]:
        listing = os.fsdecode(await self.git.refs(USER))
        ours = [line.split(" ")[1] for line in listing.splitlines()]
        named = [ref.replace(USER, "refs", 1) for ref in ours if not ref.startswith(_CHECKOUTS)]
        return [*(["refs/HEAD"] if self.head_name in ours else []), *named]

    def _ours(self, ref: str) -> str:
        """Give the name under which the depot has a user's ref."""
        return self.head_name if ref == "refs/HEAD" else ref.replace("refs", USER, 1)

    async def resolve(self, rev: str) -> ObjectId:
        """Give the commit that the user means by `rev`: a branch, HEAD, a tag, a remote branch, or a hex id.

        Asked in that order, as of the last refresh; a whole id always means itself. Raises RefInvalid and
        RefNotFound.
        """
        check_revision(rev)
        cut = min((rev.index(mark) for mark in "~^" if mark in rev), default=len(rev))
        name, steps = rev[:cut], rev[cut:]
        known = [f"{self._ours(ref)}{steps}" for ref in _full_names(name)]
        hexadecimal = [rev] if is_hex(name) else []
        tried = [*hexadecimal, *known] if len(name) >= 40 else [*known, *hexadecimal]
        answers = os.fsdecode(await self.git.look_up(f"{one}^{{commit}}" for one in tried))
        for answer in answers.splitlines():
            words = answer.split(" ")
            if len(words) == 3 and words[1] == "commit":
                return ObjectId(words[0])
        raise RefNotFound(
            f"{rev!r} is not in {self.repo.name!r}; it has {_shown(await self._user_refs())}",
            hint="Name a branch, a tag or a commit that exists there.",
        )

    async def refs_under(self, prefix: str) -> dict[str, ObjectId]:
        """Give our refs below a prefix, with the objects that they point at."""
        listing = os.fsdecode(await self.git.refs(prefix))
        return {line.split(" ")[1]: ObjectId(line.split(" ")[0]) for line in listing.splitlines()}

    async def commits_of(self, oids: Iterable[ObjectId]) -> list[ObjectId]:
        """Give the commits that commits and tags stand for, each once. Raises RefNotFound for others."""
        wanted = list(oids)
        answers = os.fsdecode(await self.git.look_up(f"{oid}^{{commit}}" for oid in wanted)).splitlines()
        found = [answer.split(" ") for answer in answers]
        for oid, words in zip(wanted, found, strict=True):
            if len(words) != 3 or words[1] != "commit":
                raise RefNotFound(f"{oid} is not a commit", hint="Name a branch or a tag.")
        return list(dict.fromkeys(ObjectId(words[0]) for words in found))

    async def has_branch(self, branch: str) -> bool:
        """Say whether the user's repository had this branch at the last refresh."""
        return f"refs/heads/{check_branch(branch)}" in await self._user_refs()

    async def merged_by(self, commit: ObjectId, target: str) -> str | None:
        """Say who brought `commit`, or a commit with the same changes, into the user's branch `target`.

        Gives name and address of the committer, as of the last refresh; None if it is not there.
        """
        return await history.merged_by(self, commit, await self.resolve(target))


def _head(seen: UserRefs) -> Head:
    return Head(ref=seen.head_ref, commit=seen.head_commit)


def _full_names(name: str) -> list[str]:
    """Give the full names that a short one can have in a user's repository, the likeliest first."""
    if name == "HEAD":
        return ["refs/HEAD"]
    exact = [name] if name.startswith("refs/") else []
    return [*exact, *(f"refs/{kind}/{name}" for kind in ("heads", "tags", "remotes"))]


def _shown(refs: list[str]) -> str:
    names = [ref.removeprefix("refs/") for ref in refs]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "no ref") + more
