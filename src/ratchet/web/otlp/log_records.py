"""Joins the log records of one span, each with one message, to a trace with the id that the span has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ratchet.web.otlp.dialects import genai_events
from ratchet.web.otlp.evaluations import Known
from ratchet.web.otlp.messages import Exchange
from ratchet.web.otlp.payload import Event, Value
from ratchet.web.otlp.received import Call, Refused, make_trace
from ratchet.web.otlp.waiting import Waiting
from ratchet.wire.limits import LONGEST_ID
from ratchet.wire.traces import TraceIn


def read_traces(
    events: Iterable[Event], default_app: str, waiting: Waiting | None
) -> tuple[list[TraceIn], list[Refused], Known, int]:
    """The traces in log records, what was refused, which spans they came from, and how many halves wait now.

    Half a call is put in ``waiting`` until the other half comes, and refused without it.
    """
    groups: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        if event.name in genai_events.NAMES:
            groups.setdefault((event.trace, event.span), []).append(event)
    traces: list[TraceIn] = []
    refused: list[Refused] = []
    known = Known()
    held = 0
    for key, group in groups.items():
        together = _together(key, group, waiting)
        if together is None:
            held += 1
            continue
        call = _call(together)
        made = _make(call, genai_events.read_events(together), default_app)
        if isinstance(made, TraceIn):
            traces.append(made)
            known.made(call, made.app)
        elif made is not None:
            refused.append(made)
    return traces, refused, known, held


def _together(key: tuple[str, str], group: Sequence[Event], waiting: Waiting | None) -> Sequence[Event] | None:
    """All records of a span so far; None while half of the call is still to come."""
    if waiting is None or not all(key):
        return group
    together = waiting.add(key, group)
    exchange = genai_events.read_events(together)
    if exchange.is_whole or exchange.is_empty:
        waiting.done(key)
        return together
    return None


def _make(call: Call, exchange: Exchange, default_app: str) -> TraceIn | Refused | None:
    if exchange.is_empty:
        return None
    if not exchange.is_whole and call.id:
        missing = "answer" if exchange.asked else "question"
        return Refused(
            call.id[:LONGEST_ID],
            f"Its {missing} is not in this request: export all log records of a call together, with a batch delay "
            "(OTEL_BLRP_SCHEDULE_DELAY) longer than the slowest answer, or put the messages on the span.",
        )
    return make_trace(call, exchange, default_app)


def _call(group: Sequence[Event]) -> Call:
    attributes: dict[str, Value] = {}
    for event in group:
        attributes.update(event.attributes)
    times = [event.nanoseconds for event in group if event.nanoseconds]
    return Call(
        trace=group[0].trace,
        span=group[0].span,
        start=min(times, default=0),
        # A single record tells when the call was over, and not how long it took.
        end=max(times) if len(times) > 1 else 0,
        attributes=attributes,
        resource=group[0].resource,
    )
