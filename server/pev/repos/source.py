"""The user's own repository: found, described, and looked at, without running anything that it configures.

Nothing in it is ever written here. Its configuration is read as text, one file, without includes.
"""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from pev.errors import CommandFailed, RepoUnusable
from pev.git import Git, installed_version, personal_excludes, read_config
from pev.models import ObjectId, RepoId

RUN_MARK: Final = "pev-run"
"""A file in the git directory of a run's worktree; it holds the run's id."""
_FALSE: Final = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class UserRepo:
    """A repository of the user's, and the checkout in it that was named.

    `root` is the top of the checkout, `common_dir` the git directory that all its checkouts share. Without
    a `head_branch` HEAD is detached, without a `head_commit` its branch has no commit yet. `linked` says that
    the checkout is one of several (git-worktree).
    """

    name: str
    root: Path
    git_dir: Path
    common_dir: Path
    id: RepoId
    object_format: str
    head_branch: str | None
    head_commit: ObjectId | None
    linked: bool

    @property
    def git(self) -> Git:
        """Git on this repository, without a work tree."""
        return Git(self.git_dir)


@dataclass(frozen=True, slots=True)
class UserRefs:
    """The refs of a user's repository, and HEAD of one checkout, at one moment.

    `fingerprint` stands for all branches, remote branches and tags; `symbolic` says what each symbolic one
    points at.
    """

    fingerprint: str
    head_ref: str | None
    head_commit: ObjectId | None
    symbolic: dict[str, str]


def _unusable(path: Path, fact: str, hint: str) -> RepoUnusable:
    return RepoUnusable(f"{str(path)!r} {fact}", hint=hint)


def enclosing_checkout(path: Path) -> Path | None:
    """Give the nearest folder at or above `path` that holds a `.git`, or that is a git directory itself."""
    for folder in (path, *path.parents):
        if os.path.lexists(folder / ".git") or is_git_dir(folder):
            return folder
    return None


def is_git_dir(folder: Path) -> bool:
    """Say whether a folder has what every git directory with objects of its own has."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _read_line(file: Path) -> str:
    """Read one short line; nothing that is not a plain file is opened."""
    if not file.is_file() or file.stat().st_size > 8_192:
        return ""
    return os.fsdecode(file.read_bytes()).removesuffix("\n")


def _find_git_dir(root: Path) -> tuple[Path, bool]:
    """Give the git directory of a checkout, and whether `.git` is a file that leads there."""
    dot_git = root / ".git"
    if dot_git.is_dir():
        return dot_git.resolve(), False
    target = _read_line(dot_git).removeprefix("gitdir: ")
    git_dir = (root / target).resolve()
    if not target or not git_dir.is_dir():
        raise _unusable(root, "has a .git that leads to no repository", "Name another folder.")
    return git_dir, True


async def locate(path: Path) -> UserRepo:
    """Find the repository that `path` lies in.

    Raises RepoUnusable if there is none, or if it is bare, shallow, a partial clone, without any commit, or
    a worktree of ours.
    """
    try:
        start = Path(path).expanduser().absolute().resolve(strict=True)
        root = enclosing_checkout(start)
    except (OSError, ValueError, RuntimeError) as exc:
        raise _unusable(path, f"cannot be opened: {exc}", "Name a folder that exists.") from exc
    if root is None:
        raise _unusable(path, "is not in a git repository", "Name a repository, or make one with git init.")
    if not os.path.lexists(root / ".git"):
        inside = root.name == ".git"
        fact = "lies inside a git directory" if inside else "is a bare repository"
        raise _unusable(path, fact, "Name a checkout: a folder with files and a .git.")
    git_dir, by_file = _find_git_dir(root)
    lines, has_commit = await _describe(root, git_dir)
    common = Path(lines[2]).resolve()
    linked = common != git_dir
    _refuse_strange(root, git_dir, common, linked=linked, by_file=by_file)
    if lines[0] == "true":
        raise _unusable(root, "is a shallow clone", "Fetch its whole history: git fetch --unshallow.")
    await _refuse_partial(root, common)
    if not has_commit and not (await _ask_refs(root, Git(git_dir))).strip():
        raise _unusable(root, "has no commit", "Make a first commit.")
    head_ref = lines[4] if has_commit else "HEAD"
    return UserRepo(
        name=root.name or "repository",
        root=root,
        git_dir=git_dir,
        common_dir=common,
        id=RepoId(hashlib.sha256(os.fsencode(common)).hexdigest()[:12]),
        object_format=lines[1],
        head_branch=head_ref.removeprefix("refs/heads/") if head_ref.startswith("refs/heads/") else None,
        head_commit=ObjectId(lines[3]) if has_commit else None,
        linked=linked,
    )


async def open_for_reading(path: Path) -> Git:
    """Give the git directory of any repository, also a bare or a shallow one, to read commits of it.

    Raises RepoUnusable if there is none at or above `path`, or a partial clone: to read one is to fetch.
    """
    try:
        found = enclosing_checkout(path.expanduser().absolute().resolve(strict=True))
    except (OSError, RuntimeError) as exc:
        raise _unusable(path, f"cannot be opened: {exc}", "Name a folder that exists.") from exc
    if found is None:
        raise _unusable(path, "is not in a git repository", "Name a repository.")
    git_dir = _find_git_dir(found)[0] if os.path.lexists(found / ".git") else found
    lines, _ = await _describe(found, git_dir)
    await _refuse_partial(found, Path(lines[2]).resolve())
    return Git(git_dir)


async def _describe(root: Path, git_dir: Path) -> tuple[list[str], bool]:
    done = await Git(git_dir).describe()
    lines = os.fsdecode(done.stdout).splitlines()
    if (done.ok and len(lines) != 5) or len(lines) < 4:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise _unusable(root, f"cannot be read by git: {said or lines}", "Check it with git status.")
    return lines, done.ok


def _refuse_strange(root: Path, git_dir: Path, common: Path, *, linked: bool, by_file: bool) -> None:
    mark = _read_line(common / RUN_MARK)
    if mark:
        raise _unusable(
            root, f"is the worktree of run {mark[:8]!r}", "Name the repository that the run belongs to."
        )
    if linked:
        # the git directory must know this checkout, else any .git file could claim any repository
        back = _read_line(git_dir / "gitdir")
        if not back or (git_dir / back).resolve() != (root / ".git").resolve():
            raise _unusable(
                root, f"is not a worktree that {str(common)!r} knows", "Repair it: git worktree repair."
            )
    elif by_file and not is_git_dir(git_dir):
        raise _unusable(root, "has a .git that leads to no repository", "Name another folder.")


async def _refuse_partial(root: Path, common: Path) -> None:
    for key, value in await _config(root, common):
        promises = key.startswith("remote.") and key.endswith(".promisor")
        if key == "extensions.partialclone" or (promises and value.lower() not in _FALSE):
            raise _unusable(root, "is a partial clone", "Clone it whole, without --filter.")


async def _config(root: Path, common: Path) -> tuple[tuple[str, str], ...]:
    try:
        return await read_config(common / "config")
    except CommandFailed as exc:
        raise _unusable(root, f"has a configuration that git cannot read: {exc.message}", exc.hint) from exc


async def _ask_refs(root: Path, git: Git) -> bytes:
    try:
        return await git.refs("refs/heads", "refs/remotes", "refs/tags")
    except CommandFailed as exc:
        raise _unusable(root, f"has refs that git cannot read: {exc.message}", exc.hint) from exc


async def read_refs(repo: UserRepo) -> UserRefs:
    """Read every branch, remote branch and tag of `repo`, and its HEAD, as they are now."""
    lines, has_commit = await _describe(repo.root, repo.git_dir)
    listing = await _ask_refs(repo.root, repo.git)
    head = lines[3:] if has_commit else []
    symbolic = {}
    for line in os.fsdecode(listing).splitlines():
        _, ref, target = line.split(" ", 2)
        if target:
            symbolic[ref] = target
    return UserRefs(
        fingerprint=hashlib.sha256(listing).hexdigest(),
        head_ref=head[1] if head and head[1].startswith("refs/heads/") else None,
        head_commit=ObjectId(head[0]) if head else None,
        symbolic=symbolic,
    )


async def git_version() -> str:
    """Give the version of the git that is used. Raises ToolMissing."""
    return await installed_version()


async def remote_url(repo: UserRepo, name: str) -> str | None:
    """Give the URL of a remote of `repo`; a relative path is made absolute. None if there is no such remote.

    The last `pushurl`, else the first `url`, as they stand in the repository's own configuration file.
    """
    pairs = await _config(repo.root, repo.common_dir)
    pushed = [value for key, value in pairs if key == f"remote.{name}.pushurl"]
    plain = [value for key, value in pairs if key == f"remote.{name}.url"]
    url = pushed[-1] if pushed else plain[0] if plain else None
    if url and ":" not in url.partition("/")[0]:
        return str((repo.root / url).resolve())
    return url


async def uncommitted(repo: UserRepo) -> tuple[str, ...]:
    """List the paths that the user has changed and not committed, new files and folders included.

    Compares with an index, a git directory and a configuration of our own, so that no filter, monitor or
    hook runs; the user's index is only copied. Sub-modules are not entered.
    """
    if repo.head_commit is None:
        return ()
    home = Path(await anyio.to_thread.run_sync(tempfile.mkdtemp, None, "pev-status-"))
    try:
        git = await _neutral_twin(repo, repo.head_commit, home)
        excludes = await personal_excludes()
        listing = await git.status([f"core.excludesFile={excludes}"])
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(shutil.rmtree, home)
    return tuple(sorted(os.fsdecode(item[3:]) for item in listing.split(b"\0")[:-1]))


async def _neutral_twin(repo: UserRepo, head: ObjectId, home: Path) -> Git:
    """Make a git directory that has the user's commits and a copy of their index, not their configuration."""
    git = Git(home / "twin.git", repo.root, home / "index")
    await Git(git.git_dir).init(repo.object_format)
    (git.git_dir / "HEAD").write_text(f"{head}\n", "ascii")
    alternates = git.git_dir / "objects" / "info" / "alternates"
    alternates.write_bytes(os.fsencode(repo.common_dir / "objects") + b"\n")
    own = repo.common_dir / "info" / "exclude"
    if own.is_file():
        (git.git_dir / "info").mkdir(exist_ok=True)
        shutil.copyfile(own, git.git_dir / "info" / "exclude")
    if (repo.git_dir / "index").is_file():
        # with its time: git compares that with the files' to know what may have changed unseen
        shutil.copy2(repo.git_dir / "index", home / "index")
        for part in repo.git_dir.glob("sharedindex.*"):
            shutil.copy2(part, git.git_dir / part.name)
    else:
        await git.read_tree(head)
    return git
