"""Reads the binary encoding of OTLP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ratchet.errors import InvalidInput
from ratchet.web.otlp.payload import EVENT_PREFIX, REMOTE_PARENT, Event, Span, Value, valid_hex

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1 import trace_pb2


def read_spans(body: bytes) -> list[Span]:
    """The spans of an ``ExportTraceServiceRequest``; raises `InvalidInput`."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = _parse(ExportTraceServiceRequest(), body)
    found: list[Span] = []
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        found += [_span(span, resource) for scope in group.scope_spans for span in scope.spans]
    return found


def read_events(body: bytes) -> list[Event]:
    """The ``gen_ai`` log records of an ``ExportLogsServiceRequest``, without all others; raises `InvalidInput`."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = _parse(ExportLogsServiceRequest(), body)
    found: list[Event] = []
    for group in request.resource_logs:
        resource = _attributes(group.resource.attributes)
        found += _events((record for scope in group.scope_logs for record in scope.log_records), resource)
    return found


def _parse(request: Any, body: bytes) -> Any:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise InvalidInput(
            f"The body is not the protobuf that OTLP prescribes: {error}.",
            "Check the path, Content-Type and Content-Encoding.",
        ) from None
    return request


def _span(span: trace_pb2.Span, resource: dict[str, Value]) -> Span:
    trace, own = valid_hex(span.trace_id.hex(), 32), valid_hex(span.span_id.hex(), 16)
    return Span(
        trace=trace,
        span=own,
        parent=valid_hex(span.parent_span_id.hex(), 16),
        is_entry=not span.parent_span_id or bool(span.flags & REMOTE_PARENT),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=tuple(
            Event(
                name=event.name,
                nanoseconds=event.time_unix_nano,
                trace=trace,
                span=own,
                attributes=_attributes(event.attributes),
                body=None,
                resource=resource,
            )
            for event in span.events
            if event.name.startswith(EVENT_PREFIX)
        ),
        resource=resource,
    )


def _events(records: Iterable[LogRecord], resource: dict[str, Value]) -> Iterator[Event]:
    for record in records:
        name = record.event_name or _older_name(record.attributes)
        if name.startswith(EVENT_PREFIX):
            yield Event(
                name=name,
                nanoseconds=record.time_unix_nano or record.observed_time_unix_nano,
                trace=valid_hex(record.trace_id.hex(), 32),
                span=valid_hex(record.span_id.hex(), 16),
                attributes=_attributes(record.attributes),
                body=_value(record.body),
                resource=resource,
            )


def _older_name(pairs: Iterable[KeyValue]) -> str:
    return next((pair.value.string_value for pair in pairs if pair.key == "event.name"), "")


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
