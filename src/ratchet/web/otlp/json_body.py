"""Reads the JSON encoding of OTLP: hexadecimal ids, camel case, 64-bit numbers as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from ratchet.errors import InvalidInput
from ratchet.web.otlp.payload import EVENT_PREFIX, REMOTE_PARENT, Event, Span, Value, valid_hex

_LONGEST_NUMBER = 20


# Fields that are not named here are ignored, as OTLP demands; null stands for an absent field.
class _Any(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: _Array | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Array(msgspec.Struct):
    values: list[_Any] | None = None


class _Pair(msgspec.Struct):
    key: str = ""
    value: _Any | None = None


class _Pairs(msgspec.Struct):
    values: list[_Pair] | None = None


class _Resource(msgspec.Struct):
    attributes: list[_Pair] | None = None


class _Event(msgspec.Struct, rename="camel"):
    name: str | None = None
    time_unix_nano: int | str | None = None
    attributes: list[_Pair] | None = None


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    flags: int | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_Pair] | None = None
    events: list[_Event] | None = None


class _ScopeSpans(msgspec.Struct):
    spans: list[_Span] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Traces(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] | None = None


class _Record(msgspec.Struct, rename="camel"):
    event_name: str | None = None
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[_Pair] | None = None
    body: _Any | None = None


class _ScopeLogs(msgspec.Struct, rename="camel"):
    log_records: list[_Record] | None = None


class _ResourceLogs(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_logs: list[_ScopeLogs] | None = None


class _Logs(msgspec.Struct, rename="camel"):
    resource_logs: list[_ResourceLogs] | None = None


_Request = TypeVar("_Request", _Traces, _Logs)


def read_spans(body: bytes) -> list[Span]:
    """The spans of an ``ExportTraceServiceRequest``; raises `InvalidInput`."""
    try:
        return list(_spans(_parse(body, _Traces)))
    except RecursionError:
        raise _too_deep() from None


def read_events(body: bytes) -> list[Event]:
    """The ``gen_ai`` log records of an ``ExportLogsServiceRequest``, without all others; raises `InvalidInput`."""
    try:
        return list(_events(_parse(body, _Logs)))
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> InvalidInput:
    return InvalidInput("The body is nested too deep.", "Send flatter attributes.")


def _parse(body: bytes, shape: type[_Request]) -> _Request:
    try:
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if b"\\ud" not in body.lower():
                raise
            # JavaScript writes half a character, cut in the middle, as an escape; the standard library reads it.
            return msgspec.convert(json.loads(body), type=shape)
    except ValueError as error:
        raise InvalidInput(
            f"The body is not the JSON that OTLP prescribes: {error}.", "Check the path and Content-Type."
        ) from None


def _spans(request: _Traces) -> Iterator[Span]:
    for group in request.resource_spans or ():
        resource = _resource(group.resource)
        for scope in group.scope_spans or ():
            yield from (_span(span, resource) for span in scope.spans or ())


def _span(span: _Span, resource: dict[str, Value]) -> Span:
    trace, own = valid_hex(span.trace_id or "", 32), valid_hex(span.span_id or "", 16)
    return Span(
        trace=trace,
        span=own,
        parent=valid_hex(span.parent_span_id or "", 16),
        is_entry=not span.parent_span_id or bool((span.flags or 0) & REMOTE_PARENT),
        start=_whole(span.start_time_unix_nano),
        end=_whole(span.end_time_unix_nano),
        attributes=_attributes(span.attributes),
        events=tuple(
            Event(
                name=event.name,
                nanoseconds=_whole(event.time_unix_nano),
                trace=trace,
                span=own,
                attributes=_attributes(event.attributes),
                body=None,
                resource=resource,
            )
            for event in span.events or ()
            if event.name and event.name.startswith(EVENT_PREFIX)
        ),
        resource=resource,
    )


def _events(request: _Logs) -> Iterator[Event]:
    for group in request.resource_logs or ():
        resource = _resource(group.resource)
        for scope in group.scope_logs or ():
            for record in scope.log_records or ():
                name = record.event_name or _older_name(record.attributes)
                if name.startswith(EVENT_PREFIX):
                    yield Event(
                        name=name,
                        nanoseconds=_whole(record.time_unix_nano) or _whole(record.observed_time_unix_nano),
                        trace=valid_hex(record.trace_id or "", 32),
                        span=valid_hex(record.span_id or "", 16),
                        attributes=_attributes(record.attributes),
                        body=_value(record.body),
                        resource=resource,
                    )


def _older_name(pairs: Iterable[_Pair] | None) -> str:
    named = (pair.value for pair in pairs or () if pair.key == "event.name")
    return next((value.string_value for value in named if value and value.string_value), "")


def _resource(resource: _Resource | None) -> dict[str, Value]:
    return _attributes(resource.attributes) if resource else {}


def _attributes(pairs: Iterable[_Pair] | None) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs or ()}


def _value(value: _Any | None) -> Value:
    if value is None:
        return None
    for simple in (value.string_value, value.bool_value):
        if simple is not None:
            return simple
    if value.int_value is not None:
        return _whole(value.int_value)
    if value.double_value is not None:
        return _real(value.double_value)
    if value.array_value is not None:
        return [_value(item) for item in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values)
    return value.bytes_value


def _whole(value: int | str | None) -> int:
    """The number; what is none, or too long for 64 bits, counts as not given."""
    if isinstance(value, str):
        try:
            return int(value) if len(value) <= _LONGEST_NUMBER else 0
        except ValueError:
            return 0
    return value or 0


def _real(value: float | str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
