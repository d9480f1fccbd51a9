"""Lessons vote: their order does not matter, any can be removed exactly, and near ones count more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.interfaces import Vector
from ratchet.layers import vote as vote_module
from ratchet.layers.vote import NEIGHBOURS, LabelVote, Vote

DIMENSIONS, LABELS = 24, 3
CLOSE = 1e-5


def unit(rows: Vector) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class World:
    """Label words, lessons and a question, drawn at random; some lessons may ask the same thing."""

    def __init__(self, seed: int, lessons: int, repeated: bool) -> None:
        chance = np.random.default_rng(seed)
        self.words = unit(chance.normal(size=(LABELS, DIMENSIONS)))
        self.vectors = unit(chance.normal(size=(lessons, DIMENSIONS)))
        if repeated and lessons:
            self.vectors[: lessons // 2 + 1] = self.vectors[0]
        self.labels = chance.integers(0, LABELS, lessons)
        self.question = self.vectors[0] if repeated and lessons else unit(chance.normal(size=DIMENSIONS))
        self.order = chance.permutation(lessons)

    def ask(self, rows: Sequence[int]) -> Vote:
        chosen = list(rows)
        return LabelVote(self.words, self.vectors[chosen], self.labels[chosen].tolist()).ask(self.question)


worlds = st.builds(World, st.integers(0, 10_000), st.integers(0, 40), st.booleans())


def assert_same(one: Vote, other: Vote) -> None:
    assert np.abs(one.scores - other.scores).max() < CLOSE
    assert abs(one.trust - other.trust) < CLOSE


@given(worlds)
def test_the_vote_is_a_probability_of_each_label_and_a_trust_below_one(world: World) -> None:
    vote = world.ask(range(len(world.labels)))
    assert vote.scores.shape == (LABELS,)
    assert (vote.scores >= 0).all()
    assert float(vote.scores.sum()) == pytest.approx(1, abs=CLOSE)
    assert 0 <= vote.trust < 1
    assert vote.similarities.shape == (len(world.labels),)


@given(worlds)
def test_the_order_of_the_lessons_does_not_matter(world: World) -> None:
    assert_same(world.ask(world.order), world.ask(range(len(world.labels))))


@given(worlds, st.integers(0, 2**31), st.integers(0, LABELS - 1))
def test_a_lesson_that_came_and_went_leaves_no_trace(world: World, seed: int, label: int) -> None:
    before = world.ask(range(len(world.labels)))
    world.vectors = np.vstack([world.vectors, unit(np.random.default_rng(seed).normal(size=(1, DIMENSIONS)))])
    world.labels = np.append(world.labels, label)
    count = len(world.labels)
    world.ask(range(count))
    assert_same(world.ask([row for row in range(count) if row != count - 1]), before)


@given(worlds, st.integers(0, LABELS - 1), st.integers(0, 1000))
def test_a_lesson_about_this_very_question_never_speaks_against_its_label(world: World, label: int, at: int) -> None:
    before = world.ask(range(len(world.labels)))
    place = at % (len(world.labels) + 1)
    world.vectors = np.insert(world.vectors, place, world.question, axis=0)
    world.labels = np.insert(world.labels, place, label)
    after = world.ask(range(len(world.labels)))
    # The neighbours' share of the blend grows with the bank, which may move a label by that much and no more.
    assert after.scores[label] > before.scores[label] - 0.01
    assert after.trust >= before.trust - CLOSE


def test_contradicting_lessons_on_one_question_count_alike_however_many_and_in_whatever_order() -> None:
    words = unit(np.eye(2, DIMENSIONS, dtype=np.float32))
    question = unit(np.ones((1, DIMENSIONS), np.float32))
    same = np.repeat(question, 4 * NEIGHBOURS, axis=0)
    labels = [0] * (2 * NEIGHBOURS) + [1] * (2 * NEIGHBOURS)
    one = LabelVote(words, same, labels).ask(question[0])
    other = LabelVote(words, same, labels[::-1]).ask(question[0])
    assert_same(one, other)
    assert one.scores[0] == pytest.approx(0.5, abs=1e-4)


def test_without_lessons_the_words_of_the_labels_decide_and_trust_is_nil() -> None:
    world = World(3, 0, repeated=False)
    vote = LabelVote(world.words, world.vectors, []).ask(world.words[1])
    assert int(vote.scores.argmax()) == 1
    assert vote.trust == 0


def test_trust_falls_with_distance() -> None:
    words = unit(np.eye(2, DIMENSIONS, dtype=np.float32))
    taught = unit(np.eye(DIMENSIONS, dtype=np.float32)[5:6])
    vote = LabelVote(words, taught, [1])
    away = np.eye(DIMENSIONS, dtype=np.float32)[6]
    trusts = [vote.ask(unit((1 - step) * taught[0] + step * away)).trust for step in (0.0, 0.2, 0.4, 0.6, 1.0)]
    assert trusts == sorted(trusts, reverse=True)
    assert trusts[0] > 0.99
    assert trusts[-1] == pytest.approx(1 / (1 + 2 * vote_module.HALF_TRUST_LESSONS_PER_LABEL), abs=1e-3)


def test_many_lessons_a_label_are_trusted_far_from_all_of_them() -> None:
    words = unit(np.eye(2, DIMENSIONS, dtype=np.float32))
    far = np.eye(DIMENSIONS, dtype=np.float32)[6]
    trusts = [
        LabelVote(words, np.repeat(np.eye(DIMENSIONS, dtype=np.float32)[5:6], count, axis=0), [1] * count)
        .ask(far)
        .trust
        for count in (1, 8, 80)
    ]
    assert trusts == sorted(trusts)
    assert trusts[1] == pytest.approx(0.5, abs=0.01)
    assert trusts[2] > 0.9


@given(worlds, st.integers(0, LABELS - 1), st.integers(1, 10))
def test_the_supporters_of_a_label_are_its_nearest_lessons(world: World, label: int, keep: int) -> None:
    vote = LabelVote(world.words, world.vectors, world.labels.tolist())
    asked = vote.ask(world.question)
    found = vote.supporters(asked, label, keep)
    members = np.flatnonzero(world.labels == label)
    assert len(found) == min(keep, len(members))
    named = [index for index, _ in found]
    assert len(set(named)) == len(named)
    assert set(named) <= set(members.tolist())
    near = sorted((float(asked.similarities[index]) for index in members), reverse=True)[:keep]
    assert [float(asked.similarities[index]) for index in named] == pytest.approx(near, abs=1e-5)
    assert not found or sum(share for _, share in found) == pytest.approx(1, abs=1e-5)
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
