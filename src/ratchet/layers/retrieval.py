"""The retrieval layer: finds passages by vectors and words; reviewed questions pull towards theirs.

A reviewed answer with no passage becomes a passage of its own; one that names a passage takes that passage's place.
Each reviewed question also moves the vector of the passage that answers it, so that other wordings find it
(constants chosen by cross-validation on training rows: docs/decisions/0006-retrieval.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ratchet.interfaces import Vector
from ratchet.layers.layer import Answer, Hit, Learned, Request
from ratchet.layers.lexical import LexicalIndex
from ratchet.records.app import App
from ratchet.records.canonical import Json, content_hash, normalised
from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage
from ratchet.records.trace import Influence

VERSION = 1
TOP = 10
WORDS_WEIGHT = 0.5
PASSAGE_COUNTS_AS = 3.0
LEARNED_SHARE = 0.5
NEAR_QUESTION = 0.75
NEAR_QUESTION_WEIGHT = 0.5
SAME_QUESTION = 0.95
CLEAR_LEAD = 0.05
INFLUENCE_FLOOR = 0.35
GAP_TEMPERATURE = 0.05


def can_learn(lesson: Lesson) -> bool:
    """Whether the lesson says where or what the right answer is."""
    return bool(lesson.answer or lesson.passage_id)


def build(
    app: App, passages: Sequence[Passage], lessons: Sequence[Lesson], embed: Callable[[Sequence[str]], Vector]
) -> Retrieval:
    """The layer as a release with this knowledge and these lessons has it."""
    usable = [lesson for lesson in lessons if can_learn(lesson)]
    amended = _amended(app, passages, usable)
    position = {passage.id: row for row, passage in enumerate(amended)}
    targets = [position.get(lesson.passage_id or _passage_id(lesson), -1) for lesson in usable]
    kept = [(lesson, target) for lesson, target in zip(usable, targets, strict=True) if target >= 0]
    index = _Index.of(amended, [lesson.question for lesson, _ in kept], [target for _, target in kept], embed)
    asked = {normalised(lesson.question): row for row, (lesson, _) in enumerate(kept)}
    return Retrieval(app, tuple(amended), tuple(lesson for lesson, _ in kept), index, position, asked)


def _passage_id(lesson: Lesson) -> str:
    return f"lesson:{lesson.id}"


def _amended(app: App, passages: Sequence[Passage], lessons: Sequence[Lesson]) -> list[Passage]:
    """The knowledge with reviewed answers in it; the newest lesson about a passage wins."""
    known = {passage.id: passage for passage in passages}
    for lesson in lessons:
        if lesson.answer and lesson.passage_id in known:
            known[lesson.passage_id] = replace(known[lesson.passage_id], text=lesson.answer)
        elif lesson.answer and not lesson.passage_id:
            identity = _passage_id(lesson)
            known[identity] = Passage(id=identity, app=app.name, title=lesson.question, text=lesson.answer)
    return list(known.values())


@dataclass(frozen=True, slots=True)
class _Index:
    """Search structures: passage vectors (title and whole), the expanded vectors, words, and the lessons' questions."""

    plain: Vector
    expanded: Vector
    lexical: LexicalIndex
    questions: Vector
    targets: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        passages: Sequence[Passage],
        questions: Sequence[str],
        targets: Sequence[int],
        embed: Callable[[Sequence[str]], Vector],
    ) -> _Index:
        whole = embed([passage.words() for passage in passages])
        titles = embed([passage.title or passage.text for passage in passages])
        asked = embed(list(questions))
        rows = np.asarray(targets, np.intp)
        plain = ((whole + titles) / 2).astype(np.float32)
        expanded = _expanded(plain, asked, rows)
        return cls(plain, expanded, _lexical(tuple(passage.words() for passage in passages)), asked, rows)

    def scores(self, text: str, vector: Vector) -> tuple[Vector, Vector]:
        """The score of every passage, and the cosine of every reviewed question."""
        scores = self.plain @ vector
        if len(self.questions):
            scores = LEARNED_SHARE * (self.expanded @ vector) + (1 - LEARNED_SHARE) * scores
        scores = scores + WORDS_WEIGHT * self.lexical.scores(text)
        asked = self.questions @ vector
        pull = np.zeros(len(scores), np.float32)
        np.maximum.at(pull, self.targets, np.maximum(asked - NEAR_QUESTION, 0))
        return (scores + NEAR_QUESTION_WEIGHT * pull).astype(np.float32), asked.astype(np.float32)


@lru_cache(maxsize=8)
def _lexical(texts: tuple[str, ...]) -> LexicalIndex:
    """Releases mostly share their knowledge, and reading it into an index is the slow part of loading one."""
    return LexicalIndex(texts)


def _expanded(plain: Vector, asked: Vector, rows: NDArray[np.intp]) -> Vector:
    """Passage vectors turned towards the questions that they answer, at their old length, so that a passage nobody
    asked about keeps its place among the others."""
    sums = PASSAGE_COUNTS_AS * plain.astype(np.float64)
    np.add.at(sums, rows, asked)
    lengths = np.linalg.norm(plain, axis=1, keepdims=True) / np.maximum(
        np.linalg.norm(sums, axis=1, keepdims=True), 1e-12
    )
    expanded = plain.copy()
    taught = np.unique(rows)
    expanded[taught] = (sums * lengths)[taught]
    return expanded


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One release's knowledge and lessons, searchable.

    ``rows`` finds a passage by id; ``asked`` finds the newest lesson by its normalised question.
    """

    app: App
    passages: tuple[Passage, ...]
    lessons: tuple[Lesson, ...]
    index: _Index
    rows: Mapping[str, int]
    asked: Mapping[str, int]

    def before(self, request: Request, learned: Learned) -> Learned:
        """Find the best passages, and the reviewed answer to this very question if there is one."""
        if not self.passages:
            return learned
        scores, asked = self.index.scores(request.text, request.vector)
        order = np.argsort(-scores, kind="stable")[:TOP]
        hits = tuple(
            Hit(self.passages[row], float(scores[row]), self._nearest_lesson(int(row), asked)) for row in order
        )
        reviewed = self._reviewed(request.text, asked)
        if reviewed is not None:
            hits = self._put_first(hits, reviewed)
        return replace(learned, passages=hits, reviewed=learned.reviewed or reviewed)

    def after(self, request: Request, learned: Learned, answer: Answer) -> Answer:
        """Name the passage and the lessons that the answer rests on."""
        ranking = answer.ranking or learned.passages
        if not ranking or answer.source == "abstained":
            return replace(answer, ranking=ranking)
        top = ranking[0].passage
        influences = [Influence("passage", top.id, 1.0), *self._lesson_influences(top, request.vector)]
        confidence = answer.confidence if answer.confidence is not None else lead(ranking)
        return replace(answer, ranking=ranking, confidence=confidence, influences=(*answer.influences, *influences))

    def manifest(self) -> dict[str, Json]:
        """Which knowledge and which lessons, by content, and the version of the rule that reads them."""
        return {
            "version": VERSION,
            "lessons": len(self.lessons),
            "content": content_hash(sorted([lesson.id, lesson.taught_content()] for lesson in self.lessons)),
            "passages": content_hash(sorted([passage.id, passage.content()] for passage in self.passages)),
        }

    def _nearest_lesson(self, row: int, asked: Vector) -> str:
        members = np.flatnonzero(self.index.targets == row)
        if not len(members):
            return ""
        best = int(members[asked[members].argmax()])
        return self.lessons[best].id if asked[best] >= INFLUENCE_FLOOR else ""

    def _reviewed(self, text: str, asked: Vector) -> Lesson | None:
        """The lesson whose question this is, unless another answer's question is almost as close."""
        if not self.lessons:
            return None
        exact = self.asked.get(normalised(text))
        if exact is not None:
            return self.lessons[exact]
        best = int(asked.argmax())
        others = asked[self.index.targets != self.index.targets[best]]
        clear = not len(others) or float(asked[best] - others.max()) >= CLEAR_LEAD
        return self.lessons[best] if asked[best] >= SAME_QUESTION and clear else None

    def _put_first(self, hits: tuple[Hit, ...], lesson: Lesson) -> tuple[Hit, ...]:
        passage = self.passages[self.rows[lesson.passage_id or _passage_id(lesson)]]
        rest = tuple(hit for hit in hits if hit.passage.id != passage.id)
        score = max(1.0, hits[0].score if hits else 0.0)
        return (Hit(passage, score, lesson.id), *rest)[:TOP]

    def _lesson_influences(self, passage: Passage, vector: Vector) -> list[Influence]:
        members = np.flatnonzero(self.index.targets == self.rows[passage.id])
        cosines = self.index.questions[members] @ vector
        return [
            # A lesson whose text took the passage's place shaped the answer, however it was asked for.
            Influence("lesson", self.lessons[int(member)].id, float(max(0.0, min(1.0, cosine))))
            for member, cosine in zip(members, cosines, strict=True)
            if cosine >= INFLUENCE_FLOOR or self.lessons[int(member)].answer
        ]


def lead(ranking: Sequence[Hit]) -> float:
    """How far the best passage is ahead of the second, in [0, 1]: the gap of their softmax shares."""
    scores = np.array([hit.score for hit in ranking])
    shares = np.exp((scores - scores.max()) / GAP_TEMPERATURE)
    shares = shares / shares.sum()
    return float(shares[0] - shares[1]) if len(shares) > 1 else 1.0
