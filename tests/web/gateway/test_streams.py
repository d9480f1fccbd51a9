"""Streams of a provider on their way to the client: cut, stalled, odd, and given up by who listened."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import openai
import pytest

from ratchet.providers.scripted import Reply
from tests.web.gateway.conftest import QUESTION, SAYS, Gateway
from tests.web.running import wait_until


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    value = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "large-2026",
             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}  # fmt: skip
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def raw_stream(gateway: Gateway, app: str = "tutor", path: str = "/v1/chat/completions", **more: Any) -> list[Any]:
    """The events as they come over the wire: JSON values, and lines that are none as bytes."""
    asked = {"input": QUESTION} if path.endswith("responses") else {"messages": [{"role": "user", "content": QUESTION}]}
    answer = gateway.service.post(path, {"model": app, **asked, "stream": True, **more})
    assert answer.status == 200, answer.data
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in answer.data.decode().split("\n\n")[:-1]:
        data = block.split("data: ", 1)[-1]
        events.append(json.loads(data) if data.startswith("{") else data)
    return events


def the_trace(gateway: Gateway, trace_id: str) -> Any:
    return wait_until(lambda: gateway.service.get(f"/v1/traces/{trace_id}").json().get("trace"))


def test_chunks_are_the_providers_but_for_the_id(gateway: Gateway) -> None:
    call = {
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "track", "arguments": ""}}]
    }
    more = {"tool_calls": [{"index": 0, "function": {"arguments": '{"n":'}}]}
    rest = {"tool_calls": [{"index": 0, "function": {"arguments": "7}"}}]}
    sent = [chunk({"role": "assistant"}, service_tier="flex"), chunk(call), chunk(more), chunk(rest)]
    end = chunk({}, "tool_calls", usage={"prompt_tokens": 4, "completion_tokens": 2})
    gateway.model.says(Reply(body=b"".join([*sent, end, b"data: [DONE]\n\n"])))
    events = raw_stream(gateway)
    assert events[-1] == "[DONE]"
    about = events[-2].pop("ratchet")
    for event, given in zip(events, [*sent, end], strict=False):
        assert event.pop("id") == about["trace_id"]
        assert event == {k: v for k, v in json.loads(given.removeprefix(b"data: ")).items() if k != "id"}
    trace = the_trace(gateway, about["trace_id"])
    assert json.loads(trace["output"]) == {"tool_calls": [{"name": "track", "arguments": '{"n":7}'}]}
    assert (trace["model"], trace["input_tokens"], trace["output_tokens"]) == ("large-2026", 4, 2)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_however_the_bytes_are_cut_the_chunks_are_whole(gateway: Gateway, size: int, ends: bytes) -> None:
    words = [chunk({"content": "Grüße, "}), chunk({"content": "Zoë ✨"}), chunk({}, "stop")]
    body = b"".join([b": one moment\n\n", *words, b"data: [DONE]\n\n"])
    gateway.model.says(Reply(body=body.replace(b"\n", ends), chunk_bytes=size))
    events = raw_stream(gateway)
    assert events[0] == ": one moment"
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events[1:-1]) == "Grüße, Zoë ✨"
    assert the_trace(gateway, events[1]["id"])["output"] == "Grüße, Zoë ✨"


@pytest.mark.parametrize("app", ["tutor", "bare"])
def test_a_cut_stream_is_told_to_the_client_and_recorded(gateway: Gateway, app: str) -> None:
    gateway.model.says(Reply(text=SAYS, cut_after=450))
    pieces: list[Any] = []
    with pytest.raises(openai.APIError, match="broke off"):
        pieces.extend(gateway.ask(app, stream=True))
    got = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert 0 < len(got) < len(SAYS)
    assert SAYS.startswith(got)
    assert the_trace(gateway, pieces[0].id)["output"] == got.strip()
    events = raw_stream(gateway, app)
    assert events[-1]["error"]["code"] == "provider_broke_off"


def test_a_stream_that_ends_early_but_politely_is_no_complete_answer(gateway: Gateway) -> None:
    gateway.model.says(Reply(body=chunk({"content": "The model"})))
    assert raw_stream(gateway)[-1]["error"]["code"] == "provider_broke_off"


def test_an_error_in_the_midst_passes_unchanged(gateway: Gateway) -> None:
    error = {"error": {"message": "overloaded", "type": "server_error", "code": 529}}
    gateway.model.says(Reply(body=chunk({"content": "The"}) + b"data: " + json.dumps(error).encode() + b"\n\n"))
    events = raw_stream(gateway)
    assert events[-1] == error
    with pytest.raises(openai.APIError, match="overloaded"):
        list(gateway.ask("tutor", stream=True))


def test_a_cut_response_is_told_to_the_client(gateway: Gateway) -> None:
    gateway.model.says(Reply(text=SAYS, cut_after=1200))
    events = raw_stream(gateway, path="/v1/responses")
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "provider_broke_off")
    assert not [event for event in events if event["type"] == "response.completed"]


def test_a_server_that_knows_no_streams_is_streamed_all_the_same(gateway: Gateway) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": SAYS}, "finish_reason": "stop"}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "old", "choices": [choice]}
    gateway.model.says(Reply(body=json.dumps(whole).encode(), headers={"content-type": "application/json"}))
    chunks = list(gateway.ask("tutor", stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in chunks) == SAYS
    assert the_trace(gateway, chunks[0].id)["model"] == "old"


def test_a_stream_of_something_else_is_refused_as_such(gateway: Gateway) -> None:
    gateway.model.says(Reply(body=b"<html>hello</html>", headers={"content-type": "text/html"}))
    with pytest.raises(openai.InternalServerError, match="not what it should be"):
        gateway.ask("tutor", stream=True)


def test_a_refused_stream_is_the_providers_own_refusal(gateway: Gateway) -> None:
    gateway.model.says(Reply("Slow down.", status=429, headers={"retry-after": "3", "x-request-id": "req_1"}))
    with pytest.raises(openai.RateLimitError, match="Slow down") as refused:
        gateway.ask("tutor", stream=True)
    assert refused.value.response.headers["retry-after"] == "3"
    assert refused.value.request_id == "req_1"


def hang_up_after(gateway: Gateway, marker: bytes, body: dict[str, Any]) -> str:
    """Read a stream over a bare socket until ``marker``, then hang up; the trace's id."""
    port = int(gateway.service.url.rpartition(":")[2])
    data = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {len(data)}\r\n\r\n"
        client.sendall(head.encode() + data)
        got = b""
        while marker not in got:
            piece = client.recv(4096)
            assert piece, got
            got += piece
    return got.lower().partition(b"x-ratchet-trace: ")[2].partition(b"\r\n")[0].decode()


def connections(gateway: Gateway) -> Any:
    """The connections that the provider has open."""
    server = gateway.model.server._server
    assert server is not None
    return server._open


def test_when_the_client_hangs_up_the_provider_is_hung_up_on_and_what_was_said_is_recorded(gateway: Gateway) -> None:
    words = [f"word{number} " for number in range(200)]
    gateway.model.says(Reply(stream_pieces=words, text="".join(words), piece_delay_s=0.05))
    open_before = len(connections(gateway))
    began = time.monotonic()
    body = {"model": "bare", "stream": True, "messages": [{"role": "user", "content": "Count."}]}
    trace_id = hang_up_after(gateway, b"word3 ", body)
    trace = the_trace(gateway, trace_id)
    # The stream took a kept connection or opened one; either way it is gone.
    wait_until(lambda: len(connections(gateway)) <= max(open_before - 1, 0), 4)
    assert trace["output"].startswith("word0 word1 word2 word3")
    assert len(trace["output"].split()) < 100
    assert time.monotonic() - began < 5, "the stream takes 10 s: it was read to its end"
    assert not gateway.service.service._upstreams["scripted"].breaker.is_open


def test_when_the_client_hangs_up_before_the_first_word_nothing_is_recorded_and_nobody_waits(gateway: Gateway) -> None:
    gateway.model.says(Reply(text=SAYS, delay_s=3))
    port = int(gateway.service.url.rpartition(":")[2])
    data = json.dumps({"model": "bare", "stream": True, "messages": [{"role": "user", "content": "Wait."}]}).encode()
    before = gateway.metric('ratchet_requests_total{method="POST",route="/v1/chat/completions",status="499"}')
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {len(data)}\r\n\r\n"
        client.sendall(head.encode() + data)
        time.sleep(0.3)
    name = 'ratchet_requests_total{method="POST",route="/v1/chat/completions",status="499"}'
    wait_until(lambda: gateway.metric(name) == before + 1, 2.5)
    assert time.monotonic() - began < 2.9


def test_a_slow_client_gets_all_of_it(gateway: Gateway) -> None:
    words = [f"w{number:05d} " for number in range(5000)]
    gateway.model.says(Reply(stream_pieces=words, text=""))
    got = []
    for number, piece in enumerate(gateway.ask("bare", stream=True)):
        if number % 1000 == 0:
            time.sleep(0.05)
        got.append(piece.choices[0].delta.content or "")
    assert "".join(got) == "".join(words)
