"""What an app's call returns: the answer as text, with everything needed to give feedback on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratchet.records.trace import Influence, Trace


class Reply(str):
    """The answer. It is a ``str``; ``id`` names its trace, ``release`` is the number of the release that made it
    (0 for the bare base), ``source`` says who decided, ``influences`` are the learned items that took part.
    ``feedback_token`` lets a browser give feedback on it without a key; only the service gives it out."""

    id: str
    release: int
    source: str
    confidence: float | None
    passage_id: str
    influences: tuple[Influence, ...]
    feedback_token: str

    @classmethod
    def of(cls, trace: Trace, feedback_token: str = "") -> Reply:
        """The reply that ``trace`` records."""
        reply = cls(trace.output)
        reply.id = trace.id
        reply.release = trace.release
        reply.source = trace.source
        reply.confidence = trace.confidence
        reply.passage_id = trace.passage_id
        reply.influences = trace.influences
        reply.feedback_token = feedback_token
        return reply


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of feedback: ``accepted`` means it is on disk. ``reason`` says why it was not."""

    feedback_id: str
    accepted: bool
    duplicate: bool = False
    reason: str = ""
