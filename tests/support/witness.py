"""A witness of C2SP as a real HTTP server on loopback: it remembers one checkpoint per log, and cosigns."""

import base64
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pev.models import Digest
from pev.trail.checkpoint import open_checkpoint
from pev.trail.merkle import EMPTY_ROOT, TreeHead, proves_consistency
from pev.trail.notes import COSIGNATURE, VerifierKey, cosigned, parse_note, signature_line

STAMP: Final = 1_800_000_000
EMPTY: Final = TreeHead(size=0, root=Digest(EMPTY_ROOT.hex()))


@dataclass
class LocalWitness:
    """A witness that trusts some logs' keys. `forced` is an answer that it gives instead of its own."""

    name: str = "witness.example/w1"
    seed: bytes = b"w" * 32
    logs: Sequence[VerifierKey] = ()
    url: str = ""
    seen: TreeHead = EMPTY
    asked: list[str] = field(default_factory=list)
    forced: tuple[int, str, bytes] | None = None

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def key(self) -> VerifierKey:
        return VerifierKey(self.name, COSIGNATURE, self.private.public_key().public_bytes_raw())

    def cosign(self, text: str) -> str:
        """Cosign a checkpoint's text."""
        value = self.private.sign(cosigned(text, STAMP))
        return signature_line(self.key, STAMP.to_bytes(8, "big") + value) + "\n"

    def answer(self, body: str) -> tuple[int, str, bytes]:
        """Answer one request for add-checkpoint: status, media type, body."""
        self.asked.append(body)
        if self.forced is not None:
            return self.forced
        above, _, below = body.partition("\n\n")
        old, *proof = above.split("\n")
        note = parse_note(below)
        head = open_checkpoint(note, self.logs).head
        size = int(old.removeprefix("old "))
        if size > head.size:
            return 400, "text/plain", b"old size beyond the checkpoint\n"
        if size != self.seen.size:
            return 409, "text/x.tlog.size", f"{self.seen.size}\n".encode()
        if size == head.size and head != self.seen:
            return 409, "text/plain", b"another root\n"
        if not proves_consistency(self.seen, head, [base64.b64decode(line) for line in proof]):
            return 422, "text/plain", b"not consistent\n"
        self.seen = head
        return 200, "text/plain", self.cosign(note.text).encode()


@contextmanager
def serving(witness: LocalWitness) -> Iterator[LocalWitness]:
    """Serve a witness on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/w/add-checkpoint"
            length = int(self.headers["Content-Length"])
            status, kind, body = witness.answer(self.rfile.read(length).decode())
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    witness.url = f"http://127.0.0.1:{server.server_port}/w"
    try:
        yield witness
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
