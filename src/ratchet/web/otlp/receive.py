"""The door for OpenTelemetry exporters: a request's body in, traces, feedback and its answer out."""

from __future__ import annotations

from typing import Literal

import msgspec

from ratchet.errors import InvalidInput
from ratchet.web.otlp import json_body, log_records, protobuf_body, spans
from ratchet.web.otlp.evaluations import read_feedback
from ratchet.web.otlp.inflate import inflate
from ratchet.web.otlp.received import Received, Refused
from ratchet.web.otlp.storable import storable_text
from ratchet.web.otlp.waiting import Waiting

__all__ = ["Received", "Refused", "Waiting", "acknowledgement", "problem", "receive_logs", "receive_traces"]

Kind = Literal["traces", "logs"]

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_READ_SPANS = {PROTOBUF: protobuf_body.read_spans, JSON: json_body.read_spans}
_READ_EVENTS = {PROTOBUF: protobuf_body.read_events, JSON: json_body.read_events}
_STATUS_MESSAGE = 2
_REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}


def receive_traces(body: bytes, content_type: str, content_encoding: str, default_app: str = "") -> Received:
    """What an ``ExportTraceServiceRequest`` holds; raises `InvalidInput` for a body that cannot be read.

    ``default_app`` takes what names no app.
    """
    found = _READ_SPANS[_encoding_of(content_type)](inflate(body, content_encoding))
    traces, refused, known = spans.read_traces(found, default_app)
    feedback, unusable = read_feedback((event for span in found for event in span.events), known, default_app)
    return Received(tuple(traces), tuple(feedback), (*refused, *unusable))


def receive_logs(
    body: bytes, content_type: str, content_encoding: str, default_app: str = "", *, waiting: Waiting | None = None
) -> Received:
    """What an ``ExportLogsServiceRequest`` holds; raises `InvalidInput` for a body that cannot be read.

    ``default_app`` takes what names no app. Log records that are no ``gen_ai`` events are left out. A question whose
    answer comes in a later request is refused, or kept in ``waiting`` where that is given.
    """
    found = _READ_EVENTS[_encoding_of(content_type)](inflate(body, content_encoding))
    traces, refused, known, held = log_records.read_traces(found, default_app, waiting)
    feedback, unusable = read_feedback(found, known, default_app)
    return Received(tuple(traces), tuple(feedback), (*refused, *unusable), held)


def acknowledgement(content_type: str, kind: Kind, refused: int, message: str) -> tuple[bytes, str]:
    """The body of a 200 and its content type, in the encoding of the request; says how many were refused, if any."""
    if _is_protobuf(content_type):
        # Both responses have the same two fields under the same numbers.
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        response = ExportTraceServiceResponse()
        if refused:
            response.partial_success.rejected_spans = refused
            response.partial_success.error_message = storable_text(message)
        return response.SerializeToString(), PROTOBUF
    partial = {_REJECTED[kind]: str(refused), "errorMessage": storable_text(message)}
    return msgspec.json.encode({"partialSuccess": partial} if refused else {}), JSON


def problem(content_type: str, message: str) -> tuple[bytes, str]:
    """The body of a refusal and its content type: a ``google.rpc.Status`` in the encoding of the request."""
    text = storable_text(message)
    if _is_protobuf(content_type):
        return _length_delimited(_STATUS_MESSAGE, text.encode()), PROTOBUF
    return msgspec.json.encode({"message": text}), JSON


def _is_protobuf(content_type: str) -> bool:
    return _media_type(content_type) == PROTOBUF


def _encoding_of(content_type: str) -> str:
    media_type = _media_type(content_type)
    if media_type not in _READ_SPANS:
        raise InvalidInput(f"The content type {media_type!r:.80} is unknown.", f"Send {PROTOBUF} or {JSON}.")
    return media_type


def _media_type(content_type: str) -> str:
    name = content_type.partition(";")[0].strip().lower()
    return PROTOBUF if name == "application/protobuf" else name


def _length_delimited(field: int, data: bytes) -> bytes:
    """One field of protobuf's wire format: its number and type, the length, the bytes."""
    head, size = bytearray([field << 3 | 2]), len(data)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data
