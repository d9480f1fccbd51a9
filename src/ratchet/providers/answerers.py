"""Bases: the best passage, the label whose words are nearest, a chat model, or your own function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ratchet.errors import Conflict
from ratchet.interfaces import LanguageModel, Vector
from ratchet.layers.layer import Answer, Learned, Request

ABSTENTION = "I do not know. Nothing in the knowledge base answers this."
TEMPERATURE = 0.08


@dataclass(frozen=True, slots=True)
class Extractive:
    """Answers with the best passage found, and says that it does not know below ``floor`` (a retrieval score)."""

    floor: float = 0.25

    @property
    def id(self) -> str:
        """Name and settings."""
        return f"extractive:floor={self.floor:g}"

    def answer(self, request: Request, learned: Learned) -> Answer:
        """The text of the best passage; its source is the first of the ranking."""
        hits = learned.passages
        if not hits or hits[0].score < self.floor:
            return Answer(ABSTENTION, confidence=0.0, source="abstained", ranking=hits)
        return Answer(hits[0].passage.text, source="learned" if hits[0].lesson_id else "base", ranking=hits)


class NearestLabel:
    """Zero-shot classification: the label whose name or description is nearest to the text."""

    id = "nearest-label"

    def __init__(self, keep: Callable[[Sequence[str]], Vector]) -> None:
        self._keep = keep
        self._vectors: dict[tuple[str, ...], Vector] = {}

    def answer(self, request: Request, learned: Learned) -> Answer:
        """Probabilities of all labels, from the cosines to their words."""
        labels = request.app.labels
        cosines = self._words(labels) @ request.vector
        shares = np.exp((cosines - cosines.max()) / TEMPERATURE)
        shares = shares / shares.sum()
        top = np.sort(shares)[-2:]
        names = list(labels)
        return Answer(
            names[int(shares.argmax())],
            confidence=float(top[1] - top[0]),
            scores={name: float(share) for name, share in zip(names, shares, strict=True)},
        )

    def _words(self, labels: Mapping[str, str]) -> Vector:
        texts = tuple(words or name for name, words in labels.items())
        if texts not in self._vectors:
            self._vectors[texts] = self._keep(texts)
        return self._vectors[texts]


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """The team's own function as the base: called with the question and what was learned, it returns text."""

    name: str
    function: Callable[[str, Learned], object]

    @property
    def id(self) -> str:
        """The function's name; its code is the team's to version."""
        return f"function:{self.name}"

    def answer(self, request: Request, learned: Learned) -> Answer:
        """What the function returns, as text; its errors pass through unchanged."""
        return Answer(str(self.function(request.text, learned)))


@dataclass(frozen=True, slots=True)
class Recorded:
    """Stands for a function in another program, which sends its traces: it answers as that function last answered the
    same question, and abstains where it never did. ``find`` gives the recorded output of an app for a question.

    So a gate can judge what the layers themselves decide. It cannot judge what the function would make of new context.
    """

    id: str
    find: Callable[[str, str], str | None]

    def answer(self, request: Request, learned: Learned) -> Answer:
        """The recorded answer."""
        text = self.find(request.app.name, request.text)
        if text is None:
            return Answer("", confidence=0.0, source="abstained", ranking=learned.passages)
        return Answer(text)


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for a base that is not loaded here: good for reading what was learned, not for answering."""

    id: str

    def answer(self, request: Request, learned: Learned) -> Answer:
        """Raises ``Conflict``: only the program that defines the function can call it."""
        raise Conflict(
            f"The base of {request.app.name} is your own {self.id.replace(':', ' ')}, which is not loaded here.",
            f"Run loop.learn({request.app.name!r}) in the program that defines it.",
        )


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A chat model as the base: it is sent the prompt, what was learned, and the question. Endpoint errors pass on."""

    model: str
    endpoint: LanguageModel

    @property
    def id(self) -> str:
        """The model's name."""
        return f"model:{self.model}"

    def answer(self, request: Request, learned: Learned) -> Answer:
        """What the model says, without surrounding white space (a label must match exactly)."""
        return Answer(self.endpoint.complete(self.model, learned.messages(request.text, request.history)).text.strip())
