"""The question and the answer in every shape that tools record."""

from __future__ import annotations

import json

import pytest

from ratchet.importers.content import LONGEST_HISTORY, MOST_TURNS, answer, question
from ratchet.records.trace import Turn

ASKED = "Can I return a kite?"
SHAPES = [
    ASKED,
    json.dumps(ASKED),
    {"question": ASKED},
    {"input": ASKED},
    {"Query": ASKED},
    {"anything": ASKED},
    {"inputs": {"question": ASKED}},
    {"args": [ASKED], "kwargs": {}},
    json.dumps({"question": ASKED, "top_k": 3}),
    str({"question": ASKED}),
    {"messages": [{"role": "user", "content": ASKED}]},
    {"messages": [[{"role": "user", "content": ASKED}]]},
    [{"role": "user", "content": [{"type": "text", "text": ASKED}, {"type": "image_url", "image_url": {"url": "x"}}]}],
    [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}],
    [{"type": "human", "content": ASKED}],
    [{"type": "human", "data": {"content": ASKED}}],
    [["human", ASKED]],
    [{"message.role": "user", "message.content": ASKED}],
    [{"message": {"role": "user", "content": ASKED}}],
    {"request": {"model": "tiny-1", "messages": [{"role": "user", "content": ASKED}]}},
    {"contents": [{"role": "user", "parts": [{"text": ASKED}]}]},
    {"id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {"content": ASKED}},
]
TOLD = "Yes, within 30 days."
ANSWERS = [
    TOLD,
    json.dumps(TOLD),
    {"answer": TOLD, "sources": ["returns"]},
    {"output": TOLD},
    {"role": "assistant", "content": TOLD},
    {"choices": [{"message": {"role": "assistant", "content": TOLD}}]},
    {"choices": [{"text": TOLD}]},
    {"generations": [[{"text": TOLD, "message": {"kwargs": {"content": TOLD}}}]]},
    {"output": [{"type": "reasoning"}, {"type": "message", "role": "assistant", "content": [{"text": TOLD}]}]},
    {"type": "message", "content": [{"type": "text", "text": TOLD}]},
    {"candidates": [{"content": {"parts": [{"text": TOLD}]}}]},
    {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": TOLD}]},
    [{"role": "assistant", "content": TOLD}],
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: json.dumps(shape)[:60])
def test_the_question_is_found(shape: object) -> None:
    assert question(shape) == (ASKED, [])


@pytest.mark.parametrize("shape", ANSWERS, ids=lambda shape: json.dumps(shape)[:60])
def test_the_answer_is_found(shape: object) -> None:
    assert answer(shape) == TOLD


def test_the_last_word_of_the_user_counts_even_after_tool_calls() -> None:
    turns = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "30 days"},
    ]
    assert question(turns) == (ASKED, [Turn("user", "Hello"), Turn("assistant", "Hello!")])


def test_an_object_that_says_nothing_known_is_kept_whole() -> None:
    assert question({"a": 1, "b": [2]})[0] == '{"a": 1, "b": [2]}'


@pytest.mark.parametrize("nothing", [None, "", {}, [], {"input": None}, {"messages": []}])
def test_nothing_is_nothing(nothing: object) -> None:
    assert question(nothing) == ("", [])
    assert answer(nothing) == ""


def test_a_long_conversation_keeps_its_latest_turns() -> None:
    turns = [{"role": "user", "content": f"turn {number}"} for number in range(MOST_TURNS + 50)]
    text, history = question(turns)
    assert text == f"turn {MOST_TURNS + 49}"
    assert (len(history), history[-1].text) == (MOST_TURNS, f"turn {MOST_TURNS + 48}")


def test_a_huge_history_is_cut_where_it_grows_too_long() -> None:
    long = "x" * (LONGEST_HISTORY // 2)
    turns = [{"role": "user", "content": text} for text in ("first", long, long, "last")]
    assert [turn.text for turn in question(turns)[1]] == [long, long]


def test_deep_nesting_ends_the_search() -> None:
    deep: object = ASKED
    for _ in range(500):
        deep = {"input": deep}
    assert isinstance(question(deep)[0], str)
    assert isinstance(answer(deep), str)
