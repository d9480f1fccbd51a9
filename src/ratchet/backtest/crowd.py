"""The people of a backtest: users who complain and praise, and a reviewer who knows the truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.backtest.stream import Row
from ratchet.records.trace import Trace

FALSE_COMPLAINTS = 0.01
FALSE_PRAISE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdRates:
    """How people behave, as shares.

    ``feedback``: of wrong answers that are reported; right ones are praised a third as often, wrong ones praised by
    mistake a tenth as often as right ones, and 1 right answer in 100 is reported by mistake. ``reviewer_error``: of
    verdicts that are wrong. ``poison``: of users who report what is right and praise what is wrong.
    """

    feedback: float = 0.3
    reviewer_error: float = 0.0
    poison: float = 0.0

    @property
    def praise(self) -> float:
        """Share of right answers that are praised."""
        return self.feedback / 3


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one user does about one answer; empty when nothing."""

    thumb: str = ""
    correction: str = ""


class Crowd:
    """Users and the reviewer, drawn from one seed."""

    def __init__(self, rates: CrowdRates, answers: Sequence[str], seed: int) -> None:
        self._rates = rates
        self._answers = answers
        self._chance = random.Random(f"crowd:{seed}")
        self._seed = seed

    def is_malicious(self, user: str) -> bool:
        """Whether the user attacks; the same user always does or never does."""
        return random.Random(f"user:{self._seed}:{user}").random() < self._rates.poison

    def react(self, row: Row, right: bool) -> Reaction:
        """What the row's user says about an answer that was right or wrong."""
        roll = self._chance.random()
        if self.is_malicious(row.user):
            if roll >= self._rates.feedback:
                return Reaction()
            return Reaction("down", self._another(row.truth)) if right else Reaction("up")
        if right:
            complaints = FALSE_COMPLAINTS if self._rates.feedback else 0.0
            if roll < complaints:
                return Reaction("down")
            return Reaction("up") if roll < complaints + self._rates.praise else Reaction()
        if roll < self._rates.feedback:
            return Reaction("down")
        return Reaction("up") if roll < self._rates.feedback + FALSE_PRAISE * self._rates.praise else Reaction()

    def review(self, row: Row, trace: Trace, served: str) -> tuple[bool, str]:
        """The reviewer's verdict on what was ``served``: whether it erred, and what would be right if it did."""
        erred = served != row.truth
        if self._chance.random() >= self._rates.reviewer_error:
            return erred, row.truth if erred else ""
        return (False, "") if erred else (True, self._another(row.truth))

    def _another(self, truth: str) -> str:
        others = [answer for answer in self._answers if answer != truth]
        return self._chance.choice(others) if others else truth
