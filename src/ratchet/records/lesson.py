"""A lesson: a reviewed correction with its provenance, the only thing that layers learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ratchet.records.canonical import content_hash

Split = Literal["teach", "held_out", "set_aside"]
LessonStatus = Literal["active", "superseded", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a named reviewer said would be right for one question.

    ``group`` is the near-duplicate group and decides ``split``: most groups teach, 20% are held out in the target
    suite, and a lesson whose neighbours lie on both sides is set aside from both. ``reporter`` is who complained.
    ``valid_until`` is in seconds since the epoch, ``None`` for no end.
    """

    id: str
    app: str
    case_id: str
    verdict_id: str
    at: float
    question: str
    answer: str
    group: str
    split: Split
    reviewer: str
    passage_id: str = ""
    reporter: str = ""
    erred: bool = True
    rejected_answer: str = ""
    failure_mode: str = ""
    segment: str = ""
    supersedes: str = ""
    status: LessonStatus = "active"
    valid_until: float | None = None

    def taught_content(self) -> str:
        """Hash of exactly what a layer learns from it; the same for the same question and answer."""
        return content_hash({"question": self.question, "answer": self.answer, "passage_id": self.passage_id})
