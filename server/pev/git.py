"""The only module that builds git command lines.

Every call names its git directory, takes nothing from system, global or environment configuration, asks
nobody anything, and switches off whatever a repository's own configuration could start: hooks, monitors,
filters, helpers, background work. Arguments are fixed lists; refs are checked against an allow-list.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pev.errors import CommandFailed, CommandTimedOut, RefInvalid
from pev.git_settings import (
    DIFF_FORMS,
    FETCH,
    NEUTRAL,
    NOWHERE,
    OLD_FAULTS,
    PERSONAL,
    PERSONAL_KEYS,
    neutral_env,
    parse_pairs,
    search_path,
)
from pev.proc import Completed, Ending, find_program, run

QUICK_S: Final = 120.0
SLOW_S: Final = 3_600.0
LARGE: Final = 512 * 2**20
_MAX_REF_BYTES: Final = 200
_REF: Final = re.compile(r"[\w./+#@=,%-]+")
_HEX: Final = re.compile(r"[0-9a-f]{4,64}")
_STEPS: Final = re.compile(r"(?:[~^][0-9]{0,6}){0,20}")
_OID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LINE: Final = ("--first-parent", "--no-show-signature", "--no-mailmap")
_AGENT_BRANCH: Final = re.compile(r"agent/[0-9a-f]{8}")
_HELPER_URL: Final = re.compile(r"[A-Za-z0-9]+::")


def _refuse(name: str, why: str) -> RefInvalid:
    return RefInvalid(f"ref {name[:_MAX_REF_BYTES]!r} {why}", hint="Give the plain name of a branch or tag.")


def check_branch(name: str) -> str:
    """Return `name` if it can name a branch.

    An allow-list that is narrower than git's own rules (git-check-ref-format): letters and digits of any
    script and `._-/+#@=,%`, at most 200 bytes, never an option. Raises RefInvalid.
    """
    if not name or len(name.encode("utf-8", "replace")) > _MAX_REF_BYTES:
        raise _refuse(name, f"does not have 1 to {_MAX_REF_BYTES} bytes")
    if not _REF.fullmatch(name):
        raise _refuse(name, "holds a character that is not allowed")
    if name.startswith("-") or name in ("HEAD", "@") or ".." in name:
        raise _refuse(name, "is not a name for a branch")
    for part in name.split("/"):
        if not part or part.startswith(".") or part.endswith((".", ".lock")):
            raise _refuse(name, f"has a part {part!r} that git does not allow")
    return name


def check_revision(rev: str) -> str:
    """Return `rev` if it is a branch, tag, HEAD or hex id, followed by any of `~N` and `^N`.

    Never an option, a range, a path or a reflog entry. Raises RefInvalid.
    """
    name = re.split(r"[~^]", rev, maxsplit=1)[0]
    if not _STEPS.fullmatch(rev[len(name) :]):
        raise _refuse(rev, "has steps other than ~N and ^N")
    if name != "HEAD":
        check_branch(name)
    return rev


def _oid(name: str) -> str:
    """Return `name` if it is a whole object id: all that most commands are ever given."""
    if not _OID.fullmatch(name):
        raise RefInvalid(f"{name[:80]!r} is not a whole object id", hint="Resolve the name first.")
    return name


def _lines(names: Iterable[str]) -> bytes:
    """Write names for the standard input of `cat-file`, one a line."""
    wanted = list(names)
    if any("\n" in name for name in wanted):
        raise RefInvalid("an object's name holds a line feed", hint="Give one name at a time.")
    try:
        return os.fsencode("\n".join([*wanted, ""]))
    except UnicodeEncodeError as exc:
        raise RefInvalid("an object's name is not UTF-8", hint="Give the name as git lists it.") from exc


def _since(target: str, without: str) -> list[str]:
    return [_oid(target), f"^{_oid(without)}", "--"]


def is_hex(name: str) -> bool:
    """Say whether `name` could be a whole or abbreviated object id."""
    return _HEX.fullmatch(name) is not None


def is_agent_branch(name: str) -> bool:
    """Say whether `name` is a branch of ours: `agent/` and 8 hex digits."""
    return _AGENT_BRANCH.fullmatch(name) is not None


def is_plain_url(url: str) -> bool:
    """Say whether `url` names a place, and not an option or a program to run."""
    return bool(url) and url.isprintable() and not url.startswith("-") and not _HELPER_URL.match(url)


def short_ref(ref: str) -> str:
    """Give a full ref name as a person writes it: without `refs/heads/`, `refs/tags/`, `refs/remotes/`."""
    return re.sub(r"^refs/(heads|tags|remotes)/", "", ref)


def _check(done: Completed, verb: str, limit_s: float) -> bytes:
    if done.ending is Ending.TIMED_OUT:
        raise CommandTimedOut(
            f"git {verb} did not end within {limit_s:g} s", hint="Try again; check the disk and its load."
        )
    if not done.ok:
        said = done.stderr.decode("utf-8", "replace").strip()[-2_000:] or "it said nothing"
        raise CommandFailed(
            f"git {verb} ended with exit code {done.code}: {said}", hint="Read what git says and correct it."
        )
    if done.cut_bytes:
        raise CommandFailed(
            f"git {verb} wrote {done.cut_bytes} bytes more than is read",
            hint="Ask for less: fewer paths, or a smaller change.",
        )
    return done.stdout


@dataclass(frozen=True, slots=True)
class Git:
    """Git on one git directory, with a work tree and an index only where they are named.

    Every method raises CommandFailed with git's message, or CommandTimedOut; output is bytes as git wrote
    it. `global_config` is a file of ours: some child processes of git read nothing else.
    """

    git_dir: Path
    work_tree: Path | None = None
    index: Path | None = None
    global_config: Path = Path(NOWHERE)

    def at(self, work_tree: Path | None = None, index: Path | None = None) -> "Git":
        """Give the same git directory with another work tree and index."""
        return replace(self, work_tree=work_tree, index=index)

    async def run(
        self,
        verb: str,
        *args: str,
        stdin: bytes | None = None,
        limit_s: float = QUICK_S,
        output_bytes: int = LARGE,
        env: Mapping[str, str] | None = None,
        config: Sequence[str] = (),
    ) -> Completed:
        """Run one git command; a failing one is a result."""
        argv = [str(find_program("git", search_path())), f"--git-dir={self.git_dir}"]
        if self.work_tree is not None:
            argv.append(f"--work-tree={self.work_tree}")
        for pair in (*NEUTRAL, *config):
            argv += ["-c", pair]
        own = {"GIT_CONFIG_GLOBAL": str(self.global_config), **(env or {})}
        if self.index is not None:
            own["GIT_INDEX_FILE"] = str(self.index)
        return await run(
            [*argv, verb, *args],
            cwd=self.work_tree or Path("/"),
            env=neutral_env(own),
            limit_s=limit_s,
            stdin=stdin,
            output_bytes=output_bytes,
        )

    async def _ask(
        self, verb: str, *args: str, stdin: bytes | None = None, limit_s: float = QUICK_S
    ) -> bytes:
        return _check(await self.run(verb, *args, stdin=stdin, limit_s=limit_s), verb, limit_s)

    # Reading

    async def describe(self) -> Completed:
        """Say, one a line: shallowness, object format, common directory, HEAD's commit, HEAD's ref."""
        options = ["--is-shallow-repository", "--show-object-format", "--path-format=absolute"]
        names = ["--git-common-dir", "HEAD", "--symbolic-full-name", "HEAD"]
        return await self.run("rev-parse", *options, *names, limit_s=20.0)

    async def refs(self, *prefixes: str) -> bytes:
        """List refs: object id, name, and what a symbolic one points at, one a line."""
        return await self._ask("for-each-ref", "--format=%(objectname) %(refname) %(symref)", *prefixes)

    async def look_up(self, names: Iterable[str]) -> bytes:
        """Say for each name, one a line: `<oid> <type> <size>`, or that it is missing or ambiguous."""
        return await self._ask("cat-file", "--batch-check", stdin=_lines(names))

    async def contents(self, names: Iterable[str]) -> bytes:
        """Give header and content of each object, as `cat-file --batch` writes them."""
        return await self._ask("cat-file", "--batch", stdin=_lines(names))

    async def list_tree(self, tree: str) -> bytes:
        """List a tree recursively, with its sub-trees and all sizes, ended by NUL."""
        options = ["-r", "-t", "-z", "-l", "--full-tree"]
        return await self._ask("ls-tree", *options, _oid(tree))

    async def diff(self, form: str, old: str, new: str, paths: Sequence[str] = ()) -> bytes:
        """Compare two trees. `form` is `raw`, `numstat`, `bare` (no context) or `whole`."""
        return _check(await self._diff(DIFF_FORMS[form], old, new, paths, LARGE), "diff-tree", QUICK_S)

    async def patch(self, old: str, new: str, *, limit_bytes: int, paths: Sequence[str] = ()) -> bytes:
        """Give the patch between two trees, the middle cut out where it is longer than `limit_bytes`."""
        done = await self._diff(DIFF_FORMS["whole"], old, new, paths, limit_bytes)
        _check(replace(done, cut_bytes=0), "diff-tree", QUICK_S)
        return done.stdout

    async def _diff(
        self, form: Sequence[str], old: str, new: str, paths: Sequence[str], output_bytes: int
    ) -> Completed:
        fixed = ["-r", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "-l2000"]
        fixed += ["--src-prefix=a/", "--dst-prefix=b/", "--full-index"]
        return await self.run(
            "diff-tree", *fixed, *form, _oid(old), _oid(new), "--", *paths, output_bytes=output_bytes
        )

    async def ignored(self, paths: bytes) -> Completed:
        """Say which of the NUL-ended paths the `.gitignore` files of the work tree ignore (exit 1: none).

        Here git takes no literal paths: each must begin with `./`, so that none is read as magic.
        """
        options = ["--no-index", "-z", "--stdin"]
        return await self.run("check-ignore", *options, stdin=paths, env={"GIT_LITERAL_PATHSPECS": "0"})

    async def filters(self, paths: bytes) -> bytes:
        """Say which filter the work tree's attribute files give each NUL-ended path: path, word, value."""
        return await self._ask("check-attr", "-z", "--stdin", "filter", stdin=paths)

    async def status(self, config: Sequence[str]) -> bytes:
        """List what differs between HEAD, index and work tree, ended by NUL; sub-modules are not entered."""
        options = ["--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal"]
        options += ["--ignore-submodules=all"]
        return _check(await self.run("status", *options, config=config), "status", QUICK_S)

    async def is_ancestor(self, old: str, new: str) -> bool:
        """Say whether `old` can be reached from `new`."""
        return (await self.run("merge-base", "--is-ancestor", _oid(old), _oid(new))).code == 0

    async def merge_base(self, one: str, other: str) -> str:
        """Give the best common ancestor of two commits, or an empty text."""
        return (await self.run("merge-base", _oid(one), _oid(other))).stdout.decode("ascii").strip()

    async def own_line(self, target: str, without: str, count: int) -> bytes:
        """List first parents of `target` that `without` lacks, newest first: id, first parent, committer."""
        return await self._ask(
            "log", f"-{count}", *_LINE, "--format=%H%x09%P%x09%cn <%ce>", *_since(target, without)
        )

    async def history(self, commit: str, count: int) -> bytes:
        """List ancestors of a commit, newest first: id, time, author, subject, each ended by NUL."""
        return await self._ask(
            "log", "-z", f"-{count}", "--format=%H%x09%aI%x09%an%x09%s", _oid(commit), "--"
        )

    async def blame(self, commit: str, path: str, line: int) -> bytes:
        """Say which commit a line of a file, as it is at `commit`, is from (git-blame, porcelain format)."""
        return await self._ask("blame", "--porcelain", f"-L{line:d},{line:d}", _oid(commit), "--", path)

    async def own_patches(self, target: str, without: str, count: int) -> bytes:
        """Give what each of those commits changed, for `patch_ids`."""
        options = ["-p", "-m", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index"]
        return await self._ask("log", f"-{count}", *_LINE, *options, *_since(target, without))

    async def patch_ids(self, patches: bytes) -> list[tuple[str, str]]:
        """Give the id of each change in `patches`, and its commit, zeros where none is named."""
        listing = (await self._ask("patch-id", "--stable", stdin=patches)).decode("ascii")
        return [(patch, oid) for patch, _, oid in (line.partition(" ") for line in listing.splitlines())]

    # Writing

    async def init(self, object_format: str) -> None:
        """Make the git directory, bare."""
        await self._ask("init", "--quiet", "--bare", f"--object-format={object_format}")

    async def read_tree(self, tree: str) -> None:
        """Fill the index from a tree."""
        await self._ask("read-tree", _oid(tree))

    async def check_out(self, tree: str) -> None:
        """Fill the index from a tree and write its files into the work tree."""
        await self._ask("read-tree", "--reset", "-u", "--no-sparse-checkout", _oid(tree), limit_s=SLOW_S)

    async def store(self, pack: bytes, *, loose: bool) -> Completed:
        """Take the objects of a pack, each checked, as loose objects or as the pack that they are."""
        if loose:
            return await self.run("unpack-objects", "-q", "--strict", stdin=pack)
        return await self.run("index-pack", "--stdin", "--strict", stdin=pack)

    async def commit_tree(self, tree: str, parents: Sequence[str], message: str, who: tuple[str, str]) -> str:
        """Make a commit by `who` (name and address) and give its id."""
        env = {f"GIT_{role}_NAME": who[0] for role in ("AUTHOR", "COMMITTER")}
        env |= {f"GIT_{role}_EMAIL": who[1] for role in ("AUTHOR", "COMMITTER")}
        args = [_oid(tree), *(part for parent in parents for part in ("-p", _oid(parent))), "-F", "-"]
        done = await self.run("commit-tree", *args, stdin=message.encode(), env=env)
        return _check(done, "commit-tree", QUICK_S).decode().strip()

    async def update_ref(self, ref: str, oid: str) -> None:
        """Point a ref at an object."""
        await self._ask("update-ref", "--no-deref", "--create-reflog", check_branch(ref), _oid(oid))

    async def delete_refs(self, refs: Iterable[str]) -> None:
        """Remove refs; those that are absent do not matter."""
        lines = "".join(f"delete {check_branch(ref)}\n" for ref in refs)
        await self._ask("update-ref", "--no-deref", "--stdin", stdin=lines.encode())

    async def overlook(self, paths: bytes) -> None:
        """Have the index take NUL-ended paths as unchanged, whatever lies in the work tree."""
        await self._ask("update-index", "-z", "--skip-worktree", "--stdin", stdin=paths)

    async def pack_refs(self) -> None:
        """Put all refs into one file."""
        await self._ask("pack-refs", "--all")

    async def repack(self) -> None:
        """Join packs and loose objects into fewer packs; nothing is dropped, reachable or not."""
        await self._ask("repack", "--geometric=2", "-d", "-q", "--no-write-bitmap-index", limit_s=SLOW_S)

    async def connected(self) -> bool:
        """Say whether every object that refs lead to is there."""
        args = ("--connectivity-only", "--no-dangling", "--no-progress", "--no-reflogs")
        return (await self.run("fsck", *args, limit_s=SLOW_S)).ok

    async def fetch(self, source: Path, refspecs: Sequence[str], *, prune: bool = False) -> Completed:
        """Copy refs and objects from a directory, each object checked anew; nothing else changes."""
        config = ["transfer.fsckObjects=true", *(f"fetch.fsck.{fault}=ignore" for fault in OLD_FAULTS)]
        args = [*FETCH, "--prune" if prune else "--no-prune", "--", source.as_uri(), *refspecs]
        return await self.run("fetch", *args, config=config, limit_s=SLOW_S)

    async def push(self, url: str, commit: str, ref: str, personal: Mapping[str, str]) -> Completed:
        """Push one commit to one ref, fast-forward only, with a person's own credentials."""
        options = ["--porcelain", "--no-verify", "--no-follow-tags", "--signed=no", "--recurse-submodules=no"]
        refspec = f"{_oid(commit)}:{check_branch(ref)}"
        env = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", **personal}
        return await self.run("push", *options, "--", url, refspec, env=env, limit_s=600.0)

    async def add_worktree(self, path: Path, branch: str, commit: str) -> None:
        """Make a linked worktree with a new branch."""
        options = ["--quiet", "--no-track", "--no-guess-remote", "-b", check_branch(branch)]
        await self._ask("worktree", "add", *options, str(path), _oid(commit), limit_s=SLOW_S)


async def read_config(file: Path) -> tuple[tuple[str, str], ...]:
    """Read one configuration file as it stands, without what it includes. Raises CommandFailed."""
    done = await Git(Path(NOWHERE)).run("config", "--file", str(file), "--no-includes", "--null", "--list")
    return parse_pairs(_check(done, "config", QUICK_S))


async def _personal_config(*args: str) -> tuple[dict[str, str], Completed]:
    """Ask a person's own global configuration; give also the part of our environment that is theirs."""
    own = {name: os.environ[name] for name in PERSONAL if name in os.environ}
    env = neutral_env(own)
    del env["GIT_CONFIG_GLOBAL"]
    argv = [str(find_program("git", search_path())), "config", "--global", "--includes", *args]
    return own, await run(argv, cwd=Path("/"), env=env, limit_s=QUICK_S)


async def personal_env() -> dict[str, str]:
    """Give what a push may take from its person: agent, proxy, and credentials from their own global file."""
    env, done = await _personal_config("--null", "--list")
    wanted = (
        [pair for pair in parse_pairs(done.stdout) if pair[0].startswith(PERSONAL_KEYS)] if done.ok else []
    )
    env["GIT_CONFIG_COUNT"] = str(len(wanted))
    for number, (key, value) in enumerate(wanted):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


async def personal_excludes() -> Path:
    """Give the file of ignore rules that a person's own global configuration names, else git's default."""
    own, done = await _personal_config("--type=path", "--get", "core.excludesFile")
    if done.ok:
        return Path(os.fsdecode(done.stdout.removesuffix(b"\n")))
    return Path(own.get("XDG_CONFIG_HOME") or f"{own.get('HOME', '')}/.config") / "git" / "ignore"


async def installed_version() -> str:
    """Give the version of the git that is used. Raises ToolMissing."""
    said = (await Git(Path(NOWHERE)).run("version")).stdout.decode("ascii", "replace")
    return said.removeprefix("git version").strip()
