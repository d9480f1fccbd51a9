"""The built-in bases, and the team's own function as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.interfaces import Vector
from ratchet.layers.layer import Hit, Learned, Request
from ratchet.providers.answerers import ABSTENTION, Extractive, NearestLabel, OwnFunction
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.app import App
from tests.conftest import LABELS
from tests.unit.making import passage

TRIAGE = App(name="triage", kind="classify", base="b", embedder="e", labels=LABELS)
embed = LexicalEmbedder().embed


def ask(text: str, app: App = TRIAGE) -> Request:
    return Request(app, text, embed([text])[0])


def hits(*scores: float, lesson_id: str = "") -> Learned:
    return Learned(passages=tuple(Hit(passage(f"p{n}", f"text {n}"), s, lesson_id) for n, s in enumerate(scores)))


@pytest.mark.parametrize("learned", [Learned(), hits(0.24), hits(0.1, 0.05)])
def test_the_extractive_base_says_so_when_it_does_not_know(learned: Learned) -> None:
    reply = Extractive().answer(ask("x"), learned)
    assert (reply.text, reply.source, reply.confidence, reply.passage_id) == (ABSTENTION, "abstained", 0.0, "")
    assert reply.ranking == learned.passages


@pytest.mark.parametrize(("lesson_id", "source"), [("", "base"), ("l1", "learned")])
def test_the_extractive_base_answers_with_the_best_passage(lesson_id: str, source: str) -> None:
    reply = Extractive().answer(ask("x"), hits(0.25, 0.2, lesson_id=lesson_id))
    assert (reply.text, reply.passage_id, reply.source) == ("text 0", "p0", source)


def test_the_floor_is_part_of_what_names_the_base() -> None:
    assert Extractive().id != Extractive(0.3).id
    assert Extractive(0.3).answer(ask("x"), hits(0.29)).source == "abstained"


def test_the_nearest_label_is_the_one_whose_words_are_in_the_text() -> None:
    base = NearestLabel(embed)
    for label, text in (("refund", "I want my money back"), ("delivery", "my parcel"), ("account", "the password")):
        assert base.answer(ask(text), Learned()).text == label


@given(st.text())
def test_the_nearest_label_gives_each_label_a_probability(text: str) -> None:
    reply = NearestLabel(embed).answer(ask(text), Learned())
    assert list(reply.scores) == list(LABELS)
    assert sum(reply.scores.values()) == pytest.approx(1, abs=1e-5)
    first, second = sorted(reply.scores.values(), reverse=True)[:2]
    assert reply.text in LABELS
    assert reply.scores[reply.text] == first
    assert reply.confidence == pytest.approx(first - second, abs=1e-6)


def test_the_words_of_the_labels_are_embedded_once_and_a_nameless_label_by_its_name() -> None:
    asked: list[Sequence[str]] = []

    def noting(texts: Sequence[str]) -> Vector:
        asked.append(texts)
        return embed(texts)

    base = NearestLabel(noting)
    for _ in range(3):
        base.answer(ask("refund"), Learned())
    assert asked == [tuple(LABELS.values())]
    bare = App(name="t", kind="classify", base="b", embedder="e", labels={"refund": "", "parcel": ""})
    assert base.answer(ask("refund", bare), Learned()).text == "refund"
    assert asked[1:] == [("refund", "parcel")]


def test_the_teams_function_is_called_with_the_question_and_what_was_learned() -> None:
    seen: list[tuple[str, Learned]] = []

    def function(question: str, learned: Learned) -> object:
        seen.append((question, learned))
        return 42

    learned = hits(0.9)
    reply = OwnFunction("mine", function).answer(ask("how many"), learned)
    assert (reply.text, reply.source, reply.confidence) == ("42", "base", None)
    assert seen == [("how many", learned)]
    assert OwnFunction("mine", function).id == "function:mine"


def test_the_errors_of_the_teams_function_pass_unchanged() -> None:
    error = LookupError("no such customer")

    def broken(question: str, learned: Learned) -> object:
        raise error

    with pytest.raises(LookupError) as raised:
        OwnFunction("mine", broken).answer(ask("x"), Learned())
    assert raised.value is error


def test_a_question_far_from_all_labels_leaves_the_base_unsure() -> None:
    base = NearestLabel(embed)
    sure, unsure = (base.answer(ask(text), Learned()).confidence for text in (LABELS["refund"], "zebra"))
    assert sure is not None
    assert unsure is not None
    assert sure > 0.9 > 0.5 > unsure
    assert np.isfinite(unsure)
