"""Which spans become traces, and what the traces say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratchet.records.trace import Context
from ratchet.web.otlp.receive import Received
from ratchet.wire.traces import TraceIn
from tests.web.otlp.requests import STARTED, TRACE, a_span, an_event, both, span_id, traces_json

LLM = {"openinference__span__kind": "LLM", "input__value": "When?", "output__value": "Now."}
CHAIN = {"openinference__span__kind": "CHAIN", "input__value": "a question", "output__value": "an answer"}
AGENT = {
    "gen_ai__operation__name": "invoke_agent",
    "gen_ai__input__messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "a question"}]}]),
    "gen_ai__output__messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "an answer"}]}]
    ),
}
OTHER = "11111111111111111111111111111111"


def inputs(*spans: dict[str, Any]) -> list[str]:
    received = both(traces_json(*spans))
    assert received.refused == ()
    return [trace.input for trace in received.traces]


def only(*spans: dict[str, Any], **resource: Any) -> TraceIn:
    received = both(traces_json(*spans, resource={"service.name": "help-desk", **resource}))
    assert received.refused == ()
    (trace,) = received.traces
    return trace


def reason(span: dict[str, Any], resource: dict[str, Any] | None = None) -> str:
    received = both(traces_json(span, resource=resource or {"service.name": "help-desk"}))
    assert received.traces == ()
    (refused,) = received.refused
    return refused.reason


class TestEachAnswerIsRecordedOnce:
    def test_every_call_of_a_model_is_a_trace(self) -> None:
        calls = [a_span(number, above=9, **LLM | {"input__value": f"question {number}"}) for number in (1, 2)]
        assert inputs(*calls, a_span(9, **CHAIN)) == ["question 1", "question 2"]

    @pytest.mark.parametrize("run", [CHAIN, AGENT, CHAIN | {"openinference__span__kind": "AGENT"}])
    def test_a_run_is_a_trace_where_no_call_of_a_model_shows(self, run: dict[str, Any]) -> None:
        assert inputs(a_span(9, **run), a_span(8, above=9, openinference__span__kind="TOOL")) == ["a question"]

    def test_a_run_is_no_trace_beside_a_call_whose_messages_come_elsewhere(self) -> None:
        assert inputs(a_span(9, **CHAIN), a_span(1, above=9, gen_ai__operation__name="chat")) == []

    def test_a_run_in_another_trace_is_not_hidden_by_a_call(self) -> None:
        assert sorted(inputs(a_span(9, trace=OTHER, **CHAIN), a_span(1, **LLM))) == ["When?", "a question"]

    def test_of_runs_within_runs_the_outermost_is_the_trace(self) -> None:
        inner = CHAIN | {"input__value": "a step"}
        assert inputs(a_span(9, **CHAIN), a_span(8, above=9), a_span(7, above=8, **inner)) == ["a question"]

    def test_a_run_whose_surroundings_are_not_here_is_no_trace(self) -> None:
        assert inputs(a_span(8, above=9, **CHAIN)) == []

    def test_a_run_below_a_request_from_another_process_is_a_trace(self) -> None:
        assert inputs(a_span(8, above=9, remote=True, **CHAIN)) == ["a question"]
        assert inputs(a_span(7, above=8, **CHAIN), a_span(8, above=9, remote=True)) == ["a question"]

    def test_a_run_without_an_answer_is_no_trace(self) -> None:
        assert inputs(a_span(9, openinference__span__kind="CHAIN", input__value="a question")) == []

    def test_of_a_call_that_two_instrumentations_report_the_outer_is_the_trace(self) -> None:
        assert inputs(a_span(1, **LLM), a_span(2, above=1, **LLM)) == ["When?"]
        assert inputs(a_span(1, gen_ai__operation__name="chat"), a_span(2, above=1, **LLM)) == ["When?"]

    def test_a_call_that_asks_for_a_tool_is_no_answer_yet(self) -> None:
        calls = {"llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "track"}
        question = {"llm.input_messages.0.message.content": "Where?", "openinference.span.kind": "LLM"}
        assert inputs(a_span(1, **question, **calls)) == []

    @pytest.mark.parametrize(
        "attributes",
        [
            {},
            {"http.request.method": "GET"},
            {"openinference.span.kind": "RETRIEVER", "input.value": "a", "output.value": "b"},
            {"openinference.span.kind": "EMBEDDING", "gen_ai.operation.name": "chat", "input.value": "a"},
            {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"},
            {"gen_ai.operation.name": "execute_tool", "input.value": "a", "output.value": "b"},
            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"},
        ],
    )
    def test_other_spans_are_left_out_without_a_complaint(self, attributes: dict[str, Any]) -> None:
        assert both(traces_json(a_span(**attributes))) == Received()

    def test_spans_above_one_another_in_a_circle_do_no_harm(self) -> None:
        assert inputs(a_span(1, above=2, **LLM), a_span(2, above=1, **CHAIN)) == ["When?"]


class TestATrace:
    def test_has_the_ids_of_trace_and_span(self) -> None:
        assert only(a_span(7, **LLM)).id == f"{TRACE}-{span_id(7)}"

    def test_has_the_id_that_the_application_gave_it(self) -> None:
        assert only(a_span(7, **LLM, ratchet__trace__id="answer-7")).id == "answer-7"

    def test_has_the_time_of_the_request_and_how_long_it_took(self) -> None:
        trace = only(a_span(ended_ms=1500, **LLM))
        assert (trace.at, trace.latency_ms) == (STARTED / 1e9, 1500.0)
        assert only(a_span(ended_ms=-1, **LLM)).latency_ms is None

    def test_tells_who_asked_where_and_during_what(self) -> None:
        told = {
            "user.id": "u1", "session.id": "s1", "ratchet.segment": "eu", "ratchet.role": "agent",
            "ratchet.task_type": "refund", "tag.tags": ["a", " ", "b"],
        }  # fmt: skip
        assert only(a_span(**LLM, **told), **{"deployment.environment": "live"}).context == Context(
            user="u1", session="s1", environment="live", segment="eu", role="agent", task_type="refund", tags=("a", "b")
        )

    @pytest.mark.parametrize(
        ("name", "field"),
        [
            ("enduser.id", "user"), ("langfuse.user.id", "user"), ("ratchet.user", "user"),
            ("gen_ai.conversation.id", "session"), ("langfuse.session.id", "session"),
            ("deployment.environment.name", "environment"), ("langfuse.environment", "environment"),
        ],
    )  # fmt: skip
    def test_knows_the_other_names_of_these(self, name: str, field: str) -> None:
        assert getattr(only(a_span(**LLM, **{name: "x"})).context, field) == "x"

    def test_reads_segment_role_and_task_from_metadata(self) -> None:
        metadata = json.dumps({"segment": "eu", "role": "agent", "task_type": "refund", "user": "not this"})
        assert only(a_span(**LLM, metadata=metadata)).context == Context(segment="eu", role="agent", task_type="refund")

    def test_inherits_the_user_from_the_spans_around_it(self) -> None:
        around = [a_span(9, user__id="u9", session__id="s9"), a_span(8, above=9, user__id="u8")]
        context = only(*around, a_span(1, above=8, **LLM)).context
        assert (context.user, context.session) == ("u8", "s9")

    @pytest.mark.parametrize(
        ("names", "numbers"),
        [
            (("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"), (3, 4)),
            (("llm.token_count.prompt", "llm.token_count.completion"), (3.0, "4")),
            (("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"), (3, 4)),
        ],
    )
    def test_counts_tokens(self, names: tuple[str, str], numbers: tuple[object, object]) -> None:
        trace = only(a_span(**LLM, **dict(zip(names, numbers, strict=True))))
        assert (trace.input_tokens, trace.output_tokens) == (3, 4)

    @pytest.mark.parametrize("number", [-1, 1.5, "many", True, [1], "1e999", str(2**60)])
    def test_leaves_out_counts_that_are_none(self, number: object) -> None:
        assert only(a_span(**LLM, **{"gen_ai.usage.input_tokens": number})).input_tokens is None

    def test_names_the_model_that_answered_before_the_one_that_was_asked(self) -> None:
        models = {"gen_ai.request.model": "small", "gen_ai.response.model": "small-2026"}
        assert only(a_span(**LLM, **models)).model == "small-2026"
        assert only(a_span(**LLM, **{"llm.model_name": "m" * 2000})).model.endswith("[cut: 2,000 characters]")

    def test_tells_the_cost(self) -> None:
        assert only(a_span(**LLM, **{"llm.cost.total": 0.25})).cost == 0.25


class TestTheApp:
    @pytest.mark.parametrize(
        ("attributes", "resource", "app"),
        [
            ({"ratchet.app": "triage"}, {"ratchet.app": "other", "service.name": "shop"}, "triage"),
            ({"gen_ai.agent.name": "Refund Agent"}, {"ratchet.app": "triage", "service.name": "shop"}, "triage"),
            ({"gen_ai.agent.name": "Refund Agent"}, {"service.name": "shop"}, "Refund-Agent"),
            ({}, {"service.name": "shop/help desk (v2)"}, "shop-help-desk-v2"),
            ({}, {"service.name": "Größe_1"}, "Größe_1"),
            ({}, {"service.name": "n" * 150}, "n" * 100),
            ({}, {"service.name": "unknown_service:python"}, "fallback"),
            ({}, {"service.name": "-- --"}, "fallback"),
            ({}, {}, "fallback"),
        ],
    )
    def test_is_the_first_that_is_named(self, attributes: dict[str, Any], resource: dict[str, Any], app: str) -> None:
        (trace,) = both(traces_json(a_span(**LLM, **attributes), resource=resource), "fallback").traces
        assert trace.app == app

    @pytest.mark.parametrize("service", ["unknown_service", "unknown_service:python", "***", ""])
    def test_must_be_named_somewhere(self, service: str) -> None:
        assert "names no app" in reason(a_span(**LLM), {"service.name": service})


class TestWhatIsRefused:
    def test_a_span_without_valid_ids(self) -> None:
        assert "no valid trace id and span id" in reason(a_span(0, **LLM))
        assert "no valid trace id and span id" in reason(a_span(1, trace="0" * 32, **LLM))
        assert "no valid trace id and span id" in reason(a_span(1, trace="abcd", **LLM))

    def test_an_id_of_its_own_that_is_too_long(self) -> None:
        assert "more than 64 characters" in reason(a_span(1, **LLM, ratchet__trace__id="i" * 65))

    def test_half_an_exchange(self) -> None:
        assert reason(a_span(**LLM | {"output__value": ""})) == "It has a question and no answer."
        assert reason(a_span(**LLM | {"input__value": ""})) == "It has an answer and no question."

    def test_an_answer_to_a_picture_is_not_taken_for_one_to_an_older_question(self) -> None:
        asked = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}, {"role": "user", "parts": []}]
        span = a_span(gen_ai__operation__name="chat", gen_ai__input__messages=asked, gen_ai__output__messages="A cat.")
        assert reason(span) == "The last message of the user has no text."

    def test_others_in_the_request_are_kept(self) -> None:
        received = both(traces_json(a_span(1, **LLM), a_span(2, **LLM | {"output__value": ""})))
        assert [trace.id for trace in received.traces] == [f"{TRACE}-{span_id(1)}"]
        assert [refused.id for refused in received.refused] == [f"{TRACE}-{span_id(2)}"]


def test_events_that_are_not_ours_are_left_out() -> None:
    events = [an_event("exception", exception__message="x"), an_event("gen_ai.unknown", content="y")]
    assert only(a_span(**LLM, events=events)).input == "When?"
