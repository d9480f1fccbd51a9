"""The examples layer: lessons vote on a label, or are shown as demonstrations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.layers import examples
from ratchet.layers.examples import CHARACTER_BUDGET, SHOWN, SIMILARITY_FLOOR, TOO_ALIKE
from ratchet.layers.layer import Answer, Learned, Request
from ratchet.layers.vote import HALF_TRUST_LESSONS_PER_LABEL
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from tests.conftest import LABELS
from tests.unit.making import lesson

embed = LexicalEmbedder().embed
TRIAGE = App(name="triage", kind="classify", base="b", embedder="e", labels=LABELS)
SUPPORT = App(name="support", kind="answer", base="b", embedder="e", labels={})
TAUGHT = [
    lesson("1", "my card was charged twice", "refund"),
    lesson("2", "the box never came", "delivery"),
    lesson("3", "cannot sign in any more", "account"),
]


def ask(app: App, text: str) -> Request:
    return Request(app, text, embed([text])[0])


def passed(app: App, lessons: list[Lesson], text: str, base: Answer) -> Answer:
    layer = examples.build(app, lessons, embed)
    request = ask(app, text)
    return layer.after(request, layer.before(request, Learned()), base)


def test_only_known_labels_teach_a_classifier_and_only_answers_teach_the_others() -> None:
    assert examples.can_learn(TRIAGE, lesson("a", "q", "refund"))
    assert not examples.can_learn(TRIAGE, lesson("a", "q", "gone_label"))
    assert examples.can_learn(SUPPORT, lesson("a", "q", "anything"))
    assert not examples.can_learn(SUPPORT, lesson("a", "q", passage_id="p"))


def test_a_lesson_changes_the_label_of_similar_questions_and_not_of_others() -> None:
    wrong = Answer("delivery", scores={"refund": 0.1, "delivery": 0.8, "account": 0.1})
    near = passed(TRIAGE, TAUGHT, "was my card charged twice?!", wrong)
    assert (near.text, near.source) == ("refund", "learned")
    assert near.influences[0].id == "1"
    far = passed(TRIAGE, TAUGHT[:1], "quantum chromodynamics", wrong)
    assert far.text == "delivery"
    assert sum(item.weight for item in far.influences) < 0.05


def test_the_scores_stay_probabilities_of_the_labels_and_the_confidence_is_the_lead() -> None:
    reply = passed(TRIAGE, TAUGHT, "the box never came here", Answer("refund"))
    assert list(reply.scores) == list(LABELS)
    assert sum(reply.scores.values()) == pytest.approx(1, abs=1e-5)
    first, second = sorted(reply.scores.values(), reverse=True)[:2]
    assert reply.confidence == pytest.approx(first - second, abs=1e-6)
    assert reply.text == max(reply.scores, key=lambda name: reply.scores[name])


def test_a_base_that_only_names_a_label_counts_as_nine_tenths_sure() -> None:
    reply = passed(TRIAGE, TAUGHT[:1], "quantum chromodynamics", Answer("account"))
    assert reply.text == "account"
    trusted = 1 / (1 + 3 * HALF_TRUST_LESSONS_PER_LABEL)  # one far lesson of three labels
    assert reply.scores["account"] == pytest.approx((1 - trusted) * (0.9 + 0.1 / 3) + trusted / 3, abs=0.05)


def test_a_base_that_names_no_label_leaves_the_choice_to_the_lessons() -> None:
    assert passed(TRIAGE, TAUGHT, "the box never came", Answer("I cannot say.")).text == "delivery"


@pytest.mark.parametrize("base", [Answer("refund"), Answer("no label at all")])
def test_without_lessons_the_answer_of_the_base_stands(base: Answer) -> None:
    assert passed(TRIAGE, [], "the box never came", base) == base


def test_a_reviewed_answer_is_not_voted_on() -> None:
    reviewed = Answer("account", source="reviewed")
    assert passed(TRIAGE, TAUGHT, "the box never came", reviewed) == reviewed


def test_a_question_that_was_reviewed_is_known_however_it_is_typed() -> None:
    layer = examples.build(TRIAGE, TAUGHT, embed)
    for text in ("The box never came", "  the BOX never   came?! ", "the box never came."):
        assert layer.before(ask(TRIAGE, text), Learned()).reviewed == TAUGHT[1]
    assert layer.before(ask(TRIAGE, "the box never came back"), Learned()).reviewed is None


def test_the_newest_lesson_about_a_question_wins() -> None:
    again = lesson("9", "The box never came!", "refund")
    layer = examples.build(TRIAGE, [*TAUGHT, again], embed)
    assert layer.before(ask(TRIAGE, "the box never came"), Learned()).reviewed == again


def test_what_another_layer_found_reviewed_is_kept() -> None:
    layer, found = examples.build(TRIAGE, TAUGHT, embed), lesson("other", "x", "y")
    assert layer.before(ask(TRIAGE, "the box never came"), Learned(reviewed=found)).reviewed == found


def test_an_app_that_writes_text_is_shown_lessons_and_its_answer_is_left_alone() -> None:
    layer = examples.build(SUPPORT, [lesson("a", "how long may I keep it", "Thirty days.")], embed)
    learned = layer.before(ask(SUPPORT, "how long may I keep this"), Learned())
    assert [shown.id for shown in learned.examples] == ["a"]
    assert learned.reviewed is None
    base = Answer("Thirty.")
    assert layer.after(ask(SUPPORT, "x"), learned, base) is base


def test_demonstrations_come_nearest_last() -> None:
    taught = [lesson(key, text, "x") for key, text in (("far", "keep it or not"), ("near", "how long may I keep it"))]
    learned = examples.build(SUPPORT, taught, embed).before(ask(SUPPORT, "how long may I keep it"), Learned())
    assert [shown.id for shown in learned.examples] == ["far", "near"]


VOCABULARY = ("how", "long", "may", "i", "keep", "it", "now", "red", "box")
phrases = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=8).map(" ".join)


@given(st.lists(st.tuples(phrases, st.sampled_from(["short", "x" * 900, "y" * 4000])), max_size=30), phrases)
def test_demonstrations_are_few_near_diverse_and_within_the_budget(rows: list[tuple[str, str]], text: str) -> None:
    taught = [lesson(str(number), question, said) for number, (question, said) in enumerate(rows)]
    request = ask(SUPPORT, text)
    shown = examples.build(SUPPORT, taught, embed).before(request, Learned()).examples
    vectors = embed([item.question for item in shown])
    similarities = vectors @ request.vector
    assert len(shown) <= SHOWN
    assert sum(len(item.question) + len(item.answer) for item in shown) <= CHARACTER_BUDGET
    assert (similarities >= SIMILARITY_FLOOR).all()
    assert (np.diff(similarities) >= -1e-6).all()
    assert (vectors @ vectors.T - np.eye(len(shown)) <= TOO_ALIKE + 1e-5).all()


def test_the_manifest_names_the_lessons_by_content_whatever_their_order() -> None:
    def content(lessons: list[Lesson]) -> Any:
        return examples.build(TRIAGE, lessons, embed).manifest()["content"]

    assert content(TAUGHT) == content(TAUGHT[::-1])
    assert content(TAUGHT) != content(TAUGHT[1:])
    assert content(TAUGHT) != content([lesson("1", "my card was charged twice", "account"), *TAUGHT[1:]])
    assert examples.build(TRIAGE, TAUGHT, embed).manifest()["lessons"] == 3


def test_labels_without_words_are_known_by_their_names() -> None:
    bare = App(name="t", kind="classify", base="b", embedder="e", labels={"refund": "", "delivery": ""})
    reply = passed(bare, [lesson("1", "refund refund", "refund")], "refund", Answer("none"))
    assert reply.text == "refund"
