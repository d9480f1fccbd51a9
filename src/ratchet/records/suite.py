"""Suites: held-out cases that every candidate must answer before it may be released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ratchet.records.canonical import content_hash

SuiteName = Literal["anchor", "target", "safety"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCase:
    """One held-out question and what a right answer is.

    ``origin`` names the trace or lesson it came from; ``since`` is the release number that was live when it joined.
    """

    id: str
    app: str
    suite: SuiteName
    question: str
    answer: str
    at: float
    group: str
    passage_id: str = ""
    origin: str = ""
    source_user: str = ""
    segment: str = ""
    since: int = 0


def suite_hash(cases: Sequence[SuiteCase]) -> str:
    """A name for exactly this set of cases, whatever their order."""
    return content_hash(sorted([case.id, case.question, case.answer, case.passage_id] for case in cases))
