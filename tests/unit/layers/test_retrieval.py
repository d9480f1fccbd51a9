"""The retrieval layer: finds passages, and lets reviewed questions pull towards their answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.layers import retrieval
from ratchet.layers.assemble import assemble
from ratchet.layers.layer import Answer, Hit, Learned, Request, answer
from ratchet.layers.retrieval import TOP, Retrieval, lead
from ratchet.providers.answerers import Extractive
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage
from tests.conftest import LABELS, PASSAGES
from tests.unit.making import lesson, passage

embed = LexicalEmbedder().embed
APP = App(name="support", kind="answer", base="b", embedder="e", labels={})
KNOWN = [passage(key, text, title) for key, title, text in PASSAGES]
ODD = "my bundle got lost in Timbuktu"
TAUGHT = lesson("odd", ODD, passage_id="delivery")


def ask(text: str) -> Request:
    return Request(APP, text, embed([text])[0])


def build(lessons: list[Lesson], passages: list[Passage] = KNOWN) -> Retrieval:
    return retrieval.build(APP, passages, lessons, embed)


def found(lessons: list[Lesson], text: str, passages: list[Passage] = KNOWN) -> Learned:
    return build(lessons, passages).before(ask(text), Learned())


def test_the_passage_that_speaks_of_the_question_comes_first_and_scores_fall() -> None:
    hits = found([], "How do I reset my password?").passages
    assert hits[0].passage.id == "password"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.lesson_id for hit in hits} == {""}


def test_a_reviewed_question_brings_other_wordings_to_its_passage() -> None:
    wording = "bundle lost, maybe in Timbuktu"
    before = {hit.passage.id: hit.score for hit in found([], wording).passages}
    after = found([TAUGHT], wording).passages
    assert after[0].passage.id == "delivery"
    assert after[0].lesson_id == "odd"
    assert after[0].score > before["delivery"]


def test_a_reviewed_question_leaves_unrelated_questions_alone() -> None:
    hits = found([TAUGHT], "How do I reset my password?")
    assert hits.passages[0].passage.id == "password"
    assert hits.passages[0].lesson_id == ""
    assert hits.reviewed is None


def test_a_reviewed_question_nearby_pulls_its_passage_up_by_how_near_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    near = f"{ODD} again"
    cosine = float(embed([near])[0] @ embed([ODD])[0])
    assert retrieval.NEAR_QUESTION < cosine < retrieval.SAME_QUESTION
    pulled = {hit.passage.id: hit.score for hit in found([TAUGHT], near).passages}
    expected = retrieval.NEAR_QUESTION_WEIGHT * (cosine - retrieval.NEAR_QUESTION)
    assert expected > 0.01
    monkeypatch.setattr(retrieval, "NEAR_QUESTION_WEIGHT", 0.0)
    alone = {hit.passage.id: hit.score for hit in found([TAUGHT], near).passages}
    assert pulled.pop("delivery") - alone.pop("delivery") == pytest.approx(expected, abs=1e-4)
    assert pulled == pytest.approx(alone, abs=1e-6)


def test_the_very_question_that_was_reviewed_gets_its_answer_first() -> None:
    learned = found([TAUGHT], f" {ODD.upper()}?! ")
    assert learned.reviewed == TAUGHT
    assert learned.passages[0].passage.id == "delivery"
    assert learned.passages[0].score >= 1.0
    assert len({hit.passage.id for hit in learned.passages}) == len(learned.passages) == len(KNOWN)


def test_a_reviewed_answer_with_no_passage_becomes_one() -> None:
    told = lesson("gift", "do you wrap gifts", "Yes, for two euros.")
    top = found([told], "will you wrap gifts?").passages[0]
    assert (top.passage.id, top.passage.text, top.lesson_id) == ("lesson:gift", "Yes, for two euros.", "gift")


def test_a_reviewed_answer_about_a_passage_takes_its_place_and_the_newest_wins() -> None:
    first = lesson("1", "return how long", "Sixty days.", passage_id="returns")
    second = lesson("2", "return until when", "Ninety days.", passage_id="returns")
    layer = build([first, second])
    assert len(layer.passages) == len(KNOWN)
    assert next(item.text for item in layer.passages if item.id == "returns") == "Ninety days."


def test_a_lesson_about_a_passage_that_is_gone_teaches_nothing() -> None:
    gone = lesson("x", ODD, passage_id="retired")
    assert build([gone]).lessons == ()
    assert found([gone], ODD).reviewed is None


def test_a_lesson_that_says_neither_where_nor_what_teaches_nothing() -> None:
    assert not retrieval.can_learn(lesson("x", "q"))
    assert build([lesson("x", ODD)]).lessons == ()


def test_without_passages_nothing_is_found() -> None:
    given = Learned(prompt="p")
    assert build([], []).before(ask("anything"), given) is given


def test_almost_the_same_question_counts_as_reviewed_unless_another_answer_is_as_near() -> None:
    question = "please tell me where the big red parcel from the warehouse in hamburg is at the moment today"
    near = f"{question} please"
    assert found([lesson("1", question, passage_id="delivery")], near).reviewed is not None
    rivals = [lesson("1", question, passage_id="delivery"), lesson("2", f"{question} today", passage_id="returns")]
    assert found(rivals, near).reviewed is None
    agreeing = [rivals[0], lesson("2", f"{question} today", passage_id="delivery")]
    assert found(agreeing, near).reviewed is not None


def test_at_most_ten_passages_are_given() -> None:
    many = [passage(f"p{number}", f"parcel {number}") for number in range(TOP + 5)]
    assert len(found([], "parcel", many).passages) == TOP
    asked = lesson("1", "nothing alike at all", passage_id=f"p{TOP + 4}")
    learned = found([asked], "nothing alike at all", many)
    assert len(learned.passages) == TOP
    assert learned.passages[0].passage.id == f"p{TOP + 4}"


def test_what_another_layer_found_reviewed_is_kept() -> None:
    other = lesson("other", "x", "y")
    assert build([TAUGHT]).before(ask(ODD), Learned(reviewed=other)).reviewed == other


def test_an_answer_names_its_passage_and_the_lessons_that_led_to_it() -> None:
    layer = build([TAUGHT, lesson("far", "password forgotten", passage_id="password")])
    learned = layer.before(ask(ODD), Learned())
    reply = layer.after(ask(ODD), learned, Answer("4 days"))
    assert reply.passage_id == "delivery"
    assert {(item.kind, item.id) for item in reply.influences} == {("passage", "delivery"), ("lesson", "odd")}
    assert all(0 <= item.weight <= 1 for item in reply.influences)
    assert reply.confidence == lead(learned.passages)


def test_an_answer_keeps_the_confidence_and_the_ranking_it_came_with() -> None:
    own = (Hit(KNOWN[0], 1.0),)
    reply = build([]).after(ask("q"), found([], "password"), Answer("x", confidence=0.4, ranking=own))
    assert (reply.confidence, reply.ranking) == (0.4, own)


def test_an_abstention_rests_on_nothing() -> None:
    learned = found([], "quantum chromodynamics")
    reply = build([]).after(ask("q"), learned, Answer("?", source="abstained"))
    assert reply.influences == ()
    assert reply.passage_id == ""
    assert reply.ranking == learned.passages


def test_an_answer_with_nothing_found_rests_on_nothing() -> None:
    assert build([], []).after(ask("q"), Learned(), Answer("x")) == Answer("x")


@given(st.lists(st.floats(-1, 3), min_size=2, max_size=10))
def test_the_lead_is_a_share_and_nil_for_equals(scores: list[float]) -> None:
    ranked = sorted(scores, reverse=True)
    hits = [Hit(KNOWN[0], score) for score in ranked]
    assert 0 <= lead(hits) <= 1
    assert lead([Hit(KNOWN[0], ranked[0] + 1), *hits]) > 0.5
    assert lead([hits[0], *hits]) == pytest.approx(0, abs=1e-12)


def test_the_only_passage_leads_fully() -> None:
    assert lead([Hit(KNOWN[0], 0.1)]) == 1.0


@given(st.permutations(KNOWN))
def test_the_order_of_the_passages_does_not_change_what_is_found(passages: list[Passage]) -> None:
    def scores(known: list[Passage]) -> dict[str, float]:
        return {hit.passage.id: hit.score for hit in found([TAUGHT], "when does my parcel come", known).passages}

    assert scores(passages) == pytest.approx(scores(KNOWN), abs=1e-5)


def test_the_manifest_changes_with_knowledge_and_lessons_and_not_with_their_order() -> None:
    more = lesson("2", "gift wrap", "Yes.")
    assert build([TAUGHT, more]).manifest() == build([more, TAUGHT], KNOWN[::-1]).manifest()
    assert build([TAUGHT]).manifest()["content"] != build([more]).manifest()["content"]
    assert build([], KNOWN[1:]).manifest()["passages"] != build([]).manifest()["passages"]


def test_a_release_that_answers_has_retrieval_before_examples_and_a_classifier_only_examples() -> None:
    bundle = assemble(APP, 3, Extractive(), KNOWN, [TAUGHT], embed)
    assert [type(layer).__name__ for layer in bundle.layers] == ["Retrieval", "Examples"]
    assert (bundle.number, bundle.lesson_ids) == (3, {"odd"})
    triage = App(name="t", kind="classify", base="b", embedder="e", labels=LABELS)
    only = assemble(triage, 1, Extractive(), [], [lesson("1", "q", "refund")], embed)
    assert [type(layer).__name__ for layer in only.layers] == ["Examples"]


def test_the_whole_way_through_serves_the_reviewed_passage() -> None:
    base_reply, _ = answer(assemble(APP, 0, Extractive(), KNOWN, [], embed), ask(ODD))
    assert base_reply.passage_id != "delivery"
    reply, _ = answer(assemble(APP, 1, Extractive(), KNOWN, [TAUGHT], embed), ask(ODD))
    assert (reply.text, reply.source, reply.passage_id) == (KNOWN[2].text, "reviewed", "delivery")
