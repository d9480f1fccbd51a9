"""Bodies, encodings and content types: what is read, what is refused, and the answer that exporters expect."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ratchet.errors import InvalidInput
from ratchet.web.otlp.inflate import LARGEST_BYTES
from ratchet.web.otlp.receive import JSON, PROTOBUF, Received, acknowledgement, problem, receive_logs, receive_traces
from tests.web.otlp.requests import a_span, as_protobuf, both, traces_json

ASKED = {"openinference__span__kind": "LLM", "input__value": "When?", "output__value": "Now."}
BODY = traces_json(a_span(**ASKED))


def input_of(received: Received) -> str:
    (trace,) = received.traces
    return trace.input


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_read_by_any_spelling_of_its_type(content_type: str) -> None:
    assert input_of(receive_traces(BODY, content_type, "")) == "When?"


@pytest.mark.parametrize("content_type", [PROTOBUF, "application/protobuf"])
def test_protobuf_is_read(content_type: str) -> None:
    assert input_of(receive_traces(as_protobuf(BODY), content_type, "identity")) == "When?"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY[:40]) + gzip.compress(BODY[40:])),
        ("deflate", zlib.compress(BODY)),
    ],
    ids=["gzip", "gzip in two members", "deflate"],
)
def test_packed_bodies_are_unpacked(encoding: str, body: bytes) -> None:
    assert input_of(receive_traces(body, JSON, encoding)) == "When?"


@pytest.mark.parametrize("receive", [receive_traces, receive_logs])
@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "reason"),
    [
        (BODY, "text/plain", "", "content type 'text/plain' is unknown"),
        (BODY, "", "", "content type '' is unknown"),
        (BODY, JSON, "zstd", "content encoding 'zstd' is unknown"),
        (BODY, JSON, "gzip", "is not gzip"),
        (gzip.compress(BODY)[:-9], JSON, "gzip", "ends too early"),
        (BODY[:-1], JSON, "", "not the JSON that OTLP prescribes"),
        (b"[]", JSON, "", "not the JSON that OTLP prescribes"),
        (b"", JSON, "", "not the JSON that OTLP prescribes"),
        (BODY, PROTOBUF, "", "not the protobuf that OTLP prescribes"),
        (b'{"resourceSpans": 1, "resourceLogs": 1}', JSON, "", r"at `\$.resource"),
        (b'{"x": "\\ud800", "resourceSpans": 1, "resourceLogs": 1}', JSON, "", r"at `\$.resource"),
        (b'{"x": "\\ud800"', JSON, "", "not the JSON that OTLP prescribes"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    receive: object, body: bytes, content_type: str, encoding: str, reason: str
) -> None:
    assert callable(receive)
    with pytest.raises(InvalidInput, match=reason):
        receive(body, content_type, encoding)


def test_a_small_body_cannot_become_a_large_one() -> None:
    bomb = gzip.compress(b" " * (LARGEST_BYTES + 1))
    assert len(bomb) < 50_000
    with pytest.raises(InvalidInput, match="more than 20 MiB once it is unpacked"):
        receive_traces(bomb, JSON, "gzip")
    with pytest.raises(InvalidInput, match="more than 20 MiB"):
        receive_traces(gzip.compress(b" " * 100) + bomb, JSON, "gzip")
    with pytest.raises(InvalidInput, match="more than 20 MiB"):
        receive_traces(b" " * (LARGEST_BYTES + 1), JSON, "")


def test_a_large_body_that_fits_is_read() -> None:
    assert receive_traces(gzip.compress(BODY + b" " * (LARGEST_BYTES - len(BODY))), JSON, "gzip").traces


@pytest.mark.parametrize("nested", ['{"arrayValue":{"values":[', '{"kvlistValue":{"values":[{"value":'])
def test_nesting_without_end_is_refused(nested: str) -> None:
    body = '{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":' + nested * 5000
    with pytest.raises(InvalidInput, match="nested too deep"):
        receive_traces(body.encode(), JSON, "")


def test_fields_that_nobody_knows_are_ignored() -> None:
    value = json.loads(BODY)
    value["future"] = [{"a": None}]
    value["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["future"] = {"b": 1}
    value["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["events"] = None
    assert receive_traces(json.dumps(value).encode(), JSON, "") == receive_traces(BODY, JSON, "")


def test_numbers_may_be_numbers_or_text_in_json() -> None:
    as_numbers = BODY.replace(b'"1790000000000000000"', b"1790000000000000000")
    assert as_numbers != BODY
    assert receive_traces(as_numbers, JSON, "") == receive_traces(BODY, JSON, "")
    spoilt = BODY.replace(b'"1790000000000000000"', b'"' + b"9" * 5000 + b'"')
    (trace,) = receive_traces(spoilt, JSON, "").traces
    assert (trace.at, trace.latency_ms) == (None, None)


@pytest.mark.parametrize("empty", [b"{}", b'{"resourceSpans": []}', b'{"resourceLogs": null}'])
def test_an_empty_request_is_a_good_one(empty: bytes) -> None:
    assert receive_traces(empty, JSON, "") == receive_logs(empty, JSON, "") == Received()
    assert receive_traces(b"", PROTOBUF, "") == receive_logs(b"", PROTOBUF, "") == Received()


class TestText:
    """All text can be stored on every database."""

    def test_loses_nul_and_halves_of_characters(self) -> None:
        body = BODY.replace(b"When?", b"Wh\\u0000en \\ud83d? \\ud83d\\ude00")
        assert input_of(receive_traces(body, JSON, "")) == "Wh\ufffden \ufffd? \U0001f600"

    def test_is_cut_where_it_is_too_long_and_says_so(self) -> None:
        received = both(traces_json(a_span(**ASKED | {"input__value": "a" * 99_999 + "é" * 2})))
        assert len(input_of(received)) == 100_000
        assert input_of(received).endswith("aaa [cut: 100,001 characters]")
        whole = both(traces_json(a_span(**ASKED | {"input__value": "é" * 100_000})))
        assert input_of(whole) == "é" * 100_000


class TestAcknowledgement:
    """The answer has the encoding of the request."""

    def test_of_everything_is_empty(self) -> None:
        assert acknowledgement(PROTOBUF, "traces", 0, "") == (b"", PROTOBUF)
        assert acknowledgement(JSON, "logs", 0, "nothing was wrong") == (b"{}", JSON)

    def test_of_a_part_says_what_was_refused_in_protobuf(self) -> None:
        body, content_type = acknowledgement("application/x-protobuf; a=b", "traces", 3, "No app.")
        assert content_type == PROTOBUF
        spans, logs = ExportTraceServiceResponse(), ExportLogsServiceResponse()
        spans.ParseFromString(body)
        assert MessageToDict(spans) == {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "No app."}}
        logs.ParseFromString(acknowledgement(PROTOBUF, "logs", 2, "No app.")[0])
        assert MessageToDict(logs) == {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "No app."}}

    @pytest.mark.parametrize(("kind", "field"), [("traces", "rejectedSpans"), ("logs", "rejectedLogRecords")])
    def test_of_a_part_says_what_was_refused_in_json(self, kind: str, field: str) -> None:
        body, content_type = acknowledgement(JSON, kind, 3, "No app.")  # type: ignore[arg-type]
        assert content_type == JSON
        assert json.loads(body) == {"partialSuccess": {field: "3", "errorMessage": "No app."}}

    @pytest.mark.parametrize("message", ["", "Short.", "é" * 100, "Long. " * 5000])
    def test_of_a_problem_is_a_status(self, message: str) -> None:
        status = Status()
        body, content_type = problem(PROTOBUF, message)
        status.ParseFromString(body)
        assert (status.message, content_type) == (message, PROTOBUF)
        body, content_type = problem("text/html", message)
        assert (json.loads(body), content_type) == ({"message": message}, JSON)
