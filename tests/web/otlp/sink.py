"""A real HTTP server at the paths of OTLP that keeps what the receiver makes of each request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ratchet.errors import InvalidInput
from ratchet.web.otlp.receive import Received, Waiting, acknowledgement, problem, receive_logs, receive_traces


class Sink(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1; ``url`` is what ``OTEL_EXPORTER_OTLP_ENDPOINT`` wants."""

    def __init__(self, waiting: Waiting | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.waiting = waiting
        self.received: list[tuple[str, Received]] = []
        self.problems: list[str] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def receive(self, kind: str, body: bytes, content_type: str, encoding: str) -> Received:
        """What a service does with a request."""
        if kind == "traces":
            return receive_traces(body, content_type, encoding)
        assert kind == "logs"
        return receive_logs(body, content_type, encoding, waiting=self.waiting)

    def all(self, kind: str = "") -> Received:
        """Everything so far, of traces, of logs, or of both."""
        parts = [received for name, received in self.received if kind in ("", name)]
        return Received(
            tuple(trace for part in parts for trace in part.traces),
            tuple(said for part in parts for said in part.feedback),
            tuple(refused for part in parts for refused in part.refused),
        )


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content_type, encoding = self.headers["Content-Type"], self.headers.get("Content-Encoding", "")
        kind = self.path.removeprefix("/v1/")
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        try:
            received = self.server.receive(kind, body, content_type, encoding)
        except InvalidInput as error:
            self.server.problems.append(str(error))
            self._send(400, problem(content_type, str(error)))
            return
        self.server.received.append((kind, received))
        reasons = "; ".join(refused.reason for refused in received.refused)
        self._send(200, acknowledgement(content_type, kind, len(received.refused), reasons))

    def _send(self, status: int, answer: tuple[bytes, str]) -> None:
        body, content_type = answer
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_sink(waiting: Waiting | None = None) -> Iterator[Sink]:
    """A sink while in the ``with``."""
    with Sink(waiting) as sink:
        thread = threading.Thread(target=sink.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield sink
        finally:
            sink.shutdown()
            thread.join()
