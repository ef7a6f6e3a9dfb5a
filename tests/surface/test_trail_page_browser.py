"""The trail in a real browser: from the list to a run, its timeline, its change, its gate and a proof."""

import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pev.config import load_config
from pev.trail.proof import parse_proof
from support.browser import browsing, needs_browser
from support.pages import Visitor, page_open
from support.repos import UserRepoFixture
from support.stories import HOSTILE_FILE, whole_run
from support.tampering import opened_raw

pytestmark = list(needs_browser)
_SEEN: Final = (
    "(at => at.top > -2 && at.top < innerHeight)(document.getElementById('{0}').getBoundingClientRect())"
)


async def test_a_person_reads_a_run_from_the_list_to_a_proof(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """Without a script, a foreign resource or a complaint of the page's policy; foreign text stays text."""
    run_id = await whole_run(user_repo, words="")
    with page_open(user_repo.path, "trail", "--open") as link, browsing(tmp_path) as browser:
        browser.open(link)
        browser.wait_until("document.readyState === 'complete' && document.title.startsWith('Runs')")
        assert "roll-back not excluded" in browser.text()
        assert "NOT COVERED" not in browser.text()
        browser.shoot("trail-runs")

        browser.click("a.task")
        assert browser.evaluate("document.title") == f"Run {run_id} · PEV"
        text = browser.text()
        for part in ("Revision 2, approved", "ended the gate: HELD", "let through by local:ada", "+1 -0"):
            assert part in text
        browser.shoot("trail-run", most=1_500)
        browser.shoot("trail-timeline", of="#timeline", most=900)
        for part in ("timeline", "change", "gate"):
            browser.tick(f"nav.parts a[href='#{part}']")
            browser.wait_until(_SEEN.format(part))

        browser.tick("#gate details:nth-of-type(3) summary")
        assert "lint/F401 src/app/slug.py:3" in browser.text()
        assert HOSTILE_FILE in browser.evaluate("document.querySelector('#change summary').innerText")
        assert browser.evaluate("document.querySelectorAll('img, script, form, button').length") == 0
        assert browser.evaluate("document.querySelector('#change .hidden').innerText") == "\\u202e"
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert browser.said == []

        proof = browser.evaluate("document.querySelector('#timeline td a').href")
        (cookie,) = browser.cookies()
        place = urlsplit(proof)
        visitor = Visitor(f"{place.scheme}://{place.netloc}", f"{cookie['name']}={cookie['value']}")
        taken = visitor.send(place.path)
        assert taken.headers["content-disposition"].startswith("attachment")
        assert parse_proof(taken.body.encode()).index == int(place.path.split("/")[-2])

        with opened_raw(load_config().trail_file) as raw:
            raw.execute("UPDATE events SET payload = replace(payload, 'approve', 'reject')")
        browser.wait_until("document.readyState === 'complete'")
        deadline = time.monotonic() + 120
        while "BROKEN" not in browser.text() and time.monotonic() < deadline:
            browser.click("header a:nth-of-type(2)")
        assert "payload changed at" in browser.text()
        browser.shoot("trail-broken")
