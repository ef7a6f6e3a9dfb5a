"""What a command of an agent gets: requested by the policy, allowed by the operator, trusted by a person."""

import json
from pathlib import Path
from typing import Any

import pytest

from pev.config import Config
from pev.errors import ConfigInvalid
from pev.events import Event, Kind
from pev.gate.meaning import Meaning, compare
from pev.gate.protected import Ground
from pev.sandbox.select import bwrap_paths
from pev.trail.query import TrailQuery
from pev.views import CommandResult
from support.engines import AGENT, PERSON, approved, engine_at, trusted
from support.plans import plan
from support.repos import UserRepoFixture

PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.skipif(
    not bwrap_paths(Config()) or not Path(PYTHON).exists(), reason="no bubblewrap"
)
TRY = (
    "import os, json, urllib.request, urllib.error\n"
    "out = {'token': os.environ.get('A_TOKEN'), 'proxy': 'HTTPS_PROXY' in os.environ}\n"
    "try: out['data'] = open(DATA).read()\n"
    "except OSError as e: out['data'] = None\n"
    "try: urllib.request.urlopen('https://evil.example/', timeout=15)\n"
    "except urllib.error.URLError as e: out['fault'] = str(e.reason)\n"
    "print(json.dumps(out))\n"
    "raise SystemExit(out['data'] is None)"
)


@pytest.fixture
def data(tmp_path: Path, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside, which the policy of the base branch asks for, with a host and a variable."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "facts.txt").write_text("facts", encoding="utf-8")
    policy = f'[sandbox]\nhosts = ["good.example:443"]\nread = ["{folder}"]\nenv = ["A_TOKEN"]\n'
    user_repo.commit("Ask for much", {"pev.toml": policy})
    monkeypatch.setenv("A_TOKEN", "from outside")
    return folder


async def tried(
    repo: UserRepoFixture, data: Path, *, trust: bool, **config: Any
) -> tuple[dict[str, Any], list[Event], CommandResult]:
    """Give what a command could do, the events of the trail about it, and its result."""
    async with engine_at(repo.path, **config) as engine:
        if trust:
            await trusted(engine)
        state = await approved(engine, plan())
        await engine.executing.make(AGENT, state.id)
        script = TRY.replace("DATA", repr(str(data / "facts.txt")))
        result = await engine.executing.command(AGENT, state.id, [PYTHON, "-c", script], limit_s=30)
        kinds = (Kind.NETWORK_DENIED, Kind.COMMAND_RAN)
        page = await engine.reading.query(PERSON, TrailQuery(run=state.id, kinds=kinds))
    return json.loads(result.output), list(page.events), result


async def test_what_is_requested_allowed_and_trusted_is_given(user_repo: UserRepoFixture, data: Path) -> None:
    """And each denial is an event of its own, and tells who can change that."""
    allowed = {"allow_hosts": ("good.example:443",), "allow_read": (data,), "pass_env": ("A_TOKEN",)}

    could, events, result = await tried(user_repo, data, trust=True, **allowed)

    sentence = (
        "denied by policy: network to evil.example:443; a person can allow it in pev.toml on the base branch"
    )
    assert could["token"] == "from outside"
    assert could["data"] == "facts"
    assert sentence in could["fault"]
    assert result.denied == (sentence,)
    by_kind = {one.kind: one.payload or {} for one in events}
    assert by_kind[Kind.NETWORK_DENIED] == {"host": "evil.example", "port": 443, "reason": ""}
    assert by_kind[Kind.COMMAND_RAN]["grants"]["hosts"] == ["good.example:443"]
    assert by_kind[Kind.COMMAND_RAN]["denied"] == [sentence]


@pytest.mark.parametrize(("trust", "allow"), [(False, True), (True, False)])
async def test_a_request_alone_gives_nothing(
    user_repo: UserRepoFixture, data: Path, trust: bool, allow: bool
) -> None:
    """A freshly cloned hostile repository asks for all it likes."""
    allowed = {"allow_hosts": ("good.example:443",), "allow_read": (data,), "pass_env": ("A_TOKEN",)}

    could, events, result = await tried(user_repo, data, trust=trust, **(allowed if allow else {}))

    assert (could["token"], could["data"], could["proxy"]) == (None, None, False)
    assert "resolution" in could["fault"] or "not known" in could["fault"]
    assert [one.kind for one in events] == [Kind.COMMAND_RAN]
    assert set((events[0].payload or {})["grants"]["refused"]) == {"good.example:443", str(data), "A_TOKEN"}
    assert result.denied == ()


async def test_a_setting_that_does_not_parse_allows_nothing(user_repo: UserRepoFixture, data: Path) -> None:
    with pytest.raises(ConfigInvalid, match="allow_hosts"):
        await tried(user_repo, data, trust=True, allow_hosts=("*",))


@pytest.mark.parametrize(
    "old", [None, b"", b"coverage_floor = 80\n", b'[sandbox]\nhosts = ["a.example:443"]\n']
)
def test_a_change_that_requests_more_is_looser(old: bytes | None) -> None:
    """So it is held for a person, and is no business of the author's."""
    new = b'[sandbox]\nhosts = ["a.example:443", "b.example:443"]\n'

    assert compare(Ground.POLICY, old, new).meaning is Meaning.LOOSER


async def test_a_policy_bounds_its_own_commands(user_repo: UserRepoFixture) -> None:
    """Without trust and without the operator's word: less is always granted."""
    user_repo.commit("Bound", {"pev.toml": "[sandbox.limits]\nwall_s = 0.7\noutput_bytes = 1024\n"})
    async with engine_at(user_repo.path) as engine:
        state = await approved(engine, plan())
        await engine.executing.make(AGENT, state.id)
        slow = await engine.executing.command(AGENT, state.id, ["/bin/sleep", "30"], limit_s=60)
        loud = await engine.executing.command(
            AGENT, state.id, ["/bin/sh", "-c", "yes | head -c 100000"], limit_s=60
        )

    assert (slow.ending, slow.seconds < 20) == ("timed-out", True), slow
    assert len(loud.output) < 4_096
