"""A gate's report: each check with its evidence, and the decision that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "too_little_data"]
Decision = Literal["pass", "reject", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was measured: what, on which cases, against which limit, and what it says in words."""

    name: str
    outcome: Outcome
    cases: int
    value: float
    limit: float
    message: str
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Flip:
    """A held-out question whose answer changed, and the new lessons that explain the change."""

    case_id: str
    suite: str
    old_answer: str
    new_answer: str
    old_right: bool
    new_right: bool
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """The evidence on one candidate at one gate, and the decision: pass, reject, or hold until more is known."""

    id: str
    app: str
    candidate_id: str
    gate: Literal["evaluate"]
    at: float
    decision: Decision
    reason: str
    checks: tuple[Check, ...]
    flips: tuple[Flip, ...] = ()
    suites: tuple[tuple[str, str], ...] = ()

    def check(self, name: str) -> Check | None:
        """The check of that name, if the gate made it."""
        return next((check for check in self.checks if check.name == name), None)
