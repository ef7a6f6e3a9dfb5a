"""A real headless Chromium, driven over a pipe by its own protocol; no driver is needed.

Found as `PEV_TEST_BROWSER`, or on the PATH; tests that need one are skipped where there is none.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

_NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM: Final = os.environ.get("PEV_TEST_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)
SHOTS: Final = os.environ.get("PEV_SCREENSHOTS")
"""Where screenshots are kept, if they are to be."""
needs_browser: Final = (
    pytest.mark.needs_browser,
    pytest.mark.needs_host,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed here"),
)
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_STARTER: Final = """
import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1].split(",")]
for fd, wanted in zip(high, (3, 4)):
    os.dup2(fd, wanted)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""The browser reads commands from descriptor 3, and answers on 4."""
_LIMIT_S: Final = 60.0


class BrowserError(Exception):
    """The browser could not do it, for instance because the page was just left."""


class Browser:
    """One browser with one page. What the page complained about (blocked content, errors) is in `said`."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM is not None
        to_read, to_write = os.pipe(), os.pipe()
        fds = f"{to_read[0]},{to_write[1]}"
        argv = [sys.executable, "-c", _STARTER, fds, PROGRAM, *_FLAGS, f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(
            argv,
            pass_fds=(to_read[0], to_write[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read[0])
        os.close(to_write[1])
        self._in, self._out = to_read[1], to_write[0]
        self._buffer = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self._session = ""
        self.said: list[str] = []

    def __enter__(self) -> Self:
        """Attach to the page."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self.command(
            "Emulation.setDeviceMetricsOverride", width=1100, height=800, deviceScaleFactor=1, mobile=False
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the browser."""
        os.close(self._in)
        os.close(self._out)
        self._process.kill()
        self._process.wait()

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and give its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(str(answer["error"]))
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + _LIMIT_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            chunk = os.read(self._out, 2**20)
            assert chunk, "the browser is gone"
            self._buffer += chunk
        one, _, self._buffer = self._buffer.partition(b"\0")
        parsed: dict[str, Any] = json.loads(one)
        return parsed

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event.get("method") == "Log.entryAdded":
            self.said.append(event["params"]["entry"]["text"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(event["params"]["exceptionDetails"]))

    def _wait_for(self, method: str) -> dict[str, Any]:
        while True:
            for at, event in enumerate(self._events):
                if event.get("method") == method:
                    del self._events[: at + 1]
                    return event
            self._note(self._receive())

    def open(self, url: str) -> None:
        """Go to an address, and wait until the page is loaded."""
        self._events.clear()
        self.command("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Give the value of an expression in the page."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_until(self, expression: str) -> None:
        """Wait until an expression is true in the page, through whatever it loads meanwhile."""
        deadline = time.monotonic() + _LIMIT_S
        while not self._is_true(expression):
            assert time.monotonic() < deadline, f"never true: {expression}; {self.text()}"
            select.select([self._out], [], [], 0.05)

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(expression))
        except BrowserError:  # between two pages
            return False

    def text(self) -> str:
        """Give what a person reads."""
        return str(self.evaluate("document.body.innerText"))

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a hand does, and wait for the page that follows."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.evaluate(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())"
        )
        self._events.clear()
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1
            )
        self._wait_for("Page.loadEventFired")

    def tick(self, selector: str) -> None:
        """Click an element that leads nowhere."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.command("Input.insertText", text=text)

    def choose(self, selector: str, value: str) -> None:
        """Choose from a list."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(value)}")

    def shoot(self, name: str, *, of: str = "html", most: int = 20_000) -> None:
        """Take a picture of the page, or of an element down to `most` pixels, where pictures are kept."""
        if SHOTS is None:
            return
        box = self.evaluate(
            f"(r => [r.x + scrollX, r.y + scrollY, r.width, Math.max(r.height, 1)])"
            f"(document.querySelector({json.dumps(of)}).getBoundingClientRect())"
        )
        clip = {"x": box[0], "y": box[1], "width": box[2], "height": min(box[3], most), "scale": 1}
        taken = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        Path(SHOTS, f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def cookies(self) -> list[dict[str, Any]]:
        """Give all cookies that the browser has."""
        found: list[dict[str, Any]] = self.command("Network.getAllCookies")["cookies"]
        return found


@contextmanager
def browsing(tmp_path: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own."""
    with Browser(tmp_path / "profile") as browser:
        yield browser
