"""Logs say what happened where; never what somebody sent, nor any secret."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ratchet.records.key import SCOPES
from ratchet.web.logs import JsonLines, log_as_json
from tests.faults.serving import Served

PROJECT = """
[embedder]
name = "lexical"

[providers.main]
base_url = "http://127.0.0.1:{port}/v1"
key = "PLANTED_KEY"
retries = 0

[apps.bot]
kind = "chat"
model = "m"
provider = "main"
"""
TURNS = ("chat/completions", "responses", "embeddings")


def line(record: logging.LogRecord) -> dict[str, Any]:
    formatted = JsonLines().format(record)
    assert "\n" not in formatted
    found: dict[str, Any] = json.loads(formatted)
    return found


def test_a_line_has_its_time_level_logger_and_message() -> None:
    record = logging.LogRecord("ratchet.web", logging.WARNING, "x.py", 1, "%d rows of %s\n", (3, "süß"), None)
    record.created = 1_790_000_000.123456
    assert line(record) == {
        "at": "2026-09-21T14:13:20.123+00:00", "level": "warning", "logger": "ratchet.web",
        "message": "3 rows of süß\n",
    }  # fmt: skip


def test_an_error_is_named_with_its_place_and_without_its_words() -> None:
    def inner() -> None:
        raise ValueError("a-secret")

    try:
        inner()
    except ValueError:
        record = logging.LogRecord("ratchet", logging.ERROR, "x.py", 1, "it failed", (), sys.exc_info())
    found = line(record)
    assert found["error"] == "ValueError"
    assert found["where"].endswith("inner")
    assert "test_logs.py:" in found["where"]
    assert "a-secret" not in json.dumps(found)


def test_everything_at_the_level_and_above_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        log_as_json(logging.WARNING)
        logging.getLogger("anything").info("quiet")
        logging.getLogger("anything").warning("loud")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(text)["message"] for text in err.splitlines()] == ["loud"]


class Echo(BaseHTTPRequestHandler):
    """A provider that fails in another way each time, and repeats what it was asked."""

    ways = count()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        way = next(self.ways) % 3
        if way == 2:
            self.wfile.write(b"no HTTP at all: " + body)
            self.close_connection = True
            return
        self.send_response(500 if way == 0 else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


class Planter:
    """Hands out secrets, sends them, and remembers what came back. A secret in a path or in a name that is looked up
    may be repeated to whoever sent it; nothing else may."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.secrets: list[str] = []
        self.private: list[str] = []
        self.answers: list[bytes] = []
        self.key = ""

    def new(self, *, private: bool = True) -> str:
        secret = f"planted{len(self.secrets):03d}q7Zx"
        self.secrets.append(secret)
        if private:
            self.private.append(secret)
        return secret

    def send(self, method: str, path: str, body: object = None, **headers: str) -> bytes:
        sent = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        answer = self.served.call(method, path, body=raw, headers=sent)
        if answer.status >= 400:
            self.answers.append(answer.data)
        return answer.data


def plant(to: Planter) -> None:
    """Every place where content or a secret can stand, in good requests and in bad ones."""
    new, send = to.new, to.send
    # Headers.
    for header in ("cookie", "user_agent", "referer", "x_ratchet_user", "x_ratchet_session", "x_forwarded_for"):
        send("GET", "/v1/apps", **{header: new()})
        send("POST", "/v1/feedback", b"{", **{header: new()})
    send("GET", "/v1/apps", authorization=f"Bearer rk_sk_{new()}")
    send("GET", "/v1/apps", authorization=f"Bearer {new()}", x_api_key=f"rk_sk_{new()}")
    send("POST", "/v1/feedback", {"thumb": "up"}, x_ratchet_feedback_token=new())
    send("POST", "/v1/feedback", {"id": "t", "app": "bot"}, idempotency_key=new() + "x" * 80)
    # Bodies that cannot be read.
    for raw in (b"{%s", b'{"comment": "%s", }', b'{"a": NaN, "b": "%s"}', b'"%s', b"\xff%s", b'{"a": "%s\\ud800"}'):
        send("POST", "/v1/feedback", raw % new().encode())
    # Bodies that cannot be used, and good ones.
    row = {"app": "bot", "id": "t1", "input": new(), "output": new(), "history": [{"role": "user", "text": new()}]}
    context = {"user": new(), "session": new(), "tags": [new()], "segment": new()}
    send("POST", "/v1/traces/batch", {"traces": [{**row, "context": context}, {**row, "id": "t2", "release": -1}]})
    send("POST", "/v1/traces/batch", {"traces": [{**row, "context": context}], "feedback": [{"id": "t1"}]})
    said = {
        "id": "t1",
        "thumb": "down",
        "comment": new(),
        "correction": new(),
        "scores": {"essay": new()},
        "user": new(),
    }
    send("POST", "/v1/feedback", {**said, "event_id": "e1"})
    send("POST", "/v1/feedback", {**said, "event_id": "e1", "comment": new()})
    send("POST", "/v1/feedback", {**said, "stars": 9})
    send("POST", "/v1/feedback", {**said, "comment": new() + "\x00"})
    send("POST", "/v1/feedback", {**said, "token": new()})
    send("POST", "/v1/feedback", {**said, "key": f"rk_pk_{new()}"})
    cases = json.loads(send("GET", "/v1/apps/bot/queue"))["cases"]
    verdict = {"reviewer": new(), "erred": True, "answer": new(), "note": new()}
    send("POST", f"/v1/cases/{cases[0]['case']['id']}/verdict", verdict)
    send("POST", f"/v1/cases/{cases[0]['case']['id']}/verdict", verdict)
    send("POST", "/v1/apps/bot/learn", {"now": True})
    # Paths and queries.
    for path in ("/v1/traces/%s", "/%s", "/v1/apps/%s", "/v1/lessons/%s", "/v1/feedback?cursor=%s", "/v1/traces?q=%s",
                 "/v1/feedback/x/status?token=%s", "/v1/traces?limit=%s"):  # fmt: skip
        send("GET", path % new(private=False))
    send("POST", "/v1/chat/completions", {"model": new(private=False), "messages": []})
    # A provider that repeats what it was asked, in its own broken ways.
    for path in TURNS:
        for _ in range(3):
            text = new(private=False)
            asked = {"messages": [{"role": "user", "content": text}]} if "chat" in path else {"input": text}
            send("POST", f"/v1/{path}", {"model": "bot", **asked, "user": new(private=False)})
    send("POST", "/v1/traces", new().encode(), content_type="application/x-protobuf")
    send("POST", "/v1/traces", new().encode(), content_encoding="gzip")
    send("POST", "/v1/logs", b'{"resourceLogs": "%s"}' % new().encode())


def test_no_secret_and_no_content_is_in_what_the_service_prints_counts_or_refuses(
    tmp_path: Path, provider: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_KEY", "planted-provider-key")
    served = Served(tmp_path / "p", options=("--verbose",))
    (tmp_path / "p" / "ratchet.toml").write_text(PROJECT.replace("{port}", str(provider)))
    to = Planter(served)
    try:
        served.start().ready()
        admin = to.key = json.loads(to.send("POST", "/v1/keys", {"name": to.new(), "scopes": list(SCOPES)}))["secret"]
        to.key = json.loads(to.send("POST", "/v1/keys", {"name": to.new(), "scopes": list(SCOPES)}))["secret"]
        plant(to)
        metrics = served.call("GET", "/metrics").data.decode()
        to.send("GET", "/v1/apps")
        assert served.stop() == 0
    finally:
        served.close()
    assert len(to.secrets) >= 50
    printed = served.log()
    for secret in (*to.secrets, admin, to.key, "planted-provider-key"):
        assert secret not in printed
        assert secret not in metrics
    refusals = b"\n".join(to.answers).decode(errors="replace")  # some are protobuf
    assert refusals.count('"error"') > 20
    for secret in (*to.private, admin, to.key, "planted-provider-key"):
        assert secret not in refusals
    assert "Traceback" not in printed
    assert 'ratchet_requests_total{method="POST",route="/v1/feedback",status="400"}' in metrics
