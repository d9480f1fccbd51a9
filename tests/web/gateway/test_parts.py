"""The parts of the gateway by themselves: events of a stream, earlier responses, the ladder of releases."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.records.app import App
from ratchet.web.gateway import chat, responses
from ratchet.web.gateway.connections import UpstreamError
from ratchet.web.gateway.earlier import MOST_KEPT, Earlier
from ratchet.web.gateway.exchange import storable
from ratchet.web.gateway.rungs import AGAIN_S, Rungs
from ratchet.web.gateway.sse import LARGEST_EVENT, data_of, events_of, is_done
from ratchet.web.gateway.turns import Heard
from ratchet.wiring import House


def read(pieces: list[bytes]) -> list[bytes]:
    async def given_out() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def all_of_it() -> list[bytes]:
        return [event async for event in events_of(given_out())]

    return asyncio.run(all_of_it())


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3), max_size=5),
    st.lists(st.integers(0, 200), max_size=10),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_events_are_the_same_however_they_are_cut(values: list[dict[str, str]], cuts: list[int], ends: bytes) -> None:
    body = b"".join(b"data: " + json.dumps(value).encode() + ends * 2 for value in values)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]
    assert [data_of(event) for event in read(pieces)] == values


def test_an_event_may_have_a_name_a_comment_and_several_lines() -> None:
    (event,) = read([b': note\nevent: x\ndata: {"a":\ndata: 1}\nid: 4\n\n'])
    assert data_of(event) == {"a": 1}
    assert data_of(b"data: [1]") is None
    assert data_of(b"data: \xff") is None
    assert data_of(b": only a note") is None
    assert is_done(b"data: [DONE]")
    assert is_done(b"data:[DONE]")
    assert not is_done(b'data: "[DONE]"')


def test_the_last_event_needs_no_empty_line() -> None:
    assert read([b"data: {}\n\ndata: ", b"[DONE]"]) == [b"data: {}", b"data: [DONE]"]


def test_an_event_without_end_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="without end"):
        read([b"x" * LARGEST_EVENT, b"x"])


class TestEarlier:
    def test_an_answer_of_the_provider_is_named_as_the_provider_names_it(self) -> None:
        earlier = Earlier()
        earlier.from_provider("tr_1", "resp_1")
        body = {"input": "So?", "previous_response_id": "tr_1", "model": "m"}
        assert earlier.resolved(body) == {**body, "previous_response_id": "resp_1"}
        assert body["previous_response_id"] == "tr_1", "what came in is left alone"

    def test_answers_made_here_go_along_in_their_order(self) -> None:
        earlier = Earlier()
        earlier.from_provider("tr_1", "resp_1")
        earlier.from_here("tr_2", "tr_1", "Q2", "A2")
        earlier.from_here("tr_3", "tr_2", "Q3", "A3")
        items = [{"type": "message", "role": "user", "content": "Q4"}]
        made = earlier.resolved({"input": items, "previous_response_id": "tr_3"})
        assert made["previous_response_id"] == "resp_1"
        assert [item["content"] for item in made["input"]] == ["Q2", "A2", "Q3", "A3", "Q4"]

    def test_the_oldest_are_forgotten(self) -> None:
        earlier = Earlier()
        for number in range(MOST_KEPT + 1):
            earlier.from_provider(f"tr_{number}", f"resp_{number}")
        assert earlier.resolved({"input": "x", "previous_response_id": "tr_0"})["previous_response_id"] == "tr_0"
        assert earlier.resolved({"input": "x", "previous_response_id": "tr_1"})["previous_response_id"] == "resp_1"

    @pytest.mark.parametrize("odd", [None, 7, "", []])
    def test_odd_ids_pass(self, odd: Any) -> None:
        body = {"input": "x", "previous_response_id": odd}
        assert Earlier().resolved(body) == body
        Earlier().from_provider("tr_1", odd)

    def test_a_circle_ends(self) -> None:
        earlier = Earlier()
        earlier.from_here("tr_1", "tr_1", "Q", "A")
        assert len(earlier.resolved({"input": "x", "previous_response_id": "tr_1"})["input"]) < 1000


def test_a_broken_release_is_not_tried_again_for_a_while(
    house: House, support: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    rungs = Rungs(lambda: clock[0])
    assert rungs.bundle(house, support)[1]
    tried: list[int] = []
    whole = house.bundles.of_release

    def broken(app: App, number: int) -> Any:
        tried.append(number)
        if number:
            raise RuntimeError("damaged")
        return whole(app, number)

    monkeypatch.setattr(house.bundles, "of_release", broken)
    monkeypatch.setattr(type(house.store.releases), "active", lambda *_: 3)
    for _ in range(3):
        bundle, in_force = rungs.bundle(house, support)
        assert (bundle.number, in_force) == (0, False)
    assert tried == [3, 0, 0, 0]
    clock[0] += AGAIN_S + 1
    rungs.bundle(house, support)
    assert tried[4:] == [3, 0]


@pytest.mark.parametrize(
    ("asked", "plain"),
    [
        ({}, True),
        ({"n": 1, "response_format": {"type": "text"}, "tool_choice": "auto", "tools": [{}]}, True),
        ({"n": 2}, False),
        ({"response_format": {"type": "json_object"}}, False),
        ({"tool_choice": "required"}, False),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, False),
        ({"function_call": {"name": "f"}}, False),
        ({"logprobs": True}, False),
        ({"audio": {"voice": "alloy", "format": "mp3"}}, False),
    ],
)
def test_which_chats_any_text_may_answer(asked: dict[str, Any], plain: bool) -> None:
    assert chat.is_plain(asked) is plain


@pytest.mark.parametrize(
    ("asked", "plain"),
    [
        ({}, True),
        ({"text": {"format": {"type": "text"}}}, True),
        ({"text": {"format": {"type": "json_schema"}}}, False),
        ({"tool_choice": "required"}, False),
        ({"background": True}, False),
    ],
)
def test_which_responses_any_text_may_answer(asked: dict[str, Any], plain: bool) -> None:
    assert responses.is_plain(asked) is plain


def test_a_refusal_is_what_is_recorded_where_there_is_no_text() -> None:
    said = {"choices": [{"message": {"content": None, "refusal": "I will not."}}]}
    assert chat.heard(said).output == "I will not."
    item = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
    assert responses.heard({"output": [item]}).output == "I will not."


def test_a_response_may_say_several_things_and_call_tools() -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    message = {"type": "message", "content": [{"type": "output_text", "text": "A"}]}
    answer = {"output": [{"type": "reasoning", "summary": []}, message, call, message], "model": "m"}
    assert responses.heard(answer).output == "A\nA"
    assert json.loads(responses.heard({"output": [call]}).output) == {"tool_calls": [{"name": "f", "arguments": "{}"}]}
    assert [item["type"] for item in responses.replaced(answer, "B")["output"]] == [
        "reasoning",
        "function_call",
        "message",
    ]


@pytest.mark.parametrize("odd", [-1, 2.5, "3", None, 2**70, {}])
def test_odd_counts_of_tokens_are_not_recorded(odd: Any) -> None:
    heard = Heard()
    heard.about("m", {"in": odd, "out": 4}, "in", "out")
    assert (heard.tokens_in, heard.tokens_out) == (None, 4)


def test_text_is_cut_and_cleaned_for_the_store() -> None:
    assert storable("a\x00b") == "a\ufffdb"
    assert storable("abcdef", 3) == "abc"
