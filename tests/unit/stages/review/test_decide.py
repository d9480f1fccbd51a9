"""A reviewer's decision becomes a verdict, and a verdict with a right answer becomes a lesson."""

from __future__ import annotations

import pytest

from ratchet.errors import Conflict, InvalidInput, UnknownName
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.case import Case
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review.decide import LONGEST_ANSWER, decide
from ratchet.wiring import House
from tests.conftest import ask, complain, correct
from tests.scenes import actions, held_out


def opened(house: House, app: App, question: str, user: str = "u1") -> Case:
    served = ask(house, app, question)
    complain(house, served.trace, user=user)
    enrich(house.outside, app.name, house.loop.rules)
    return next(case for case in house.store.cases.opened(app.name) if case.trace_id == served.trace.id)


class TestACorrection:
    def test_becomes_a_lesson_with_its_whole_provenance(self, house: House, classify: App) -> None:
        case = opened(house, classify, "my parcel is late", user="carl")
        trace = house.store.traces.get(case.trace_id)
        assert trace is not None
        decided = decide(
            house.outside, case.id, reviewer=" ana ", erred=True, answer="refund", failure_mode=" wrong_fact "
        )
        lesson = decided.lesson
        assert lesson is not None
        assert (lesson.question, lesson.answer, lesson.erred) == ("my parcel is late", "refund", True)
        assert (lesson.case_id, lesson.verdict_id) == (case.id, decided.verdict.id)
        assert (lesson.reviewer, lesson.reporter) == ("ana", "carl")
        assert (lesson.rejected_answer, lesson.failure_mode) == (trace.output, "wrong_fact")
        assert house.store.lessons.all("triage") == [lesson]
        assert house.store.cases.opened("triage") == []

    def test_is_recorded_once_as_a_verdict_and_once_as_a_lesson(self, house: House, classify: App) -> None:
        case = opened(house, classify, "my parcel is late")
        decided = decide(house.outside, case.id, reviewer=" ana ", erred=True, answer="refund")
        assert decided.lesson is not None
        (given,) = actions(house, "verdict.given")
        (learned,) = actions(house, "lesson.learned")
        assert (given.actor, given.subject, given.details["lesson"]) == ("ana", decided.verdict.id, decided.lesson.id)
        assert (learned.actor, learned.subject, learned.details["case"]) == ("ana", decided.lesson.id, case.id)

    def test_without_a_right_answer_is_a_verdict_alone(self, house: House, support: App) -> None:
        case = opened(house, support, "do you sell kites")
        decided = decide(house.outside, case.id, reviewer="ana", erred=True, answer="   ")
        assert decided.lesson is None
        assert house.store.cases.verdicts("support") == [decided.verdict]

    def test_may_name_the_passage_that_answers(self, house: House, support: App) -> None:
        decided = correct(house, support, "do you sell kites", passage_id="delivery")
        assert decided.lesson is not None
        assert (decided.lesson.passage_id, decided.lesson.answer) == ("delivery", "")


class TestAConfirmation:
    def test_of_a_label_is_remembered_as_that_label(self, house: House, classify: App) -> None:
        case = opened(house, classify, "where is my parcel, the shipping is slow")
        lesson = decide(house.outside, case.id, reviewer="ana", erred=False).lesson
        assert lesson is not None
        assert (lesson.answer, lesson.erred, lesson.rejected_answer) == ("delivery", False, "")

    def test_of_an_answer_from_a_passage_is_remembered_by_the_passage_alone(self, house: House, support: App) -> None:
        case = opened(house, support, "how do I reset my password")
        lesson = decide(house.outside, case.id, reviewer="ana", erred=False).lesson
        assert lesson is not None
        assert (lesson.passage_id, lesson.answer) == ("password", "")

    def test_of_an_earlier_lessons_words_is_remembered_by_the_words(
        self, house: House, support: App, clock: ReplayClock
    ) -> None:
        correct(house, support, "do you sell gift cards", answer="Yes, at the desk.")
        clock.advance(60)
        assert house.loop.turn("support").release is not None
        case = opened(house, support, "please do you sell some gift cards here")
        trace = house.store.traces.get(case.trace_id)
        assert trace is not None
        assert trace.passage_id.startswith("lesson:")
        lesson = decide(house.outside, case.id, reviewer="ana", erred=False).lesson
        assert lesson is not None
        assert (lesson.passage_id, lesson.answer) == ("", "Yes, at the desk.")


class TestTheSameQuestionAgain:
    def test_supersedes_the_lesson_that_stood(self, house: House, classify: App, clock: ReplayClock) -> None:
        first = correct(house, classify, "my parcel is late", answer="refund").lesson
        clock.advance(60)
        second = correct(house, classify, "My parcel is late!", answer="account").lesson
        assert first is not None
        assert second is not None
        assert second.supersedes == first.id
        assert (second.group, second.split) == (first.group, first.split)
        stored = house.store.lessons.get(first.id)
        assert stored is not None
        assert stored.status == "superseded"

    def test_with_the_same_answer_teaches_nothing_new(self, house: House, classify: App, clock: ReplayClock) -> None:
        correct(house, classify, "my parcel is late", answer="refund")
        clock.advance(60)
        again = correct(house, classify, "my parcel is late", answer="refund")
        assert again.lesson is None
        assert len(house.store.lessons.all("triage")) == 1
        assert actions(house, "verdict.given")[-1].details["lesson"] == ""


class TestRefused:
    def test_is_a_case_that_does_not_exist(self, house: House) -> None:
        with pytest.raises(UnknownName, match="no case 'nope'"):
            decide(house.outside, "nope", reviewer="ana", erred=False)

    def test_is_a_case_whose_trace_has_not_arrived(self, house: House, classify: App) -> None:
        house.store.cases.open(Case(id="c1", app="triage", trace_id="tr_later", at=0.0, reasons=("x",)))
        with pytest.raises(Conflict, match="has not arrived"):
            decide(house.outside, "c1", reviewer="ana", erred=False)

    def test_is_a_reviewer_without_a_name(self, house: House, classify: App) -> None:
        case = opened(house, classify, "my parcel is late")
        with pytest.raises(InvalidInput, match="no name"):
            decide(house.outside, case.id, reviewer="  ", erred=True, answer="refund")

    def test_is_a_label_that_the_app_does_not_have(self, house: House, classify: App) -> None:
        case = opened(house, classify, "my parcel is late")
        with pytest.raises(InvalidInput, match="'lost' is not a label of triage"):
            decide(house.outside, case.id, reviewer="ana", erred=True, answer="lost")

    def test_is_an_endless_answer(self, house: House, support: App) -> None:
        case = opened(house, support, "do you sell kites")
        with pytest.raises(InvalidInput, match="20,001 characters"):
            decide(house.outside, case.id, reviewer="ana", erred=True, answer="x" * (LONGEST_ANSWER + 1))

    def test_is_a_passage_that_the_app_does_not_know(self, house: House, support: App) -> None:
        case = opened(house, support, "do you sell kites")
        with pytest.raises(InvalidInput, match="no passage 'kites'"):
            decide(house.outside, case.id, reviewer="ana", erred=True, passage_id="kites")

    def test_is_a_second_verdict_and_nothing_of_it_is_kept(self, house: House, classify: App) -> None:
        case = opened(house, classify, "my parcel is late")
        decide(house.outside, case.id, reviewer="ana", erred=True, answer="refund")
        before = house.store.audit.entries()
        with pytest.raises(Conflict, match="decided already"):
            decide(house.outside, case.id, reviewer="bob", erred=True, answer="account")
        assert house.store.audit.entries() == before
        assert [lesson.answer for lesson in house.store.lessons.all("triage")] == ["refund"]


def test_a_lesson_that_amends_a_passage_teaches_whatever_its_hash(house: House, support: App) -> None:
    for number in range(10):
        correct(house, support, f"question {number} about {'x' * number}", passage_id="delivery")
    question = held_out("how many days does a parcel take")
    plain = correct(house, support, held_out("when do I get my money"), passage_id="refunds").lesson
    amending = correct(house, support, question, answer="It takes 9 days.", passage_id="delivery").lesson
    assert plain is not None
    assert amending is not None
    assert (plain.split, amending.split) == ("held_out", "teach")
