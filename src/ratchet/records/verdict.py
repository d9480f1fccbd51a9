"""A verdict: what a reviewer decided about a case."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Did the application err, which failure mode, and what would be right.

    ``answer`` is the right answer (the right label of a ``classify`` app); ``passage_id`` names the passage that
    holds it, where there is one. Both stay empty when the reviewer only judged.
    """

    id: str
    app: str
    case_id: str
    at: float
    reviewer: str
    erred: bool
    failure_mode: str = ""
    answer: str = ""
    passage_id: str = ""
    note: str = ""
