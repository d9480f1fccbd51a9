"""Real instrumentations of the OpenAI client, with the real exporters, in every mode they have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ratchet.records.trace import Turn
from ratchet.web.otlp.receive import Received, Waiting
from tests.web.otlp.sink import Sink, running_sink

ROOT = Path(__file__).parents[3]
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
RUNS = {
    "openinference": ("openinference", {}),
    # The SDK exports log records every second: a question before its answer.
    "messages in log records": (
        "official",
        {CONTENT: "true", "ANSWER_DELAY_S": "1.2", "OTEL_BLRP_SCHEDULE_DELAY": "30000"},
    ),
    "messages in log records of several requests": ("official", {CONTENT: "true", "ANSWER_DELAY_S": "1.2"}),
    "messages in log records that nobody joins": ("official", {CONTENT: "true", "ANSWER_DELAY_S": "1.2"}),
    "no messages": ("official", {CONTENT: "false"}),
    "messages on the span": ("official", {CONTENT: "SPAN_ONLY", **LATEST}),
    "messages in one event": ("official", {CONTENT: "EVENT_ONLY", **LATEST}),
    "messages in both": ("official", {CONTENT: "SPAN_AND_EVENT", **LATEST}),
}
TOLD = [name for name in RUNS if name not in ("no messages", "messages in log records that nobody joins")]
BY_SPAN = ["openinference", "messages on the span", "messages in both"]


@pytest.fixture(scope="module")
def sinks() -> Iterator[dict[str, Sink]]:
    """What arrived from each application."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(running_sink(waiting(name))) for name in RUNS}
        runs = [(RUNS[name][0], settings_of(name, sink)) for name, sink in found.items()]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        command = [sys.executable, "-m", "tests.web.otlp.emit", json.dumps(runs)]
        done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [problem for sink in found.values() for problem in sink.problems] == []
        yield found


def waiting(name: str) -> Waiting | None:
    return Waiting(time.monotonic) if name == "messages in log records of several requests" else None


def settings_of(name: str, sink: Sink) -> dict[str, str]:
    return RUNS[name][1] | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20rk_sk_example",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=help desk,deployment.environment.name=staging",
    }


@pytest.mark.parametrize("name", TOLD)
def test_every_question_and_answer_arrives(sinks: dict[str, Sink], name: str) -> None:
    received = sinks[name].all()
    assert received.refused == ()
    kinds = {"traces"} if name in BY_SPAN else {"logs"}
    for kind in kinds if name != "messages in both" else {"traces", "logs"}:
        first, second = sorted(sinks[name].all(kind).traces, key=lambda trace: trace.at or 0)
        assert (first.input, first.output) == ("When does my refund come?", "Within five days.")
        assert first.history == [
            Turn("system", "Be short."),
            Turn("user", "Hello"),
            Turn("assistant", "Hello, how can I help?"),
        ]
        assert (second.input, second.output, second.history) == ("How long may I return it?", "Thirty days.", [])
        assert {first.app, second.app} == {"help-desk"}
        assert first.context.environment == "staging"


@pytest.mark.parametrize("name", BY_SPAN)
def test_a_span_tells_the_model_the_tokens_and_the_time(sinks: dict[str, Sink], name: str) -> None:
    first, second = sorted(sinks[name].all("traces").traces, key=lambda trace: trace.at or 0)
    assert (first.model, first.input_tokens, first.output_tokens) == ("small", 13, 3)
    assert (second.model, second.input_tokens, second.output_tokens) == ("small", None, None)
    assert first.at is not None
    assert second.at is not None
    assert first.latency_ms is not None
    assert 0 < first.latency_ms < 10_000
    assert 0 < second.at - first.at < 10


def test_messages_in_log_records_tell_the_time_they_took(sinks: dict[str, Sink]) -> None:
    latencies = [trace.latency_ms for trace in sinks["messages in log records"].all().traces]
    assert all(latency and 1200 <= latency < 10_000 for latency in latencies)


def test_a_span_and_its_log_record_are_one_trace(sinks: dict[str, Sink]) -> None:
    both = sinks["messages in both"]
    by_span, by_log = both.all("traces").traces, both.all("logs").traces
    assert {trace.id for trace in by_span} == {trace.id for trace in by_log}
    assert {(trace.id, trace.input, trace.output) for trace in by_span} == {
        (trace.id, trace.input, trace.output) for trace in by_log
    }


@pytest.mark.parametrize("name", ["messages in log records", "messages in one event", "no messages"])
def test_spans_without_their_messages_leave_no_empty_traces(sinks: dict[str, Sink], name: str) -> None:
    assert "traces" in {kind for kind, _ in sinks[name].received}
    assert sinks[name].all("traces") == Received()


def test_messages_that_are_exported_before_the_answer_came_are_refused_with_what_to_do(
    sinks: dict[str, Sink],
) -> None:
    received = sinks["messages in log records that nobody joins"].all()
    assert received.traces == ()
    assert len({refused.id for refused in received.refused}) == 2
    assert all("OTEL_BLRP_SCHEDULE_DELAY" in refused.reason for refused in received.refused)


def test_an_application_that_keeps_its_messages_to_itself_is_no_error(sinks: dict[str, Sink]) -> None:
    assert {kind for kind, _ in sinks["no messages"].received} == {"traces", "logs"}
    assert sinks["no messages"].all() == Received()


def test_bodies_came_as_the_environment_says(sinks: dict[str, Sink]) -> None:
    headers = [header for sink in sinks.values() for header in sink.headers]
    assert {header["content-type"] for header in headers} == {"application/x-protobuf"}
    assert {header["content-encoding"] for header in headers} == {"gzip"}
    assert {header["authorization"] for header in headers} == {"Bearer rk_sk_example"}
