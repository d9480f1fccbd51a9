"""Whatever arrives is read or refused: nothing else, and what is read can be stored."""

from __future__ import annotations

import gzip
import json
from random import Random
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.records.app import App
from ratchet.records.feedback import Score
from ratchet.stages.capture.validate import usable_id, usable_text
from ratchet.web.otlp.messages import messages_of, read_value
from ratchet.web.otlp.receive import JSON, PROTOBUF, Received, acknowledgement, receive_logs, receive_traces
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn
from tests.web.otlp.requests import as_protobuf

ENCODINGS = st.sampled_from(["", "gzip", "deflate", "identity", "br"])
TYPES = st.sampled_from([PROTOBUF, JSON])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
WORDS = (
    "role", "content", "parts", "type", "text", "user", "human", "assistant", "tool", "message", "kwargs", "messages",
    "choices", "generations", "input", "output", "tool_calls", "tool_call", "tool_call_response", "response", "index",
)  # fmt: skip
MESSAGES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)
ATTRIBUTES = (
    "openinference.span.kind", "input.value", "output.value", "metadata", "tag.tags", "llm.token_count.prompt",
    "llm.input_messages.0.message.role", "llm.input_messages.0.message.content", "llm.input_messages.01.message.role",
    "llm.input_messages.0.message.contents.0.message_content.text", "llm.output_messages.0.message.content",
    "gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gen_ai.prompt.0.content", "gen_ai.completion.0.content", "gen_ai.prompt.²", "gen_ai.event.content", "content",
    "message", "gen_ai.prompt", "gen_ai.completion", "gen_ai.evaluation.name", "gen_ai.evaluation.score.value",
    "gen_ai.evaluation.score.label", "gen_ai.evaluation.explanation", "gen_ai.response.id", "ratchet.trace.id",
    "ratchet.app", "ratchet.correction", "user.id", "session.id", "service.name", "gen_ai.agent.name", "event.name",
    "llm.cost.total", "gen_ai.response.model",
)  # fmt: skip
KINDS = ("LLM", "CHAIN", "AGENT", "chat", "invoke_agent", "thumb", "stars", "flag:x", "signal:copy", "1", "0.5", "down")
SOUND = {
    "openinference.span.kind": "LLM", "input.value": "When?", "output.value": "Now.", "service.name": "help-desk",
    "gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": "0.5", "content": "x", "message": "y",
}  # fmt: skip
WILD = ("", " ", "a", "\x00", "\ud800", "²", "a" * 70, "a" * 1100, "[", "{}", "[[[]]]", "1e999", "é", "/")
NAMES = (
    "gen_ai.user.message", "gen_ai.choice", "gen_ai.tool.message", "gen_ai.content.prompt", "gen_ai.evaluation.result",
    "gen_ai.content.completion", "gen_ai.client.inference.operation.details", "", "x",
)  # fmt: skip
SPANS = ("0000000000000000", "0000000000000001", "0000000000000002", "0000000000000003")
TRACES = ("", *["00000000000000000000000000000001"] * 5)


class Wild:
    """Requests of the right shape with wild content; a seed gives the same one each time."""

    def __init__(self, seed: int, *, halves: bool = True) -> None:
        self._random = Random(seed)
        # Protobuf cannot carry half a character.
        self._wild = WILD if halves else tuple(text for text in WILD if text != "\ud800")

    def request(self) -> bytes:
        resource = {"attributes": self._pairs()}
        if self._random.random() < 0.5:
            scope = {"spans": [self._span() for _ in range(self._random.randint(0, 6))]}
            return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()
        logs = {"logRecords": [self._record() for _ in range(self._random.randint(0, 6))]}
        return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [logs]}]}).encode()

    def _span(self) -> dict[str, Any]:
        return {
            "traceId": self._random.choice(TRACES),
            "spanId": self._random.choice(SPANS),
            "parentSpanId": self._random.choice(SPANS),
            "flags": self._random.choice((0, 0x100, 0x300)),
            "startTimeUnixNano": self._time(),
            "endTimeUnixNano": self._time(),
            "attributes": self._pairs(),
            "events": [self._event() for _ in range(self._random.randint(0, 3))],
        }

    def _event(self) -> dict[str, Any]:
        return {"name": self._random.choice(NAMES), "timeUnixNano": self._time(), "attributes": self._pairs()}

    def _record(self) -> dict[str, Any]:
        return {
            "eventName": self._random.choice(NAMES),
            "traceId": self._random.choice(TRACES),
            "spanId": self._random.choice(SPANS),
            "timeUnixNano": self._time(),
            "attributes": self._pairs(),
            "body": self._value(),
        }

    def _time(self) -> str:
        return str(self._random.randrange(2 ** self._random.randint(1, 64)))

    def _pairs(self) -> list[dict[str, Any]]:
        names = self._random.sample(ATTRIBUTES, self._random.randint(0, 12))
        fields = {name: self._value() for name in names}
        # Most hold something sound, or nothing would get as far as a trace.
        sound = {name: {"stringValue": text} for name, text in SOUND.items() if self._random.random() < 0.8}
        fields = {**sound, **fields} if self._random.random() < 0.3 else {**fields, **sound}
        return [{"key": name, "value": value} for name, value in fields.items()]

    def _value(self, depth: int = 0) -> dict[str, Any]:
        kind = self._random.randint(0, 12)
        if depth < 4 and kind == 0:
            return {"arrayValue": {"values": [self._value(depth + 1) for _ in range(self._random.randint(0, 3))]}}
        if depth < 4 and kind == 1:
            names = self._random.sample(WORDS, self._random.randint(0, 4))
            return {"kvlistValue": {"values": [{"key": name, "value": self._value(depth + 1)} for name in names]}}
        if kind == 2:
            return self._random.choice(({}, {"boolValue": True}, {"boolValue": False}))
        if kind == 3:
            return {"intValue": str(self._random.choice((-1, 0, 1, 5, 2**62)))}
        if kind == 4:
            return {"doubleValue": self._random.choice((-0.5, 0.0, 1.0, 1e300))}
        return {"stringValue": self._text()}

    def _text(self) -> str:
        kind = self._random.randint(0, 2)
        if kind == 0:
            return self._random.choice(self._wild)
        return self._random.choice(KINDS) if kind == 1 else json.dumps(self._json())

    def _json(self, depth: int = 0) -> object:
        kind = self._random.randint(0, 3) if depth < 6 else 3
        if kind == 0:
            return [self._json(depth + 1) for _ in range(self._random.randint(0, 3))]
        if kind <= 2:
            return {name: self._json(depth + 1) for name in self._random.sample(WORDS, self._random.randint(0, 5))}
        return self._random.choice(
            (None, True, -1, 0.5, 2**70, self._random.choice(WORDS), self._random.choice(self._wild))
        )


def receive_both(body: bytes, content_type: str, encoding: str = "") -> None:
    for receive in (receive_traces, receive_logs):
        try:
            check(receive(body, content_type, encoding))
        except InvalidInput:
            continue


def check(received: Received) -> None:
    """Everything passes the same checks as what comes by Ratchet's own routes."""
    for trace in received.traces:
        assert msgspec.json.decode(msgspec.json.encode(trace), type=TraceIn) == trace
        App(name=trace.app, kind="chat", base="", embedder="", labels={})
        usable_id("id", trace.id)
        usable_text("input", trace.input)
        usable_text("output", trace.output)
        for name in ("user", "session", "environment", "segment", "role", "task_type"):
            usable_text(name, getattr(trace.context, name), may_be_empty=True)
        for text in (*trace.context.tags, *(turn.role for turn in trace.history)):
            usable_text("word", text)
        for turn in trace.history:
            usable_text("turn", turn.text, may_be_empty=True)
    for said in received.feedback:
        assert msgspec.json.decode(msgspec.json.encode(said), type=FeedbackIn) == said
        usable_id("id", said.id)
        usable_id("event id", said.event_id)
        for text in (said.user, said.comment, said.correction):
            usable_text("text", text, may_be_empty=True)
        for name, value in (said.scores | said.signals).items():
            Score.infer(usable_text("name", name), value)
        assert said.scores or said.thumb or said.stars or said.flags or said.signals or said.comment or said.correction
    for refused in received.refused:
        usable_text("reason", refused.reason)
        assert len(refused.id) <= 64
        acknowledgement(PROTOBUF, "traces", 1, refused.reason)


@given(st.binary(max_size=200), TYPES, ENCODINGS)
@example(b"\x0a\x00", PROTOBUF, "")
def test_random_bytes_are_read_or_refused(body: bytes, content_type: str, encoding: str) -> None:
    receive_both(body, content_type, encoding)


@given(st.binary(max_size=100).map(gzip.compress), TYPES)
def test_random_bytes_well_packed_are_read_or_refused(body: bytes, content_type: str) -> None:
    receive_both(body, content_type, "gzip")


@given(ANYTHING)
def test_random_json_is_read_or_refused(value: object) -> None:
    for wrapped in (value, {"resourceSpans": value, "resourceLogs": value}):
        receive_both(json.dumps(wrapped).encode(), JSON)


@settings(max_examples=500)
@given(st.integers(0, 2**40))
def test_requests_with_wild_content_are_read_and_all_of_it_can_be_stored(seed: int) -> None:
    body, whole = Wild(seed).request(), Wild(seed, halves=False).request()
    receive = receive_traces if b"resourceSpans" in body else receive_logs
    check(receive(body, JSON, ""))
    receive = receive_traces if b"resourceSpans" in whole else receive_logs
    assert receive(as_protobuf(whole), PROTOBUF, "") == receive(whole, JSON, "")


def test_wild_requests_hold_traces_feedback_and_refusals() -> None:
    found = [
        receive_traces(body, JSON, "") for body in (Wild(seed).request() for seed in range(300)) if b"Spans" in body
    ]
    assert sum(bool(received.traces) for received in found) > 10
    assert sum(bool(received.feedback) for received in found) > 5
    assert sum(bool(received.refused) for received in found) > 10


@settings(max_examples=300)
@given(st.integers(0, 2**40), st.integers(0, 2**40), st.binary(max_size=3))
def test_requests_with_broken_bytes_are_read_or_refused(seed: int, where: int, bytes_: bytes) -> None:
    packed = as_protobuf(Wild(seed, halves=False).request())
    at = where % max(1, len(packed))
    receive_both(packed[:at] + bytes_ + packed[at + 1 :], PROTOBUF)


@given(MESSAGES, st.booleans())
def test_messages_of_any_shape_are_read(value: object, answer: bool) -> None:
    for written in (value, json.dumps(value)):
        for message in (*messages_of(written, "user"), *read_value(written, answer=answer)):
            assert isinstance(message.text, str)
            assert isinstance(message.role, str)
