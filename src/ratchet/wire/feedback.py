"""Feedback on the wire: single messages, batches, tokens, and the status a reporter follows."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ratchet.records.feedback import Feedback
from ratchet.wire.limits import MOST_IN_BATCH, AppName, OptionalId, Seconds, Text, Words

ScoreValue = bool | float | Text
Progress = Literal["received", "in_review", "reviewed", "learned", "released"]


class FeedbackIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What somebody said or did about one answer.

    ``id`` is the answer's id (its trace); a ``token`` names it too. ``app`` is needed only while the trace has not
    arrived and several apps exist. ``event_id`` makes a repeat harmless: the same id with the same content is one
    event, with other content it is refused. ``at`` is when it happened (seconds since the epoch), for late deliveries.
    ``key`` is a browser key, for senders that cannot set headers.
    """

    id: OptionalId = ""
    app: AppName = ""
    token: Words = ""
    key: Words = ""
    event_id: OptionalId = ""
    at: Seconds | None = None
    user: Words = ""
    scores: dict[str, ScoreValue] = field(default_factory=dict)
    thumb: Literal["", "up", "down"] = ""
    stars: Annotated[int, Meta(ge=1, le=5)] | None = None
    flags: Annotated[list[str], Meta(max_length=50)] = field(default_factory=list)
    correction: Text = ""
    comment: Text = ""
    signals: dict[str, ScoreValue] = field(default_factory=dict)


class FeedbackAck(Struct, kw_only=True, frozen=True):
    """The feedback is on disk. ``review_id`` names the case it opened or joined; ``status_url`` needs no key."""

    feedback_id: str
    trace_id: str
    outcome: Literal["stored", "duplicate"]
    review_id: str | None
    status_url: str


class FeedbackBatchIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Many messages in one request; each is accepted or refused by itself."""

    feedback: Annotated[list[FeedbackIn], Meta(min_length=1, max_length=MOST_IN_BATCH)]


class RowResult(Struct, kw_only=True, frozen=True):
    """What became of one row of a batch. ``error`` and ``fix`` say why it was refused."""

    id: str
    outcome: Literal["stored", "duplicate", "rejected"]
    error: str = ""
    fix: str = ""


class BatchAck(Struct, kw_only=True, frozen=True):
    """What became of each row, in the order of the request; what is stored or duplicate is on disk."""

    stored: int
    duplicate: int
    rejected: int
    results: list[RowResult]


class FeedbackPage(Struct, kw_only=True, frozen=True):
    """Feedback, newest first; ``next`` is the cursor of the following page, if there is one."""

    feedback: list[Feedback]
    next: str | None


class FeedbackStatus(Struct, kw_only=True, frozen=True):
    """What came of a report: it was ``received``, is ``in_review``, was ``reviewed``, became a lesson (``learned``),
    and is live (``released``, with the release's number)."""

    feedback_id: str
    progress: Progress
    at: float
    release: int | None
    message: str


class TokenIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Asks for a feedback token for one answer, to hand to a browser."""

    trace_id: Annotated[str, Meta(min_length=1, max_length=64)]
    app: AppName = ""
    user: Words = ""


class TokenOut(Struct, kw_only=True, frozen=True):
    """A signed token that lets its bearer give feedback on one answer; ``expires_at`` in seconds since the epoch."""

    token: str
    expires_at: float
