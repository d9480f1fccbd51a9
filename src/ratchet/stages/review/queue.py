"""Chooses what reviewers should look at next: the cases whose verdict would teach most.

Complaints come first, but a fixed share of the capacity is independent of feedback, so that a flood of complaints
cannot hide what nobody complains about. Among complaints, and among the other traces, each choice maximises how much
better the lessons would cover the uncertain part of recent traffic: weighted facility location, whose greedy
solution is within 1 - 1/e of the best (Nemhauser, G., Wolsey, L. and Fisher, M. (1978). An analysis of approximations
for maximizing submodular set functions. Mathematical Programming 14, 265-294).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from ratchet.interfaces import Outside, Vector
from ratchet.records.case import Case
from ratchet.records.trace import Trace

RECENT = 2000
INDEPENDENT_SHARE = 0.2
AUDIT_SHARE = 0.05
UNCERTAIN = "uncertain"
AUDIT = "audit"
GATE = "gate"


def fill(outside: Outside, app: str, capacity: int, chance: random.Random) -> list[Case]:
    """At most ``capacity`` open cases, most instructive first; traces chosen without feedback get a case here.

    Cases that a candidate's gate waits for come before all others.
    """
    if capacity <= 0:
        return []
    recent = outside.store.traces.recent(app, RECENT)
    waiting = outside.store.cases.opened(app)
    gates = [case for case in waiting if GATE in case.reasons][:capacity]
    capacity -= len(gates)
    waiting = [case for case in waiting if GATE not in case.reasons]
    complaints = [case for case in waiting if set(case.reasons) - {UNCERTAIN, AUDIT}]
    traces = outside.store.traces.many(case.trace_id for case in complaints)
    complaints = [case for case in complaints if case.trace_id in traces]
    coverage = _Coverage(outside, app, recent)

    independent = round(capacity * INDEPENDENT_SHARE)
    questions = [traces[case.trace_id].input for case in complaints]
    chosen = [complaints[row] for row in coverage.choose(questions, capacity - independent)]
    sampled = [case for case in waiting if not set(case.reasons) - {UNCERTAIN, AUDIT}]
    room = capacity - len(chosen) - len(sampled)
    return gates + (chosen + sampled + _sample(outside, app, recent, coverage, room, chance))[:capacity]


def _sample(
    outside: Outside, app: str, recent: Sequence[Trace], coverage: _Coverage, room: int, chance: random.Random
) -> list[Case]:
    """New cases for traces nobody complained about: a few at random, the rest where the app is unsure."""
    known = outside.store.cases.traces_with_case(app)
    free = [trace for trace in recent if trace.id not in known]
    if room <= 0 or not free:
        return []
    lots = [chance.random() < AUDIT_SHARE for _ in range(room)]
    audits = chance.sample(free, min(sum(lots), len(free)))
    rest = [trace for trace in free if trace not in audits]
    unsure = [rest[row] for row in coverage.choose([trace.input for trace in rest], room - len(audits))]
    with outside.store.transaction():
        return [
            _open(outside, app, trace, reason)
            for reason, traces in ((AUDIT, audits), (UNCERTAIN, unsure))
            for trace in traces
        ]


def _open(outside: Outside, app: str, trace: Trace, reason: str) -> Case:
    now = outside.clock.now()
    case = Case(id=outside.ids.new("case"), app=app, trace_id=trace.id, at=now, reasons=(reason,))
    outside.store.cases.open(case)
    outside.store.audit.append(now, "ratchet", "case.opened", app, case.id, {"trace": trace.id, "reasons": [reason]})
    return case


class _Coverage:
    """How well the lessons cover recent traffic, and which questions would cover more of it."""

    def __init__(self, outside: Outside, app: str, recent: Sequence[Trace]) -> None:
        self._outside = outside
        self._traffic = outside.vectors.embed([trace.input for trace in recent])
        self._doubt = np.array([1 - (trace.confidence or 0.0) for trace in recent], np.float32)
        taught = [item.question for item in outside.store.lessons.all(app) if item.split == "teach"]
        self._covered = np.zeros(len(recent), np.float32)
        if taught and len(recent):
            self._covered = np.maximum((self._traffic @ outside.vectors.keep(taught).T).max(axis=1), 0)

    def choose(self, questions: Sequence[str], count: int) -> list[int]:
        """Rows of at most ``count`` questions, chosen one by one by what each adds to the coverage."""
        if not questions or count <= 0:
            return []
        if not len(self._traffic):
            return list(range(min(count, len(questions))))
        near: Vector = self._outside.vectors.embed(questions) @ self._traffic.T
        left = list(range(len(questions)))
        chosen: list[int] = []
        while left and len(chosen) < count:
            gains = np.maximum(near[left] - self._covered, 0) @ self._doubt
            best = left.pop(int(gains.argmax()))
            chosen.append(best)
            self._covered = np.maximum(self._covered, near[best])
        return chosen
