"""Answers an app's own function with what the service, or a kept release, knows about the question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ratchet.layers.layer import Answer, Bundle, Hit, Learned, Request
from ratchet.layers.retrieval import lead
from ratchet.records.passage import Passage
from ratchet.records.trace import Influence

if TYPE_CHECKING:
    from ratchet.layers.layer import Answerer
    from ratchet.records.app import App
    from ratchet.records.canonical import Json
    from ratchet.wire.apps import LearnedOut


@dataclass(frozen=True, slots=True)
class Told:
    """All layers of a release in one: what they found was worked out elsewhere and told."""

    learned: Learned

    def before(self, request: Request, learned: Learned) -> Learned:
        """What was told."""
        return self.learned

    def after(self, request: Request, learned: Learned, answer: Answer) -> Answer:
        """Name the passage that the answer rests on, and the lesson that led to it."""
        ranking = answer.ranking or learned.passages
        if not ranking or answer.source == "abstained":
            return replace(answer, ranking=ranking)
        best = ranking[0]
        influences = [Influence("passage", best.passage.id, 1.0)]
        if best.lesson_id:
            influences.append(Influence("lesson", best.lesson_id, min(1.0, max(0.0, best.score))))
        confidence = answer.confidence if answer.confidence is not None else lead(ranking)
        return replace(answer, ranking=ranking, confidence=confidence, influences=(*answer.influences, *influences))

    def manifest(self) -> dict[str, Json]:
        """Nothing: it is no release."""
        return {}


def told(app: App, base: Answerer, out: LearnedOut) -> Bundle:
    """A release as far as one question is concerned, from what the service says about that question."""
    hits = tuple(
        Hit(Passage(id=found.id, app=app.name, title=found.title, text=found.text), found.score, found.lesson_id)
        for found in out.passages
    )
    learned = Learned(
        prompt=out.prompt, passages=hits, examples=tuple(out.examples), reviewed=out.reviewed, release=out.release
    )
    return Bundle(app, out.release, base, (Told(learned),))


def untold(app: App, base: Answerer) -> Bundle:
    """What there is when nothing is known: the base with the app's own prompt."""
    return Bundle(app, 0, base, ())
