"""The auditor for other languages: what an answer of an OSV service is worth."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.config import load_config
from pev.gate.clock import Clock
from pev.gate.osv import OsvAuditor
from support.osv import OsvFixture, serve_osv


@pytest.fixture
def osv(monkeypatch: pytest.MonkeyPatch) -> Iterator[OsvFixture]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serve_osv() as served:
        yield served


@pytest.fixture
def auditor(osv: OsvFixture, tmp_path: Path) -> OsvAuditor:
    return OsvAuditor(load_config(cache_dir=tmp_path, audit_osv_url=osv.url))


async def test_a_known_vulnerability_is_told_with_its_fix(auditor: OsvAuditor, osv: OsvFixture) -> None:
    osv.knows("npm", "pevbad", "1.0.0", "GHSA-1", fixed="2.0.0")

    audit = await auditor.audit("npm", [("pevbad", "1.0.0"), ("pevgood", "1.0.0")], Clock(10))

    (one,) = audit.advisories
    assert (one.package, one.version, one.id, one.fixed) == ("pevbad", "1.0.0", "GHSA-1", ("2.0.0",))
    assert (one.text, audit.audited, audit.unmeasured) == ("pevbad leaks", 2, None)


async def test_all_pages_are_read(auditor: OsvAuditor, osv: OsvFixture) -> None:
    """What stands on the second page is as bad as what stands on the first."""
    osv.knows("Go", "example.com/x", "1.0.0", *(f"GO-{n}" for n in range(5)))
    osv.page = 2

    audit = await auditor.audit("Go", [("example.com/x", "1.0.0"), ("example.com/y", "1.0.0")], Clock(10))

    assert [one.id for one in audit.advisories] == [f"GO-{n}" for n in range(5)]
    assert audit.unmeasured is None


async def test_what_was_withdrawn_does_not_count(auditor: OsvAuditor, osv: OsvFixture) -> None:
    osv.knows("npm", "pevbad", "1.0.0", "GHSA-1")
    osv.records["GHSA-1"]["withdrawn"] = "2026-01-01T00:00:00Z"

    assert (await auditor.audit("npm", [("pevbad", "1.0.0")], Clock(10))).advisories == ()


async def test_whole_answers_are_kept_for_a_day(auditor: OsvAuditor, osv: OsvFixture) -> None:
    pins = [("pevgood", "1.0.0")]

    await auditor.audit("npm", pins, Clock(10))
    again = await auditor.audit("npm", pins, Clock(10))

    assert (len(osv.asked), again.audited) == (1, 1)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b"", "status 503"),
        (429, b"{}", "status 429"),
        (302, b"{}", "status 302"),
        (200, b"<html>", "no JSON"),
        (200, b"[]", "JSON that is no object"),
        (200, b"{}", "not one answer for each of 1 packages"),
        (200, b'{"results": []}', "not one answer for each of 1 packages"),
        (200, b'{"results": [{}, {}]}', "not one answer for each of 1 packages"),
        (200, b'{"results": ["fine"]}', "an answer that is no object"),
        (200, b'{"results": [{"vulns": [{}]}]}', "an advisory without a proper id"),
        (200, b'{"results": [{"vulns": [{"id": "../../x"}]}]}', "an advisory without a proper id"),
        (200, b'{"results": [{"vulns": {"a": 1}}]}', "an advisory without a proper id"),
        (200, b'{"results": [{"next_page_token": "0"}]}', "more than 20 pages"),
    ],
)
async def test_a_bad_answer_is_no_answer(
    auditor: OsvAuditor, osv: OsvFixture, tmp_path: Path, status: int, body: bytes, said: str
) -> None:
    """A service that says anything else than what was asked has said nothing, and that is not kept."""
    osv.answer["/v1/querybatch"] = (status, body)

    audit = await auditor.audit("npm", [("pevgood", "1.0.0")], Clock(10))

    assert said in str(audit.unmeasured)
    assert list(tmp_path.rglob("*.json")) == []


async def test_an_advisory_counts_although_its_text_is_missing(auditor: OsvAuditor, osv: OsvFixture) -> None:
    osv.knows("npm", "pevbad", "1.0.0", "GHSA-1")
    osv.answer["/v1/vulns/GHSA-1"] = (500, b"")

    audit = await auditor.audit("npm", [("pevbad", "1.0.0")], Clock(10))

    assert [one.id for one in audit.advisories] == ["GHSA-1"]
    assert audit.unmeasured is not None


async def test_a_service_that_is_down_is_unmeasured(tmp_path: Path) -> None:
    auditor = OsvAuditor(load_config(cache_dir=tmp_path, audit_osv_url="http://127.0.0.1:1/v1/query"))

    audit = await auditor.audit("npm", [("pevgood", "1.0.0")], Clock(10))

    assert (audit.audited, audit.unmeasured) == (
        0,
        "the advisory service did not answer as it should: ConnectError",
    )


async def test_nothing_is_asked_about_nothing(tmp_path: Path) -> None:
    auditor = OsvAuditor(load_config(cache_dir=tmp_path, audit_osv_url="http://127.0.0.1:1/v1/query"))

    assert (await auditor.audit("npm", [], Clock(10))).unmeasured is None


async def test_time_that_runs_out_is_unmeasured(auditor: OsvAuditor) -> None:
    audit = await auditor.audit("npm", [("pevgood", "1.0.0")], Clock(0.001, 0.001))

    assert audit.unmeasured is not None


async def test_too_many_packages_are_unmeasured(auditor: OsvAuditor, osv: OsvFixture) -> None:
    audit = await auditor.audit("npm", ((f"p{n}", "1") for n in range(20_001)), Clock(10))

    assert "20001 packages" in str(audit.unmeasured)
    assert osv.asked == []
