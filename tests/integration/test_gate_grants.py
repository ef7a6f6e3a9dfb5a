"""What the code under test gets in the gate: requested by the policy, allowed by the operator, trusted."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.config import Config, load_config
from pev.events import Kind
from pev.findings import CheckResult, NetworkDenial, Outcome
from pev.gate.interface import Trust
from pev.sandbox.select import bwrap_paths
from pev.trail.query import TrailQuery
from support.engines import AGENT, PERSON, engine_at
from support.gates import GateFixture
from support.repos import UserRepoFixture

pytestmark = pytest.mark.skipif(not bwrap_paths(Config()), reason="no bubblewrap")
_PROBE = """
import os, pathlib, urllib.error, urllib.request

os.environ.pop("no_proxy", None), os.environ.pop("NO_PROXY", None)
def test_what_is_there() -> None:
    said = [os.environ.get("A_TOKEN", "no token")]
    try:
        said.append(pathlib.Path({data!r}).read_text())
    except OSError:
        said.append("no file")
    for url in {urls!r}:
        try:
            said.append(urllib.request.urlopen(url, timeout=15).read().decode())
        except urllib.error.URLError as exc:
            said.append(f"no network: {{exc.reason}}")
    raise AssertionError("; ".join(said))
"""


@contextlib.contextmanager
def website() -> Iterator[str]:
    """A server on this machine's loopback: its host and port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"page")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


class Site:
    """A repository whose policy asks for a host, a folder and a variable, and a test that uses them."""

    def __init__(self, repo: UserRepoFixture, tmp_path: Path, host: str) -> None:
        self.repo, self.host = repo, host
        self.data = tmp_path / "data"
        self.data.mkdir()
        (self.data / "facts.txt").write_text("facts", encoding="utf-8")
        policy = f'checks = ["tests"]\n[sandbox]\nhosts = ["{host}"]\nread = ["{self.data}"]\n'
        repo.commit("Ask for much", {"pev.toml": policy + 'env = ["A_TOKEN"]\n'})
        self.allowed = load_config(allow_hosts=(host,), allow_read=(self.data,), pass_env=("A_TOKEN",))
        urls = [f"http://{host}/", "http://evil.example/"]
        probe = _PROBE.format(data=str(self.data / "facts.txt"), urls=urls)
        self.change = {"tests/test_probe.py": probe}

    def repo_change(self) -> str:
        """Commit the change on the branch `task`, and give the commit."""
        return GateFixture(self.repo).change(self.change)

    async def tests(self, config: Config, trust: Trust) -> CheckResult:
        """Give the result of the tests of a change."""
        return await GateFixture(self.repo, config).check("tests", self.change, trust=trust)


@pytest.fixture
def site(
    user_repo: UserRepoFixture, tmp_path: Path, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    assert offline.is_dir()
    monkeypatch.setenv("A_TOKEN", "token from outside")
    with website() as host:
        yield Site(user_repo, tmp_path, host)


def said(result: CheckResult) -> str:
    return " ".join(one.message for one in result.findings if one.rule == "test-failed")


async def test_tests_get_what_is_requested_allowed_and_trusted(site: Site) -> None:
    """And what they were refused is told by name."""
    result = await site.tests(site.allowed, Trust.TRUSTED)

    assert result.outcome is Outcome.FAILED
    assert "token from outside; facts; page; no network: " in said(result), result
    assert result.denied == (NetworkDenial(host="evil.example", port=80),)
    assert "denied by policy: network to evil.example:80; a person can allow it" in result.hint


@pytest.mark.parametrize("trust", [Trust.UNTRUSTED, Trust.TRUSTED])
async def test_a_request_alone_gives_tests_nothing(site: Site, trust: Trust) -> None:
    """Neither without a person's trust nor without the operator's word."""
    config = site.allowed if trust is Trust.UNTRUSTED else load_config()

    result = await site.tests(config, trust)

    assert said(result).count("no network") == 2, result
    assert "no token; no file" in said(result)
    assert result.denied == ()
    assert "requested in the policy and not granted" in result.hint
    assert site.host in result.hint


async def test_what_was_measured_with_other_grants_is_measured_again(site: Site) -> None:
    """A report depends on what the tests could reach; and with variables, on values that no key may tell."""
    commit = site.repo_change()
    without = GateFixture(site.repo, load_config(allow_hosts=(site.host,)))
    first = await without.gate.judge(await without.request(commit))
    again = await without.gate.judge(await without.request(commit))
    other = GateFixture(site.repo, site.allowed)
    more = await other.gate.judge(await other.request(commit))
    more_again = await other.gate.judge(await other.request(commit))

    assert (first.cached, again.cached) == (False, True)
    assert (more.cached, more_again.cached) == (False, False)
    assert first.key != more.key


async def test_what_tests_were_refused_is_an_event(site: Site) -> None:
    """In the trail of the repository, or of the run, whoever asked."""
    site.repo_change()
    allowed = {"allow_hosts": (site.host,), "sandbox": "bubblewrap"}
    async with engine_at(site.repo.path, **allowed) as engine:
        result = await engine.verifying.judge_path(AGENT, repo=None, base="main", commit="task", trusted=True)
        page = await engine.reading.query(PERSON, TrailQuery(kinds=(Kind.NETWORK_DENIED,)))

    assert result.outcome is Outcome.FAILED
    assert [one.payload for one in page.events] == [
        {"host": "evil.example", "port": 80, "reason": "", "check": "tests"}
    ]
