"""Where a case of the evasion corpus plays: its repository, and what listens on loopback around it."""

import http.server
import json
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from support.evasion_cases import CORPUS, Case

GIT_WHO: Final = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Eve"), ("EMAIL", "eve@example.invalid"), ("DATE", "2026-01-02T03:04:05Z"))
}
_GIT: Final = (
    "git",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "commit.gpgsign=false",
)
_ADVISORY: Final = {
    "id": "PYSEC-2018-28",
    "summary": "leaks the Authorization header",
    "details": "leaks the Authorization header",
    "modified": "2020-01-01T00:00:00Z",
    "published": "2018-10-09T00:00:00Z",
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
        }
    ],
}


class Advisories(http.server.BaseHTTPRequestHandler):
    """As much of an OSV service as an audit asks for; it knows one advisory."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a query for one version of one package."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = re.sub(r"[-_.]+", "-", asked.get("package", {}).get("name", "").lower())
        parts = [int(part) for part in re.findall(r"\d+", asked.get("version", ""))[:2]]
        bad = name == "requests" and parts < [2, 20]
        answer = json.dumps({"vulns": [_ADVISORY]} if bad else {}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class _Ear(socketserver.BaseRequestHandler):
    """Notes what reaches a loopback port that no check may reach."""

    def handle(self) -> None:
        self.request.settimeout(2)
        with suppress(OSError):
            heard = self.request.recv(4096)
            with Path(str(self.server.heard)).open("ab") as file:  # type: ignore[attr-defined] # set by _ear
                file.write(heard)


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def ear(heard: Path) -> Iterator[int]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Ear)
    server.heard = heard  # type: ignore[attr-defined] # read by the handler
    with serving(server) as port:
        yield port


def left(mark: str) -> list[int]:
    """Processes of a case that still live, found by a variable of their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"EVASION_MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def git(cwd: Path, *args: str, env: dict[str, str]) -> str:
    done = subprocess.run([*_GIT, *args], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"git {args[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def run_script(script: Path, worktree: Path, env: dict[str, str]) -> None:
    argv = [sys.executable, str(script)] if script.suffix == ".py" else ["bash", "-eu", str(script)]
    done = subprocess.run(argv, cwd=worktree, env=env, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{script.parent.name}/{script.name}: {done.stderr.strip()[-400:]}")


def make_scene(case: Case, top: Path, env: dict[str, str]) -> Path:
    """Make the repository of a case, with the defect and the attack on branch `task`; give its worktree."""
    repo, worktree = top / "repo", top / "worktree"
    shutil.copytree(CORPUS / "base", repo, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    git(repo, "init", "-q", "-b", "main", env=env)
    git(repo, "add", "-A", env=env)
    git(repo, "commit", "-q", "-m", "base", env=env)
    git(repo, "worktree", "add", "-q", "-b", "task", str(worktree), env=env)
    run_script(CORPUS / "defects" / f"{case.defect}.py", worktree, env)
    git(worktree, "add", "-A", env=env)
    git(worktree, "commit", "-q", "--allow-empty", "-m", "the change", env=env)
    run_script(case.script, worktree, env)
    if case.autocommit:
        git(worktree, "add", "-A", env=env)
        git(worktree, "commit", "-q", "--allow-empty", "-m", "the rest", env=env)
    return worktree
