"""Messages that come as log records: joined by span, whole or refused."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.records.trace import Context
from ratchet.web.otlp.receive import Received
from tests.web.otlp.requests import STARTED, TRACE, a_record, a_span, both, logs_json, span_id, traces_json


def question(number: int = 1, text: str = "When?", **more: Any) -> dict[str, Any]:
    return a_record("gen_ai.user.message", {"content": text}, number=number, **more)


def answer(number: int = 1, text: str = "Now.", **more: Any) -> dict[str, Any]:
    return a_record("gen_ai.choice", {"message": {"content": text}}, number=number, at_ms=700, **more)


def test_the_trace_has_the_id_that_the_span_has() -> None:
    (by_log,) = both(logs_json(question(5), answer(5))).traces
    span = a_span(5, openinference__span__kind="LLM", input__value="When?", output__value="Now.")
    (by_span,) = both(traces_json(span)).traces
    assert by_log.id == by_span.id == f"{TRACE}-{span_id(5)}"
    assert (by_log.app, by_log.input, by_log.output) == (by_span.app, by_span.input, by_span.output)


def test_records_of_several_spans_may_be_mixed() -> None:
    records = [question(1, "one?"), question(2, "two?"), answer(2, "two."), answer(1, "one.")]
    traces = both(logs_json(*records)).traces
    assert {(trace.id, trace.input, trace.output) for trace in traces} == {
        (f"{TRACE}-{span_id(1)}", "one?", "one."),
        (f"{TRACE}-{span_id(2)}", "two?", "two."),
    }


def test_the_time_is_that_of_the_first_record_and_the_latency_until_the_last() -> None:
    (trace,) = both(logs_json(question(), answer())).traces
    assert (trace.at, trace.latency_ms) == (STARTED / 1e9, 700.0)


def test_a_single_record_does_not_tell_how_long_it_took() -> None:
    details = a_record(
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=[{"role": "user", "content": "When?"}],
        gen_ai__output__messages=[{"role": "assistant", "content": "Now."}],
        gen_ai__response__model="small",
        gen_ai__usage__input_tokens=1,
        user__id="u1",
    )
    (trace,) = both(logs_json(details, resource={"ratchet.app": "support", "deployment.environment": "live"})).traces
    assert (trace.latency_ms, trace.model, trace.input_tokens, trace.app) == (None, "small", 1, "support")
    assert trace.context == Context(user="u1", environment="live")


def test_the_application_may_name_the_trace_in_any_of_its_records() -> None:
    (trace,) = both(logs_json(question(), answer(ratchet__trace__id="answer-7"))).traces
    assert trace.id == "answer-7"


@pytest.mark.parametrize(("records", "missing"), [([question()], "answer"), ([answer()], "question")])
def test_half_a_call_is_refused_and_says_how_to_send_it_whole(records: list[Any], missing: str) -> None:
    received = both(logs_json(*records))
    assert received.traces == ()
    (refused,) = received.refused
    assert refused.id == f"{TRACE}-{span_id(1)}"
    assert refused.reason.startswith(f"Its {missing} is not in this request")
    assert "OTEL_BLRP_SCHEDULE_DELAY" in refused.reason


def test_records_outside_any_span_are_refused() -> None:
    (refused,) = both(logs_json(question(0), answer(0))).refused
    assert "no valid trace id and span id" in refused.reason


def test_a_call_whose_answer_asks_for_a_tool_is_no_answer_yet() -> None:
    choice = a_record("gen_ai.choice", {"message": {"tool_calls": [{"id": "c1"}]}})
    assert both(logs_json(question(), choice)) == Received()


def test_records_without_content_and_other_records_are_left_out_without_a_complaint() -> None:
    records = [
        a_record("gen_ai.user.message", {}),
        a_record("gen_ai.choice", {"index": 0, "message": {"role": "assistant"}}),
        a_record("", "a line of a log"),
        a_record("app.event", {"content": "x"}),
        a_record("gen_ai.other", {"content": "x"}),
    ]
    assert both(logs_json(*records)) == Received()
