"""Requests as an exporter writes them, in both encodings, with invented content."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ratchet.web.otlp.receive import JSON, PROTOBUF, Received, receive_logs, receive_traces

TRACE = "5b8efff798038103d269b633813fc60c"
STARTED = 1_790_000_000_000_000_000
SERVICE = {"service.name": "help-desk"}


def any_value(value: object) -> dict[str, Any]:
    """``value`` as an ``AnyValue``."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value} if isinstance(value, str) else {}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """``attributes`` as a list of ``KeyValue``."""
    return [{"key": name, "value": any_value(value)} for name, value in attributes.items()]


def span_id(number: int) -> str:
    """A span id; 0 stands for none."""
    return f"{number:016x}" if number else ""


def a_span(
    number: int = 1,
    *,
    above: int = 0,
    trace: str = TRACE,
    remote: bool = False,
    ended_ms: int = 1500,
    events: Iterable[dict[str, Any]] = (),
    **attributes: Any,
) -> dict[str, Any]:
    """A span; two underscores in the name of an attribute stand for a dot."""
    return {
        "traceId": trace,
        "spanId": span_id(number),
        "parentSpanId": span_id(above),
        "flags": 0x300 if remote else 0x100,
        "name": "a span",
        "kind": 3,
        "startTimeUnixNano": str(STARTED),
        "endTimeUnixNano": str(STARTED + ended_ms * 1_000_000),
        "attributes": pairs({name.replace("__", "."): value for name, value in attributes.items()}),
        "events": list(events),
        "status": {},
    }


def an_event(name: str, *, at_ms: int = 2000, **attributes: Any) -> dict[str, Any]:
    """An event of a span."""
    return {
        "name": name,
        "timeUnixNano": str(STARTED + at_ms * 1_000_000),
        "attributes": pairs({key.replace("__", "."): value for key, value in attributes.items()}),
    }


def a_record(
    name: str, body: object = None, *, number: int = 1, trace: str = TRACE, at_ms: int = 0, **attributes: Any
) -> dict[str, Any]:
    """A log record."""
    return {
        "eventName": name,
        "traceId": trace,
        "spanId": span_id(number),
        "observedTimeUnixNano": str(STARTED + at_ms * 1_000_000),
        "attributes": pairs({key.replace("__", "."): value for key, value in attributes.items()}),
        "body": any_value(body),
    }


def traces_json(*spans: dict[str, Any], resource: dict[str, Any] = SERVICE) -> bytes:
    """The request with these spans."""
    scope = {"scope": {"name": "invented"}, "spans": list(spans)}
    group = {"resource": {"attributes": pairs(resource)}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [group]}).encode()


def logs_json(*records: dict[str, Any], resource: dict[str, Any] = SERVICE) -> bytes:
    """The request with these log records."""
    scope = {"scope": {"name": "invented"}, "logRecords": list(records)}
    group = {"resource": {"attributes": pairs(resource)}, "scopeLogs": [scope]}
    return json.dumps({"resourceLogs": [group]}).encode()


def as_protobuf(body: bytes) -> bytes:
    """The same request in the binary encoding, by the library that real exporters use."""
    value = json.loads(body, object_hook=_with_base64_ids)
    request = ExportTraceServiceRequest() if "resourceSpans" in value else ExportLogsServiceRequest()
    return Parse(json.dumps(value), request).SerializeToString()


def _with_base64_ids(value: dict[str, Any]) -> dict[str, Any]:
    # Protobuf's own JSON has ids in base64; OTLP's has them in hexadecimal.
    import base64

    for name in ("traceId", "spanId", "parentSpanId"):
        if name in value:
            value[name] = base64.b64encode(bytes.fromhex(value[name])).decode()
    return value


def both(body: bytes, default_app: str = "") -> Received:
    """What comes of a request; the same from either encoding."""
    receive = receive_traces if b"resourceSpans" in body else receive_logs
    by_json = receive(body, JSON, "", default_app)
    assert receive(as_protobuf(body), PROTOBUF, "", default_app) == by_json
    return by_json
