"""The examples layer: lessons like this question vote on its label, or are shown to the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ratchet.interfaces import Vector
from ratchet.layers.layer import Answer, Learned, Request
from ratchet.layers.vote import LabelVote
from ratchet.records.app import App
from ratchet.records.canonical import Json, content_hash, normalised
from ratchet.records.lesson import Lesson
from ratchet.records.trace import Influence

VERSION = 1
SHOWN = 6
SIMILARITY_FLOOR = 0.35
TOO_ALIKE = 0.97
CHARACTER_BUDGET = 6000
NAMED_SUPPORTERS = 8


def can_learn(app: App, lesson: Lesson) -> bool:
    """Whether this layer has a use for the lesson: a known label, or any answer to show."""
    return lesson.answer in app.labels if app.kind == "classify" else bool(lesson.answer)


def build(app: App, lessons: Sequence[Lesson], embed: Callable[[Sequence[str]], Vector]) -> Examples:
    """The layer as a release with these lessons has it; ``embed`` maps texts to unit vectors."""
    usable = [lesson for lesson in lessons if can_learn(app, lesson)]
    vectors = embed([lesson.question for lesson in usable])
    vote = None
    if app.kind == "classify":
        names = list(app.labels)
        index = {name: position for position, name in enumerate(names)}
        words = embed([app.labels[name] or name for name in names])
        vote = LabelVote(words, vectors, [index[lesson.answer] for lesson in usable])
    asked = {normalised(lesson.question): row for row, lesson in enumerate(usable)}
    return Examples(app, tuple(usable), vectors, vote, asked)


@dataclass(frozen=True, slots=True)
class Examples:
    """The lessons of one release with their vectors; ``vote`` only for ``classify`` apps.

    ``asked`` finds the newest lesson by its normalised question.
    """

    app: App
    lessons: tuple[Lesson, ...]
    vectors: Vector
    vote: LabelVote | None
    asked: Mapping[str, int]

    def before(self, request: Request, learned: Learned) -> Learned:
        """Show the most similar lessons, diverse and within a length budget; note a question reviewed before."""
        if not self.lessons:
            return learned
        similarities = self.vectors @ request.vector
        reviewed = self._same_question(request.text) if self.vote else None
        return replace(learned, examples=self._demonstrations(similarities), reviewed=learned.reviewed or reviewed)

    def after(self, request: Request, learned: Learned, answer: Answer) -> Answer:
        """For ``classify``: let the lessons vote with the base, the more so the nearer they are."""
        if self.vote is None or not self.lessons or answer.source == "reviewed":
            return answer
        vote = self.vote.ask(request.vector)
        names = list(self.app.labels)
        base = _base_scores(answer, names)
        scores = vote.trust * vote.scores + (1 - vote.trust) * base
        winner = int(scores.argmax())
        top = np.sort(scores)[-2:]
        supporters = self.vote.supporters(vote, winner, NAMED_SUPPORTERS)
        influences = [Influence("lesson", self.lessons[i].id, share * vote.trust) for i, share in supporters]
        return replace(
            answer,
            text=names[winner],
            confidence=float(top[1] - top[0]),
            source="learned",
            scores={name: float(score) for name, score in zip(names, scores, strict=True)},
            influences=(*answer.influences, *influences),
        )

    def manifest(self) -> dict[str, Json]:
        """Which lessons, by content, and the version of the rule that reads them."""
        return {
            "version": VERSION,
            "lessons": len(self.lessons),
            "content": content_hash(sorted([lesson.id, lesson.taught_content()] for lesson in self.lessons)),
        }

    def _same_question(self, text: str) -> Lesson | None:
        row = self.asked.get(normalised(text))
        return None if row is None else self.lessons[row]

    def _demonstrations(self, similarities: Vector) -> tuple[Lesson, ...]:
        chosen: list[int] = []
        length = 0
        for index in np.argsort(-similarities)[: SHOWN * 4]:
            if similarities[index] < SIMILARITY_FLOOR or len(chosen) == SHOWN:
                break
            lesson = self.lessons[index]
            size = len(lesson.question) + len(lesson.answer)
            repeated = any(float(self.vectors[index] @ self.vectors[other]) > TOO_ALIKE for other in chosen)
            if not repeated and length + size <= CHARACTER_BUDGET:
                chosen.append(int(index))
                length += size
        return tuple(self.lessons[index] for index in reversed(chosen))


def _base_scores(answer: Answer, names: Sequence[str]) -> Vector:
    """The base's opinion as probabilities; a base that only names a label counts as nine tenths sure of it."""
    if answer.scores:
        return np.array([answer.scores.get(name, 0.0) for name in names], np.float32)
    scores = np.full(len(names), 0.1 / len(names), np.float32)
    if answer.text in names:
        scores[list(names).index(answer.text)] += 0.9
    total: Vector = scores / scores.sum()
    return total
