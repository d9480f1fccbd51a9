"""Review on the wire: the queue, reservations and verdicts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ratchet.records.case import Case
from ratchet.records.feedback import Feedback
from ratchet.records.lesson import Lesson
from ratchet.records.trace import Trace
from ratchet.records.verdict import Verdict
from ratchet.wire.limits import Text, Words

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class CaseDetail(Struct, kw_only=True, frozen=True):
    """A case with the answer it is about and what people said of it."""

    case: Case
    trace: Trace | None
    feedback: list[Feedback]


class QueueOut(Struct, kw_only=True, frozen=True):
    """What a person should look at next, most instructive first."""

    cases: list[CaseDetail]


class ReserveIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Holds a case for one reviewer, for ``seconds``."""

    reviewer: Name
    seconds: Annotated[float, Meta(gt=0, le=86_400)] = 600.0


class VerdictIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Did the app err, which failure mode, and what would be right."""

    reviewer: Name
    erred: bool
    answer: Text = ""
    passage_id: Words = ""
    failure_mode: Words = ""
    note: Text = ""


class DecidedOut(Struct, kw_only=True, frozen=True):
    """The verdict, and the lesson that came of it, if one did."""

    verdict: Verdict
    lesson: Lesson | None
