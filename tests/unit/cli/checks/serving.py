"""A small web server that answers each path as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answers = Mapping[str, tuple[int, object]]
HEALTHY = {"service": "ratchet", "status": "ok"}


@contextmanager
def serving(answers: Answers) -> Iterator[tuple[str, int]]:
    """Serves ``answers`` (status and JSON by path) on a free port of this machine: its address and port.

    A path ``"/x secret"`` is answered to requests with that bearer key alone; others get 401.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            wanted = [path for path in answers if path.split(" ")[0] == self.path]
            found = next((path for path in wanted if path in (self.path, f"{self.path} {key}")), None)
            status, value = answers[found] if found else (401 if wanted else 404, {})
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
