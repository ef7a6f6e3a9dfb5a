"""Repositories and worktrees that try to run a program of their own, and a way to see whether it ran."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.repos import UserRepoFixture

HOOKS: Final = (
    "applypatch-msg commit-msg fsmonitor-watchman post-applypatch post-checkout post-commit post-index-change"
    " post-merge post-receive post-rewrite post-update pre-applypatch pre-auto-gc pre-commit pre-merge-commit"
    " pre-push pre-rebase pre-receive prepare-commit-msg proc-receive push-to-checkout reference-transaction"
    " sendemail-validate update"
)
_PROGRAM_KEYS: Final = (
    "core.fsmonitor core.sshCommand core.pager core.editor core.askPass core.gitProxy"
    " core.alternateRefsCommand diff.external diff.evil.textconv diff.evil.command filter.evil.clean"
    " filter.evil.smudge filter.evil.process gpg.program uploadpack.packObjectsHook credential.helper"
    " sequence.editor merge.evil.driver pager.log pager.status remote.origin.uploadpack"
    " remote.origin.receivepack alias.status alias.fetch alias.rev-parse alias.for-each-ref alias.log"
)


@dataclass(frozen=True)
class Canary:
    """A program that leaves a mark when it is run, whoever runs it."""

    program: Path
    mark: Path

    @classmethod
    def at(cls, folder: Path) -> "Canary":
        """Make the program in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        program, mark = folder / "evil", folder / "mark"
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> "{mark}"\nexit 0\n', "utf-8")
        program.chmod(0o755)
        return cls(program, mark)

    def trap(self, repo: Path, *, git_dir: Path | None = None) -> None:
        """Make every hook, filter, monitor and helper of a repository this program."""
        git_dir = git_dir or repo / ".git"
        hooks = git_dir / "evil-hooks"
        hooks.mkdir()
        for name in HOOKS.split():
            (hooks / name).symlink_to(self.program)
        (git_dir / "hooks").mkdir(exist_ok=True)
        for name in HOOKS.split():
            (git_dir / "hooks" / name).symlink_to(self.program)
        pairs = [
            (key, f"!{self.program}" if key.startswith("alias.") else str(self.program))
            for key in _PROGRAM_KEYS.split()
        ]
        pairs += [("core.hooksPath", str(hooks)), ("filter.evil.required", "true")]
        pairs += [("gc.auto", "1"), ("maintenance.auto", "true"), ("protocol.ext.allow", "always")]
        included = git_dir / "included"
        included.write_text(f"[core]\n\tfsmonitor = {self.program}\n", "utf-8")
        pairs += [("include.path", str(included)), ("url.ext::sh -c evil %.insteadOf", "file:///")]
        for key, value in pairs:
            subprocess.run(["git", f"--git-dir={git_dir}", "config", "--add", key, value], check=True)

    @property
    def ran(self) -> str:
        """What ran, or nothing."""
        return self.mark.read_text("utf-8") if self.mark.exists() else ""

    def reset(self) -> None:
        """Forget what ran so far."""
        self.mark.unlink(missing_ok=True)


def hostile_repo(path: Path, canary: Canary) -> UserRepoFixture:
    """Make a repository whose configuration, hooks and attributes all lead to the canary."""
    repo = UserRepoFixture.python_project(path)
    repo.commit("attributes", {".gitattributes": "* filter=evil diff=evil merge=evil text eol=crlf ident\n"})
    repo.git("remote", "add", "origin", "https://example.invalid/x.git")
    canary.trap(repo.path)
    # a changed file makes git ask filter and monitor
    repo.write({"README.md": "# changed\n", "new.txt": "new\n"})
    canary.reset()
    return repo


def photograph(folder: Path) -> dict[str, str]:
    """Give a digest of every file, link and mode below a folder, git's own included."""
    out = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            key = str(path.relative_to(folder))
            info = path.lstat()
            if path.is_symlink():
                out[key] = f"link {path.readlink()}"
            elif path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                out[key] = f"{info.st_mode:o} {info.st_mtime_ns} {digest}"
            else:
                out[key] = f"{info.st_mode:o}"
    return out
