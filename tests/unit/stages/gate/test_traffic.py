"""Recent requests under both releases, with reviewers asked only where the answers differ."""

from __future__ import annotations

import pytest

from ratchet.layers.layer import Bundle
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.records.plan import ChangePlan
from ratchet.records.trace import Trace
from ratchet.stages.gate.evaluate import Evaluation
from ratchet.stages.gate.traffic import Sample, draw, judged_pairs, waiting
from ratchet.stages.gate.traffic import ask as ask_reviewers
from ratchet.stages.release.rollback import rollback
from ratchet.stages.review.decide import decide
from ratchet.wiring import House
from tests.conftest import ask, correct
from tests.scenes import actions

TAUGHT = tuple(f"my parcel came late from {town}" for town in ("Oslo", "Lima", "Cairo", "Quito"))
Contest = tuple[Bundle, Bundle, list[Lesson]]


@pytest.fixture
def contest(house: House, classify: App, clock: ReplayClock) -> Contest:
    """The bare base, in force, and a release that takes late parcels for refunds."""
    for question in TAUGHT:
        correct(house, classify, question, answer="refund")
        clock.advance(1)
    house.loop.plan = ChangePlan(contained_share=1.0)
    assert house.loop.turn("triage").release is not None
    rollback(house.outside, "triage", actor="ana", reason="compare")
    old, new = house.bundles.of_release(classify, 0), house.bundles.of_release(classify, 1)
    return old, new, house.bundles.bank("triage", 1)


def traffic(house: House, app: App, count: int = 8) -> list[Trace]:
    """Requests to the bare base, half of them about parcels."""
    towns = ("Berlin", "Porto", "Dublin", "Kyoto", "Accra", "Hanoi", "Malmo", "Turin", "Delhi", "Perth")
    asked = [f"my parcel came late from {towns[n // 2 % 10]} {n}" if n % 2 else f"password {n}" for n in range(count)]
    return [ask(house, app, question).trace for question in asked]


def drawn(house: House, contest: Contest, candidate: str = "c", **plan: int) -> Sample:
    old, new, bank = contest
    return draw(house.outside, old, new, bank, Evaluation(house.vectors.keep), ChangePlan(**plan), candidate)


def test_only_requests_whose_answers_differ_need_a_reviewer(house: House, classify: App, contest: Contest) -> None:
    traces = traffic(house, classify)
    sample = drawn(house, contest)
    assert set(sample.trace_ids) == {trace.id for trace in traces}
    assert {trace.id for trace in sample.to_review} == {trace.id for trace in traces if "parcel" in trace.input}


def test_requests_that_a_lesson_gives_away_are_left_out(house: House, classify: App, contest: Contest) -> None:
    assert drawn(house, contest).trace_ids == ()
    same = ask(house, classify, TAUGHT[0].upper()).trace
    fresh = ask(house, classify, "password forgotten").trace
    assert drawn(house, contest).trace_ids == (fresh.id,)
    assert same.id not in drawn(house, contest).trace_ids


def test_the_sample_ends_once_enough_answers_differ(house: House, classify: App, contest: Contest) -> None:
    traffic(house, classify, 40)
    sample = drawn(house, contest, flip_reviews=3)
    assert len(sample.to_review) == 3
    assert sample.to_review[-1].id == sample.trace_ids[-1]
    assert len(drawn(house, contest, anchor_sample=5).trace_ids) == 5


def test_the_order_is_drawn_from_the_candidates_id(house: House, classify: App, contest: Contest) -> None:
    traffic(house, classify, 20)
    assert drawn(house, contest, "one") == drawn(house, contest, "one")
    assert drawn(house, contest, "one").trace_ids != drawn(house, contest, "two").trace_ids
    assert set(drawn(house, contest, "one").trace_ids) == set(drawn(house, contest, "two").trace_ids)


def test_each_reviewer_question_is_opened_and_recorded_once(house: House, classify: App, contest: Contest) -> None:
    traffic(house, classify)
    before = len(actions(house, "case.opened"))
    sample = drawn(house, contest)
    assert ask_reviewers(house.outside, sample) == 4
    assert waiting(house.outside, "triage", sample.trace_ids) == 4
    assert waiting(house.outside, "triage", sample.trace_ids[:0]) == 0
    ask_reviewers(house.outside, sample)
    opened = actions(house, "case.opened")[before:]
    assert {entry.details["trace"] for entry in opened} == {trace.id for trace in sample.to_review}
    assert len(opened) == 4


def test_what_was_judged_before_is_not_asked_again(house: House, classify: App, contest: Contest) -> None:
    traffic(house, classify)
    sample = drawn(house, contest)
    ask_reviewers(house.outside, sample)
    (case, *_) = house.store.cases.opened("triage")
    decide(house.outside, case.id, reviewer="ana", erred=False)
    assert waiting(house.outside, "triage", sample.trace_ids) == 3
    old, new, _ = contest
    again = draw(house.outside, old, new, [], Evaluation(house.vectors.keep), ChangePlan(), "c")
    assert case.trace_id in again.trace_ids
    assert case.trace_id not in {trace.id for trace in again.to_review}


def test_verdicts_say_who_is_right_and_silence_leaves_a_request_out(
    house: House, classify: App, contest: Contest
) -> None:
    traffic(house, classify)
    sample = drawn(house, contest)
    ask_reviewers(house.outside, sample)
    kept, moved, blank, _ = house.store.cases.opened("triage")
    decide(house.outside, kept.id, reviewer="ana", erred=False)
    decide(house.outside, moved.id, reviewer="ana", erred=True, answer="refund")
    decide(house.outside, blank.id, reviewer="ana", erred=True)
    old, new, _ = contest
    pairs = judged_pairs(house.outside, old, new, [*sample.trace_ids, "tr_gone"], Evaluation(house.vectors.keep))
    judged = {pair.case.origin: (pair.old.right, pair.new.right) for pair in pairs if pair.changed}
    assert judged == {kept.trace_id: (True, False), moved.trace_id: (False, True)}
    assert sum(not pair.changed for pair in pairs) == 4


def test_a_confirmed_answer_from_a_passage_is_judged_by_the_passage(house: House, support: App) -> None:
    trace = ask(house, support, "how do I reset my password").trace
    ask_reviewers(house.outside, Sample((trace.id,), 1, (trace,)))
    (case,) = house.store.cases.opened("support")
    decide(house.outside, case.id, reviewer="ana", erred=False)
    base = house.bundles.of_release(support, 0)
    (pair,) = judged_pairs(house.outside, base, base, [trace.id], Evaluation(house.vectors.keep))
    assert (pair.case.passage_id, pair.case.answer, pair.new.right) == ("password", "", True)
