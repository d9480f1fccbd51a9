"""A shop's help page on an origin of its own: it asks Ratchet for answers, and its readers rate them there."""

from __future__ import annotations

import json
import os
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
SERVICE = os.environ.get("RATCHET_URL", "http://127.0.0.1:8400").rstrip("/")
KEY = os.environ.get("RATCHET_API_KEY", "")
APP = os.environ.get("RATCHET_APP", "support")
PORT = int(os.environ.get("PORT", "8000"))
FILES = {"/style.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8"}
POLICY = (
    f"default-src 'none'; script-src 'self' {SERVICE}; connect-src {SERVICE}; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def ask(question: str) -> dict[str, str]:
    """Ratchet's answer to a question. The key, if there is one, stays on this server."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})
    request = Request(f"{SERVICE}/v1/apps/{APP}/answer", json.dumps({"input": question}).encode(), headers)
    with urlopen(request, timeout=60) as response:
        return json.load(response)


def conversation(question: str) -> str:
    """The question and its answer as HTML; all text in it is escaped."""
    if not question:
        return ""
    asked = f'<p class="question">{escape(question)}</p>'
    try:
        answer = ask(question)
    except HTTPError as error:
        return f'{asked}<p role="alert">Ratchet refused the question: {escape(error.read().decode())}</p>'
    except (URLError, TimeoutError) as error:
        return f'{asked}<p role="alert">No Ratchet service answers at {escape(SERVICE)}: {escape(str(error))}</p>'
    return f"""{asked}
    <article class="answer" data-ratchet-token="{escape(answer["feedback_token"])}"
      data-ratchet-id="{escape(answer["id"])}" data-ratchet-widgets="thumbs stars edit comment">
      <p data-ratchet-text>{escape(answer["output"])}</p>
    </article>
    <form class="again"><input type="hidden" name="question" value="{escape(question)}">
      <button data-ratchet-regenerate="{escape(answer["id"])}">Answer again</button></form>"""


class Page(BaseHTTPRequestHandler):
    """Serves the page and its two files."""

    def do_GET(self) -> None:
        """Answer the question in the address, if there is one."""
        address = urlsplit(self.path)
        if address.path in FILES:
            return self.reply(200, FILES[address.path], (HERE / address.path[1:]).read_bytes())
        if address.path != "/":
            return self.reply(404, "text/plain", b"There is nothing here.")
        question = parse_qs(address.query).get("question", [""])[0].strip()
        page = Template((HERE / "page.html").read_text(encoding="utf-8"))
        html = page.substitute(service=escape(SERVICE), question=escape(question), conversation=conversation(question))
        return self.reply(200, "text/html; charset=utf-8", html.encode())

    def reply(self, status: int, kind: str, body: bytes) -> None:
        """Send it all, with the content security policy."""
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": POLICY}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", PORT), Page) as server:
        print(f"http://127.0.0.1:{server.server_port} asks {APP} at {SERVICE}; stop with Ctrl+C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Stopped.")
