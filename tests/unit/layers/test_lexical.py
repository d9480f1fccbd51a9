"""Word search: BM25 against a plain reference, on stemmed words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.layers.lexical import K1, B, LexicalIndex, words

VOCABULARY = ("refund", "parcel", "login", "delivery", "day", "card", "x")
texts = st.lists(st.sampled_from(VOCABULARY), max_size=8).map(" ".join)


def bm25(query: str, documents: list[str]) -> list[float]:
    """The published formula, word by word."""
    bags = [words(document) for document in documents]
    average = max(sum(map(len, bags)) / len(bags), 1.0)
    found, reachable = [0.0] * len(bags), 0.0
    for word in set(words(query)):
        holding = sum(word in bag for bag in bags)
        weight = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
        reachable += weight * (K1 + 1)
        for row, bag in enumerate(bags):
            times = bag.count(word)
            found[row] += weight * times * (K1 + 1) / (times + K1 * (1 - B + B * len(bag) / average))
    return [score / reachable for score in found] if reachable else found


@given(texts, st.lists(texts, min_size=1, max_size=6))
def test_scores_are_bm25_as_published(query: str, documents: list[str]) -> None:
    assert LexicalIndex(documents).scores(query) == pytest.approx(bm25(query, documents), abs=1e-5)


@given(st.text(), st.lists(st.text(), max_size=5))
def test_any_text_scores_between_nought_and_one(query: str, documents: list[str]) -> None:
    scores = LexicalIndex(documents).scores(query)
    assert scores.shape == (len(documents),)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@given(texts, st.lists(texts, min_size=2, max_size=5), st.randoms())
def test_the_order_of_the_texts_does_not_change_their_scores(query: str, documents: list[str], chance: object) -> None:
    forwards = LexicalIndex(documents).scores(query)
    backwards = LexicalIndex(documents[::-1]).scores(query)
    assert forwards == pytest.approx(backwards[::-1], abs=1e-6)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Refunds, please!", ["refund", "please"]), ("returning returned", ["return", "return"]),
        ("boxes", ["box"]), ("is as red bed", ["is", "as", "red", "bed"]), ("Straße", ["strasse"]), ("?!", []),
    ],
)  # fmt: skip
def test_words_lose_case_punctuation_and_common_endings(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_another_form_of_a_word_finds_it_and_an_unknown_word_finds_nothing() -> None:
    index = LexicalIndex(["Refunds take five days.", "Parcels arrive soon."])
    refund = index.scores("refund")
    assert refund[0] > refund[1] == 0
    assert not index.scores("zebra").any()
    assert not index.scores("").any()


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    index = LexicalIndex(["card day", "card login", "card parcel"])
    assert index.scores("card login").argmax() == 1
