"""The embedder that needs no weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.providers.lexical_embedder import DIMENSIONS, LexicalEmbedder

EMBEDDER = LexicalEmbedder()
# Of "Where is my refund?"; whoever changes these must change the fingerprint.
PLACES = {0, 9, 17, 70, 173, 184, 239, 294, 323, 341, 349, 359, 366, 465, 509}
LAST = -0.1666667


@given(st.lists(st.text(), max_size=4))
def test_any_text_gets_a_vector_of_length_one(texts: list[str]) -> None:
    vectors = EMBEDDER.embed(texts)
    assert vectors.shape == (len(texts), DIMENSIONS) == (len(texts), EMBEDDER.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_text_has_the_same_vector_alone_and_in_company(text: str, others: list[str]) -> None:
    assert (EMBEDDER.embed([*others, text])[-1] == EMBEDDER.embed([text])[0]).all()


@given(st.lists(st.sampled_from(["refund", "parcel", "late"]), min_size=1, max_size=4))
def test_case_punctuation_and_order_make_no_difference(words: list[str]) -> None:
    one, other = EMBEDDER.embed([" ".join(words), f"{', '.join(reversed(words)).upper()}?!"])
    assert one == pytest.approx(other, abs=1e-6)


def test_a_text_without_words_is_like_no_text_with_words() -> None:
    nothing, punctuation, words = EMBEDDER.embed(["", "?!", "where is my parcel"])
    assert (nothing == punctuation).all()
    assert abs(float(nothing @ words)) < 0.5


def test_shared_words_and_shared_letters_bring_texts_together() -> None:
    parcel, again, typo, other = EMBEDDER.embed(
        ["where is my parcel", "my parcel, where is it", "where is my parcle", "reset the password"]
    )
    assert parcel @ again > 0.8 > parcel @ typo > 0.5 > parcel @ other


def test_the_vectors_behind_the_fingerprint_never_change() -> None:
    vector = EMBEDDER.embed(["Where is my refund?"])[0]
    assert EMBEDDER.fingerprint == "lexical-hash-512:v1"
    assert {int(place) for place in np.flatnonzero(vector)} == PLACES
    assert float(vector[max(PLACES)]) == pytest.approx(LAST, abs=1e-6)


def test_progress_is_told_every_hundred_texts() -> None:
    told: list[int] = []
    EMBEDDER.embed(["x"] * 250, told.append)
    assert told == [100, 200]
