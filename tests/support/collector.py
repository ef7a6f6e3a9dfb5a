"""A stand-in for an OpenTelemetry collector on loopback: takes OTLP over HTTP, and keeps what it was sent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_WAIT_S = 30.0


@dataclass
class Collector:
    """What came in, by the path that it was sent to."""

    url: str = ""
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The variables by which an operator names it; it is told soon."""
        soon = dict.fromkeys(("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY"), "50")
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, **soon}

    def spans(self) -> list[Any]:
        """Give every span."""
        found = []
        for path, data in list(self.sent):
            if path == "/v1/traces":
                for whole in ExportTraceServiceRequest.FromString(data).resource_spans:
                    found += [span for scoped in whole.scope_spans for span in scoped.spans]
        return found

    def logs(self) -> list[Any]:
        """Give every log record."""
        found = []
        for path, data in list(self.sent):
            if path == "/v1/logs":
                for whole in ExportLogsServiceRequest.FromString(data).resource_logs:
                    found += [record for scoped in whole.scope_logs for record in scoped.log_records]
        return found

    def waited(self, look: Callable[[], list[Any]]) -> list[Any]:
        """Give what `look` finds, as soon as it finds something."""
        until = time.monotonic() + _WAIT_S
        while not (found := look()):
            assert time.monotonic() < until, [path for path, _ in self.sent]
            threading.Event().wait(0.05)
        return found


def attributes(one: Any) -> dict[str, Any]:
    """Give the attributes of a span or log record."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in one.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Serve a collector on a port of loopback."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            collector.sent.append((self.path, data))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
