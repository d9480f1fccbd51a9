"""Classify by what reviewers taught: class means, a ridge regression and the nearest lessons, blended.

Everything is a sum over lessons, so the order in which they came does not matter and any of them can be removed
exactly. Labels without lessons are held up by their own words (name or description), which count as a few lessons.
The blend follows the design's science notes (section 1, "absorb"); its constants were chosen by cross-validation on
training rows (docs/decisions/0005-label-vote.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ratchet.interfaces import Vector

LABEL_WORDS_COUNT_AS = 3.0
RIDGE_PENALTY = 0.1
MEANS_TEMPERATURE = 0.08
RIDGE_TEMPERATURE = 0.1
KERNEL_TEMPERATURE = 0.08
NEIGHBOURS = 8
MOST_NEIGHBOUR_SHARE = 0.4
HALF_SHARE_LESSONS = 200
HALF_TRUST_MASS = 0.008
HALF_TRUST_LESSONS_PER_LABEL = 4
TIED = 1e-6


@dataclass(frozen=True, slots=True)
class Vote:
    """``scores``: one per label, summing to 1. ``trust`` in [0, 1): the share of the decision that is theirs.
    ``similarities``: the cosine of the question to every lesson."""

    scores: Vector
    trust: float
    similarities: Vector


class LabelVote:
    """The lessons of one release, ready to vote. ``lesson_labels`` holds the index of each lesson's label."""

    def __init__(self, label_vectors: Vector, lesson_vectors: Vector, lesson_labels: Sequence[int]) -> None:
        self._lessons = lesson_vectors
        self._labels: NDArray[np.intp] = np.asarray(lesson_labels, dtype=np.intp)
        # A handful of lessons is too thin for a neighbourhood, so the nearest count more as lessons come.
        self._neighbour_share = MOST_NEIGHBOUR_SHARE * len(lesson_labels) / (len(lesson_labels) + HALF_SHARE_LESSONS)
        self._means = _class_means(label_vectors, lesson_vectors, self._labels)
        self._ridge = _ridge(label_vectors, lesson_vectors, self._labels)

    def ask(self, vector: Vector) -> Vote:
        """The vote on one question, given its unit vector."""
        similarities = (self._lessons @ vector).astype(np.float32)
        spread = (
            _softmax(self._means @ vector, MEANS_TEMPERATURE) + _softmax(self._ridge @ vector, RIDGE_TEMPERATURE)
        ) / 2
        if not len(similarities):
            return Vote(spread.astype(np.float32), 0.0, similarities)
        near = _nearest_and_tied(similarities, NEIGHBOURS)
        kernel = np.exp((similarities[near] - 1) / KERNEL_TEMPERATURE)
        mass = float(kernel.sum())
        neighbours = np.bincount(self._labels[near], weights=kernel, minlength=len(spread)) / mass
        scores = self._neighbour_share * neighbours + (1 - self._neighbour_share) * spread
        return Vote(scores.astype(np.float32), self._trust(mass), similarities)

    def _trust(self, mass: float) -> float:
        """Share of the vote beside the base: lessons near the question earn it, and so do many lessons per label."""
        near = mass / (mass + HALF_TRUST_MASS)
        known = len(self._labels) / (len(self._labels) + HALF_TRUST_LESSONS_PER_LABEL * len(self._means))
        return 1 - (1 - near) * (1 - known)

    def supporters(self, vote: Vote, label: int, keep: int) -> list[tuple[int, float]]:
        """The lessons of ``label`` nearest to the question: their index and their share of that label's support."""
        members = np.flatnonzero(self._labels == label)
        if not len(members):
            return []
        best = members[_nearest(vote.similarities[members], keep)]
        kernel = np.exp((vote.similarities[best] - 1) / KERNEL_TEMPERATURE)
        shares = kernel / kernel.sum()
        order = np.argsort(-shares)
        return [(int(best[i]), float(shares[i])) for i in order]


def _nearest(similarities: Vector, count: int) -> NDArray[np.intp]:
    if len(similarities) <= count:
        return np.arange(len(similarities))
    return np.argpartition(-similarities, count - 1)[:count]


def _nearest_and_tied(similarities: Vector, count: int) -> NDArray[np.intp]:
    """The nearest, and all that are as near as the last of them: which came first must not matter."""
    if len(similarities) <= count:
        return np.arange(len(similarities))
    last = np.partition(similarities, -count)[-count]
    return np.flatnonzero(similarities >= last - TIED)


def _class_means(label_vectors: Vector, lessons: Vector, labels: NDArray[np.intp]) -> Vector:
    sums = LABEL_WORDS_COUNT_AS * label_vectors.astype(np.float64)
    np.add.at(sums, labels, lessons)
    means: Vector = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
    return means


def _ridge(label_vectors: Vector, lessons: Vector, labels: NDArray[np.intp]) -> Vector:
    """Weights (labels x dimensions) of W = (X'X + penalty I)^-1 X'Y, label words counted as weighted rows."""
    rows = np.vstack([lessons, label_vectors]).astype(np.float64)
    weights = np.concatenate([np.ones(len(lessons)), np.full(len(label_vectors), LABEL_WORDS_COUNT_AS)])
    targets = np.concatenate([labels, np.arange(len(label_vectors))])
    weighted = rows * weights[:, None]
    products = np.zeros((len(label_vectors), rows.shape[1]))
    np.add.at(products, targets, weighted)
    gram = weighted.T @ rows + RIDGE_PENALTY * np.eye(rows.shape[1])
    solved: Vector = np.linalg.solve(gram, products.T).T.astype(np.float32)
    return solved


def _softmax(values: Vector, temperature: float) -> Vector:
    shifted = np.exp((values - values.max()) / temperature)
    result: Vector = shifted / shifted.sum()
    return result
