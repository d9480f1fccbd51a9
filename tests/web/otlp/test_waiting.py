"""Messages of one call that come in several requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ratchet.providers.system import ReplayClock
from ratchet.records.trace import Turn
from ratchet.web.otlp.receive import JSON, Received, Waiting, receive_logs
from tests.web.otlp.requests import a_record, logs_json


def question(number: int = 1, text: str = "When?") -> dict[str, Any]:
    return a_record("gen_ai.user.message", {"content": text}, number=number)


def answer(number: int = 1, text: str = "Now.") -> dict[str, Any]:
    return a_record("gen_ai.choice", {"message": {"content": text}}, number=number, at_ms=700)


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(1000.0)


@pytest.fixture
def waiting(clock: ReplayClock) -> Waiting:
    return Waiting(clock.now, longest_s=60.0)


def send(waiting: Waiting, *records: dict[str, Any]) -> Received:
    return receive_logs(logs_json(*records), JSON, "", waiting=waiting)


@pytest.mark.parametrize("parts", [(question(), answer()), (answer(), question())], ids=["question first", "last"])
def test_the_halves_of_a_call_are_joined_whichever_comes_first(waiting: Waiting, parts: tuple[Any, Any]) -> None:
    assert send(waiting, parts[0]) == Received()
    (trace,) = send(waiting, parts[1]).traces
    assert (trace.input, trace.output, trace.latency_ms) == ("When?", "Now.", 700.0)
    assert trace == receive_logs(logs_json(*parts), JSON, "").traces[0]


def test_a_record_that_comes_again_counts_once(waiting: Waiting) -> None:
    system = a_record("gen_ai.system.message", {"content": "Be short."}, at_ms=-1)
    assert [send(waiting, system, question()), send(waiting, system), send(waiting, question())] == [Received()] * 3
    (trace,) = send(waiting, answer()).traces
    assert trace.history == [Turn("system", "Be short.")]


def test_what_was_joined_waits_no_longer(waiting: Waiting) -> None:
    send(waiting, question())
    assert send(waiting, answer()).traces
    assert send(waiting, answer(text="Again.")) == Received()


def test_what_waits_too_long_is_forgotten_and_counted(waiting: Waiting, clock: ReplayClock) -> None:
    send(waiting, question(1))
    clock.advance(40.0)
    send(waiting, question(2))
    send(waiting, a_record("gen_ai.system.message", {"content": "More of it."}, number=1))
    clock.advance(40.0)
    assert send(waiting, answer(2)).traces
    assert waiting.lost == 1
    assert send(waiting, answer(1)) == Received()


def test_too_much_is_not_kept_and_the_oldest_goes_first(clock: ReplayClock) -> None:
    waiting = Waiting(clock.now, most_characters=5000)
    for number in range(1, 5):
        send(waiting, question(number, "x" * 2000))
    assert waiting.lost == 2
    assert [bool(send(waiting, answer(number)).traces) for number in (4, 3)] == [True, True]
    send(waiting, question(5, "x" * 6000))
    assert send(waiting, answer(5)) == Received()


def test_nothing_stays_behind_of_calls_that_are_whole_or_say_nothing(clock: ReplayClock) -> None:
    waiting = Waiting(clock.now, most_characters=1000)
    for number in range(1, 100):
        assert send(waiting, question(number), answer(number)).traces
        send(waiting, a_record("gen_ai.user.message", {}, number=number))
    assert waiting.lost == 0


def test_records_outside_any_span_do_not_wait(waiting: Waiting) -> None:
    assert "no valid trace id" in send(waiting, question(0)).refused[0].reason
    assert "no valid trace id" in send(waiting, answer(0)).refused[0].reason


def test_halves_that_come_at_the_same_time_are_joined(waiting: Waiting) -> None:
    parts = [part for number in range(1, 101) for part in (question(number), answer(number))]
    with ThreadPoolExecutor(8) as threads:
        received = list(threads.map(lambda part: send(waiting, part), parts))
    assert len({trace.id for part in received for trace in part.traces}) == 100
