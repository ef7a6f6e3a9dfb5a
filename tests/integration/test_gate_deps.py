"""The check `deps`: what is audited, what an answer is worth, and where requirements come from."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pev.config import load_config
from pev.findings import Outcome
from support.gates import GateFixture, rules_of
from support.repos import PYPROJECT
from support.wheels import make_wheel

ONLY_DEPS = 'checks = ["deps"]\n'


class Advisories(http.server.BaseHTTPRequestHandler):
    """A stand-in for an advisory service, which knows that pevbad 1.0 is bad."""

    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer as an OSV service does."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, version = body["package"]["name"], body["version"]
        self.asked.append(f"{name}=={version}")
        known: dict[str, Any] = {
            "id": "PYSEC-2026-1",
            "summary": "leaks",
            "details": "leaks a header",
            "modified": "2026-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"name": "pevbad", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
                }
            ],
        }
        out = json.dumps({"vulns": [known]} if (name, version) == ("pevbad", "1.0") else {}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An advisory service on loopback; gives what it was asked."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Advisories.asked = []
    monkeypatch.setenv("PEV_AUDIT_SERVICE", "osv")
    monkeypatch.setenv("PEV_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/v1/query")
    yield Advisories.asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deps_gate(gate: GateFixture, offline: Path, service: list[str], tmp_path: Path) -> GateFixture:
    """A gate with the check `deps` alone, and packages of its own."""
    assert service == []
    for name, version in (("pevbad", "1.0"), ("pevbad", "2.0"), ("pevgood", "1.0")):
        make_wheel(offline, name, version, {f"{name}.py": ""}, ("pevbad<2",) if name == "pevgood" else ())
    gate.on_base({"pev.toml": ONLY_DEPS, "requirements.txt": "# none\n"})
    gate.config = load_config(cache_dir=tmp_path / "cache")
    return GateFixture(gate.repo, gate.config)


def requiring(*lines: str) -> str:
    return PYPROJECT.replace("dependencies = []", f"dependencies = {json.dumps(list(lines))}")


async def test_a_change_without_dependencies_needs_no_service(
    deps_gate: GateFixture, service: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is down stops only what it could have said something about."""
    monkeypatch.setenv("PEV_AUDIT_OSV_URL", "http://127.0.0.1:1/")
    gate = GateFixture(deps_gate.repo)

    result = await gate.check("deps", {"requirements.txt": "# touched\n"})

    assert (result.outcome, service) == (Outcome.PASSED, [])
    assert result.reason.startswith("no dependency changed")


async def test_a_vulnerable_pin_is_found_as_it_is_pinned(deps_gate: GateFixture, service: list[str]) -> None:
    result = await deps_gate.check("deps", {"requirements.txt": "pevbad==1.0\n"})

    assert result.outcome is Outcome.FAILED
    (found,) = [one for one in result.findings if one.counts()]
    assert (found.rule, found.path, found.help) == ("PYSEC-2026-1", "requirements.txt", "Use pevbad 2.0.")
    assert service == ["pevbad==1.0"]


async def test_what_a_dependency_brings_is_audited_too(deps_gate: GateFixture, service: list[str]) -> None:
    result = await deps_gate.check("deps", {"pyproject.toml": requiring("pevgood")})

    assert sorted(service) == ["pevbad==1.0", "pevgood==1.0"]
    assert rules_of(result) == {"PYSEC-2026-1", "not-pinned"}


async def test_an_old_vulnerability_does_not_count(deps_gate: GateFixture) -> None:
    deps_gate.on_base({"requirements.txt": "pevbad==1.0\ngit+https://example.invalid/x\n"})

    result = await deps_gate.check("deps", {"pyproject.toml": requiring("pevbad>=1")})

    assert result.outcome is Outcome.PASSED, result.reason
    assert result.reason == "0 new packages audited"


async def test_a_service_that_is_down_makes_a_new_dependency_inconclusive(
    deps_gate: GateFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not reaching the database is neither a vulnerability nor its absence."""
    monkeypatch.setenv("PEV_AUDIT_OSV_URL", "http://127.0.0.1:1/")
    gate = GateFixture(deps_gate.repo, load_config(cache_dir=deps_gate.config.cache_dir))

    result = await gate.check("deps", {"requirements.txt": "pevbad==2.0\n"})

    assert result.outcome is Outcome.INCONCLUSIVE
    assert "advisory service did not answer" in result.reason


async def test_an_audited_set_is_asked_about_once_a_day(deps_gate: GateFixture, service: list[str]) -> None:
    await deps_gate.check("deps", {"requirements.txt": "pevbad==2.0\n"})
    await deps_gate.check("deps", {"requirements.txt": "pevbad==2.0 # again\n"})

    assert service == ["pevbad==2.0"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("pevgood @ https://example.invalid/pevgood-1.0-py3-none-any.whl", "direct-requirement"),
        ("git+https://example.invalid/pevgood", "direct-requirement"),
        ("--extra-index-url https://example.invalid/simple", "index-override"),
        ("--find-links wheels", "index-override"),
    ],
)
async def test_requirements_from_elsewhere_are_findings(
    deps_gate: GateFixture, line: str, rule: str, service: list[str]
) -> None:
    result = await deps_gate.check("deps", {"requirements.txt": f"{line}\n"})

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {rule}
    assert service == []


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock"])
async def test_a_lock_file_must_follow(deps_gate: GateFixture, name: str) -> None:
    lock = 'version = 1\n[[package]]\nname = "pevbad"\nversion = "2.0"\n'
    lock += 'source = { registry = "x" }\n' if name == "uv.lock" else ""
    deps_gate.on_base({name: lock, "pyproject.toml": requiring("pevbad>=2")})

    result = await deps_gate.check("deps", {"pyproject.toml": requiring("pevbad>=2", "pevgood")})

    assert "not-locked" in rules_of(result)


async def test_without_a_base_everything_is_audited(deps_gate: GateFixture, service: list[str]) -> None:
    deps_gate.on_base({"requirements.txt": "pevbad==1.0\n"})

    result = await deps_gate.gate.check_one(await deps_gate.request("main", base_commit=None), "deps")

    assert result.outcome is Outcome.FAILED
    assert service == ["pevbad==1.0"]


async def test_a_new_package_that_is_nearly_a_known_one_is_held(
    deps_gate: GateFixture, offline: Path, service: list[str]
) -> None:
    """It may be honest; a person looks at the name."""
    make_wheel(offline, "reqeusts", "1.0", {"reqeusts.py": ""})

    result = await deps_gate.check("deps", {"requirements.txt": "reqeusts==1.0\n"})

    assert result.outcome is Outcome.HELD, result
    assert "look-alike-name" in rules_of(result)
    assert service == ["reqeusts==1.0"]


SCRIPT = '# /// script\n# dependencies = ["pevbad==1.0"]\n# ///\nprint()\n'
SETUP = 'from setuptools import setup\n\nsetup(install_requires=["pevbad==1.0"])\n'
SECOND = '[project]\nname = "web"\nversion = "1"\ndependencies = ["pevbad==1.0"]\n'
LOCK = '[[package]]\nname = "pevbad"\nversion = "1.0"\n'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements-prod.txt", "pevbad==1.0\n"),
        ("deploy/requirements.in", "pevbad==1.0\n"),
        ("requirements/live.txt", "pevbad==1.0\n"),
        ("constraints-live.txt", "pevbad==1.0\n"),
        ("scripts/fetch.py", SCRIPT),
        ("setup.py", SETUP),
        ("plugins/web/pyproject.toml", SECOND),
        ("plugins/web/setup.py", SETUP),
        ("poetry.lock", LOCK),
        ("pdm.lock", LOCK),
        ("plugins/web/poetry.lock", LOCK),
        ("setup.cfg", "[options.extras_require]\nweb =\n  pevbad==1.0\n"),
        ("pyproject.toml", PYPROJECT + '\n[tool.poetry.dependencies]\npevbad = "1.0"\n'),
    ],
)
async def test_every_place_that_declares_is_audited(
    deps_gate: GateFixture, path: str, text: str, service: list[str]
) -> None:
    """Where a pin stands makes no difference to what it installs."""
    result = await deps_gate.check("deps", {path: text})

    assert result.outcome is Outcome.FAILED, result.reason
    assert service == ["pevbad==1.0"]
    (found,) = [one for one in result.findings if one.rule == "PYSEC-2026-1"]
    assert found.path == path


async def test_other_places_are_compared_with_the_base(deps_gate: GateFixture, service: list[str]) -> None:
    deps_gate.on_base({"requirements-prod.txt": "pevbad==1.0\n", "scripts/fetch.py": SCRIPT})

    result = await deps_gate.check(
        "deps", {"requirements-prod.txt": "# a word\npevbad==1.0\n", "scripts/fetch.py": SCRIPT + "print()\n"}
    )

    assert (result.outcome, service) == (Outcome.PASSED, [])


async def test_what_tests_work_with_is_no_declaration(deps_gate: GateFixture, service: list[str]) -> None:
    files = {"tests/data/requirements.txt": "pevbad==1.0\n", "tests/data/app/pyproject.toml": SECOND}

    result = await deps_gate.check("deps", files)

    assert (result.outcome, service) == (Outcome.PASSED, [])


async def test_another_place_that_cannot_be_resolved_is_held(
    deps_gate: GateFixture, service: list[str]
) -> None:
    """It may be for another system; what it pins is audited all the same."""
    result = await deps_gate.check("deps", {"requirements-windows.txt": "pevbad==2.0\npevnowhere>=1\n"})

    assert result.outcome is Outcome.HELD, result.reason
    assert "not-audited" in rules_of(result)
    assert service == ["pevbad==2.0"]


async def test_a_locked_name_that_is_nearly_a_known_one_is_held(deps_gate: GateFixture) -> None:
    lock = 'version = 1\n[[package]]\nname = "requestss"\nversion = "2.0"\nsource = { registry = "x" }\n'

    result = await deps_gate.check("deps", {"uv.lock": lock})

    assert "look-alike-name" in rules_of(result)


@pytest.mark.parametrize("path", ["pylock.toml", "plugins/web/pylock.toml"])
async def test_only_the_first_lock_of_a_project_may_name_an_index(deps_gate: GateFixture, path: str) -> None:
    """It names the one in use; a second one that names another is told."""
    lock = '[[packages]]\nname = "pevgood"\nversion = "1.0"\nindex = "https://example.invalid/simple"\n'

    first = await deps_gate.check("deps", {path: lock})
    deps_gate.on_base({"poetry.lock": '[[package]]\nname = "pevgood"\nversion = "1.0"\n'})
    second = await deps_gate.check("deps", {path: lock})

    assert ("index-override" in rules_of(first)) is (path != "pylock.toml")
    assert "index-override" in rules_of(second)
