"""The two ways out of a depot: a branch in the user's repository, and a branch at a remote.

Neither ever overwrites, and neither runs anything that the user's repository configures.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pev.errors import ForgeRefused, InvalidInput, RefInvalid
from pev.git import Git, check_branch, is_agent_branch, is_plain_url, personal_env
from pev.models import ObjectId
from pev.proc import Completed
from pev.repos.source import UserRepo


async def publish(depot: Path, repo: UserRepo, commit: ObjectId, branch: str) -> None:
    """Make `branch` in the user's repository by fetching `commit` into it from the depot.

    Raises ForgeRefused, naming what is there, if the branch is not an ancestor of `commit`, is checked out
    somewhere, or if git refuses.
    """
    ref = f"refs/heads/{check_branch(branch)}"
    done = await repo.git.fetch(depot, [f"{commit}:{ref}"])
    if done.ok:
        return
    present = (await repo.git.look_up([ref])).split(b" ")[0].decode()
    if present == commit:
        return
    raise ForgeRefused(
        f"branch {branch!r} was not made in {str(repo.root)!r}: {_said(done)}",
        hint="It exists with other commits, or is checked out: rename or remove it, then try again.",
    )


async def copy_ref(depot: Path, repo: UserRepo, ours: str, theirs: str) -> None:
    """Bring a ref of the depot into the user's repository, forward only. Raises ForgeRefused."""
    done = await repo.git.fetch(depot, [f"{check_branch(ours)}:{check_branch(theirs)}"])
    if not done.ok:
        raise ForgeRefused(
            f"{theirs!r} was not made in {str(repo.root)!r}: {_said(done)}",
            hint="Something else is there: remove it, then try again.",
        )


async def push(git: Git, commit: ObjectId, branch: str, url: str, symbolic: dict[str, str]) -> None:
    """Push `commit` to `branch` at `url`, forward only.

    `symbolic` tells the default branches of the user's remotes, which are never pushed to.
    """
    if not is_agent_branch(branch):
        raise RefInvalid(
            f"branch {branch!r} is not ours to push", hint="Only agent/ and 8 hex digits is pushed."
        )
    defaults = {target.split("/", 3)[-1] for ref, target in symbolic.items() if ref.endswith("/HEAD")}
    if branch in defaults:
        raise ForgeRefused(f"branch {branch!r} is the remote's default branch", hint="Push to another one.")
    await push_ref(git, commit, f"refs/heads/{branch}", url, await personal_env())


async def push_ref(git: Git, commit: ObjectId, ref: str, url: str, personal: Mapping[str, str]) -> None:
    """Push `commit` to `ref` at `url`, forward only. Raises InvalidInput, ForgeRefused."""
    if not is_plain_url(url):
        raise InvalidInput(f"{url!r} is not the URL of a remote", hint="Correct it with git remote set-url.")
    done = await git.push(url, commit, ref, personal)
    if not done.ok:
        raise ForgeRefused(
            f"{_without_secrets(url)} did not take {ref.removeprefix('refs/heads/')!r}: {_said(done)}",
            hint="Check that you can push there yourself: git push --dry-run.",
        )


def _without_secrets(text: str) -> str:
    """Take user names and passwords out of the URLs in a text."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def _said(done: Completed) -> str:
    return _without_secrets(done.text().strip()[-2_000:]) or done.ending.value
