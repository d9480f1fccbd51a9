"""The client against a real server on the loopback: what it returns, repeats, refuses, words and never shows."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ratchet.errors import InvalidInput, ProviderError
from ratchet.interfaces import Completion
from ratchet.providers import openai_compatible, openai_wire
from ratchet.providers.openai_compatible import Endpoint, OpenAICompatible
from ratchet.providers.scripted import CHAT, EMBEDDINGS, MODELS, Reply, ScriptedServer

KEY = "sk-proj-abcdefghijklmnop"
ASK = [{"role": "user", "content": "How do I reset it?"}]
SSE = {"Content-Type": "text/event-stream"}


class Bench:
    """One server and one client whose waits are recorded, not slept."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.waits: list[float] = []

    def serve(self, *script: Any, **settings: Any) -> OpenAICompatible:
        self.server = self._stack.enter_context(ScriptedServer(script))
        return self.client(self.server.base_url, **settings)

    def client(self, url: str, **settings: Any) -> OpenAICompatible:
        endpoint = Endpoint(url, **({"api_key": KEY} | settings))
        client = OpenAICompatible(endpoint, sleep=self.waits.append, jitter=lambda: 1.0)
        return self._stack.enter_context(client)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def failure(call: Callable[[], object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


def chat(content: object, **extra: object) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}, **extra}]}).encode()


def delta(**fields: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, **fields}]}).encode() + b"\n\n"


class TestComplete:
    def test_the_answer_with_its_counts(self, bench: Bench) -> None:
        client = bench.serve("Hold the button.")
        assert client.complete("small", ASK) == Completion("Hold the button.", "small", "stop", 5, 3)

    def test_parameters_key_and_headers_go_out(self, bench: Bench) -> None:
        client = bench.serve("Yes.", headers={"OpenAI-Project": "proj"})
        client.complete("small", ASK, temperature=0.2, response_format={"type": "json_object"})
        request = bench.server.requests[0]
        expected = {"model": "small", "messages": ASK, "temperature": 0.2, "response_format": {"type": "json_object"}}
        assert request.body == expected
        assert (request.method, request.route) == ("POST", CHAT)
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["openai-project"] == "proj"

    def test_without_a_key_no_authorization_goes_out(self, bench: Bench) -> None:
        bench.serve("Yes.", api_key=None).complete("small", ASK)
        assert "authorization" not in bench.server.requests[0].headers

    def test_no_content_is_an_empty_text(self, bench: Bench) -> None:
        client = bench.serve(Reply(body=chat(None, finish_reason="tool_calls")), Reply(body=chat("")))
        assert client.complete("small", ASK) == Completion("", "small", "tool_calls", None, None)
        assert client.complete("small", ASK).finish_reason == ""

    def test_unicode_both_ways(self, bench: Bench) -> None:
        client = bench.serve(lambda body: body["messages"][0]["content"][::-1])
        assert client.complete("small", [{"role": "user", "content": "naïve 🦜"}]).text == "🦜 evïan"

    def test_one_connection_serves_many_calls(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        client = bench.serve("a", Reply("b c"), Reply("no", status=400), "d")
        with caplog.at_level(logging.DEBUG, "urllib3"):
            client.complete("small", ASK)
            assert list(client.stream("small", ASK)) == ["b ", "c"]
            failure(lambda: client.complete("small", ASK))
            client.complete("small", ASK)
        assert caplog.text.count("Starting new HTTP connection") == 1

    def test_many_threads_share_it(self, bench: Bench) -> None:
        client = bench.serve(*([lambda body: body["messages"][0]["content"]] * 60))
        texts = [str(number) for number in range(60)]
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda t: client.complete("m", [{"role": "user", "content": t}]).text, texts))
        assert answers == texts

    def test_it_can_be_used_after_close(self, bench: Bench) -> None:
        client = bench.serve("a", "b")
        client.complete("small", ASK)
        client.close()
        assert client.complete("small", ASK).text == "b"

    @pytest.mark.parametrize(
        "call",
        [
            lambda client: client.complete("m", ASK, stream=True),
            lambda client: client.stream("m", ASK, stream=False),
            lambda client: client.complete("m", []),
            lambda client: client.complete("m", "hello"),
            lambda client: client.complete("m", ASK, temperature=float("nan")),
            lambda client: client.complete("m", ASK, stop={1, 2}),
            lambda client: client.complete("m", [{"role": "user", "content": "\ud800"}]),
            lambda client: client.complete("m", ASK, deadline_s=0),
            lambda client: client.embed("m", "one text"),
        ],
    )
    def test_what_cannot_be_sent_is_refused(self, bench: Bench, call: Callable[[OpenAICompatible], object]) -> None:
        client = bench.serve("never")
        with pytest.raises(InvalidInput):
            call(client)
        assert bench.server.requests == []


class TestStream:
    def test_pieces_arrive_one_by_one(self, bench: Bench) -> None:
        client = bench.serve(Reply(stream_pieces=["Hold ", "", "the ", "button."]))
        assert list(client.stream("small", ASK, temperature=0)) == ["Hold ", "the ", "button."]
        assert bench.server.requests[0].body == {"model": "small", "messages": ASK, "temperature": 0, "stream": True}

    def test_the_first_piece_does_not_wait_for_the_last(self, bench: Bench) -> None:
        pieces = bench.serve(Reply(stream_pieces=["a"] * 100, piece_delay_s=0.05)).stream("small", ASK)
        began = time.monotonic()
        assert next(pieces) == "a"
        assert time.monotonic() - began < 2
        pieces.close()  # type: ignore[attr-defined]

    def test_cuts_through_characters_and_lines_do_no_harm(self, bench: Bench) -> None:
        pieces = ["Grüße ", "🦜🦜", " — 日本", "\n\ndata: x"]
        client = bench.serve(*(Reply(stream_pieces=pieces, chunk_bytes=size) for size in range(1, 24)))
        assert all(list(client.stream("small", ASK)) == pieces for _ in range(23))

    def test_the_whole_grammar_of_events(self, bench: Bench) -> None:
        body = (
            b": keep-alive\r\n\r\n"
            b'id: 7\r\nevent: message\r\ndata: {"choices": [{"delta":\r\ndata: {"content": "a"}}]}\r\n\r\n'
            b'data:{"choices": [{"index": 1, "delta": {"content": "other"}},\n'
            b'data: {"index": 0, "delta": {"content": "b"}}]}\n\n'
            b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'
            b'data: {"choices": [{"finish_reason": "stop"}]}\n\ndata: [DONE]'
        )
        assert list(bench.serve(Reply(body=body)).stream("small", ASK)) == ["a", "b"]

    def test_a_finish_reason_stands_in_for_done(self, bench: Bench) -> None:
        body = delta(delta={"content": "a"}) + delta(delta={}, finish_reason="stop")
        assert list(bench.serve(Reply(body=body)).stream("small", ASK)) == ["a"]

    def test_a_server_that_cannot_stream(self, bench: Bench) -> None:
        client = bench.serve(Reply(body=chat("whole"), headers={"content-type": "application/json"}))
        assert list(client.stream("small", ASK)) == ["whole"]

    def test_a_server_that_closes_after_each_answer(self, bench: Bench) -> None:
        client = bench.serve(Reply("a b", headers={"Connection": "close"}), "c")
        assert list(client.stream("small", ASK)) == ["a ", "b"]
        assert client.complete("small", ASK).text == "c"

    def test_an_abandoned_stream_leaves_nothing_open(self, bench: Bench) -> None:
        client = bench.serve(Reply(stream_pieces=["a"] * 50, piece_delay_s=0.01), "next")
        for _ in client.stream("small", ASK):
            break
        assert client.complete("small", ASK).text == "next"

    def test_cut_midway_says_how_much_arrived(self, bench: Bench) -> None:
        client = bench.serve(Reply(stream_pieces=["Hold ", "the ", "x" * 500], cut_after=600))
        pieces: list[str] = []
        error = failure(lambda: pieces.extend(client.stream("small", ASK)))
        assert "answered 200 but broke off after 600 bytes" in error.what
        assert "Until then 9 characters of text had arrived." in error.what
        assert (error.retryable, error.status, bench.waits) == (True, 200, [])

    def test_an_end_without_a_reason_is_a_cut(self, bench: Bench) -> None:
        error = failure(lambda: list(bench.serve(Reply(body=delta(delta={"content": "abc"}))).stream("small", ASK)))
        assert "ended the stream before the answer was complete" in error.what
        assert "3 characters" in error.what

    @pytest.mark.parametrize(
        "event",
        [
            b'data: {"error": {"message": "The model is overloaded.", "code": 502}}\n\n',
            b'event: error\ndata: {"message": "The model is overloaded."}\n\n',
            b'data: {"error": "The model is overloaded."}\n\n',
        ],
    )
    def test_an_error_within_the_stream(self, bench: Bench, event: bytes) -> None:
        client = bench.serve(Reply(body=delta(delta={"content": "Ho"}) + event + delta(delta={"content": "never"})))
        error = failure(lambda: list(client.stream("small", ASK)))
        assert "answered 200 and then failed: The model is overloaded. Until then 2 characters" in error.what
        assert error.retryable
        assert len(bench.server.requests) == 1

    @pytest.mark.parametrize("event", [b"data: <html>\n\n", b"data: 5\n\n", b'data: {"choices": [{"delta": 1}]}\n\n'])
    def test_garbage_within_the_stream(self, bench: Bench, event: bytes) -> None:
        error = failure(lambda: list(bench.serve(Reply(body=event)).stream("small", ASK)))
        assert "answered 200 with an unexpected body" in error.what

    def test_a_refusal_is_repeated_before_the_first_piece(self, bench: Bench) -> None:
        client = bench.serve(Reply(status=503), Reply("a b"))
        assert "".join(client.stream("small", ASK)) == "a b"
        assert bench.waits == [0.5]


class TestEmbedAndModels:
    def test_vectors_come_back_in_the_order_of_the_texts(self, bench: Bench) -> None:
        data = [{"index": index, "embedding": [float(index), 1]} for index in (2, 0, 1)]
        client = bench.serve(Reply(path=EMBEDDINGS, body=json.dumps({"data": data}).encode()))
        assert client.embed("vectors", ["a", "b", "c"]) == [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]
        assert bench.server.requests[0].body == {"model": "vectors", "input": ["a", "b", "c"]}

    def test_many_texts_go_in_batches(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(openai_compatible, "EMBED_BATCH", 2)
        client = bench.serve()
        vectors = client.embed("vectors", ["a", "b", "c", "d", "a"], deadline_s=5)
        assert [len(request.body["input"]) for request in bench.server.requests] == [2, 2, 1]
        assert vectors[0] == vectors[4] != vectors[1]
        assert client.embed("vectors", []) == []

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ([], "0 vectors for 2 texts"),
            ([{"index": 0, "embedding": [1]}], "1 vectors for 2 texts"),
            ([{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}], "2 vectors for 2 texts"),
            ([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}], "different lengths"),
            ([{"index": 0, "embedding": []}, {"index": 1, "embedding": []}], "unexpected body"),
            ([{"embedding": [1]}, {"embedding": [1]}], "missing required field `index`"),
        ],
    )
    def test_wrong_vectors_are_refused(self, bench: Bench, data: list[object], words: str) -> None:
        client = bench.serve(Reply(path=EMBEDDINGS, body=json.dumps({"data": data}).encode()))
        error = failure(lambda: client.embed("vectors", ["a", "b"]))
        assert words in error.what
        assert (error.status, error.retryable) == (200, False)

    def test_the_names_of_the_models(self, bench: Bench) -> None:
        assert bench.serve().models() == ["scripted"]
        assert bench.server.requests[0].method == "GET"
        assert bench.server.requests[0].route == MODELS


class TestRepeats:
    @pytest.mark.parametrize("status", [0, 408, 409, 429, 500, 502, 503, 529])
    def test_passing_failures_are_repeated(self, bench: Bench, status: int) -> None:
        client = bench.serve(Reply(status=status), Reply(status=status), "At last.")
        assert client.complete("small", ASK).text == "At last."
        assert bench.waits == [0.5, 1.0]

    @pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 413, 422])
    def test_lasting_failures_are_not(self, bench: Bench, status: int) -> None:
        client = bench.serve(Reply("No.", status=status), "never")
        error = failure(lambda: client.complete("small", ASK))
        assert (error.status, error.retryable, bench.waits) == (status, False, [])
        assert len(bench.server.requests) == 1

    def test_it_gives_up_with_the_last_failure(self, bench: Bench) -> None:
        client = bench.serve(Reply("one", status=500), Reply("two", status=503), retries=1)
        error = failure(lambda: client.complete("small", ASK))
        assert "answered 503: two." in error.what
        assert "raise retries" in error.fix
        assert error.retryable

    def test_the_wait_is_random_below_a_doubling_bound(self, bench: Bench) -> None:
        bench.serve(*[Reply(status=500)] * 11)
        endpoint, waits = Endpoint(bench.server.base_url, KEY, retries=10, backoff_s=1), list[float]()
        with OpenAICompatible(endpoint, sleep=waits.append, jitter=lambda: 0.5) as client:
            failure(lambda: client.complete("small", ASK))
        assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15]

    @pytest.mark.parametrize(
        ("value", "wait"),
        [("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("3600", 30.0), ("-3", 0.5), ("soon", 0.5), ("nan", 0.5), ("", 0.5)],
    )
    def test_retry_after_in_seconds(self, bench: Bench, value: str, wait: float) -> None:
        bench.serve(Reply(status=429, headers={"Retry-After": value}), "ok").complete("small", ASK)
        assert bench.waits == [wait]

    @pytest.mark.parametrize(("seconds", "low", "high"), [(20, 15, 20), (3600, 30, 30), (-60, 0, 0)])
    @pytest.mark.parametrize("zone", ["GMT", "-0000"])
    def test_retry_after_as_a_date(self, bench: Bench, seconds: int, low: float, high: float, zone: str) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True).replace("GMT", zone)
        bench.serve(Reply(status=503, headers={"Retry-After": date}), "ok").complete("small", ASK)
        assert low <= bench.waits[0] <= high

    def test_a_refused_connection(self, bench: Bench, free_port: int) -> None:
        client = bench.client(f"http://127.0.0.1:{free_port}/v1")
        error = failure(lambda: client.complete("small", ASK))
        assert error.what.startswith(f"POST 127.0.0.1:{free_port}/v1/chat/completions failed: ")
        assert "Connection refused" in error.what
        assert f"Check base_url http://127.0.0.1:{free_port}/v1" in error.fix
        assert (error.retryable, error.status, bench.waits) == (True, None, [0.5, 1.0])

    def test_no_tls_where_tls_was_asked_for(self, bench: Bench) -> None:
        bench.serve()
        error = failure(bench.client(bench.server.base_url.replace("http", "https")).models)
        assert "certificate" in error.fix
        assert (error.retryable, bench.waits) == (False, [])

    def test_no_http_on_the_other_side(self, bench: Bench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=_answer_once, args=(listener, b"220 mail ready\r\n"))
            thread.start()
            error = failure(bench.client(f"http://127.0.0.1:{listener.getsockname()[1]}/v1").models)
            thread.join()
        assert "220 mail ready" in error.what
        assert (error.retryable, bench.waits) == (False, [])


def _answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


class TestTime:
    def test_a_read_that_takes_too_long(self, bench: Bench) -> None:
        client = bench.serve(Reply("late", delay_s=5), read_timeout_s=0.2)
        began = time.monotonic()
        error = failure(lambda: client.complete("small", ASK))
        assert time.monotonic() - began < 1.5
        assert "gave no answer within 0.2 s" in error.what
        assert "read_timeout_s" in error.fix
        # The provider may be at work on it: repeating would pay twice.
        assert (error.retryable, bench.waits) == (True, [])

    def test_a_body_that_stalls(self, bench: Bench) -> None:
        client = bench.serve(Reply("a b c", piece_delay_s=5), read_timeout_s=0.2)
        error = failure(lambda: list(client.stream("small", ASK)))
        assert "answered 200 but after 0 bytes sent nothing more within 0.2 s" in error.what

    def test_the_deadline_is_shorter_than_the_timeouts(self, bench: Bench) -> None:
        client = bench.serve(Reply("late", delay_s=5))
        began = time.monotonic()
        error = failure(lambda: client.complete("small", ASK, deadline_s=0.2))
        assert time.monotonic() - began < 1.5
        assert "before the deadline" in error.what
        assert "deadline_s" in error.fix

    def test_the_deadline_bounds_a_stream_that_drips(self, bench: Bench) -> None:
        client = bench.serve(Reply(stream_pieces=["a"] * 200, piece_delay_s=0.02))
        began, pieces = time.monotonic(), list[str]()
        error = failure(lambda: pieces.extend(client.stream("small", ASK, deadline_s=0.3)))
        assert time.monotonic() - began < 1.5
        assert "before the deadline" in error.what
        assert f"Until then {len(pieces)} characters" in error.what
        assert pieces

    def test_no_wait_passes_the_deadline(self, bench: Bench) -> None:
        client = bench.serve(Reply("Slow down.", status=429, headers={"Retry-After": "10"}), "never")
        error = failure(lambda: client.complete("small", ASK, deadline_s=5))
        assert "answered 429: Slow down." in error.what
        assert bench.waits == []

    def test_a_deadline_that_passes_while_waiting(self, bench: Bench) -> None:
        bench.serve(Reply(status=500), "never")
        endpoint = Endpoint(bench.server.base_url, KEY, backoff_s=0.01)
        with OpenAICompatible(endpoint, sleep=lambda _: time.sleep(0.25)) as client:
            error = failure(lambda: client.complete("small", ASK, deadline_s=0.2))
        assert "was not done before the deadline" in error.what
        assert len(bench.server.requests) == 1


class TestBadBodies:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "Input data was truncated): nothing."),
            (b'{"choices": [{"message"', 'truncated): {"choices"'),
            (b"<html>Welcome</html>", "<html>Welcome</html>"),
            (b"[" * 5000, "answered 200 with an unexpected body"),
            (b'{"choices": [{"message": {"content": "\xff"}}]}', "answered 200 with an unexpected body"),
            (b"{}", "missing required field `choices`"),
            (b'{"choices": []}', "length >= 1"),
            (b'{"choices": [{}]}', "missing required field `message`"),
            (b'{"choices": [{"message": {"content": 5}}]}', "$.choices[0].message.content"),
            (b"[1]", "Expected `object`, got `array`"),
            (b'{"error": {"message": "No such model."}}', "): No such model."),
        ],
    )
    def test_it_says_what_came_instead(self, bench: Bench, body: bytes, words: str) -> None:
        error = failure(lambda: bench.serve(Reply(body=body)).complete("small", ASK))
        assert words in error.what
        assert "is an OpenAI-compatible API" in error.fix
        assert (error.status, error.retryable, bench.waits) == (200, False, [])

    def test_a_body_cut_off(self, bench: Bench) -> None:
        error = failure(lambda: bench.serve(Reply("text", cut_after=20)).complete("small", ASK))
        assert "answered 200 but broke off after 20 bytes" in error.what
        assert (error.retryable, bench.waits) == (True, [])

    def test_a_refusal_cut_off_is_still_that_refusal(self, bench: Bench) -> None:
        error = failure(lambda: bench.serve(Reply("No.", status=403, cut_after=20)).complete("small", ASK))
        assert 'answered 403: {"error": {"message"' in error.what

    def test_a_body_without_end(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(openai_wire, "LARGEST_BODY_BYTES", 1000)
        error = failure(lambda: bench.serve("x" * 2000).complete("small", ASK))
        assert "with more than 1000 bytes" in error.what


class TestWording:
    def test_a_wrong_key_names_its_variable(self, bench: Bench) -> None:
        client = bench.serve(Reply("Wrong key.", status=401), key_variable="MISTRAL_API_KEY")
        error = failure(lambda: client.complete("small", ASK))
        assert error.what == f"POST {bench.server.base_url[7:]}/chat/completions answered 401: Wrong key."
        assert error.fix == f"Set MISTRAL_API_KEY to a key that base_url {bench.server.base_url} accepts."

    @pytest.mark.parametrize(
        ("status", "words"),
        [
            (302, "Set base_url"),
            (400, "model name and the parameters"),
            (403, "Set OPENAI_API_KEY"),
            (404, "usually ends in /v1"),
            (408, "read_timeout_s"),
            (429, "the quota of the key in OPENAI_API_KEY"),
            (500, "Try again later"),
        ],
    )
    def test_the_fix_names_the_setting(self, bench: Bench, status: int, words: str) -> None:
        error = failure(lambda: bench.serve(Reply(status=status), retries=0).complete("small", ASK))
        assert words in error.fix
        assert f"answered {status}: " in error.what

    def test_a_missing_key_is_called_missing(self, bench: Bench) -> None:
        error = failure(lambda: bench.serve(Reply(status=401), api_key=None).complete("small", ASK))
        assert error.fix == "Set OPENAI_API_KEY: no key was sent."

    def test_a_redirect_is_told_and_not_followed(self, bench: Bench) -> None:
        client = bench.serve(Reply(status=308, headers={"Location": "https://new.example/v1"}), "never")
        assert "is now at https://new.example/v1" in failure(lambda: client.complete("small", ASK)).what
        assert len(bench.server.requests) == 1

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b'{"message": "Plain."}', "Plain."),
            (b'{"detail": "Not Found"}', "Not Found."),
            (b'{"detail": [{"loc": ["model"]}]}', '{"detail": [{"loc": ["model"]}]}.'),
            (b"upstream\r\n\tis \x1b[31mdown", "upstream is [31mdown."),
            (b"", "no message."),
            (b"x" * 5000, "x" * 299 + "…."),
        ],
    )
    def test_the_providers_own_words(self, bench: Bench, body: bytes, words: str) -> None:
        error = failure(lambda: bench.serve(Reply(body=body, status=400)).complete("small", ASK))
        assert error.what.endswith(f"answered 400: {words}")


class TestSecrets:
    @pytest.mark.parametrize(
        "reply",
        [
            Reply(f"Incorrect API key provided: {KEY}. Look it up.", status=401),
            Reply("Incorrect API key provided: sk-proj-****mnop.", status=401),
            Reply("x" * 290 + KEY, status=500),
            Reply(body=f"Bearer {KEY}".encode()),
            Reply(f"header {'team-secret'}", status=403),
            Reply(status=307, headers={"Location": f"https://new.example/?key={KEY}"}),
            Reply(body=b'data: {"error": "bad key ' + KEY.encode() + b'"}\n\n', headers=SSE),
        ],
    )
    def test_the_key_is_never_shown(self, bench: Bench, caplog: pytest.LogCaptureFixture, reply: Reply) -> None:
        client = bench.serve(reply, headers={"X-Team": "team-secret"}, retries=0)
        with caplog.at_level(logging.DEBUG):
            error = failure(lambda: list(client.stream("small", ASK)) if reply.headers else client.complete("m", ASK))
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(client) + caplog.text
        assert "[redacted]" in error.what or "x" * 290 in error.what
        assert not any(secret in shown for secret in (KEY, KEY[:10], "sk-proj-", "mnop", "team-secret"))

    def test_nor_is_it_in_a_repr(self) -> None:
        endpoint = Endpoint("https://api.example/v1", KEY, headers={"X-Team": "team-secret"})
        assert KEY not in repr(endpoint)
        assert "team-secret" not in repr(endpoint)
        assert repr(endpoint).startswith("Endpoint(base_url='https://api.example/v1', connect_timeout_s=3.0")

    def test_a_key_that_is_no_header_is_refused_unseen(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            Endpoint("https://api.example/v1", f"{KEY}\nvalue")
        assert "OPENAI_API_KEY" in str(caught.value)
        assert KEY not in "".join(traceback.format_exception(caught.value))


class TestEndpoint:
    def test_from_the_environment(self) -> None:
        environ = {"OPENAI_API_KEY": f"{KEY}\n", "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"}
        endpoint = Endpoint.from_environment(environ)
        assert (endpoint.base_url, endpoint.api_key) == ("http://127.0.0.1:8000/v1", KEY)
        assert Endpoint.from_environment(environ, "https://other.example").base_url == "https://other.example"

    def test_from_an_empty_environment(self) -> None:
        endpoint = Endpoint.from_environment({}, key_variable="GROQ_API_KEY")
        assert (endpoint.base_url, endpoint.api_key) == ("https://api.openai.com/v1", None)
        assert endpoint.key_variable == "GROQ_API_KEY"

    def test_it_cannot_change(self) -> None:
        headers = {"X-Team": "a"}
        endpoint = Endpoint("https://api.example/v1", headers=headers)
        headers["X-Team"] = "b"
        assert endpoint.headers == {"X-Team": "a"}
        assert hash(endpoint) == hash(Endpoint("https://api.example/v1", headers={"X-Team": "a"}))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "api.openai.com/v1",
            "ftp://api.example/v1",
            "http://",
            "http://host:99999/v1",
            "http://host:0/v1",
            "http://[::1/v1",
            "https://api.example/v 1",
            "https://api.example/v1\n",
            "https://bücher.example/v1",
            "https://user:pass@api.example/v1",
            "https://api.example/v1?key=pass",
            "https://api.example/v1#pass",
        ],
    )
    def test_unusable_urls_are_refused(self, url: str) -> None:
        with pytest.raises(InvalidInput, match=r"Use a URL such as https://api\.openai\.com/v1") as caught:
            Endpoint(url)
        assert "pass@" not in str(caught.value)

    @pytest.mark.parametrize(
        "settings",
        [
            {"connect_timeout_s": 0},
            {"read_timeout_s": -1},
            {"read_timeout_s": float("nan")},
            {"read_timeout_s": float("inf")},
            {"retries": -1},
            {"retries": 11},
            {"backoff_s": -0.1},
            {"backoff_s": float("inf")},
            {"headers": {"X Team": "a"}},
            {"headers": {"X-Team": "a\r\nX-Evil: b"}},
        ],
    )
    def test_unusable_settings_are_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            Endpoint("https://api.example/v1", **settings)
