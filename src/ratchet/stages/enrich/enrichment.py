"""Runs enrichment over what is new: assess each trace with fresh feedback, open cases."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.interfaces import Outside
from ratchet.records.case import Case
from ratchet.records.feedback import Score
from ratchet.stages.enrich.assess import assess
from ratchet.stages.enrich.escalate import EscalationRules, reasons

BATCH = 500


@dataclass(frozen=True, slots=True)
class Enriched:
    """What one run did."""

    assessed: int
    opened: int


def enrich(outside: Outside, app: str, rules: EscalationRules) -> Enriched:
    """Assess every trace with feedback newer than its assessment. Feedback whose trace has not arrived waits."""
    assessed = opened = 0
    while trace_ids := outside.store.feedback.unassessed(app, BATCH):
        with outside.store.transaction():
            for trace_id in trace_ids:
                opened += enrich_trace(outside, app, trace_id, rules).is_new
        assessed += len(trace_ids)
    return Enriched(assessed, opened)


@dataclass(frozen=True, slots=True)
class Judged:
    """The case that an assessment opened or joined, if any."""

    case: Case | None
    is_new: bool


def enrich_trace(outside: Outside, app: str, trace_id: str, rules: EscalationRules) -> Judged:
    """Assess one trace from its standing scores, and open a case where a rule asks for it."""
    store, now = outside.store, outside.clock.now()
    scores = store.feedback.scores(trace_id)
    assessment = assess(trace_id, app, now, scores)
    store.traces.assess(assessment)
    why = reasons(rules, assessment, scores)
    if not why:
        return Judged(None, False)
    case = Case(id=outside.ids.new("case"), app=app, trace_id=trace_id, at=now, reasons=why, reporter=_reporter(scores))
    if not store.cases.open(case):
        return Judged(store.cases.of_trace(trace_id), False)
    store.audit.append(now, "ratchet", "case.opened", app, case.id, {"trace": trace_id, "reasons": list(why)})
    return Judged(case, True)


def _reporter(scores: dict[str, list[Score]]) -> str:
    """The first user by name who gave feedback: whom to tell when it is fixed."""
    return next((user for user in sorted(scores) if user), "")
