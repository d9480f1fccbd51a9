"""A revoked lesson is out of every release at once."""

from __future__ import annotations

import pytest

from ratchet.errors import Conflict, UnknownName
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.stages.release.revoke import revoke
from ratchet.stages.release.rollback import rollback
from ratchet.wiring import House
from tests.conftest import ask, correct
from tests.scenes import actions


@pytest.fixture
def learned(house: House, support: App, clock: ReplayClock) -> Lesson:
    lesson = correct(house, support, "do you sell kites", answer="Yes, red ones.").lesson
    clock.advance(60)
    correct(house, support, "is there a cafeteria", answer="On the second floor.")
    assert lesson is not None
    assert house.loop.turn("support").release is not None
    return lesson


def test_a_revoked_lesson_shapes_no_answer_and_is_shown_to_nobody(house: House, support: App, learned: Lesson) -> None:
    assert ask(house, support, "do you sell kites").answer.text == "Yes, red ones."
    revoke(house.outside, learned.id, actor="ana", reason="we stopped")
    house.bundles.forget("support")
    answer = ask(house, support, "do you sell kites").answer
    assert answer.text != "Yes, red ones."
    assert learned.id not in {influence.id for influence in answer.influences}
    assert learned.id not in house.bundles.active(support).lesson_ids
    assert ask(house, support, "is there a cafeteria").answer.text == "On the second floor."


def test_no_rollback_brings_it_back(house: House, support: App, learned: Lesson, clock: ReplayClock) -> None:
    clock.advance(60)
    correct(house, support, "may I bring my dog", answer="On a leash.")
    assert house.loop.turn("support").release is not None
    revoke(house.outside, learned.id, actor="ana", reason="we stopped")
    house.bundles.forget("support")
    rollback(house.outside, "support", actor="ana", reason="x")
    assert ask(house, support, "do you sell kites").answer.text != "Yes, red ones."


def test_the_next_turn_leaves_it_out_for_good(house: House, support: App, learned: Lesson) -> None:
    revoke(house.outside, learned.id, actor="ana", reason="we stopped")
    house.bundles.forget("support")
    release = house.loop.turn("support").release
    assert release is not None
    assert release.lessons == 1
    assert learned.id not in {lesson.id for lesson in house.bundles.bank("support", release.number)}


def test_it_is_recorded_once_with_who_and_why(house: House, learned: Lesson) -> None:
    assert revoke(house.outside, learned.id, actor="ana", reason="we stopped").id == learned.id
    (entry,) = actions(house, "lesson.revoked")
    assert (entry.actor, entry.subject, entry.details) == (
        "ana",
        learned.id,
        {"reason": "we stopped", "reinstated": ""},
    )


def test_it_is_refused_twice_without_a_reason_and_for_no_lesson(house: House, learned: Lesson) -> None:
    with pytest.raises(UnknownName, match="no lesson 'ls_nope'"):
        revoke(house.outside, "ls_nope", actor="ana", reason="x")
    with pytest.raises(Conflict, match="No reason was given"):
        revoke(house.outside, learned.id, actor="ana", reason="  ")
    assert house.store.lessons.denied("support") == frozenset()
    revoke(house.outside, learned.id, actor="ana", reason="x")
    with pytest.raises(Conflict, match="is revoked already"):
        revoke(house.outside, learned.id, actor="ana", reason="x")
    assert len(actions(house, "lesson.revoked")) == 1


class TestWhatItHadSuperseded:
    @pytest.fixture
    def line(self, house: House, support: App, clock: ReplayClock) -> list[Lesson]:
        """Three answers to one question, each superseding the one before."""
        found = []
        for text in ("Yes.", "No.", "Perhaps."):
            found.append(correct(house, support, "do you sell kites", answer=text).lesson)
            clock.advance(60)
        return [lesson for lesson in found if lesson is not None]

    def active(self, house: House) -> list[str]:
        return [lesson.answer for lesson in house.store.lessons.all("support") if lesson.status == "active"]

    def test_counts_again(self, house: House, line: list[Lesson]) -> None:
        revoke(house.outside, line[2].id, actor="ana", reason="x")
        assert self.active(house) == ["No."]
        assert actions(house, "lesson.revoked")[0].details["reinstated"] == line[1].id

    def test_does_not_count_beside_the_one_that_still_stands(self, house: House, line: list[Lesson]) -> None:
        revoke(house.outside, line[1].id, actor="ana", reason="x")
        assert self.active(house) == ["Perhaps."]
        revoke(house.outside, line[2].id, actor="ana", reason="x")
        assert self.active(house) == ["Yes."]
        revoke(house.outside, line[0].id, actor="ana", reason="x")
        assert self.active(house) == []

    def test_stays_revoked_if_it_was(self, house: House, line: list[Lesson]) -> None:
        for lesson in line:
            revoke(house.outside, lesson.id, actor="ana", reason="x")
        assert self.active(house) == []
