"""A provider that fails in every way we know: the caller is told so in time, and nothing learned is lost."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from ratchet.errors import StorageError
from ratchet.providers.scripted import Reply
from ratchet.web.gateway.breaker import OPEN_S
from tests.web.gateway.conftest import PROJECT, QUESTION, SAYS, Gateway, Model, serve
from tests.web.running import Answered

READ_S = 0.4
WHOLE_S = READ_S * 10
SLACK_S = 3.0  # the machine that runs this may be busy
IMPATIENT = PROJECT.replace("read_timeout_s = 5", f"read_timeout_s = {READ_S}")
OWN = {"error": {"message": "It is broken.", "type": "scripted", "code": None}}


@dataclass(frozen=True, slots=True)
class Fault:
    """``code`` is the provider's own error where it is empty."""

    reply: Reply
    status: int
    code: str = ""
    budget_s: float = 0.0


def good() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": SAYS}, "finish_reason": "stop"}
    return json.dumps({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()


FAULTS = {
    "timeout": Fault(Reply(SAYS, delay_s=1.2), 504, "provider_timeout", READ_S),
    "500": Fault(Reply("It is broken.", status=500), 500),
    "503": Fault(Reply("It is broken.", status=503), 503),
    "401": Fault(Reply("It is broken.", status=401), 401),
    "429 with Retry-After": Fault(Reply("It is broken.", status=429, headers={"retry-after": "7"}), 429),
    "an error that is no JSON": Fault(Reply(status=502, body=b"<h1>Bad gateway</h1>"), 502),
    "an error without a word": Fault(Reply(status=500, body=b""), 500, "provider_refused"),
    "truncated JSON": Fault(Reply(body=good()[:40]), 502, "provider_garbled"),
    "a body that breaks off": Fault(Reply(body=good(), cut_after=40), 502, "provider_garbled"),
    "garbage": Fault(Reply(body=b"\xff\x00garbage"), 502, "provider_garbled"),
    "no object": Fault(Reply(body=b"[1]"), 502, "provider_garbled"),
    "wrong schema": Fault(Reply(body=b'{"answer": "hello"}'), 502, "provider_garbled"),
    "no choices": Fault(Reply(body=b'{"choices": []}'), 502, "provider_garbled"),
    "a choice without a message": Fault(Reply(body=b'{"choices": [{"text": "x"}]}'), 502, "provider_garbled"),
    "endless nesting": Fault(Reply(body=b"[" * 100_000), 502, "provider_garbled"),
    "an empty body": Fault(Reply(body=b""), 502, "provider_garbled"),
    "a closed socket": Fault(Reply(status=0), 502, "provider_unreachable"),
    "a redirect": Fault(
        Reply("x", status=302, headers={"location": "http://127.0.0.1:9/v1"}), 502, "provider_redirects"
    ),
}


class Dripping:
    """A server that sends one byte of its answer at a time, and never all of it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._drip, args=(client,)))
            self._threads[-1].start()

    def _drip(self, client: socket.socket) -> None:
        with client:
            client.recv(65536)
            try:
                client.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
                while not self._closing.wait(READ_S / 4):
                    client.sendall(b" ")
            except OSError:
                return

    def close(self) -> None:
        self._closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    model = Model()
    with model.server:
        yield from serve(tmp_path_factory.mktemp("impatient"), model, IMPATIENT)


@pytest.fixture
def faulty(impatient: Gateway) -> Gateway:
    impatient.model.script = lambda _: SAYS
    impatient.forget_failures()
    return impatient


def chat(gateway: Gateway, app: str = "tutor", **more: Any) -> Answered:
    body = {"model": app, "messages": [{"role": "user", "content": QUESTION}], **more}
    return gateway.service.post("/v1/chat/completions", body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_caller_gets_the_providers_own_error_or_a_clear_one_in_time(
    faulty: Gateway, name: str, stream: bool
) -> None:
    fault = FAULTS[name]
    broken = fault.reply
    if stream and broken.status == 200 and broken.body is not None:
        # What is no stream comes with the content type of what it is.
        broken = Reply(body=broken.body, headers={"content-type": "application/json"}, cut_after=broken.cut_after)
    faulty.model.says(broken)
    before = len(faulty.service.get("/v1/traces?app=tutor&limit=200").json()["traces"])
    began = time.monotonic()
    answer = chat(faulty, stream=stream)
    took = time.monotonic() - began
    assert answer.status == fault.status, answer.data
    if fault.code:
        error = answer.json()["error"]
        assert error["code"] == fault.code
        assert error["message"]
        assert error["type"] == "server_error"
    elif fault.reply.body is None:
        assert answer.json() == OWN
    else:
        assert answer.data == fault.reply.body
    assert answer.headers.get("retry-after") == fault.reply.headers.get("retry-after")
    assert took < fault.budget_s + SLACK_S
    after = len(faulty.service.get("/v1/traces?app=tutor&limit=200").json()["traces"])
    assert after == before, "an outage was recorded as an answer"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/embeddings"])
@pytest.mark.parametrize("name", ["500", "truncated JSON", "wrong schema", "a closed socket", "a redirect"])
def test_the_other_routes_tell_it_as_well(faulty: Gateway, name: str, path: str) -> None:
    fault = FAULTS[name]
    if path == "/v1/embeddings":
        steps = faulty.model.server
        faulty_reply = Reply(fault.reply.text, status=fault.reply.status, body=fault.reply.body,
                             headers=fault.reply.headers, path="/embeddings")  # fmt: skip
        steps._steps += [faulty_reply] * 2
    faulty.model.says(fault.reply)
    answer = faulty.service.post(path, {"model": "tutor", "input": QUESTION})
    faulty.model.server._steps.clear()
    assert answer.status == fault.status, answer.data
    error = answer.json()["error"]
    assert error["code"] == fault.code if fault.code else answer.json() == OWN


def test_a_drip_is_bounded_too(tmp_path: Path) -> None:
    server = Dripping()
    try:
        model = Model()
        with model.server:
            toml = IMPATIENT.replace("{url}", server.url)
            for gateway in serve(tmp_path, model, toml):
                began = time.monotonic()
                answer = chat(gateway)
                took = time.monotonic() - began
                assert (answer.status, answer.json()["error"]["code"]) == (504, "provider_timeout")
                assert WHOLE_S - 0.2 < took < WHOLE_S + SLACK_S
    finally:
        server.close()


def test_a_stream_that_stalls_is_told_to_the_client(faulty: Gateway) -> None:
    faulty.model.says(Reply(stream_pieces=["a ", "b "], piece_delay_s=1.2))
    began = time.monotonic()
    with pytest.raises(openai.APIError, match="broke off"):
        list(faulty.ask("tutor", stream=True))
    assert time.monotonic() - began < READ_S + SLACK_S


def test_nobody_there_is_a_clear_502(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = Model()
    with model.server:
        for gateway in serve(tmp_path, model, IMPATIENT.replace("{url}", url)):
            for stream in (False, True):
                answer = chat(gateway, stream=stream)
                assert (answer.status, answer.json()["error"]["code"]) == (502, "provider_unreachable")
            assert gateway.ask("support").choices[0].message.content, "the apps without a model go on"


def test_a_call_that_was_hung_up_on_before_it_began_is_made_again(faulty: Gateway) -> None:
    replies = iter([Reply(status=0), Reply(SAYS)])
    faulty.model.script = lambda _: next(replies)
    assert chat(faulty).status == 200


def test_the_breaker_opens_holds_back_tries_once_and_closes(faulty: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = faulty.service.service._upstreams["scripted"].breaker
    clock = [time.monotonic()]
    monkeypatch.setattr(breaker, "_now", lambda: clock[0])
    faulty.model.says(Reply("It is broken.", status=500))
    assert [chat(faulty).status for _ in range(5)] == [500] * 5
    asked = len(faulty.model.received)
    held = chat(faulty)
    assert (held.status, held.json()["error"]["code"]) == (503, "unavailable")
    assert 1 <= int(held.headers["retry-after"]) <= OPEN_S * 1.2 + 1
    assert len(faulty.model.received) == asked
    assert faulty.metric('ratchet_breaker_open{provider="scripted"}') == 1
    with pytest.raises(openai.InternalServerError) as refused:
        faulty.ask("tutor")
    assert refused.value.status_code == 503
    assert chat(faulty, "support").status == 200, "what needs no provider is answered"

    clock[0] += OPEN_S * 1.3
    faulty.model.says(Reply(SAYS, delay_s=0.2))
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status for answer in pool.map(lambda _: chat(faulty), range(8)))
    assert statuses == [200] + [503] * 7
    assert len(faulty.model.received) == asked + 1
    assert chat(faulty).status == 200
    assert faulty.metric('ratchet_breaker_open{provider="scripted"}') == 0


def test_streams_that_break_off_open_the_breaker_and_refusals_do_not(faulty: Gateway) -> None:
    breaker = faulty.service.service._upstreams["scripted"].breaker
    faulty.model.says(Reply("It is broken.", status=429))
    for _ in range(8):
        assert chat(faulty).status == 429
    assert not breaker.is_open
    faulty.model.says(Reply(SAYS, cut_after=400))
    for _ in range(5):
        chat(faulty, stream=True)
    assert breaker.is_open


def test_when_the_look_up_is_too_slow_the_bare_prompt_is_answered(tmp_path: Path) -> None:
    model = Model()
    toml = PROJECT.replace("[apps.tutor]\n", "[apps.tutor]\nlearned_budget_s = 0.000001\n")
    with model.server:
        for gateway in serve(tmp_path, model, toml):
            before = gateway.metric('ratchet_fallbacks_total{reason="too slow"}')
            answer = gateway.ask("tutor")
            assert answer.choices[0].message.content == SAYS
            assert (answer.ratchet["source"], answer.ratchet["influences"]) == ("fallback", [])
            assert [message["content"] for message in model.last["messages"]][1:] == [QUESTION]
            assert gateway.metric('ratchet_fallbacks_total{reason="too slow"}') == before + 1
            assert gateway.trace(answer.id)["source"] == "fallback"


def test_a_look_up_that_comes_too_late_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    toml = PROJECT.replace("[apps.tutor]\n", "[apps.tutor]\nlearned_budget_s = 0.05\n")
    with model.server:
        for gateway in serve(tmp_path, model, toml):
            gateway.ask("tutor")
            slow_down(gateway, monkeypatch, 0.3)
            model.says(Reply(SAYS, delay_s=0.6))
            answer = gateway.ask("tutor")
            assert (answer.ratchet["source"], answer.ratchet["influences"]) == ("fallback", [])
            assert gateway.trace(answer.id)["influences"] == []


def slow_down(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    outside = gateway.service.service.house.outside
    embed = outside.vectors.embed

    def slow(texts: Any, *more: Any) -> Any:
        time.sleep(seconds)
        return embed(texts, *more)

    monkeypatch.setattr(outside.vectors, "embed", slow)


def test_when_the_look_up_fails_the_bare_prompt_is_answered(fresh: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(fresh.service.service.house.outside.vectors, "embed", fail)
    for stream in (False, True):
        answer = chat(fresh, stream=stream)
        assert answer.status == 200
        assert [message["content"] for message in fresh.model.last["messages"]][1:] == [QUESTION]
    assert fresh.metric('ratchet_fallbacks_total{reason="failed"}') == 2


def test_what_was_learned_is_left_out_when_the_provider_refuses_it(fresh: Gateway) -> None:
    def narrow(body: dict[str, Any]) -> Reply | str:
        long = len(json.dumps(body)) > 400
        return Reply("The context is too long.", status=400) if long else SAYS

    fresh.model.script = narrow
    for stream in (False, True):
        assert chat(fresh, stream=stream).status == 200
        assert fresh.model.last["messages"][1]["content"] == QUESTION
    assert fresh.metric('ratchet_fallbacks_total{reason="refused"}') == 2
    fresh.model.says(Reply("Never.", status=400))
    asked = len(fresh.model.received)
    answer = chat(fresh)
    assert (answer.status, answer.json()["error"]["message"]) == (400, "Never.")
    assert len(fresh.model.received) == asked + 2
    assert chat(fresh, "bare").status == 400
    assert len(fresh.model.received) == asked + 3, "with nothing learned there is nothing to leave out"


def test_a_release_that_cannot_be_loaded_leaves_the_one_before_it_in_charge(
    fresh: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.web.gateway.test_learned import TAUGHT, teach

    teach(fresh, "tutor", QUESTION, TAUGHT)
    house = fresh.service.service.house
    whole = house.bundles.of_release

    def broken(app: Any, number: int) -> Any:
        if number == 1:
            raise StorageError("Release 1 is damaged.", "Restore it.")
        return whole(app, number)

    monkeypatch.setattr(house.bundles, "of_release", broken)
    house.bundles.forget("tutor")
    answer = fresh.ask("tutor")
    assert answer.choices[0].message.content == SAYS
    assert answer.ratchet["release"] == 0
    assert "2 to 4 working days" in fresh.model.last["messages"][1]["content"]
    assert fresh.metric('ratchet_fallbacks_total{reason="release"}') == 1


def test_when_the_store_cannot_be_written_the_answer_is_served(fresh: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.ask("tutor")

    def full(*_: object) -> Any:
        raise StorageError("The disk is full.", "Free some space.")

    monkeypatch.setattr(fresh.service.service.house.outside.store.traces, "add_many", full)
    for app in ("tutor", "support", "sorter"):
        for stream in (False, True):
            answer = chat(fresh, app, stream=stream)
            assert answer.status == 200
            assert answer.headers["x-ratchet-feedback-token"]


def each_call(gateway: Gateway, count: int, act: Callable[[int], tuple[int, float]]) -> tuple[list[int], list[float]]:
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(act, range(count)))
    return [status for status, _ in done], sorted(seconds for _, seconds in done)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_thousand_calls_of_each_fault_lose_no_feedback(
    faulty: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the breaker taken out: every call reaches the provider; feedback on good answers goes on meanwhile."""
    calls = 1000
    fault = FAULTS[name]
    tokens = [faulty.ask("support").ratchet["feedback_token"] for _ in range(20)]
    faulty.model.says(fault.reply)
    monkeypatch.setattr(faulty.service.service._upstreams["scripted"].breaker, "wait_s", lambda: 0.0)

    def act(number: int) -> tuple[int, float]:
        began = time.perf_counter()
        answer = chat(faulty)
        took = time.perf_counter() - began
        told = {"token": tokens[number % 20], "user": f"{name} {number}", "stars": 1}
        assert faulty.service.post("/v1/feedback", told).status == 201
        return answer.status, took

    before = stored(faulty)
    statuses, seconds = each_call(faulty, calls, act)
    assert stored(faulty) == before + calls
    assert set(statuses) == {fault.status}
    waits = fault.reply.delay_s and fault.budget_s
    p50, p99 = ((seconds[at] - waits) * 1e3 for at in (500, 990))
    print(f"\n{name}: {calls} x {fault.status}, p50 {p50:.0f} ms, p99 {p99:.0f} ms; 0 lost")
    assert seconds[990] < fault.budget_s + SLACK_S


def stored(gateway: Gateway) -> int:
    found = gateway.service.get("/metrics").data.decode().splitlines()
    line = next(row for row in found if row.startswith('ratchet_intake_total{app="support",outcome="stored"}'))
    traces = len(gateway.service.get("/v1/traces?app=support&limit=500").json()["traces"])
    assert traces
    return int(line.rsplit(" ", 1)[1])
