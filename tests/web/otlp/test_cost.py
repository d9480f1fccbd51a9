"""What it costs to read a span."""

from __future__ import annotations

import time

import pytest

from ratchet.web.otlp.receive import JSON, PROTOBUF, receive_traces
from tests.web.otlp.requests import a_span, as_protobuf, traces_json

SPANS = 400
SLOWEST_US = {PROTOBUF: 1000, JSON: 1000}
FIVE_TURNS = {
    f"llm.input_messages.{turn}.message.{name}": value
    for turn in range(5)
    for name, value in (("role", "user" if turn % 2 == 0 else "assistant"), ("content", "Where is my order? " * 20))
}
CALL = FIVE_TURNS | {
    "openinference.span.kind": "LLM", "llm.model_name": "small", "llm.token_count.prompt": 210,
    "llm.token_count.completion": 30, "session.id": "s1", "user.id": "u1",
    "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "In Graz. " * 20,
}  # fmt: skip


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_reading_a_span_takes_microseconds(content_type: str) -> None:
    body = traces_json(*(a_span(number, **CALL) for number in range(1, SPANS + 1)))
    body = as_protobuf(body) if content_type == PROTOBUF else body
    taken = []
    for _ in range(5):
        started = time.process_time()
        received = receive_traces(body, content_type, "")
        taken.append(time.process_time() - started)
        assert len(received.traces) == SPANS
    microseconds = min(taken) / SPANS * 1e6
    print(f"{content_type}: {microseconds:.0f} us for a span of {len(CALL)} attributes")
    assert microseconds < SLOWEST_US[content_type]
