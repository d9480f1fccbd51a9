"""What an app's call returns: the answer as text, with everything needed to give feedback on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratchet.records.trace import Influence, Trace


class Reply(str):
    """The answer. It is a ``str``; ``id`` names its trace, ``release`` is the number of the release that made it
    (0 for the bare base), ``source`` says who decided, ``influences`` are the learned items that took part."""

    id: str
    release: int
    source: str
    confidence: float | None
    passage_id: str
    influences: tuple[Influence, ...]

    @classmethod
    def of(cls, trace: Trace) -> Reply:
        """The reply that ``trace`` records."""
        reply = cls(trace.output)
        reply.id = trace.id
        reply.release = trace.release
        reply.source = trace.source
        reply.confidence = trace.confidence
        reply.passage_id = trace.passage_id
        reply.influences = trace.influences
        return reply


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of feedback: ``accepted`` means it is on disk. ``reason`` says why it was not."""

    feedback_id: str
    accepted: bool
    duplicate: bool = False
    reason: str = ""
