"""The real OpenTelemetry SDK and its exporters, as an application without an instrumentation uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openinference.instrumentation import using_attributes
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer, get_current_span

from ratchet.records.trace import Context, Turn
from tests.web.otlp.sink import Sink, running_sink

RESOURCE = Resource({"service.name": "help desk", "deployment.environment.name": "live"})


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running_sink() as running:
        yield running


def answer(tracer: Tracer) -> str:
    """An agent that calls a tool and a model; the id of the trace that the call of the model will be."""
    with tracer.start_as_current_span("run") as run:
        run.set_attributes({"gen_ai.operation.name": "invoke_agent", "user.id": "u1", "session.id": "s1"})
        with tracer.start_as_current_span("look up") as tool:
            tool.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "track"})
        with tracer.start_as_current_span("chat") as call:
            call.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "small"})
            call.add_event("gen_ai.system.message", {"content": "Be short."})
            call.add_event("gen_ai.user.message", {"content": "Where is order 7?"})
            call.add_event("gen_ai.choice", {"index": 0, "message": json.dumps({"content": "In Graz."})})
            call.add_event(
                "gen_ai.evaluation.result",
                {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 0.9},
            )
            ids = call.get_span_context()
    return f"{ids.trace_id:032x}-{ids.span_id:016x}"


@pytest.mark.parametrize("compression", list(Compression))
def test_an_agent_is_one_trace_with_its_evaluation(sink: Sink, compression: Compression) -> None:
    provider = TracerProvider(resource=RESOURCE)
    exporter = OTLPSpanExporter(endpoint=f"{sink.url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    id = answer(provider.get_tracer("invented"))
    provider.shutdown()

    received = sink.all()
    (trace,), (feedback,) = received.traces, received.feedback
    assert (sink.problems, received.refused) == ([], ())
    assert (trace.id, trace.app, trace.model) == (id, "help-desk", "small")
    assert (trace.input, trace.output, trace.history) == (
        "Where is order 7?",
        "In Graz.",
        [Turn("system", "Be short.")],
    )
    assert trace.context == Context(user="u1", session="s1", environment="live")
    assert (feedback.id, feedback.app, feedback.scores) == (id, "help-desk", {"helpful": 0.9})
    assert feedback.at is not None
    assert trace.at is not None
    assert 0 <= feedback.at - trace.at < 10


def test_what_openinference_puts_on_every_span_is_read(sink: Sink) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink.url}/v1/traces")))
    tracer = provider.get_tracer("invented")
    told = {"session_id": "s2", "user_id": "u2", "metadata": {"segment": "eu"}, "tags": ["beta"]}
    with using_attributes(**told), tracer.start_as_current_span("chain") as span:  # type: ignore[arg-type]
        from openinference.instrumentation import get_attributes_from_context

        span.set_attributes(dict(get_attributes_from_context()))
        span.set_attributes({"openinference.span.kind": "CHAIN", "input.value": "When?", "output.value": "Now."})
    provider.shutdown()
    (trace,) = sink.all().traces
    assert trace.context == Context(user="u2", session="s2", segment="eu", tags=("beta",), environment="live")


def test_an_evaluation_in_a_log_record_is_feedback_on_the_span_it_was_made_in(sink: Sink) -> None:
    tracing, logging = TracerProvider(resource=RESOURCE), LoggerProvider(resource=RESOURCE)
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{sink.url}/v1/logs")))
    logger = logging.get_logger("invented")
    with tracing.get_tracer("invented").start_as_current_span("chat"):
        ids = get_current_span().get_span_context()
        logger.emit(
            LogRecord(
                event_name="gen_ai.evaluation.result",
                severity_number=SeverityNumber.INFO,
                attributes={
                    "gen_ai.evaluation.name": "thumb",
                    "gen_ai.evaluation.score.label": "down",
                    "gen_ai.evaluation.explanation": "Order 8, not 7.",
                    "ratchet.correction": "In Linz.",
                    "ratchet.user": "ana",
                    "ratchet.app": "support",
                },
            )
        )
    logging.shutdown()
    (feedback,) = sink.all("logs").feedback
    assert feedback.id == f"{ids.trace_id:032x}-{ids.span_id:016x}"
    assert (feedback.thumb, feedback.correction, feedback.comment) == ("down", "In Linz.", "Order 8, not 7.")
    assert (feedback.user, feedback.app, feedback.scores) == ("ana", "support", {})


def test_an_exporter_takes_what_was_refused_in_part_for_delivered(sink: Sink) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "unknown_service"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink.url}/v1/traces")))
    answer(provider.get_tracer("invented"))
    assert provider.force_flush()
    provider.shutdown()
    assert len(sink.received) == 1  # it was not sent again
    assert "names no app" in sink.all().refused[0].reason
