"""Traces: in batches, as OTLP, and back."""

from __future__ import annotations

from ratchet.errors import InvalidInput, RatchetError, UnknownName
from ratchet.records.filters import TraceFilter
from ratchet.stages.capture.batch import Taken, acknowledgement
from ratchet.web.export import exported
from ratchet.web.otlp.receive import Received, problem, receive_traces
from ratchet.web.otlp.receive import acknowledgement as otlp_acknowledgement
from ratchet.web.pages import TraceQuery, page_of, position
from ratchet.web.routes.feedback import refuse_other_apps, visible_app
from ratchet.web.routing import Answer, Call
from ratchet.wire.feedback import BatchAck
from ratchet.wire.traces import TraceBatchIn, TraceDetail, TracePage


async def send_traces(call: Call) -> BatchAck:
    """Store requests and answers, with feedback on them if it is known; each row is accepted or refused by itself.

    What is accepted is on disk. The results are in the order of the request: the traces, then the feedback.
    """
    batch: TraceBatchIn = call.body
    if not batch.traces and not batch.feedback:
        raise InvalidInput("The batch is empty.", "Send at least one trace or one feedback.")
    prepared = call.service.intake.prepare(batch.traces, batch.feedback)
    return acknowledgement(await call.service.take_quietly(refuse_other_apps(prepared, call.caller)))


async def send_otlp_traces(call: Call) -> Answer:
    """Take spans as OTLP/HTTP sends them (ExportTraceServiceRequest, protobuf or JSON, gzip or not).

    The attributes of OpenInference and of gen_ai are understood; gen_ai.evaluation.result becomes feedback.
    """
    return await _otlp(call, "traces")


async def send_otlp_logs(call: Call) -> Answer:
    """Take log records as OTLP/HTTP sends them (ExportLogsServiceRequest): the messages and evaluations of gen_ai."""
    return await _otlp(call, "logs")


async def _otlp(call: Call, kind: str) -> Answer:
    content_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    receive = receive_traces if kind == "traces" else call.service.halves.receive
    try:
        encoding = call.headers.get("content-encoding", "")
        received: Received = await call.service.in_thread(
            receive, call.raw, content_type, encoding, call.headers.get("x-ratchet-app", "")
        )
    except RatchetError as error:
        body, sent = problem(content_type, f"{error.what} {error.fix}")
        # OTLP knows one status for a body that cannot be read.
        return Answer(status=400 if isinstance(error, InvalidInput) else 503, body=body, content_type=sent)
    prepared = refuse_other_apps(call.service.intake.prepare(received.traces, received.feedback), call.caller)
    taken = await call.service.take_quietly(prepared) if prepared.rows else []
    reasons = [refused.reason for refused in received.refused]
    reasons += [row.error.what for row in taken if isinstance(row, Taken) and row.error is not None]
    message = "; ".join(dict.fromkeys(reasons))[:1000]
    body, sent = otlp_acknowledgement(content_type, "traces" if kind == "traces" else "logs", len(reasons), message)
    return Answer(body=body, content_type=sent)


def list_traces(call: Call) -> TracePage | Answer:
    """Traces, newest first, as JSON, JSON Lines or CSV."""
    asked: TraceQuery = call.query
    wanted = TraceFilter(
        app=visible_app(call.caller, asked.app),
        user=asked.user,
        session=asked.session,
        segment=asked.segment,
        words=asked.q,
        since=asked.since,
        until=asked.until,
        before=position(asked.cursor),
        limit=asked.limit + 1,
    )
    rows, cursor = page_of(call.service.house.store.traces.find(wanted), asked.limit)
    return TracePage(traces=rows, next=cursor) if asked.format == "json" else exported(rows, asked.format, cursor)


def get_trace(call: Call) -> TraceDetail:
    """One trace with its feedback, its assessment and its case."""
    store = call.service.house.store
    trace = store.traces.get(call.path["id"])
    if trace is None or not call.caller.may_use(trace.app):
        raise UnknownName(f"There is no trace {call.path['id']!r}.", "It may not have arrived yet.")
    return TraceDetail(
        trace=trace,
        feedback=[said for said in store.feedback.history(trace.id) if said.app == trace.app],
        assessment=store.traces.assessment(trace.id),
        case=store.cases.of_trace(trace.id),
    )
