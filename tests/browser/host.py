"""The site that embeds the snippet: another origin, with as strict a content security policy as the snippet allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STYLE = """
:root { font-family: sans-serif }
body { margin: 20px; color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } }
.far { margin-top: 3000px }
"""
ELSEWHERE = "<!doctype html><title>Elsewhere</title><p>Another page."


def policy(service: str) -> str:
    """What the documentation tells a strict site to send, and nothing besides."""
    return (
        f"default-src 'none'; script-src {service}; connect-src {service}; style-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )


class Site:
    """Serves whatever ``pages`` holds at the moment, by path."""

    def __init__(self, url: str, service: str) -> None:
        self.url = url
        self.service = service
        self.policy = policy(service)
        self.pages = {"/style.css": STYLE, "/elsewhere": ELSEWHERE}

    def put(self, path: str, body: str, *, script: str = "") -> str:
        """Serve a page with the snippet and this body; returns its address."""
        self.pages[path] = (
            "<!doctype html><html lang=en><title>A shop</title><link rel=stylesheet href=/style.css>"
            f'<script src="{self.service}/ratchet.js" defer {script}></script><main><h1>Ask</h1>{body}</main>'
        )
        return self.url + path


@contextmanager
def serving(service: str) -> Iterator[Site]:
    """The site on a free port of this machine, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = site.pages.get(self.path)
            self.send_response(204 if body is None else 200)
            kind = "text/css" if self.path.endswith(".css") else "text/html"
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Security-Policy", site.policy)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}", service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
