"""Decides which traces a person should look at, by rules that anyone can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratchet.records.assessment import Assessment
from ratchet.records.feedback import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRules:
    """When a trace becomes a case. ``stars_at_most`` 0 and ``p_bad_above`` 1 switch those rules off."""

    thumb_down: bool = True
    stars_at_most: int = 2
    any_flag: bool = True
    any_correction: bool = True
    p_bad_above: float = 0.8


def reasons(rules: EscalationRules, assessment: Assessment, scores: Mapping[str, Sequence[Score]]) -> tuple[str, ...]:
    """The rules that fired, in words; empty when nobody needs to look."""
    given = [score for some in scores.values() for score in some]
    found: list[str] = []
    if rules.thumb_down and any(score.name == "thumb" and score.value == "down" for score in given):
        found.append("thumb: down")
    stars = [float(score.value) for score in given if score.name == "stars"]
    if stars and min(stars) <= rules.stars_at_most:
        found.append(f"stars: {min(stars):.0f}")
    if rules.any_flag:
        found += sorted({score.name.replace(":", ": ") for score in given if score.name.startswith("flag:")})
    if rules.any_correction and any(score.name == "correction" for score in given):
        found.append("correction proposed")
    if assessment.p_bad > rules.p_bad_above:
        found.append(f"p_bad: {assessment.p_bad:.2f}")
    return tuple(found)
