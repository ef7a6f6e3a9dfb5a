"""A stand-in for an OSV service, on loopback."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class OsvFixture:
    """What the service knows, what it was asked, and how it misbehaves.

    `known` maps (ecosystem, name, version) to the ids of advisories, `records` ids to what they say. `page`
    is how many ids one answer holds. `answer` replaces an answer by path: status and body.
    """

    known: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    page: int = 100
    answer: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    url: str = ""

    def knows(self, ecosystem: str, name: str, version: str, *ids: str, fixed: str = "9.9.9") -> None:
        """Let it know of vulnerabilities of a package."""
        self.known[(ecosystem, name, version)] = list(ids)
        for one in ids:
            self.records[one] = {
                "id": one,
                "summary": f"{name} leaks",
                "affected": [
                    {
                        "package": {"name": name, "ecosystem": ecosystem},
                        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
                    }
                ],
            }

    def batch(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a batch of queries."""
        rows: list[dict[str, Any]] = []
        for query in body["queries"]:
            package = query["package"]
            key = (package["ecosystem"], package["name"], query["version"])
            self.asked.append(key)
            start = int(query.get("page_token", 0))
            ids = self.known.get(key, [])
            row: dict[str, Any] = {"vulns": [{"id": one} for one in ids[start : start + self.page]]}
            if start + self.page < len(ids):
                row["next_page_token"] = str(start + self.page)
            rows.append(row if row["vulns"] else {})
        return {"results": rows}


@contextmanager
def serve_osv() -> Iterator[OsvFixture]:
    """Run a service of its own; its address is in `url`, in the form that the operator configures."""
    osv = OsvFixture()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._give(self.path, osv.batch(body) if self.path == "/v1/querybatch" else None)

        def do_GET(self) -> None:
            self._give(self.path, osv.records.get(self.path.rpartition("/")[2]))

        def _give(self, path: str, value: object) -> None:
            status, raw = (404, b"{}") if value is None else (200, json.dumps(value).encode())
            status, raw = osv.answer.get(path, (status, raw))
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    osv.url = f"http://127.0.0.1:{server.server_port}/v1/query"
    try:
        yield osv
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
