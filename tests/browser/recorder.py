"""A service that only takes feedback in, by the service's own contract, for as long as there is no other."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from ratchet.wire.feedback import FeedbackIn

SNIPPET = Path(__file__).parents[2] / "src" / "ratchet" / "web" / "static" / "ratchet.js"


class Recorder:
    """Hands out tokens and remembers what came with them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stored: dict[str, dict[str, Any]] = {}
        self.preflights = 0

    def token(self, answer: str) -> str:
        return f"token-of-{answer}"

    def received(self) -> list[dict[str, Any]]:
        return list(self.stored.values())

    def take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            feedback = msgspec.json.decode(body, type=FeedbackIn)
        except msgspec.MsgspecError as error:
            return 422, {"error": {"message": str(error), "fix": ""}}
        if not feedback.token.startswith("token-of-"):
            return 401, {"error": {"message": "The token is not one of ours.", "fix": ""}}
        outcome = "duplicate" if feedback.event_id in self.stored else "stored"
        trace = feedback.token.removeprefix("token-of-")
        self.stored[feedback.event_id] = {**msgspec.to_builtins(feedback), "id": feedback.event_id, "trace_id": trace}
        return 201, {"feedback_id": feedback.event_id, "trace_id": trace, "outcome": outcome}


@contextmanager
def recording() -> Iterator[Recorder]:
    """The recorder on a free port of this machine, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, SNIPPET.read_bytes(), "text/javascript; charset=utf-8")

        def do_OPTIONS(self) -> None:
            recorder.preflights += 1
            self.reply(404, b"", "text/plain")

        def do_POST(self) -> None:
            status, answer = recorder.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(status, json.dumps(answer).encode(), "application/json")

        def reply(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
