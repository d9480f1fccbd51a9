"""The service stops for a while under steady calls: every call is answered, and what was said arrives once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import Ratchet
from tests.faults.conftest import ask_sqlite
from tests.faults.serving import Served
from tests.web.running import wait_until

CALLS_A_SECOND = 50
QUESTION = "Can I return my bike after six weeks?"
RIGHT = "Yes, within 60 days."
SLOWEST_S = 1.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "project").start().ready()
    yield served
    served.close()


class Caller:
    """Calls an app at a steady rate from four threads, and rates every answer."""

    def __init__(self, loop: Ratchet, answer: object) -> None:
        self._loop = loop
        self._answer = answer
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(lane,)) for lane in range(4)]
        self.answers: list[str] = []
        self.rated: list[str] = []
        self.failures: list[BaseException] = []
        self.slowest = 0.0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _call(self, lane: int) -> None:
        pause = len(self._threads) / CALLS_A_SECOND
        due = time.monotonic() + lane / CALLS_A_SECOND
        while not self._stop.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due += pause
            began = time.monotonic()
            try:
                reply = self._answer(QUESTION, user=f"u{lane}")  # type: ignore[operator]
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.answers.append(str(reply))
                self._loop.feedback(reply.id, app="support", user=f"u{lane}", thumb="up", wait_s=0.0)
                self.rated.append(reply.id)
            except BaseException as error:
                self.failures.append(error)


def teach(loop: Ratchet, answer: object) -> None:
    """A reviewed answer to the question, live."""
    reply = answer(QUESTION, user="kim")  # type: ignore[operator]
    assert loop.feedback(reply.id, user="kim", thumb="down", wait_s=30).accepted
    (case,) = loop.queue("support", 1)
    assert loop.decide(case.id, reviewer="ana", erred=True, answer=RIGHT).lesson is not None
    wait_until(lambda: loop.releases("support"), 30)


@pytest.mark.parametrize(
    "away_s", [3.0, pytest.param(60.0, marks=pytest.mark.slow)], ids=["for seconds", "for a minute"]
)
def test_every_call_succeeds_on_the_kept_release_and_all_feedback_arrives_once(
    service: Served, tmp_path: Path, away_s: float
) -> None:
    environment = {"RATCHET_EMBEDDER": "lexical", "RATCHET_STATE": str(tmp_path / "state")}
    with Ratchet(service.url, environment=environment) as loop:

        @loop.app("support")
        def answer(question: str, learned: object) -> str:
            return "Sorry, only within 30 days."

        teach(loop, answer)
        wait_until(lambda: str(answer(QUESTION, user="kim")) == RIGHT, 40)
        wait_until(lambda: list((tmp_path / "state").rglob("*release*")), 40)
        caller = Caller(loop, answer)
        caller.start()
        time.sleep(1.0)
        assert service.stop() == 0
        before = len(caller.answers)
        time.sleep(away_s)
        during = len(caller.answers) - before
        service.start().ready()
        time.sleep(1.0)
        caller.stop()
        assert caller.failures == []
        assert during >= CALLS_A_SECOND * away_s * 0.5, "it went on being called"
        assert set(caller.answers) == {RIGHT}, "the kept release answered"
        assert loop.flush(60.0)
    slowest_ms = caller.slowest * 1000
    print(f"away {away_s:.0f} s: {during} calls meanwhile, slowest {slowest_ms:.0f} ms, {len(caller.rated)} rated")
    stored = [str(row[0]) for row in ask_sqlite(service.store, "SELECT trace_id FROM feedback WHERE user != 'kim'")]
    assert sorted(stored) == sorted(caller.rated), "each rating once, none lost"
    traces = {str(row[0]) for row in ask_sqlite(service.store, "SELECT id FROM traces")}
    assert set(caller.rated) <= traces
    assert caller.slowest < SLOWEST_S
