"""Judges a trace from what people said and did: a probability that it was bad, with the evidence.

Each signal adds its log-odds to a prior; the weights are priors to be refitted on verdicts. One person's signals
together count at most as much as ``MOST_PER_USER``, so that nobody outvotes the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ratchet.records.assessment import Assessment, Evidence
from ratchet.records.feedback import Score

PRIOR_LOG_ODDS = math.log(0.2 / 0.8)
MOST_PER_USER = 4.0
WEIGHTS: Mapping[str, float] = {
    "correction": 3.0,
    "signal:regenerate": 0.9,
    "signal:reformulate": 1.1,
    "signal:abandon": 0.5,
    "signal:escalate": 1.2,
    "signal:copy": -0.8,
    "signal:accept": -1.6,
}
THUMB = 2.4
FLAG = 2.0
PER_STAR = 1.1
PER_POINT = 0.6
# What a program or a data set says is on a scale of its own, and no user's opinion.
NOT_OPINIONS = ("judge.", "expected.")
YES_NO = 1.0


def assess(trace_id: str, app: str, at: float, scores: Mapping[str, Sequence[Score]]) -> Assessment:
    """The assessment of one trace from its standing scores by user."""
    evidence: list[Evidence] = []
    total = PRIOR_LOG_ODDS
    for given in scores.values():
        found = [Evidence(score.name, weight) for score in given if (weight := log_odds(score))]
        total += max(-MOST_PER_USER, min(MOST_PER_USER, sum(item.log_odds for item in found)))
        evidence += found
    p_bad = _probability(total)
    modes = tuple(
        sorted({score.name.removeprefix("flag:") for given in scores.values() for score in given if _is_flag(score)})
    )
    return Assessment(
        trace_id=trace_id,
        app=app,
        at=at,
        p_bad=p_bad,
        confidence=abs(2 * p_bad - 1),
        failure_modes=modes,
        evidence=tuple(evidence),
    )


def log_odds(score: Score) -> float:
    """How much one score speaks for "bad" (positive) or "good" (negative); 0 for what says nothing about it."""
    if score.name == "thumb":
        return THUMB if score.value == "down" else -THUMB
    if score.name == "stars":
        return (3 - float(score.value)) * PER_STAR
    if _is_flag(score):
        return FLAG
    if score.name.startswith(NOT_OPINIONS):
        return 0.0
    if score.name in WEIGHTS:
        return WEIGHTS[score.name] if score.value else 0.0
    if score.kind == "boolean":
        return -YES_NO if score.value else YES_NO
    if score.kind == "numeric" and not score.name.startswith("signal:") and 1 <= float(score.value) <= 5:
        return (3 - float(score.value)) * PER_POINT
    return 0.0


def _probability(log_odds: float) -> float:
    """The logistic function, in the form that does not overflow on either side."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def _is_flag(score: Score) -> bool:
    return score.name.startswith("flag:")
