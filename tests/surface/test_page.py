"""The page over plain HTTP: who is let in, what a form must carry, and what stands nowhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import pytest

from pev.config import load_config
from pev.models import RunId, Source
from pev_server.web.markup import tag, text
from pev_server.web.parts import diff
from pev_server.web.presence import Presence, find_page
from support.cli import pev
from support.clients import APPROVE, call, connected
from support.engines import AGENT, engine_at
from support.pages import Visitor, hidden_fields, page_open
from support.plans import plan
from support.repos import UserRepoFixture
from support.tampering import opened_raw

SIGNED: Final = '[approval]\nassurance = "signed"\n'


async def _waiting(repo: Path, count: int = 1, **changes: Any) -> list[RunId]:
    runs = []
    async with engine_at(repo) as engine:
        for _ in range(count):
            state = await engine.planning.open_run(AGENT, "Add slugify")
            await engine.planning.submit(AGENT, state.id, plan(**changes), source=Source.HOST_SUBMITTED)
            runs.append(state.id)
    return runs


@pytest.fixture
def visited(user_repo: UserRepoFixture) -> Iterator[tuple[Visitor, str, list[RunId]]]:
    """A page with two waiting runs, and somebody who came in by the link: visitor, path of the page, runs."""
    runs = anyio.run(_waiting, user_repo.path, 2)
    with page_open(user_repo.path) as link:
        place = urlsplit(link)
        visitor = Visitor(f"{place.scheme}://{place.netloc}")
        assert visitor.send(f"{place.path}?{place.query}").status == 200
        yield visitor, place.path.removesuffix("enter"), runs


@pytest.mark.needs_host
def test_a_run_that_somebody_spoiled_hides_no_other_that_waits(
    visited: tuple[Visitor, str, list[RunId]], user_repo: UserRepoFixture
) -> None:
    """It is named instead, on the page and in the terminal: it may be one that waits."""
    visitor, base, (first, second) = visited
    with opened_raw(load_config().trail_file) as raw:
        raw.execute("UPDATE runs SET state = '{}' WHERE run = ?", (first,))

    listed = visitor.send(base)
    assert (listed.status, f"{base}runs/{second}" in listed.body) == (200, True)
    assert f'<a href="{base}trail/runs/{first}">{first}</a> CANNOT BE READ' in listed.body
    told = pev("approvals", cwd=user_repo.path)
    assert (told.code, second in told.out, first in told.out) == (1, True, False)
    assert f"Run {first} CANNOT BE READ" in told.err


@pytest.mark.needs_host
def test_only_a_form_of_this_page_by_this_person_decides(
    visited: tuple[Visitor, str, list[RunId]], user_repo: UserRepoFixture
) -> None:
    """Each fault alone is refused: another site, no token, no cookie, another name of the host, no form."""
    visitor, base, (first, second) = visited
    path = f"{base}runs/{first}"
    form = {**hidden_fields(visitor.send(path).body), **APPROVE}
    other = hidden_fields(visitor.send(f"{base}runs/{second}").body)
    stranger = Visitor(visitor.origin)
    refused = {
        "another site": visitor.send(path, form, Origin="https://evil.example.invalid"),
        "no origin": visitor.send(path, form, Origin=""),
        "a sandboxed frame": visitor.send(path, form, Origin="null"),
        "a sibling": visitor.send(path, form, Sec_Fetch_Site="same-site"),
        "no token": visitor.send(path, {**form, "csrf": ""}),
        "another token": visitor.send(path, {**form, "csrf": other["csrf"][::-1]}),
        "no cookie": stranger.send(path, form),
        "another host": visitor.send(path, form, Host="evil.example.invalid"),
        "a name of this host": visitor.send(
            path, form, Host=visitor.origin.replace("127.0.0.1", "localhost")
        ),
        "another run's question": visitor.send(path, {**form, "nonce": other["nonce"]}),
        "no question": visitor.send(path, {**form, "nonce": ""}),
        "another kind of body": visitor.send(path, form, Content_Type="application/json"),
        "too much": visitor.send(path, {**form, "comment": "x" * 70_000}),
        "an unknown field": visitor.send(path, {**form, "principal": "eve"}),
        "two decisions": visitor.send(path, [*form.items(), ("decision", "nonsense")]),
    }
    assert {name: answer.status // 100 for name, answer in refused.items()} == dict.fromkeys(refused, 4)
    assert pev("show", first, "--json", cwd=user_repo.path).json()["status"] == "awaiting_approval"

    taken = visitor.send(path, form)
    assert (taken.status, taken.headers["location"]) == (303, path)
    again = visitor.send(path, form)
    assert again.status == 409
    assert "no open question" in again.body
    shown = pev("show", first, "--json", cwd=user_repo.path).json()
    assert (shown["status"], len(shown["approvals"])) == ("approved", 1)


@pytest.mark.needs_host
def test_nobody_else_comes_in_and_every_answer_forbids_scripts_frames_and_caching(
    visited: tuple[Visitor, str, list[RunId]],
) -> None:
    visitor, base, (first, _) = visited
    stranger = Visitor(visitor.origin)
    for path in (base, f"{base}runs/{first}", f"{base}enter?key=guess", f"{base}enter", f"{base}nothing"):
        answer = stranger.send(path)
        assert answer.status == 401, path
        assert str(first) not in answer.body.replace(path, "")
    assert stranger.send("/").status == 404
    assert stranger.send(f"{base}enter", {"key": "x"}).status == 401
    assert visitor.send(f"{base}runs/no-id").status == 404
    assert visitor.send(f"{base}runs/ffffffff").status == 404
    assert visitor.send(f"{base}../../etc/passwd").status == 404
    for answer in [*visitor.seen, *stranger.seen]:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.body
        assert " style=" not in answer.body


@pytest.mark.needs_host
async def test_the_link_and_the_cookie_stand_in_no_tool_result_log_or_event(
    user_repo: UserRepoFixture,
) -> None:
    (run_id,) = await _waiting(user_repo.path)
    with page_open(user_repo.path) as link:
        place = urlsplit(link)
        visitor = Visitor(f"{place.scheme}://{place.netloc}")
        visitor.send(f"{place.path}?{place.query}")
        visitor.send(place.path.removesuffix("enter"))
        secrets = [place.query.removeprefix("key="), visitor.cookie.partition("=")[2]]
        async with connected("memory", user_repo.path) as client:
            told = str(await call(client, "request_decision", run_id=run_id))
            told += str(await call(client, "query_trail", query={"limit": 500}))
        told += visitor.seen[-1].body
        for file in Path(Path.home(), "state").rglob("*"):
            told += file.read_bytes().decode("latin-1") if file.is_file() else ""
    assert all(len(one) >= 32 for one in secrets)
    assert not [one for one in secrets if one in told]


@pytest.mark.needs_host
def test_a_pipe_opens_no_page_and_the_list_needs_none(user_repo: UserRepoFixture) -> None:
    (run_id,) = anyio.run(_waiting, user_repo.path)
    opened = pev("approvals", "--open", cwd=user_repo.path)
    listed = pev("approvals", cwd=user_repo.path)
    assert opened.code == 5
    assert "needs a terminal" in opened.err
    assert listed.out.startswith(f"{run_id}\tawaiting_approval\tproject")


@pytest.mark.needs_host
async def test_where_the_policy_wants_a_signature_the_page_offers_no_button(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.commit("policy", {"pev.toml": SIGNED})
    (run_id,) = await _waiting(user_repo.path)
    with page_open(user_repo.path) as link:
        place = urlsplit(link)
        visitor = Visitor(f"{place.scheme}://{place.netloc}")
        visitor.send(f"{place.path}?{place.query}")
        shown = visitor.send(f"{place.path.removesuffix('enter')}runs/{run_id}").body
    assert f"pev approve {run_id} --sign" in shown
    assert "<form" not in shown


def test_text_is_escaped_and_what_is_hidden_is_marked() -> None:
    assert text('<a b="c">&') == "&lt;a b=&quot;c&quot;&gt;&amp;"
    assert text("a\u200bb") == 'a<span class="hidden" title="a hidden character">\\u200b</span>b'
    assert tag("a", "<", href='"><script>', data_x="\u202e") == (
        '<a href="&quot;&gt;&lt;script&gt;" data-x="\\u202e">&lt;</a>'
    )
    assert tag("input", disabled=True, checked=False, name="n") == '<input disabled name="n">'
    assert tag("ul", [tag("li", one) for one in "<>"]) == "<ul><li>&lt;</li><li>&gt;</li></ul>"


def test_a_page_is_known_only_while_its_process_lives_and_a_person_came_in(tmp_path: Path) -> None:
    assert find_page(tmp_path) is None
    with Presence(tmp_path) as presence:
        assert find_page(tmp_path) is None
        presence.tell("http://127.0.0.1:1/approvals/x/")
        assert find_page(tmp_path) == "http://127.0.0.1:1/approvals/x/"
        with Presence(tmp_path) as second:
            second.tell("http://127.0.0.1:2/")
        assert find_page(tmp_path) == "http://127.0.0.1:1/approvals/x/"
        (tmp_path / "page.json").chmod(0o644)
        assert find_page(tmp_path) is None
    (tmp_path / "page.json").chmod(0o600)
    (tmp_path / "page.json").write_text('{"url": "http://127.0.0.1:3/"}', "utf-8")
    assert find_page(tmp_path) is None


def _classes(shown: str) -> list[tuple[str, str]]:
    return re.findall(r'<span(?: class="(\w+)")?>(.*?)</span>\n', shown)


def test_a_line_of_a_change_is_what_git_says_it_is() -> None:
    """No break inside a line, and no text that looks like a header, hides what is added or removed."""
    patch = (
        "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n"
        "-- drop table\n+++ import os\n+a\u2028b\n same\r\n"
    )
    shown = diff(patch)
    assert _classes(shown)[5:] == [
        ("del", "-- drop table"),
        ("add", "+++ import os"),
        ("add", "+a" + text("\u2028") + "b"),
        ("", " same"),
    ]
    assert "+2 -1" in shown


def test_what_follows_a_cut_belongs_to_no_file_and_begins_with_a_whole_line() -> None:
    """The end of a line after the cut can be made to look like the header of another file."""
    patch = "diff --git a/x b/x\n@@ -1 +1 @@\n+a\n[... 12 bytes cut out ...]\ndiff --git a/fake b/fake\n+b\n"
    shown = diff(patch)
    assert "fake" not in shown
    assert "<summary><code>[... 12 bytes cut out ...] and then the rest of a file</code>" in shown
    assert ("add", "+b") in _classes(shown)


def test_of_a_long_file_the_rest_is_counted() -> None:
    shown = diff("diff --git a/x b/x\n@@ -0,0 +1,9 @@\n" + "+x\n" * 9, most=5)
    assert "6 more lines of this file are not shown." in shown
    assert "+9 -0" in shown
    assert len(_classes(shown)) == 5
