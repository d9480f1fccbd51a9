"""The typed client has a method for every operation of the service, and tells its refusals apart."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from ratchet import (
    Conflict,
    EmbedderMismatch,
    InvalidInput,
    ProviderError,
    RatchetError,
    Unauthorized,
    Unavailable,
    UnknownName,
)  # fmt: skip
from ratchet.sdk.api import Api
from ratchet.sdk.api.calling import Caller
from ratchet.web.routes.table import ROUTES
from ratchet.wire.apps import AppIn, AskIn, PassageIn
from ratchet.wire.feedback import FeedbackIn, TokenIn
from ratchet.wire.gaps import GapIn
from ratchet.wire.keys import KeyIn
from ratchet.wire.releases import MoveIn, RevokeIn
from ratchet.wire.review import ReserveIn, VerdictIn
from ratchet.wire.traces import TraceBatchIn, TraceIn

MOVE = MoveIn(actor="ana", reason="x", number=1)
CALLS: dict[str, Callable[[Api], object]] = {
    "healthz": lambda api: api.healthz(),
    "readyz": lambda api: api.readyz(),
    "metrics": lambda api: api.metrics(),
    "openapi": lambda api: api.openapi(),
    "browser_script": lambda api: api.browser_script(),
    "apps": lambda api: api.apps(),
    "app": lambda api: api.app("support"),
    "declare_app": lambda api: api.declare_app("support", AppIn(prompt="Be brief.")),
    "put_knowledge": lambda api: api.put_knowledge("support", [PassageIn(passage_id="p", text="t")]),
    "answer": lambda api: api.answer("support", AskIn(input="q")),
    "learned": lambda api: api.learned("support", AskIn(input="q"), timeout_s=2.0),
    "release_content": lambda api: api.release_content("support", revision="r1"),
    "learn": lambda api: api.learn("support", now=True),
    "send_feedback": lambda api: api.send_feedback(FeedbackIn(id="tr_1", thumb="down", scores={"a": 1.0})),
    "send_feedback_batch": lambda api: api.send_feedback_batch([FeedbackIn(id="tr_1", stars=2)]),
    "feedback_page": lambda api: api.feedback_page(
        app="support", trace_id="tr_1", user="u", name="thumb", negative=True, since=1.5, until=2.0, limit=5
    ),
    "export_feedback": lambda api: api.export_feedback("csv", app="support", user="u", since=1.0, until=2.0),
    "feedback": lambda api: api.feedback("fb_1"),
    "feedback_status": lambda api: api.feedback_status("fb_1", token="t"),
    "feedback_token": lambda api: api.feedback_token(TokenIn(trace_id="tr_1", user="u")),
    "send_traces": lambda api: api.send_traces(TraceBatchIn(traces=[TraceIn(app="support", input="q")])),
    "otlp_traces": lambda api: api.otlp_traces({"resourceSpans": []}),
    "otlp_logs": lambda api: api.otlp_logs({"resourceLogs": []}),
    "traces_page": lambda api: api.traces_page(
        app="support", user="u", session="s", segment="g", words="w", since=1.0, until=2.0, limit=5
    ),
    "export_traces": lambda api: api.export_traces("jsonl", app="support", user="u", since=1.0, until=2.0),
    "trace": lambda api: api.trace("tr_1"),
    "queue": lambda api: api.queue("support", count=3),
    "case": lambda api: api.case("case_1"),
    "reserve": lambda api: api.reserve("case_1", ReserveIn(reviewer="Ines")),
    "decide": lambda api: api.decide("case_1", VerdictIn(reviewer="Ines", erred=False)),
    "lessons": lambda api: api.lessons("support"),
    "lesson": lambda api: api.lesson("ls_1"),
    "revoke_lesson": lambda api: api.revoke_lesson("ls_1", RevokeIn(actor="ana", reason="x")),
    "releases": lambda api: api.releases("support"),
    "release": lambda api: api.release("support", 1),
    "rollback": lambda api: api.rollback("support", MOVE),
    "promote": lambda api: api.promote("support", MOVE),
    "audit": lambda api: api.audit(app="support", last=5),
    "keys": lambda api: api.keys(),
    "make_key": lambda api: api.make_key(KeyIn(name="ci")),
    "revoke_key": lambda api: api.revoke_key("key_1"),
    "rotate_tokens": lambda api: api.rotate_tokens(),
    "report_gap": lambda api: api.report_gap(GapIn(since=1.0, until=2.0, trace=3)),
    "chat_completions": lambda api: api.chat_completions({"model": "support", "messages": []}),
    "responses": lambda api: api.responses({"model": "support", "input": "q"}),
    "embeddings": lambda api: api.embeddings({"model": "support", "input": "q"}),
    "models": lambda api: api.models(),
    "model": lambda api: api.model("support"),
}


class Listener:
    """A real server that writes down what it is asked, and answers all of it the same."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.status = 404
        self.body: bytes = b"{}"
        self.headers: dict[str, str] = {}
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                listener.asked.append((self.command, self.path, body, dict(self.headers.items())))
                self.send_response(listener.status)
                for name, value in listener.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(listener.body)))
                self.end_headers()
                self.wfile.write(listener.body)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def says(self, status: int, *, code: str = "x", message: str = "It is so. Do this.", fix: str = "Do this.") -> None:
        error = {"message": message, "type": "t", "code": code, "param": None, "fix": fix}
        self.status, self.body = status, msgspec.json.encode({"error": error})


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def api(listener: Listener) -> Iterator[Api]:
    with Api(listener.url, "rk_sk_test") as made:
        yield made


def matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path) is not None


def asked_by(api: Api, listener: Listener, name: str) -> tuple[str, str, dict[str, list[str]], bytes]:
    """What a method asks for: method, path, query, body."""
    listener.asked.clear()
    listener.says(404)
    with pytest.raises(UnknownName):
        CALLS[name](api)
    ((method, target, body, _),) = listener.asked
    parts = urlsplit(target)
    return method, parts.path, parse_qs(parts.query), body


def test_every_method_is_called_below() -> None:
    methods = {name for name, _ in inspect.getmembers(Api, inspect.isfunction) if not name.startswith("_")}
    assert methods - {name for name, _ in inspect.getmembers(Caller, inspect.isfunction)} == set(CALLS)


def test_every_operation_has_a_method_and_every_method_an_operation(api: Api, listener: Listener) -> None:
    left = {(route.method, route.path) for route in ROUTES}
    assert len(left) > 40
    for name in CALLS:
        method, path, _, _ = asked_by(api, listener, name)
        found = {route for route in ROUTES if route.method == method and matches(route.path, path)}
        exact = {route for route in found if route.path == path} or found
        assert len(exact) == 1, f"{name} asks for {method} {path}, which is no operation"
        left -= {(route.method, route.path) for route in exact}
    assert left == set()


@pytest.mark.parametrize("name", CALLS)
def test_what_is_sent_is_what_the_operation_takes(api: Api, listener: Listener, name: str) -> None:
    method, path, query, body = asked_by(api, listener, name)
    found = [route for route in ROUTES if route.method == method and matches(route.path, path)]
    route = next((route for route in found if route.path == path), found[0])
    if route.takes is not None and route.takes is not bytes:
        assert msgspec.json.decode(body, type=route.takes) is not None
    assert (body != b"") == (route.takes is not None)
    if query:
        plain: dict[str, Any] = {key: value for key, (value,) in query.items()}
        msgspec.convert(plain, route.asks, strict=False)


def test_the_key_goes_along(api: Api, listener: Listener) -> None:
    asked_by(api, listener, "apps")
    assert listener.asked[0][3]["Authorization"] == "Bearer rk_sk_test"
    assert "rk_sk_test" not in repr(vars(Api(listener.url))), "a client without a key has none"


def test_names_cannot_leave_their_place_in_the_path(api: Api, listener: Listener) -> None:
    listener.says(404)
    for name in ("a/../b", "a?x=1", "a#b", "ü b"):
        with pytest.raises(UnknownName):
            api.app(name)
    assert [path for _, path, _, _ in listener.asked] == [
        "/v1/apps/a%2F..%2Fb", "/v1/apps/a%3Fx%3D1", "/v1/apps/a%23b", "/v1/apps/%C3%BC%20b",
    ]  # fmt: skip
    for name in ("", ".", "..", "\ud800"):
        with pytest.raises(InvalidInput):
            api.app(name)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, InvalidInput), (401, Unauthorized), (403, Unauthorized), (404, UnknownName), (409, Conflict),
            (413, InvalidInput), (415, InvalidInput), (422, InvalidInput), (421, Unavailable), (429, Unavailable),
            (500, Unavailable), (502, ProviderError), (503, Unavailable), (504, ProviderError), (301, Unavailable),
        ],
    )  # fmt: skip
    def test_have_a_kind_each_and_the_services_own_words(
        self, api: Api, listener: Listener, status: int, kind: type[RatchetError]
    ) -> None:
        listener.says(status)
        with pytest.raises(RatchetError) as caught:
            api.apps()
        assert type(caught.value) is kind
        assert (caught.value.what, caught.value.fix) == ("It is so.", "Do this.")
        assert str(caught.value) == "It is so. Do this."

    def test_of_vectors_by_another_embedder_are_told_apart(self, api: Api, listener: Listener) -> None:
        listener.says(409, code="embedder_mismatch")
        with pytest.raises(EmbedderMismatch):
            api.apps()

    @pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("9999999", 300.0), ("soon", None), ("", None)])
    def test_say_when_to_come_back(self, api: Api, listener: Listener, header: str, seconds: float | None) -> None:
        listener.says(429)
        listener.headers = {"Retry-After": header} if header else {}
        with pytest.raises(Unavailable) as caught:
            api.apps()
        assert caught.value.retry_after == seconds

    @pytest.mark.parametrize("status", [400, 404, 405, 409, 422, 500])
    def test_of_something_else_than_the_service_say_nothing_of_the_request(
        self, api: Api, listener: Listener, status: int
    ) -> None:
        listener.status, listener.body = status, b"<html>nginx</html>"
        with pytest.raises(Unavailable, match=f"answered {status}"):
            api.apps()

    @pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Unauthorized), (413, InvalidInput)])
    def test_of_a_proxy_mean_what_they_say(
        self, api: Api, listener: Listener, status: int, kind: type[RatchetError]
    ) -> None:
        listener.status, listener.body = status, b"<html>nginx</html>"
        with pytest.raises(kind):
            api.apps()

    @pytest.mark.parametrize("body", [b"", b"not json", b'{"a": 1}', b"[" * 100_000, b'[{"app": 7}]'])
    def test_an_answer_that_is_none_is_no_answer(self, api: Api, listener: Listener, body: bytes) -> None:
        listener.status, listener.body = 200, body
        with pytest.raises(Unavailable, match="of a version like this client's"):
            api.apps()

    def test_what_json_cannot_carry_is_not_sent(self, api: Api, listener: Listener) -> None:
        with pytest.raises(InvalidInput):
            api.chat_completions({"model": "support", "messages": [object()]})
        assert listener.asked == []

    def test_streams_are_for_other_clients(self, api: Api, listener: Listener) -> None:
        with pytest.raises(InvalidInput, match="OpenAI client"):
            api.chat_completions({"model": "support", "messages": [], "stream": True})
        assert listener.asked == []

    def test_a_service_that_is_not_there_is_unavailable(self) -> None:
        with pytest.raises(Unavailable, match=r"cannot be reached: .*refused"):
            Api("http://127.0.0.1:9").apps()

    def test_one_that_says_nothing_is_unavailable_after_the_timeout(self) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as deaf:
            api = Api(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.1)
            with pytest.raises(Unavailable, match="timed out"):
                api.apps()
            api.close()


def test_an_unchanged_release_is_not_sent_again(api: Api, listener: Listener) -> None:
    listener.status, listener.body = 304, b""
    assert api.release_content("support", revision="r1") is None
    assert listener.asked[0][3]["If-None-Match"] == '"r1"'


def test_texts_come_back_as_text(api: Api, listener: Listener) -> None:
    listener.status, listener.body = 200, "id,user\r\n1,ü\r\n".encode()
    assert api.export_feedback("csv") == api.export_traces("csv") == api.metrics() == "id,user\r\n1,ü\r\n"
    assert api.healthz() == {"status": "id,user\r\n1,ü"}
    listener.body = b'{"ready": true}'
    assert api.readyz() == {"ready": True}
