"""Both releases answer the same cases; what changed is noted with the lessons behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.layers.layer import Answer, Hit
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.passage import Passage
from ratchet.records.suite import SuiteCase
from ratchet.stages.gate.evaluate import Evaluation, Outcome, Pair, flips, is_right
from ratchet.wiring import House
from tests.conftest import PASSAGES, correct
from tests.scenes import lesson

CASE = SuiteCase(
    id="sc1", app="triage", suite="target", question="my parcel is late", answer="refund", at=0.0, group="g"
)
HIT = Hit(Passage(id="p", app="a", title="", text="Two days."), 1.0)


@pytest.mark.parametrize(
    ("answer", "passage_id", "reply", "right"),
    [
        ("two days", "", Answer("It takes TWO  days."), True),
        ("two days", "", Answer("Three days."), False),
        ("", "p", Answer("x", ranking=(HIT,)), True),
        ("", "q", Answer("x", ranking=(HIT,)), False),
        ("", "p", Answer("x", ranking=(HIT,), source="abstained"), False),
        ("Two days", "p", Answer("Three days.", ranking=(HIT,)), False),
        ("Two days", "p", Answer("Two days.", ranking=(HIT,)), True),
        ("", "", Answer("anything"), True),
    ],
)
def test_an_answer_is_right_by_its_passage_and_its_words(
    answer: str, passage_id: str, reply: Answer, right: bool
) -> None:
    assert is_right(replace(CASE, answer=answer, passage_id=passage_id), reply) is right


def pair(old: str, new: str, *, lessons: tuple[str, ...] = ()) -> Pair:
    return Pair(CASE, Outcome(old, old == "refund", ("ls_old",), old), Outcome(new, new == "refund", lessons, new))


NEW = lesson("money back", "refund", number=1)


def test_only_changed_answers_are_flips() -> None:
    pairs = [pair("delivery", "delivery"), pair("delivery", "refund", lessons=("ls_1", "ls_old"))]
    (flip,) = flips(pairs, [NEW], "")
    assert (flip.old_answer, flip.new_answer, flip.old_right, flip.new_right) == ("delivery", "refund", False, True)
    assert flip.because == ("ls_1",)


def test_a_change_is_explained_by_new_lessons_about_its_new_or_its_old_answer() -> None:
    towards, away, neither = flips([pair("a", "refund"), pair("refund", "b"), pair("a", "b")], [NEW], "")
    assert (towards.because, away.because, neither.because) == (("ls_1",), ("ls_1",), ())


def test_lessons_that_are_not_new_explain_nothing() -> None:
    assert flips([pair("a", "b", lessons=("ls_old",))], [NEW], "")[0].because == ()


def test_a_removal_or_new_knowledge_explains_what_no_new_lesson_does() -> None:
    both = flips([pair("a", "b", lessons=("ls_1",)), pair("a", "b")], [NEW], "removed")
    assert [flip.because for flip in both] == [("ls_1",), ("removed",)]


def test_at_most_five_lessons_are_named() -> None:
    many = [lesson(f"money {n}", "refund", number=n) for n in range(9)]
    assert flips([pair("a", "refund")], many, "")[0].because == ("ls_0", "ls_1", "ls_2", "ls_3", "ls_4")


def test_both_releases_answer_every_case_in_order(house: House, classify: App, clock: ReplayClock) -> None:
    learned = correct(house, classify, "my parcel is late", answer="refund").lesson
    assert learned is not None
    assert house.loop.turn("triage").release is not None
    old, new = house.bundles.of_release(classify, 0), house.bundles.of_release(classify, 1)
    cases = [CASE, replace(CASE, id="sc2", question="password forgotten", answer="account")]
    done: list[int] = []
    first, second = Evaluation(house.vectors.keep).pairs(old, new, cases, done.append)
    assert (first.old, first.new) == (
        Outcome("delivery", False, (), "delivery"),
        Outcome("refund", True, (learned.id,), "refund"),
    )
    assert (second.case.id, second.new.right) == ("sc2", True)
    assert first.changed
    assert done == [1, 2]


def test_an_answer_from_another_passage_is_another_answer(house: House, support: App) -> None:
    twin = Passage(id="twin", app="support", title="", text=PASSAGES[0][2])
    case = replace(CASE, app="support", question="You can return an item within 30 days of delivery.", answer="")
    old = house.bundles.of_release(support, 0)
    house.know("support", [twin])
    new = house.bundles.of_release(support, 0)
    (pair,) = Evaluation(house.vectors.keep).pairs(old, new, [case])
    assert pair.old.text.split("\n")[1] == pair.new.text.split("\n")[1]
    assert pair.changed


def test_the_base_is_asked_anew_after_its_knowledge_changed(house: House, support: App) -> None:
    case = replace(CASE, app="support", question="how long does a refund take", answer="9 working days")
    before = house.bundles.of_release(support, 0)
    assert house.loop.evaluation.pairs(before, before, [case])[0].old.right is False
    passages = [Passage(id="refunds", app="support", title="Refunds", text="A refund takes 9 working days.")]
    house.know("support", passages)
    after = house.bundles.of_release(support, 0)
    assert house.loop.evaluation.pairs(after, after, [case])[0].old.right is True


def test_the_answers_of_the_release_in_force_are_remembered_and_others_forgotten(house: House, classify: App) -> None:
    evaluation = Evaluation(house.vectors.keep)
    base = house.bundles.of_release(classify, 0)
    evaluation.pairs(base, base, [CASE])
    other_truth = replace(CASE, answer="delivery")
    assert evaluation.pairs(base, base, [other_truth])[0].old.right is False
    evaluation.now_in_force("another", 5)
    evaluation.now_in_force("triage", 0)
    assert evaluation.pairs(base, base, [other_truth])[0].old.right is False
    evaluation.now_in_force("triage", 1)
    assert evaluation.pairs(base, base, [other_truth])[0].old.right is True
