"""The same conversation in every way of writing it down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratchet.records.trace import Turn
from ratchet.wire.traces import TraceIn
from tests.web.otlp.requests import a_record, a_span, an_event, both, logs_json, traces_json

CHAT = {"gen_ai__operation__name": "chat"}
LLM = {"openinference__span__kind": "LLM"}
SYSTEM, HELLO, HI, QUESTION, ANSWER = "Be short.", "Hello", "Hi!", "When does my refund come?", "In five days."
MESSAGES = [("system", SYSTEM), ("user", HELLO), ("assistant", HI), ("user", QUESTION)]
PARTS = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in MESSAGES]
PLAIN = [{"role": role, "content": text} for role, text in MESSAGES]
ANSWER_PARTS = [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]


def numbered(pattern: str, values: list[Any]) -> dict[str, Any]:
    return {pattern.format(index): value for index, value in enumerate(values)}


SPANS = {
    "messages of parts, as JSON": a_span(
        **CHAT, gen_ai__input__messages=json.dumps(PARTS), gen_ai__output__messages=json.dumps(ANSWER_PARTS)
    ),
    "messages of parts, as values": a_span(
        **CHAT, gen_ai__input__messages=PARTS, gen_ai__output__messages=ANSWER_PARTS
    ),
    "instructions beside the messages": a_span(
        **CHAT,
        gen_ai__system_instructions=json.dumps([{"type": "text", "content": SYSTEM}]),
        gen_ai__input__messages=json.dumps(PARTS[1:]),
        gen_ai__output__messages=json.dumps(ANSWER_PARTS),
    ),
    "numbered prompts": a_span(
        **numbered("gen_ai.prompt.{}.role", [role for role, _ in MESSAGES]),
        **numbered("gen_ai.prompt.{}.content", [text for _, text in MESSAGES]),
        **{"gen_ai.completion.0.content": ANSWER, "gen_ai.completion.0.role": "assistant"},
    ),
    "numbered messages": a_span(
        **LLM,
        **numbered("llm.input_messages.{}.message.role", [role for role, _ in MESSAGES]),
        **numbered("llm.input_messages.{}.message.content", [text for _, text in MESSAGES]),
        **{"llm.output_messages.0.message.content": ANSWER},
    ),
    "numbered messages of parts": a_span(
        **LLM,
        **numbered("llm.input_messages.{}.message.role", [role for role, _ in MESSAGES]),
        **numbered("llm.input_messages.{}.message.contents.0.message_content.text", [text for _, text in MESSAGES]),
        **{"llm.output_messages.0.message.contents.0.message_content.text": ANSWER},
    ),
    "the request and the answer of the endpoint": a_span(
        **LLM,
        input__value=json.dumps({"messages": PLAIN, "model": "small"}),
        output__value=json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}}]}),
    ),
    "the messages of a framework": a_span(
        **LLM,
        input__value=json.dumps(
            {"messages": [[{"id": ["x"], "kwargs": {"type": kind, "content": text}} for kind, text in [
                ("system", SYSTEM), ("human", HELLO), ("ai", HI), ("human", QUESTION),
            ]]]}
        ),
        output__value=json.dumps({"generations": [[{"text": ANSWER, "message": {"kwargs": {"content": ANSWER}}}]]}),
    ),
    "an observation": a_span(
        **{
            "langfuse.observation.type": "generation",
            "langfuse.observation.input": json.dumps(PLAIN),
            "langfuse.observation.output": json.dumps({"role": "assistant", "content": ANSWER}),
        }
    ),
    "events of the span": a_span(
        **CHAT,
        events=[
            *(an_event(f"gen_ai.{role}.message", at_ms=at, content=text) for at, (role, text) in enumerate(MESSAGES)),
            an_event("gen_ai.choice", index=0, message=json.dumps({"role": "assistant", "content": ANSWER})),
        ],
    ),
    "events of the span with their content as JSON": a_span(
        **CHAT,
        events=[
            *(
                an_event(f"gen_ai.{row['role']}.message", at_ms=at, gen_ai__event__content=json.dumps(row))
                for at, row in enumerate(PLAIN)
            ),
            an_event("gen_ai.choice", gen_ai__event__content=json.dumps({"message": {"content": ANSWER}})),
        ],
    ),
    "older events of the span": a_span(
        **CHAT,
        events=[
            an_event("gen_ai.content.prompt", gen_ai__prompt=json.dumps(PLAIN)),
            an_event("gen_ai.content.completion", gen_ai__completion=json.dumps([{"content": ANSWER}])),
        ],
    ),
    "details of the call in an event of the span": a_span(
        **CHAT,
        events=[
            an_event(
                "gen_ai.client.inference.operation.details",
                gen_ai__input__messages=json.dumps(PARTS),
                gen_ai__output__messages=json.dumps(ANSWER_PARTS),
            )
        ],
    ),
    "the question on the span and the answer in an event": a_span(
        **CHAT,
        gen_ai__input__messages=json.dumps(PARTS),
        events=[an_event("gen_ai.choice", message=json.dumps({"content": ANSWER}))],
    ),
}  # fmt: skip
RECORDS = {
    "one message in each": [
        *(a_record(f"gen_ai.{role}.message", {"content": text}, at_ms=at) for at, (role, text) in enumerate(MESSAGES)),
        a_record("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": ANSWER}}, at_ms=900),
    ],
    "the name in an attribute, the body as text": [
        *(
            a_record("", text, at_ms=at, event__name=f"gen_ai.{role}.message")
            for at, (role, text) in enumerate(MESSAGES)
        ),
        a_record("", json.dumps({"message": {"content": ANSWER}}), at_ms=900, event__name="gen_ai.choice"),
    ],
    "all in one, in attributes": [
        a_record(
            "gen_ai.client.inference.operation.details",
            gen_ai__input__messages=PARTS,
            gen_ai__output__messages=ANSWER_PARTS,
        )
    ],
    "all in one, in the body": [
        a_record(
            "gen_ai.client.inference.operation.details",
            {"gen_ai.input.messages": PARTS, "gen_ai.output.messages": ANSWER_PARTS},
        )
    ],
}  # fmt: skip


def only(body: bytes) -> TraceIn:
    received = both(body)
    assert received.refused == ()
    (trace,) = received.traces
    return trace


def check(trace: TraceIn) -> None:
    assert (trace.input, trace.output) == (QUESTION, ANSWER)
    assert trace.history == [Turn("system", SYSTEM), Turn("user", HELLO), Turn("assistant", HI)]


@pytest.mark.parametrize("name", SPANS)
def test_a_conversation_is_read_from_a_span(name: str) -> None:
    check(only(traces_json(SPANS[name])))


@pytest.mark.parametrize("name", RECORDS)
def test_a_conversation_is_read_from_log_records(name: str) -> None:
    check(only(logs_json(*RECORDS[name])))


@pytest.mark.parametrize("name", RECORDS)
def test_the_order_of_log_records_is_that_of_their_times(name: str) -> None:
    check(only(logs_json(*reversed(RECORDS[name]))))


def values(question: object, answer: object, **attributes: Any) -> tuple[str, str]:
    trace = only(traces_json(a_span(**LLM, input__value=question, output__value=answer, **attributes)))
    return trace.input, trace.output


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("When?", "When?"),
        ('{"question": "When?", "k": 4}', "When?"),
        ('{"anything": "When?"}', "When?"),
        ('{"a": "x", "b": "y"}', '{"a": "x", "b": "y"}'),
        ("[1, 2]", "[1, 2]"),
        ('["When?"]', '["When?"]'),
        ("{When?", "{When?"),
        ('{"input": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "When?"}]}', "When?"),
        ('[{"role": "user", "content": [{"type": "input_text", "text": "When?"}, {"type": "input_image"}]}]', "When?"),
    ],
)
def test_what_goes_into_a_step_is_read_as_far_as_it_can_be(written: str, meant: str) -> None:
    assert values(written, "Now.") == (meant, "Now.")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{"output": "Now."}', "Now."),
        ('{"messages": [{"role": "user", "content": "When?"}, {"type": "ai", "content": "Now."}]}', "Now."),
        ('{"output": [{"type": "reasoning"}, {"type": "message", "role": "assistant", "content": '
         '[{"type": "output_text", "text": "Now."}]}]}', "Now."),
        ('{"a": 1, "b": [2]}', '{"a": 1, "b": [2]}'),
    ],
)  # fmt: skip
def test_what_comes_out_of_a_step_is_read_as_far_as_it_can_be(written: str, meant: str) -> None:
    assert values("When?", written) == ("When?", meant)


def test_a_question_about_some_json_is_not_taken_for_messages() -> None:
    events = [an_event("gen_ai.content.prompt", gen_ai__prompt='{"price": 4}')]
    trace = only(traces_json(a_span(**CHAT, events=events, gen_ai__output__messages="Four.")))
    assert trace.input == '{"price": 4}'


def test_of_several_choices_the_first_that_says_something_is_the_answer() -> None:
    records = [
        *RECORDS["one message in each"][:-1],
        a_record("gen_ai.choice", {"index": 2, "message": {"content": "third"}}, at_ms=900),
        a_record("gen_ai.choice", {"index": 0, "message": {"content": " "}}, at_ms=901),
        a_record("gen_ai.choice", {"index": 1, "message": {"content": "second"}}, at_ms=902),
    ]
    assert only(logs_json(*records)).output == "second"


def test_what_a_tool_said_before_the_question_is_a_turn() -> None:
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "Where is order 7?"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "track"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "In Graz."}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "It is in Graz."}]},
        {"role": "user", "parts": [{"type": "text", "content": "And order 8?"}]},
    ]
    trace = only(traces_json(a_span(**CHAT, gen_ai__input__messages=asked, gen_ai__output__messages=ANSWER_PARTS)))
    assert trace.history[1:3] == [Turn("assistant", ""), Turn("tool", "In Graz.")]
    assert trace.input == "And order 8?"


def test_a_prompt_without_a_user_is_the_question() -> None:
    asked = [{"role": "system", "content": "Classify: my parcel is late."}]
    trace = only(traces_json(a_span(**CHAT, gen_ai__input__messages=asked, gen_ai__output__messages="delivery")))
    assert (trace.input, trace.history, trace.output) == ("Classify: my parcel is late.", [], "delivery")
