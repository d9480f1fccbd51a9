"""The worker: it learns when something is new, one turn of an app at a time, and outlives what fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ratchet.errors import Conflict, StorageError
from ratchet.providers.answerers import Absent
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.wiring import House, background_worker
from ratchet.worker import LEASE_S, TurnRunning, Worker
from tests import scenes
from tests.conftest import ask, complain, correct


@dataclass
class Played:
    """A worker over a house, what it told, and how often each app was turned."""

    worker: Worker
    told: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def played(house: House) -> Played:
    told: list[tuple[str, str]] = []
    return Played(background_worker(house, lambda app, outcome: told.append((app, outcome))), told)


def lease(house: House, app: str) -> tuple[object, ...]:
    with house.store._database.reading() as connection:
        query = "SELECT owner, until, fence FROM leases WHERE name = ?"
        return tuple(connection.exec_driver_sql(query, (f"turn:{app}",)).one())


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


class TestLooking:
    def test_turns_once_at_first_and_then_only_when_something_is_new(
        self, house: House, classify: App, played: Played
    ) -> None:
        for _ in range(3):
            played.worker.look()
        assert played.told == [("triage", "nothing new")]
        ask(house, classify, "nobody complains")
        complain(house, ask(house, classify, "where is my money").trace)
        played.worker.look()
        assert len(played.told) == 1, "a complaint alone teaches nothing"
        assert house.store.cases.waiting("triage") == 1, "but it is judged"

    def test_turns_when_a_verdict_arrives_and_once_for_it(self, house: House, classify: App, played: Played) -> None:
        played.worker.look()
        correct(house, classify, "where is my money", answer="refund")
        for _ in range(3):
            played.worker.look()
        assert played.told == [("triage", "nothing new"), ("triage", "released")]
        assert house.store.releases.active("triage") == 1

    def test_turns_when_a_lesson_was_revoked_or_knowledge_came(
        self, house: House, support: App, played: Played
    ) -> None:
        lesson = correct(house, support, "do you sell kites", answer="No.").lesson
        assert lesson is not None
        played.worker.look()
        house.store.lessons.retire(lesson.id, "revoked")
        played.worker.look()
        known = house.store.knowledge.passages("support", house.store.knowledge.version("support"))
        house.know("support", known[:-1])
        played.worker.look()
        assert len(played.told) == 3

    def test_turns_no_app_whose_base_is_elsewhere(self, house: House, played: Played) -> None:
        house.declare("away", "answer", Absent("function:mine"))
        played.worker.look()
        assert played.told == []

    def test_looks_at_the_next_app_when_one_fails_and_says_so(
        self, house: House, support: App, classify: App, played: Played, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        turn = type(house.loop).turn

        def fail(loop: object, app: str, **more: object) -> object:
            if app == "support":
                raise ZeroDivisionError("no words for this")
            return turn(house.loop, app)

        monkeypatch.setattr(type(house.loop), "turn", fail)
        played.worker.look()
        assert played.told == [("support", "failed"), ("triage", "nothing new")]
        assert [record.getMessage() for record in caplog.records] == ["The turn of support failed."]

    def test_tries_a_failed_turn_again_when_something_changes_not_before(
        self, house: House, classify: App, played: Played, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        turn, turned = type(house.loop).turn, []

        def fail(loop: object, app: str, **more: object) -> object:
            turned.append(app)
            if len(turned) < 3:
                raise (StorageError("The disk is full.", "Free some.") if len(turned) == 1 else RuntimeError("odd"))
            return turn(house.loop, app)

        monkeypatch.setattr(type(house.loop), "turn", fail)
        played.worker.look()
        played.worker.look()
        assert (turned, played.told) == (["triage"], [("triage", "failed")])
        correct(house, classify, "where is my money", answer="refund")
        played.worker.look()
        correct(house, classify, "where is my parcel", answer="delivery")
        played.worker.look()
        assert played.told == [("triage", "failed"), ("triage", "failed"), ("triage", "released")]
        assert lease(house, "triage")[0] == "", "a failed turn gives its lease back"


class TestTheLease:
    def test_that_somebody_holds_makes_a_conflict(self, house: House, classify: App, played: Played) -> None:
        now = house.outside.clock.now()
        assert house.store.leases.take("turn:triage", "elsewhere", now, now + 60) == 1
        with pytest.raises(Conflict, match="Another turn of triage is running") as raised:
            played.worker.turn("triage")
        assert isinstance(raised.value, TurnRunning)
        assert played.told == []
        assert lease(house, "triage") == ("elsewhere", now + 60, 1), "it is not touched"

    def test_that_ran_out_is_taken_over_with_a_higher_fence(
        self, house: House, classify: App, played: Played, clock: ReplayClock
    ) -> None:
        house.store.leases.take("turn:triage", "dead", clock.now(), clock.now() + LEASE_S)
        clock.advance(LEASE_S)
        played.worker.turn("triage")
        owner, _, fence = lease(house, "triage")
        assert (owner, fence) == ("", 2)

    def test_keeps_a_second_turn_of_the_same_worker_out(
        self, house: House, classify: App, played: Played, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Requests turn apps beside the worker's own thread."""
        turn = type(house.loop).turn
        inside, go_on = threading.Event(), threading.Event()

        def slow(loop: object, app: str, **more: object) -> object:
            inside.set()
            assert go_on.wait(10)
            return turn(house.loop, app)

        monkeypatch.setattr(type(house.loop), "turn", slow)
        first = threading.Thread(target=played.worker.turn, args=("triage",))
        first.start()
        assert inside.wait(10)
        with pytest.raises(TurnRunning):
            played.worker.turn("triage")
        go_on.set()
        first.join()
        played.worker.turn("triage")
        assert [outcome for _, outcome in played.told] == ["nothing new", "nothing new"]

    def test_of_another_turn_does_not_make_a_verdict_forgotten(
        self, house: House, classify: App, played: Played
    ) -> None:
        """The other turn may have begun before the verdict came: the worker looks again once it is over."""
        played.worker.look()
        correct(house, classify, "where is my money", answer="refund")
        now = house.outside.clock.now()
        house.store.leases.take("turn:triage", "elsewhere", now, now + 60)
        played.worker.look()
        assert [outcome for _, outcome in played.told] == ["nothing new"]
        house.store.leases.give_back("turn:triage", "elsewhere")
        played.worker.look()
        assert played.told[-1] == ("triage", "released")

    def test_is_renewed_while_the_turn_lasts(
        self, house: House, classify: App, played: Played, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ratchet.worker.LEASE_S", 0.04)
        turn, seen = type(house.loop).turn, []

        def long(loop: object, app: str, **more: object) -> object:
            owner, until, fence = lease(house, "triage")
            clock.advance(0.03)
            wait_for(lambda: lease(house, "triage")[1] != until)
            seen.append(lease(house, "triage") == (owner, clock.now() + 0.04, fence))
            return turn(house.loop, app)

        monkeypatch.setattr(type(house.loop), "turn", long)
        played.worker.turn("triage")
        assert seen == [True]


class TestTheThread:
    def test_works_until_stopped_and_at_once_when_woken(
        self, house: House, classify: App, played: Played, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ratchet.worker.EVERY_S", 60.0)
        played.worker.start()
        try:
            wait_for(lambda: played.told)
            correct(house, classify, "where is my money", answer="refund")
            played.worker.wake()
            wait_for(lambda: len(played.told) == 2)
        finally:
            played.worker.stop(10)
        assert played.told == [("triage", "nothing new"), ("triage", "released")]
        assert not any(thread.name == "ratchet-worker" for thread in threading.enumerate())

    def test_outlives_a_store_that_is_away_for_a_while(
        self, house: House, classify: App, played: Played, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("ratchet.worker.EVERY_S", 0.01)
        apps, failures = played.worker.apps, iter([StorageError("The disk failed.", "Check it."), OSError("gone")])

        def flaky() -> object:
            for failure in failures:
                raise failure
            return apps()

        played.worker.apps = flaky  # type: ignore[assignment]
        played.worker.start()
        try:
            wait_for(lambda: played.told)
        finally:
            played.worker.stop(10)
        assert [record.getMessage() for record in caplog.records] == ["Looking for work failed."] * 2

    def test_that_was_stopped_looks_at_nothing_more(self, house: House, classify: App, played: Played) -> None:
        played.worker.stop()
        played.worker.look()
        played.worker.run()
        assert played.told == []


class TestTheOutcome:
    def test_is_waiting_while_reviewers_must_compare(self, house: House, played: Played) -> None:
        desk = scenes.declare(house)
        asked = [text for text in scenes.questions(600, seed=7) if scenes.truth(text) == "login"][:22]
        answered = {question: ask(house, desk, question).trace.output for question in asked[:14]}
        scenes.teach(house, desk, asked[14:])
        played.worker.turn("desk", now=True)
        scenes.review_gate(house, desk, lambda question: answered[question])
        played.worker.turn("desk")
        assert played.told == [("desk", "waiting"), ("desk", "reject")]
