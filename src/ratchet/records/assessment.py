"""An assessment: what enrichment concludes of a trace, with the evidence it rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """One signal behind an assessment and the change in log-odds of "bad" that it brought."""

    signal: str
    log_odds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """``p_bad`` and ``confidence`` are in [0, 1]; ``failure_modes`` are names of the taxonomy, likeliest first."""

    trace_id: str
    app: str
    at: float
    p_bad: float
    confidence: float
    failure_modes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
