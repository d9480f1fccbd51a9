from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ratchet.interfaces import Store, Vector
from ratchet.storage.vector_bank import StoredVectors
from tests.storage.conftest import SqlitePlace


class Counting:
    """An embedder that notes what it was asked for."""

    dimensions = 8

    def __init__(self, fingerprint: str = "counting-1") -> None:
        self.fingerprint = fingerprint
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vector:
        self.asked += texts
        rows = [np.random.default_rng([len(text), *text.encode()]).normal(size=self.dimensions) for text in texts]
        made = np.asarray(rows, np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_vectors_come_in_the_order_of_their_texts_and_each_is_computed_once(store: Store) -> None:
    embedder = Counting()
    bank = StoredVectors(embedder, store.vectors)
    first = bank.embed(["b", "a", "b"])
    assert embedder.asked == ["b", "a"]
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(bank.embed(["a", "b"]), first[[1, 0]])
    assert embedder.asked == ["b", "a"]
    assert np.abs(np.linalg.norm(first, axis=1) - 1).max() < 1e-3


def test_passing_texts_are_not_stored(store: Store) -> None:
    StoredVectors(Counting(), store.vectors).embed(["a"])
    assert store.vectors.fingerprints() == {}


def test_kept_texts_are_stored_even_when_they_are_in_memory(store: Store) -> None:
    bank = StoredVectors(Counting(), store.vectors)
    bank.embed(["a"])
    bank.keep(["a", "b", "a"])
    assert store.vectors.fingerprints() == {"counting-1": 2}


def test_memory_and_database_agree_to_the_bit(place: SqlitePlace) -> None:
    texts = [f"text {number}" for number in range(50)]
    computed = StoredVectors(Counting(), place.open().vectors).keep(texts)
    embedder = Counting()
    read = StoredVectors(embedder, place.open().vectors).keep(texts)
    assert embedder.asked == []
    assert computed.dtype == read.dtype == np.float32
    assert np.array_equal(computed, read)


def test_another_embedder_does_not_get_the_vectors_of_the_first(store: Store) -> None:
    StoredVectors(Counting("one"), store.vectors).keep(["a"])
    other = Counting("two")
    StoredVectors(other, store.vectors).keep(["a"])
    assert other.asked == ["a"]


def test_no_texts_make_an_empty_array_of_the_right_width(store: Store) -> None:
    bank = StoredVectors(Counting(), store.vectors)
    assert bank.embed([]).shape == bank.keep([]).shape == (0, 8)


def test_memory_has_a_limit_and_forgets_the_oldest(store: Store) -> None:
    embedder = Counting()
    bank = StoredVectors(embedder, store.vectors, remembered=3)
    bank.embed(["a", "b", "c", "d"])
    bank.embed(["b", "c", "d"])
    assert embedder.asked == ["a", "b", "c", "d"]
    bank.embed(["a"])
    assert embedder.asked == ["a", "b", "c", "d", "a"]


def test_what_a_failed_transaction_kept_is_stored_the_next_time(store: Store) -> None:
    bank = StoredVectors(Counting(), store.vectors)
    try:
        with store.transaction():
            bank.keep(["a"])
            raise ValueError
    except ValueError:
        assert store.vectors.fingerprints() == {}
    bank.keep(["a"])
    assert store.vectors.fingerprints() == {"counting-1": 1}
