"""Routes of feedback: sending it, reading it, tokens for browsers, and the status a reporter follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ratchet.records.feedback import Feedback
from ratchet.sdk.api.calling import Caller, part
from ratchet.wire.feedback import (
    BatchAck,
    FeedbackAck,
    FeedbackBatchIn,
    FeedbackIn,
    FeedbackPage,
    FeedbackStatus,
    TokenIn,
    TokenOut,
)


class FeedbackRoutes(Caller):
    """``/v1/feedback``. Times are in seconds since the epoch."""

    def send_feedback(self, feedback: FeedbackIn) -> FeedbackAck:
        """Say how one answer was; once this returns, it is on disk."""
        return self._post(FeedbackAck, "/v1/feedback", feedback)

    def send_feedback_batch(self, feedback: Sequence[FeedbackIn]) -> BatchAck:
        """Send at most 500 messages; each is accepted or refused by itself."""
        return self._post(BatchAck, "/v1/feedback/batch", FeedbackBatchIn(feedback=list(feedback)))

    def feedback_page(
        self,
        *,
        app: str = "",
        trace_id: str = "",
        user: str = "",
        name: str = "",
        negative: bool | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
        cursor: str = "",
    ) -> FeedbackPage:
        """Feedback that fits, newest first; ``cursor`` is the ``next`` of the page before."""
        query = {
            "app": app, "trace_id": trace_id, "user": user, "name": name, "negative": negative, "since": since,
            "until": until, "limit": limit, "cursor": cursor,
        }  # fmt: skip
        return self._get(FeedbackPage, "/v1/feedback", query)

    def export_feedback(
        self,
        format: Literal["jsonl", "csv"] = "jsonl",
        *,
        app: str = "",
        user: str = "",
        since: float | None = None,
        until: float | None = None,
    ) -> str:
        """Feedback that fits, as JSON Lines or CSV."""
        query = {"format": format, "app": app, "user": user, "since": since, "until": until}
        return self._send("GET", "/v1/feedback", query=query).text()

    def feedback(self, feedback_id: str, *, app: str = "") -> Feedback:
        """One message; ``app`` is needed where several apps have one of that id."""
        return self._get(Feedback, f"/v1/feedback/{part(feedback_id)}", {"app": app})

    def feedback_status(self, feedback_id: str, *, token: str = "") -> FeedbackStatus:
        """What came of a report; ``token`` is the one in its ``status_url``."""
        return self._get(FeedbackStatus, f"/v1/feedback/{part(feedback_id)}/status", {"token": token})

    def feedback_token(self, wanted: TokenIn) -> TokenOut:
        """A token that lets a browser give feedback on one answer."""
        return self._post(TokenOut, "/v1/feedback/tokens", wanted)
