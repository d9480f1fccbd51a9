"""Live servers, played by a small one that answers as the tools do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ratchet.errors import InvalidInput
from ratchet.importers.mlflow import read_mlflow_server
from ratchet.importers.phoenix import read_phoenix_server
from ratchet.importers.server import Server, credentials
from ratchet.records.trace import Turn
from tests.unit.importers.reading import gathered

# Traces whose spans are in the server's files, and one whose spans are lost.
FILED = (7, 8)
LOST = 7
Answer = Callable[[str, dict[str, list[str]], Any], "tuple[int, Any]"]


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server whose answer to (path, query, body) is (status, JSON), and the headers it was sent."""
    headers: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            headers.append(dict(self.headers))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            status, told = answer(unquote(parts.path), parse_qs(parts.query), json.loads(body) if body else None)
            data = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _reply

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", headers
        finally:
            server.shutdown()
            thread.join()


def info(number: int) -> dict[str, Any]:
    return {
        "trace_id": f"tr-{number}",
        "request_time": "2026-11-24T20:55:49.170Z",
        "execution_duration": "0.25s",
        "trace_metadata": {"mlflow.traceInputs": '{"question": "preview"}', "mlflow.trace.user": "kim"},
        "assessments": [
            {
                "assessment_id": f"a-{number}",
                "assessment_name": "user_feedback",
                "source": {"source_type": "HUMAN", "source_id": "kim"},
                "create_time": "2026-11-24T20:56:00Z",
                "feedback": {"value": number % 2 == 0},
                "valid": True,
            }
        ],
        "tags": {"mlflow.traceName": "answer"}
        | ({} if number in FILED else {"mlflow.trace.spansLocation": "TRACKING_STORE"}),
    }


def text(value: str) -> dict[str, Any]:
    return {"string_value": value}


def root_span(number: int) -> dict[str, Any]:
    message = {
        "values": [{"key": "role", "value": text("user")}, {"key": "content", "value": text(f"Question {number}")}]
    }
    turns = {"array_value": {"values": [{"kvlist_value": message}]}}
    asked = {"kvlist_value": {"values": [{"key": "messages", "value": turns}]}}
    return {
        "span_id": "c3Bhbg==",
        "name": "answer",
        "attributes": [
            {"key": "mlflow.spanInputs", "value": asked},
            {"key": "mlflow.spanOutputs", "value": text(f"Answer {number}")},
            {"key": "mlflow.llm.model", "value": text("tiny-1")},
        ],
    }


class TestMlflow:
    def serve(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        self.asked.append((path, query or body))
        if path == "/api/2.0/mlflow/experiments/search":
            return 200, {
                "experiments": [{"experiment_id": "1", "name": "Kite shop"}, {"experiment_id": "0", "name": "Default"}]
            }
        if path == "/api/3.0/mlflow/traces/search":
            if body["locations"][0]["mlflow_experiment"]["experiment_id"] != "1":
                return 200, {}
            start = int(body.get("page_token", 0))
            following = {"next_page_token": str(start + 30)} if start < 30 else {}
            return 200, {"traces": [info(number) for number in range(start, start + 30)], **following}
        if path == "/api/3.0/mlflow/traces/batchGet":
            numbers = [int(one.removeprefix("tr-")) for one in query["trace_ids"]]
            if set(numbers) & set(FILED):
                return 500, {"error_code": "INTERNAL_ERROR", "message": "Trace data not stored in tracking store"}
            return 200, {"traces": [{"trace_info": info(number), "spans": [root_span(number)]} for number in numbers]}
        if path == "/ajax-api/2.0/mlflow/get-trace-artifact" and query["request_id"] != [f"tr-{LOST}"]:
            return 200, {"spans": [{"attributes": {"mlflow.spanInputs": '{"question": "filed"}'}}]}
        return 404, {}

    @pytest.fixture(autouse=True)
    def _asked(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def test_all_pages_of_all_experiments_are_read(self) -> None:
        with answering(self.serve) as (url, _):
            read = gathered(read_mlflow_server(Server(url)))
        assert len(read.traces) == 60
        trace = read.traces["tr-42"]
        assert (trace.app, trace.input, trace.output, trace.model) == (
            "Kite-shop",
            "Question 42",
            "Answer 42",
            "tiny-1",
        )
        assert (trace.latency_ms, trace.context.user, read.said("tr-42").thumb) == (250, "kim", "up")
        assert read.said("tr-43").thumb == "down"

    def test_spans_come_from_files_and_without_them_there_is_the_preview(self) -> None:
        with answering(self.serve) as (url, _):
            read = gathered(read_mlflow_server(Server(url), app="shop"))
        assert (read.traces["tr-8"].input, read.traces["tr-8"].app) == ("filed", "shop")
        assert read.traces[f"tr-{LOST}"].input == "preview"
        assert read.traces["tr-9"].input == "Question 9"

    def test_one_experiment_since_a_moment_is_asked_for_so(self) -> None:
        with answering(self.serve) as (url, _):
            gathered(read_mlflow_server(Server(url), experiment="Kite shop", since=1.5))
        searched = [body for path, body in self.asked if path.endswith("traces/search")]
        assert {body["locations"][0]["mlflow_experiment"]["experiment_id"] for body in searched} == {"1"}
        assert {body["filter"] for body in searched} == {"trace.timestamp_ms >= 1500"}

    def test_an_unknown_experiment_is_refused_with_the_known_ones(self) -> None:
        with (
            answering(self.serve) as (url, _),
            pytest.raises(InvalidInput, match=r"no experiment 'kites'.*Default, Kite shop"),
        ):
            gathered(read_mlflow_server(Server(url), experiment="kites"))


class TestPhoenix:
    def serve(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        cursor = query.get("cursor", [""])[0]
        if path == "/v1/projects":
            return 200, {
                "data": [{"id": "P1", "name": "kite shop"}, {"id": "P2", "name": "empty"}],
                "next_cursor": None,
            }
        if path == "/v1/projects/P2/spans":
            return 200, {"data": [], "next_cursor": None}
        if path == "/v1/projects/P1/spans":
            self.since = query.get("start_time")
            if cursor:
                return 200, {"data": [self.span("s3", "t3", None), {"odd": 1}], "next_cursor": None}
            return 200, {"data": [self.span("s1", "t1", None), self.span("s2", "t1", "s1")], "next_cursor": "more"}
        if path == "/v1/projects/P1/span_annotations":
            found = [self.annotation(f"a-{one}", span_id=one) for one in query["span_ids"]]
            return 200, {"data": found, "next_cursor": None}
        if path == "/v1/projects/P1/trace_annotations" and self.knows_traces:
            return 200, {"data": [self.annotation("a-t", trace_id=query["trace_ids"][0])], "next_cursor": None}
        return 404, {}

    @pytest.fixture(autouse=True)
    def _state(self) -> None:
        self.knows_traces = True
        self.since: list[str] | None = None

    def span(self, span_id: str, trace_id: str, parent: str | None) -> dict[str, Any]:
        return {
            "id": "x",
            "name": "chat",
            "context": {"trace_id": trace_id, "span_id": span_id},
            "parent_id": parent,
            "start_time": "2026-11-24T20:56:00.380700+00:00",
            "end_time": "2026-11-24T20:56:01.380700+00:00",
            "attributes": {
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "Hello",
                "llm.input_messages.1.message.role": "assistant",
                "llm.input_messages.1.message.content": "Hello!",
                "llm.input_messages.10.message.role": "user",
                "llm.input_messages.10.message.contents.0.message_content.text": "Where is my parcel?",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": "On its way.",
                "metadata.segment": "retail",
                "user.id": "kim",
            },
        }

    def annotation(self, identity: str, **on: str) -> dict[str, Any]:
        result = {"label": "thumbs-down", "score": 0.0, "explanation": "Too vague."}
        return {
            "id": identity,
            "name": "user_feedback",
            "annotator_kind": "HUMAN",
            "identifier": "kim",
            "result": result,
            **on,
        }

    def test_all_pages_with_annotations_on_spans_and_traces_are_read(self) -> None:
        with answering(self.serve) as (url, _):
            read = gathered(read_phoenix_server(Server(url)))
        assert set(read.traces) == {"t1", "t3"}
        trace = read.traces["t1"]
        assert (trace.input, trace.output, trace.app) == ("Where is my parcel?", "On its way.", "kite-shop")
        assert trace.history == [Turn("user", "Hello"), Turn("assistant", "Hello!")]
        assert (trace.context.segment, trace.context.user, trace.latency_ms) == ("retail", "kim", 1000)
        assert [len(read.feedback[one]) for one in ("t1", "t3")] == [3, 2]
        assert {(said.thumb, said.user, said.comment) for said in read.feedback["t1"]} == {
            ("down", "kim", "Too vague.")
        }
        assert read.reasons == {"it is a step inside a trace", "it is no span and no annotation"}

    def test_an_older_server_has_no_annotations_on_traces(self) -> None:
        self.knows_traces = False
        with answering(self.serve) as (url, _):
            read = gathered(read_phoenix_server(Server(url), project="kite shop", app="shop"))
        assert [len(read.feedback[one]) for one in ("t1", "t3")] == [2, 1]

    def test_since_is_asked_for(self) -> None:
        with answering(self.serve) as (url, _):
            gathered(read_phoenix_server(Server(url), project="P1", since=1_790_000_000.0))
        assert self.since == ["2026-09-21T14:13:20+00:00"]

    def test_an_unknown_project_is_refused_with_the_known_ones(self) -> None:
        with answering(self.serve) as (url, _), pytest.raises(InvalidInput, match=r"no project 'x'.*empty, kite shop"):
            gathered(read_phoenix_server(Server(url), project="x"))


class TestTheConnection:
    @pytest.mark.parametrize(
        ("status", "told", "said"),
        [
            (401, {"detail": "who?"}, "answered 401.*who.*Set its key"),
            (403, {}, "answered 403"),
            (404, {}, "answered 404.*Check --url"),
            (302, {}, "answered 302"),
            (500, b"oops", "answered 500: oops.*log"),
            (200, b"<html>", "did not answer with JSON"),
            (200, [1], "did not answer with JSON"),
        ],
    )
    def test_refusals_say_what_to_do(self, status: int, told: Any, said: str) -> None:
        with answering(lambda path, query, body: (status, told)) as (url, _), pytest.raises(InvalidInput, match=said):
            Server(url).get("/anything")

    def test_a_server_that_is_busy_is_asked_again(self) -> None:
        answers = iter([(503, {}), (200, {"fine": True})])
        with answering(lambda path, query, body: next(answers)) as (url, _):
            assert Server(url).get("/anything") == {"fine": True}

    @pytest.mark.parametrize("url", ["", "127.0.0.1:5000", "file:///etc/passwd", "http://"])
    def test_an_address_must_be_one(self, url: str) -> None:
        with pytest.raises(InvalidInput, match="no address of a server"):
            Server(url)

    def test_nobody_there_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ratchet.importers.server.TRIES", 0)
        with pytest.raises(InvalidInput, match="does not answer"):
            Server("http://127.0.0.1:9").get("/anything")

    def test_credentials_come_from_the_environment_and_are_sent(self) -> None:
        assert credentials({}, "TOKEN", "PAIR") == {}
        basic = credentials({"PAIR_USERNAME": "kim", "PAIR_PASSWORD": "secret"}, "TOKEN", "PAIR")
        assert basic == {"Authorization": "Basic a2ltOnNlY3JldA=="}
        told = credentials({"TOKEN": "abc"}, "TOKEN", "PAIR")
        with answering(lambda path, query, body: (200, {})) as (url, headers):
            Server(url, told).get("/anything")
        assert headers[0]["Authorization"] == "Bearer abc"
