"""A mirror of crates, on loopback: a sparse index and the packages that it names."""

import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MirrorFixture:
    """What the mirror holds, by path, and where it is. `checksums` are those of its crates, by name."""

    files: dict[str, bytes] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def offer(self, name: str, version: str, source: str) -> None:
        """Let it hold a crate that needs nothing; names have at least four letters."""
        manifest = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path, text in (("Cargo.toml", manifest), ("src/lib.rs", source)):
                entry = tarfile.TarInfo(f"{name}-{version}/{path}")
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        raw = packed.getvalue()
        self.checksums[name] = hashlib.sha256(raw).hexdigest()
        row = {"name": name, "vers": version, "deps": [], "features": {}, "yanked": False}
        row["cksum"] = self.checksums[name]
        self.files[f"/index/{name[:2]}/{name[2:4]}/{name}"] = json.dumps(row).encode()
        self.files[f"/dl/{name}/{version}"] = raw

    def settings(self) -> str:
        """Give what an operator writes into cargo's configuration to use it."""
        return (
            '[source.crates-io]\nreplace-with = "mirror"\n\n'
            f'[source.mirror]\nregistry = "sparse+{self.url}/index/"\n'
        )


@contextmanager
def serve_crates() -> Iterator[MirrorFixture]:
    """Run a mirror of its own."""
    mirror = MirrorFixture()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            raw = mirror.files.get(self.path)
            self.send_response(200 if raw is not None else 404)
            self.send_header("content-length", str(len(raw or b"")))
            self.end_headers()
            self.wfile.write(raw or b"")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    dl = f"{mirror.url}/dl/{{crate}}/{{version}}"
    mirror.files["/index/config.json"] = json.dumps({"dl": dl}).encode()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
