"""The page as a person opens it at their terminal, and a browser-less client of it."""

import http.client
import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from support.clients import PEV


@contextmanager
def page_open(cwd: Path, *command: str, limit_s: float = 60.0) -> Iterator[str]:
    """Run `pev approvals --open`, or another command, on a terminal, and give the link that it prints."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        argv = [PEV, *(command or ("approvals", "--open")), "--no-browser"]
        os.execve(PEV, argv, dict(os.environ))
    screen, deadline = "", time.monotonic() + limit_s
    found = None
    try:
        while found is None:
            assert time.monotonic() < deadline, screen
            ready, _, _ = select.select([fd], [], [], 0.2)
            screen += os.read(fd, 65_536).decode(errors="replace") if ready else ""
            found = re.search(r"(http://127\.0\.0\.1:\d+\S+key=\S+)\s", screen)
        yield found[1]
    finally:
        os.kill(pid, signal.SIGINT)
        os.waitpid(pid, 0)
        os.close(fd)


@dataclass
class Answer:
    """What the page answered."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Visitor:
    """A client without a browser: sends what it is told, and keeps the cookie."""

    origin: str
    cookie: str = ""
    seen: list[Answer] = field(default_factory=list)

    def send(
        self, path: str, form: dict[str, str] | list[tuple[str, str]] | None = None, **headers: str
    ) -> Answer:
        """Send a request: a form, if there is one, as a browser sends it from the page itself."""
        sent = {"Cookie": self.cookie} if self.cookie else {}
        if form is not None:
            sent |= {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        place = urlsplit(self.origin)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        try:
            body = None if form is None else urlencode(form)
            connection.request("GET" if form is None else "POST", path, body, sent)
            got = connection.getresponse()
            answer = Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read().decode())
        finally:
            connection.close()
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        self.seen.append(answer)
        return answer


def hidden_fields(html: str) -> dict[str, str]:
    """Give the hidden fields of the form of a page."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
