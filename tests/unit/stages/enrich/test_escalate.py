"""Rules that anyone can read decide which traces a person looks at."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.records.assessment import Assessment
from ratchet.records.feedback import Feedback, Score
from ratchet.stages.enrich.escalate import EscalationRules, reasons

RULES = EscalationRules()
OFF = EscalationRules(thumb_down=False, stars_at_most=0, any_flag=False, any_correction=False, p_bad_above=1)


def why(rules: EscalationRules = RULES, p_bad: float = 0.1, **fields: Any) -> tuple[str, ...]:
    scores: dict[str, list[Score]] = {
        "": [],
        "u": list(Feedback(id="f", app="a", trace_id="t", at=1.0, **fields).as_scores()),
    }
    return reasons(rules, Assessment(trace_id="t", app="a", at=1.0, p_bad=p_bad, confidence=0.5), scores)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"thumb": "down"}, "thumb: down"), ({"stars": 1}, "stars: 1"), ({"stars": 2}, "stars: 2"),
        ({"flags": ("unsafe",)}, "flag: unsafe"), ({"correction": "So."}, "correction proposed"),
        ({"p_bad": 0.81}, "p_bad: 0.81"),
    ],
)  # fmt: skip
def test_each_rule_fires_alone_and_can_be_switched_off(given: dict[str, Any], reason: str) -> None:
    assert why(**given) == (reason,)
    assert why(OFF, **given) == ()


@pytest.mark.parametrize("given", [{}, {"thumb": "up"}, {"stars": 3}, {"comment": "Bad!"}, {"p_bad": 0.8}])
def test_what_breaks_no_rule_waits_for_nobody(given: dict[str, Any]) -> None:
    assert why(**given) == ()


def test_all_reasons_are_given_and_each_flag_once() -> None:
    found = why(thumb="down", stars=1, flags=("unsafe", "legal"), correction="So.", p_bad=0.99)
    assert found == ("thumb: down", "stars: 1", "flag: legal", "flag: unsafe", "correction proposed", "p_bad: 0.99")


def test_the_fewest_stars_of_all_users_count() -> None:
    scores = {name: [Score("stars", stars, "numeric")] for name, stars in (("a", 5.0), ("b", 1.0), ("c", 4.0))}
    assert reasons(RULES, Assessment(trace_id="t", app="a", at=1.0, p_bad=0.1, confidence=0.5), scores) == ("stars: 1",)


def test_a_certainty_does_not_fire_a_rule_that_is_off() -> None:
    assert why(OFF, p_bad=1.0) == ()
