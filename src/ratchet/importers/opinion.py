"""Turns one foreign score into feedback: a thumb, stars, a named score, a correction or a comment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ratchet.importers.content import answer
from ratchet.importers.fields import decoded, number, words
from ratchet.importers.row import Unusable, usable_id
from ratchet.records.feedback import LONGEST_CATEGORY, THUMBS
from ratchet.wire.feedback import FeedbackIn, ScoreValue

By = Literal["user", "reviewer", "program"]

JUDGE = "judge."
_UP = {"up", "thumbsup", "thumbs up", "positive", "like", "liked", "good", "yes", "true", "1", "+1", "helpful", "👍"}
_DOWN = {
    "down", "thumbsdown", "thumbs down", "negative", "dislike", "disliked", "bad", "no", "false", "0", "-1",
    "unhelpful", "not helpful", "👎",
}  # fmt: skip
_THUMB_NAMES = {
    "thumb", "thumbs", "thumbs up", "thumbs up down", "user feedback", "user thumb", "user thumbs", "user rating",
    "user score", "user reaction", "end user feedback", "human feedback", "customer feedback", "feedback", "like",
    "liked", "reaction", "helpful", "is helpful", "vote", "upvote",
}  # fmt: skip
_COMPLAINT_NAMES = {"negative user feedback", "thumbs down", "downvote", "dislike", "disliked", "unhelpful"}
_STAR_NAMES = {"star", "stars", "star rating", "stars rating", "user stars"}
_COMMENT_NAMES = {"comment", "comments", "user comment", "note", "feedback text", "user feedback comment"}
_CORRECTION_NAMES = {
    "correction", "corrected output", "corrected answer", "expected response", "expected output", "expected answer",
    "ideal answer", "ground truth", "reference answer", "output",
}  # fmt: skip
_RESERVED = {"thumb", "stars", "correction", "comment"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One foreign score, before it is decided what it becomes.

    ``by`` says whose it is: a ``user`` of the app, a ``reviewer`` in the tool, or a ``program`` (a judge model or
    code). ``ideal`` marks a value that is the right answer rather than a judgement.
    """

    trace_id: str
    name: str
    value: object
    by: By = "user"
    source_id: str = ""
    app: str = ""
    user: str = ""
    at: float | None = None
    comment: str = ""
    correction: object = None
    ideal: bool = False

    def feedback(self) -> FeedbackIn:
        """The message to send. Raises ``Unusable`` when nothing in it can be kept."""
        message = _Message(self)
        message.read()
        return message.finished()


class _Message:
    """Feedback in the making."""

    def __init__(self, opinion: Opinion) -> None:
        self._from = opinion
        self._name = re.sub(r"[^a-z0-9]+", " ", opinion.name.lower()).strip()
        self._scores: dict[str, ScoreValue] = {}
        self._thumb: Literal["", "up", "down"] = ""
        self._stars: int | None = None
        self._comment = "" if opinion.by == "program" else opinion.comment
        self._correction = "" if opinion.by == "program" else answer(opinion.correction)

    def read(self) -> None:
        value = decoded(self._from.value)
        if self._from.by == "program":
            self._score(JUDGE + self._from.name, value)
            self._score(f"{JUDGE}{self._from.name}.reason", self._from.comment or None)
        elif self._from.ideal:
            self._correct(value)
        else:
            self._judge(value)

    def finished(self) -> FeedbackIn:
        said = FeedbackIn(
            id=usable_id("trace", self._from.trace_id),
            app=self._from.app,
            event_id=usable_id("event", self._from.source_id) if self._from.source_id else "",
            at=self._from.at,
            user=self._from.user,
            scores=self._scores,
            thumb=self._thumb,
            stars=self._stars,
            correction=self._correction,
            comment=self._comment,
        )
        if not (said.scores or said.thumb or said.stars or said.correction or said.comment):
            raise Unusable(f"{self._from.name!r:.60} has no value that can be kept")
        return said

    def _judge(self, value: object) -> None:
        thumb = as_thumb(value) if self._name in _THUMB_NAMES else ""
        stars = as_stars(value) if self._name in _STAR_NAMES else None
        if thumb:
            self._thumb = thumb
        elif self._name in _COMPLAINT_NAMES and as_thumb(value):
            self._complain(as_thumb(value) == "up")
        elif stars is not None:
            self._stars = stars
        elif self._name in _COMMENT_NAMES and isinstance(value, str):
            self._comment = self._comment or value
        else:
            self._score(self._from.name, value)

    def _complain(self, does: bool) -> None:
        """A complaint is a thumb down. Its absence is no praise: kept as 0, since a plain false would count against."""
        if does:
            self._thumb = "down"
        else:
            self._score(self._from.name, 0.0)

    def _correct(self, value: object) -> None:
        """An ideal answer; an expectation that is no answer (a label, a list of facts) is kept as a score."""
        if self._name in _CORRECTION_NAMES:
            self._correction = answer(value)
        else:
            self._score(f"expected.{self._from.name}", value)

    def _score(self, name: str, value: object) -> None:
        if isinstance(value, Mapping):
            for part, inner in value.items():
                if not isinstance(inner, Mapping | list):
                    self._score(f"{name}.{part}", inner)
            return
        kept: ScoreValue | None = None
        if isinstance(value, bool | str):
            kept = value
        elif isinstance(value, int | float):
            kept = number(value)
        elif isinstance(value, list | tuple):
            kept = ", ".join(words(item) for item in value)
        if kept is not None and kept != "":
            self._scores[score_name(name)] = kept


def score_name(name: str) -> str:
    """A name under which a score may be sent: not empty, not reserved, at most 100 characters."""
    short = " ".join(name.split())[:LONGEST_CATEGORY] or "score"
    return f"{short}.score" if short in _RESERVED or short.startswith(("flag:", "signal:")) else short


def as_thumb(value: object) -> Literal["", "up", "down"]:
    """A thumb out of true and false, 1, 0 and -1, or the usual words; empty for everything else."""
    told = re.sub(r"[\s_-]+", " ", words(value).lower()).strip() if not _is_minus_one(value) else "-1"
    return THUMBS[0] if told in _UP else THUMBS[1] if told in _DOWN else ""  # type: ignore[return-value]


def _is_minus_one(value: object) -> bool:
    return number(value) == -1


def as_stars(value: object) -> int | None:
    """One to five stars; ``None`` for everything else."""
    found = number(value)
    return int(found) if found in (1, 2, 3, 4, 5) and found is not None else None
