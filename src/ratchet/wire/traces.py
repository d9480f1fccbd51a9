"""Traces on the wire, with feedback beside them if it is known already."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from ratchet.records.assessment import Assessment
from ratchet.records.case import Case
from ratchet.records.feedback import Feedback
from ratchet.records.trace import Context, Influence, Source, Trace, Turn
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.limits import MOST_IN_BATCH, AppName, OptionalId, Seconds, Text, Words

Count = Annotated[int, Meta(ge=0, le=2**53)]


class TraceIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One request and its answer, as a trace is read back.

    ``id`` is made here when it is empty; the same id again is a duplicate. ``at`` is when the request came, in
    seconds since the epoch (now, if absent). ``history`` holds the turns before ``input``.
    """

    app: Annotated[AppName, Meta(min_length=1)]
    input: Text
    output: Text = ""
    id: OptionalId = ""
    at: Seconds | None = None
    context: Context = field(default_factory=Context)
    history: list[Turn] = field(default_factory=list)
    release: Annotated[int, Meta(ge=0, le=2**31)] = 0
    source: Source = "base"
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    passage_id: Words = ""
    influences: list[Influence] = field(default_factory=list)
    model: Words = ""
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    latency_ms: Annotated[float, Meta(ge=0)] | None = None
    cost: Annotated[float, Meta(ge=0)] | None = None


class TraceBatchIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Traces, and feedback on them or on others; at most 500 of each."""

    traces: Annotated[list[TraceIn], Meta(max_length=MOST_IN_BATCH)] = field(default_factory=list)
    feedback: Annotated[list[FeedbackIn], Meta(max_length=MOST_IN_BATCH)] = field(default_factory=list)


class TracePage(Struct, kw_only=True, frozen=True):
    """Traces, newest first; ``next`` is the cursor of the following page, if there is one."""

    traces: list[Trace]
    next: str | None


class TraceDetail(Struct, kw_only=True, frozen=True):
    """One trace with everything known of it."""

    trace: Trace
    feedback: list[Feedback]
    assessment: Assessment | None
    case: Case | None


class OtlpAck(Struct, kw_only=True, frozen=True, rename="camel"):
    """The answer OTLP prescribes; ``partialSuccess`` says what was refused."""

    partial_success: dict[str, int | str] = field(default_factory=dict)
