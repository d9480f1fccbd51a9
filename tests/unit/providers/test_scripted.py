"""The scripted server, asked by a plain HTTP client that shares no code with it."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from typing import Any

import pytest

from ratchet.errors import Conflict
from ratchet.providers.scripted import EMBEDDINGS, MODELS, Reply, ScriptedServer


def ask(server: ScriptedServer, path: str, body: Any = None, method: str = "POST") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.base_url.split(":")[2].split("/")[0]), timeout=5)
    try:
        connection.request(method, f"/v1{path}", body if isinstance(body, bytes | None) else json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def say(server: ScriptedServer, **fields: Any) -> tuple[int, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": "two words"}], **fields}
    status, answer = ask(server, "/chat/completions", body)
    return status, answer if fields.get("stream") and status == 200 else json.loads(answer)


def content(answer: tuple[int, Any]) -> str:
    return str(answer[1]["choices"][0]["message"]["content"])


def test_steps_answer_in_turn_and_are_recorded() -> None:
    with ScriptedServer(["one", Reply("two"), lambda body: body["model"], lambda _: Reply("four")]) as server:
        assert [content(say(server)) for _ in range(4)] == ["one", "two", "m", "four"]
        first = server.requests[0]
    assert (first.method, first.path, first.route) == ("POST", "/v1/chat/completions", "/chat/completions")
    assert first.body["messages"][0]["content"] == "two words"
    assert first.headers["host"].startswith("127.0.0.1:")
    assert "127.0.0.1" not in repr(first)


def test_tokens_are_counted_in_words() -> None:
    with ScriptedServer(["a b c"]) as server:
        assert say(server)[1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_one_function_answers_everything() -> None:
    with ScriptedServer(lambda body: body["messages"][0]["content"]) as server:
        assert [content(say(server)) for _ in range(3)] == ["two words"] * 3


def test_an_exhausted_script_is_a_500_that_says_so() -> None:
    with ScriptedServer(["only"]) as server:
        say(server)
        status, answer = say(server)
    assert status == 500
    assert "no step left" in answer["error"]["message"]


def test_a_function_that_fails_is_a_500_that_says_so() -> None:
    def fail(_: dict[str, Any]) -> str:
        raise ValueError("bad luck")

    with ScriptedServer(fail) as server:
        status, answer = say(server)
    assert status == 500
    assert "bad luck" in answer["error"]["message"]


def test_a_stream_word_by_word() -> None:
    with ScriptedServer(["Hold the  button."]) as server:
        _, raw = say(server, stream=True)
    events = raw.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    deltas = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events[:-2]]
    assert deltas == [{"role": "assistant"}, {"content": "Hold "}, {"content": "the  "}, {"content": "button."}, {}]


def test_a_stream_is_chunked_as_asked() -> None:
    with ScriptedServer([Reply(stream_pieces=["ü"], chunk_bytes=7), Reply(stream_pieces=["ü"])]) as server:
        assert say(server, stream=True) == say(server, stream=True)


def test_raw_bodies_headers_and_errors() -> None:
    with ScriptedServer([Reply(body=b"null", status=418), Reply("Wrong key.", status=401)]) as server:
        assert say(server) == (418, None)
        assert say(server) == (401, {"error": {"message": "Wrong key.", "type": "scripted", "code": None}})


def test_hanging_up_before_and_within_the_body() -> None:
    with ScriptedServer([Reply(status=0), Reply("x", cut_after=5), Reply("a b c", cut_after=300)]) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            say(server)
        with pytest.raises(http.client.IncompleteRead) as caught:
            say(server)
        assert len(caught.value.partial) == 5
        with pytest.raises(http.client.IncompleteRead) as caught:
            say(server, stream=True)
        assert len(caught.value.partial) == 300


def test_vectors_depend_on_the_text_alone() -> None:
    with ScriptedServer() as server:
        pair = json.loads(ask(server, EMBEDDINGS, {"model": "v", "input": ["a", "b"]})[1])["data"]
        one = json.loads(ask(server, EMBEDDINGS, {"model": "w", "input": "b", "dimensions": 32})[1])["data"]
    assert [item["index"] for item in pair] == [0, 1]
    assert pair[1]["embedding"] == one[0]["embedding"] != pair[0]["embedding"]
    assert math.isclose(math.hypot(*one[0]["embedding"]), 1)


def test_steps_for_other_paths_leave_the_answers_alone() -> None:
    with ScriptedServer(["chat", Reply("Down.", status=503, path=MODELS)], models=["a", "b"]) as server:
        assert ask(server, MODELS, method="GET")[0] == 503
        status, answer = ask(server, f"{MODELS}?limit=2", method="GET")
        assert [model["id"] for model in json.loads(answer)["data"]] == ["a", "b"]
        assert status == 200
        assert content(say(server)) == "chat"


def test_what_it_does_not_know() -> None:
    with ScriptedServer(["x"]) as server:
        assert ask(server, "/files", {})[0] == 404
        assert ask(server, "/chat/completions", b"{")[0] == 400
        assert ask(server, "/chat/completions", [1])[0] == 200
        assert ask(server, EMBEDDINGS, {"input": [7]})[0] == 500


def test_delays_end_with_the_server() -> None:
    began = time.monotonic()
    with ScriptedServer([Reply("late", delay_s=30)]) as server:
        caller = threading.Thread(target=lambda: _ignore_failure(server))
        caller.start()
        while not server.requests:
            time.sleep(0.005)
    caller.join()
    assert time.monotonic() - began < 5


def _ignore_failure(server: ScriptedServer) -> None:
    try:
        say(server)
    except (OSError, http.client.HTTPException):
        return


def test_the_url_exists_only_while_it_runs() -> None:
    server = ScriptedServer()
    with pytest.raises(Conflict, match="with statement"):
        _ = server.base_url
    with server:
        assert server.base_url.endswith("/v1")
    server.__exit__()
    with pytest.raises(Conflict):
        _ = server.base_url


def test_no_thread_outlives_it() -> None:
    before = set(threading.enumerate())
    with ScriptedServer(["a"]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.base_url.split(":")[2].split("/")[0]))
        connection.request("GET", "/v1/models")
        connection.getresponse().read()
    assert set(threading.enumerate()) == before
    connection.close()


def test_a_response_is_asked_for_by_its_path_and_counted_in_words() -> None:
    with ScriptedServer([Reply("a b c", path="/responses"), "chat"]) as server:
        assert content(say(server)) == "chat"
        status, raw = ask(server, "/responses", {"model": "m", "input": "two words"})
        answer = json.loads(raw)
    assert (status, answer["object"], answer["status"], answer["model"]) == (200, "response", "completed", "m")
    assert answer["output"][0]["content"][0]["text"] == "a b c"
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (2, 3)


def test_a_response_streams_as_named_events_that_end_with_all_of_it() -> None:
    with ScriptedServer(lambda _: "Hold the button.") as server:
        _, raw = ask(server, "/responses", {"model": "m", "input": "Q", "stream": True})
    events = [block.split("\n") for block in raw.decode().strip().split("\n\n")]
    values = [json.loads(data.removeprefix("data: ")) for _, data in events]
    assert [name for name, _ in events] == [f"event: {value['type']}" for value in values]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    deltas = [value["delta"] for value in values if value["type"] == "response.output_text.delta"]
    assert deltas == ["Hold ", "the ", "button."]
    assert values[-1]["response"]["output"][0]["content"][0]["text"] == "Hold the button."


def test_a_stream_tells_its_tokens_when_it_is_asked_to() -> None:
    with ScriptedServer(["a b"]) as server:
        _, raw = say(server, stream=True, stream_options={"include_usage": True})
    chunk = json.loads(raw.decode().strip().split("\n\n")[-2].removeprefix("data: "))
    assert chunk["choices"] == []
    assert chunk["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
