"""A case: a trace that waits for a human decision, and why it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CaseStatus = Literal["open", "decided", "dismissed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A trace to be judged by a person.

    ``reasons`` are the escalation rules that fired, or ``uncertain`` / ``audit`` for cases that the queue sampled.
    A reservation (``reserved_by`` until ``reserved_until``, seconds since the epoch) keeps two reviewers apart.
    """

    id: str
    app: str
    trace_id: str
    at: float
    reasons: tuple[str, ...]
    reporter: str = ""
    status: CaseStatus = "open"
    reserved_by: str = ""
    reserved_until: float = 0.0
