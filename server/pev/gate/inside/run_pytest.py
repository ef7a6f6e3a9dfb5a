"""Runs pytest in a project's interpreter and writes what happened to a file, as it happens.

Started by path, with the report's path as its first argument and pytest's own arguments behind it. The
report is a line of JSON per event, so that a run which ends itself, or is killed, still shows how far it
came. What it says is a claim of the process under test: the gate compares it with what it knows otherwise.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

MAX_TEXT = 8_000
MAX_ENTRIES = 50


class Recorder:
    """A pytest plugin that writes the events of a run."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._pid = os.getpid()
        self._raised: dict[str, list[str]] = {}

    def _write(self, **event: Any) -> None:
        if os.getpid() == self._pid:  # a forked test process must not speak for the run
            os.write(self._fd, (json.dumps(event) + "\n").encode("utf-8", "backslashreplace"))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write the ids of all tests that were collected."""
        self._write(event="collected", ids=[item.nodeid for item in session.items])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write a file that could not be collected."""
        if report.failed:
            self._write(event="uncollected", id=report.nodeid, text=_tail(report.longreprtext))
        elif report.skipped:
            self._write(event="file-skipped", id=report.nodeid, text=_reason(report.longrepr))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write which test is about to run."""
        self._write(event="started", id=nodeid)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Iterator[None]:
        """Remember through which files an exception came, before pytest makes its own of it."""
        if call.excinfo is not None:
            self._raised[item.nodeid] = [str(entry.path) for entry in call.excinfo.traceback][-MAX_ENTRIES:]
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the outcome of one phase of a test."""
        if report.when == "call" or report.outcome != "passed":
            self._write(
                event="outcome",
                id=report.nodeid,
                when=report.when,
                outcome=report.outcome,
                xfail=hasattr(report, "wasxfail"),
                text=_tail(report.longreprtext) if report.failed else _reason(report.longrepr),
                line=_line(report),
                skipped_in=self._raised.pop(report.nodeid, []) if report.skipped else [],
                seconds=round(report.duration, 4),
            )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write how the run ended."""
        self._write(event="finished", status=int(exitstatus))


class Reached:
    """A pytest plugin that lets coverage remember which test ran which line of a few files.

    Coverage can do it for all files: it then writes down what it has after each phase of each test, which
    takes a fifth of the time of quick tests. Here it writes only after tests that ran one of the files.
    """

    def __init__(self, paths: "list[str]") -> None:
        self._paths = [os.path.realpath(path) for path in paths]
        self._cov: Any = None
        self._collector: Any = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find the coverage of this run, if it is measured."""
        controller = getattr(session.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        self._cov = getattr(controller, "cov", None)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Name the test to coverage before it runs, and let it write after it."""
        if self._cov is None:
            yield
            return
        name = f"{item.nodeid}|run"
        if self._collector is None:  # what was run before the first test belongs to none
            self._cov.switch_context(name)
            self._collector = getattr(self._cov, "_collector", None)
        if not self._can_wait():
            self._cov.switch_context(name)
            yield
            return
        self._collector.covdata.set_context(name)
        yield
        if any(self._collector.data.get(path) for path in self._paths):
            self._collector.flush_data()

    def _can_wait(self) -> bool:
        """Say whether this coverage shows what it has not written yet."""
        owner = self._collector
        return isinstance(getattr(owner, "data", None), dict) and hasattr(owner, "flush_data")


def _tail(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "\n[...]\n" + text[-MAX_TEXT // 2 :]


def _reason(longrepr: object) -> str:
    return _tail(str(longrepr[2])) if isinstance(longrepr, tuple) and len(longrepr) == 3 else ""


def _line(report: pytest.TestReport) -> "int | None":
    line = report.location[1]
    return None if line is None else line + 1


if __name__ == "__main__":
    arguments = sys.argv[2:]
    plugins: "list[object]" = [Recorder(sys.argv[1])]
    if reached := os.environ.pop("PEV_REACHED", ""):
        plugins.append(Reached(json.loads(reached)))
        if sys.version_info >= (3, 14):  # what coverage uses there by itself tells of each line only once
            os.environ.setdefault("COVERAGE_CORE", "ctrace")
    sys.argv = ["pytest", *arguments]
    sys.exit(pytest.main(arguments, plugins=plugins))
