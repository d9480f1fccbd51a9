"""The result of a backtest as JSON: the contract that other programs read."""

from __future__ import annotations

import resource
import sys
from typing import Any

from ratchet.backtest.crowd import CrowdRates
from ratchet.backtest.replay import Played
from ratchet.backtest.stream import History
from ratchet.loop import TurnReport
from ratchet.records.gate import Check, GateReport


def to_json(history: History, played: Played, rates: CrowdRates, *, seed: int, seconds: float) -> dict[str, Any]:
    """Everything that was measured. Accuracies are shares of held-out rows; for ``answer`` they are hit@1."""
    kind = history.kind
    decided = [turn for turn in played.turns if turn.gate is not None]
    result: dict[str, Any] = {
        "kind": kind,
        "rows": len(history.streamed),
        "heldout_rows": len(history.held_out),
        "seed": seed,
        "base": played.base.summary(kind),
        "final": played.final.summary(kind),
        "ceiling": played.ceiling.summary(kind),
        "corrections": played.corrections,
        "reviews": played.reviews,
        "curve": [
            {
                "seen": point.seen,
                "corrections": point.corrections,
                "reviews": point.reviews,
                "releases": point.releases,
                "prequential": point.prequential,
                "heldout": point.heldout,
            }
            for point in played.curve
        ],
        "repeat_mistakes": played.repeats.summary(),
        "releases": [_release(turn) for turn in decided if turn.release is not None],
        "stopped": [_stopped(turn) for turn in decided if turn.release is None],
        "forgetting": {"backward_transfer": played.backward_transfer},
        "poison": played.poison,
        "crowd": {"feedback_rate": rates.feedback, "praise_rate": rates.praise},
        "seconds": round(seconds, 1),
        "peak_memory_mb": peak_memory_mb(),
    }
    if played.coverage is not None:
        result["coverage"] = played.coverage
    return result


def peak_memory_mb() -> float:
    """The most memory this process has held, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


def _release(turn: TurnReport) -> dict[str, Any]:
    assert turn.release is not None
    return {"number": turn.release.number, "id": turn.release.id, "lessons": turn.release.lessons, **_gated(turn)}


def _stopped(turn: TurnReport) -> dict[str, Any]:
    return {"candidate": turn.candidate.id if turn.candidate else "", **_gated(turn)}


def _gated(turn: TurnReport) -> dict[str, Any]:
    gate = turn.gate
    assert gate is not None
    return {
        "layers": list(turn.candidate.layers) if turn.candidate else [],
        "decision": gate.decision,
        "target": _value(gate, "target"),
        "anchor": _value(gate, "anchor"),
        "negative_flip_rate": _value(gate, "negative_flips"),
        "unexplained_flip_rate": _value(gate, "unexplained_flips"),
        "reason": gate.reason,
        "checks": [_check(check) for check in gate.checks],
    }


def _value(gate: GateReport, name: str) -> float | None:
    check = gate.check(name)
    return None if check is None else round(check.value, 6)


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "outcome": check.outcome,
        "cases": check.cases,
        "value": round(check.value, 6),
        "limit": check.limit,
        "p_value": check.p_value,
    }
