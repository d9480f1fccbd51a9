"""Compares a candidate with the release in force on recent traffic, asking only where they differ.

Where both give the same answer they are right or wrong together, which changes neither count of a paired test. So
a random sample of recent requests needs a reviewer's word only for the answers that differ: a few dozen verdicts do
the work of hundreds, and every one of them becomes a lesson afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.interfaces import Outside
from ratchet.layers.layer import Bundle
from ratchet.records.canonical import Json, text_hash
from ratchet.records.case import Case
from ratchet.records.lesson import Lesson
from ratchet.records.plan import ChangePlan
from ratchet.records.suite import SuiteCase
from ratchet.records.trace import Trace
from ratchet.records.verdict import Verdict
from ratchet.stages.gate.evaluate import Evaluation, Pair
from ratchet.stages.gate.suites import without_leaks

RECENT = 2000
REASON = "gate"


@dataclass(frozen=True, slots=True)
class Sample:
    """The traces compared, in order, how many of their answers differ, and those of them without a verdict."""

    trace_ids: tuple[str, ...]
    differing: int
    to_review: tuple[Trace, ...]


def draw(
    outside: Outside, old: Bundle, new: Bundle, bank: Sequence[Lesson], evaluation: Evaluation, plan: ChangePlan,
    candidate_id: str,
) -> Sample:  # fmt: skip
    """A random sample of recent requests, ended early once it holds ``plan.flip_reviews`` that need a verdict.

    Requests that a lesson of the candidate gives away are left out. The order is drawn from the candidate's id, so
    that nobody can choose what a candidate is judged on.
    """
    recent = {trace.id: trace for trace in outside.store.traces.recent(old.app.name, RECENT)}
    clean = without_leaks(outside, [_unjudged(trace) for trace in recent.values()], bank)
    # Reviewers saw the worst of what came before the lessons, and the guard above leaves that out: what is left of it
    # looks better than traffic is. So requests that came after the lessons are compared first.
    learned_at = max((lesson.at for lesson in bank), default=0.0)
    shuffled = sorted(clean, key=lambda case: (case.at <= learned_at, _lot(candidate_id, case.id)))
    scanned: list[str] = []
    to_review: list[Trace] = []
    judged = outside.store.cases.verdicts_on(case.id for case in shuffled[: plan.anchor_sample])
    differing = 0
    for case in shuffled[: plan.anchor_sample]:
        scanned.append(case.id)
        if evaluation.pairs(old, new, [case])[0].changed:
            differing += 1
            if case.id not in judged:
                to_review.append(recent[case.id])
        if differing == plan.flip_reviews:
            break
    return Sample(tuple(scanned), differing, tuple(to_review))


def _lot(candidate_id: str, trace_id: str) -> bytes:
    return hashlib.sha256(f"{candidate_id}|{trace_id}".encode()).digest()


def ask(outside: Outside, sample: Sample) -> int:
    """Open a case for every trace that needs a verdict; how many wait."""
    now = outside.clock.now()
    for trace in sample.to_review:
        case = Case(id=outside.ids.new("case"), app=trace.app, trace_id=trace.id, at=now, reasons=(REASON,))
        if outside.store.cases.open(case):
            details: dict[str, Json] = {"trace": trace.id, "reasons": [REASON]}
            outside.store.audit.append(now, "ratchet", "case.opened", trace.app, case.id, details)
    return len(sample.to_review)


def waiting(outside: Outside, app: str, trace_ids: Sequence[str]) -> int:
    """How many of the traces still have an open gate case."""
    wanted = set(trace_ids)
    return sum(case.trace_id in wanted and REASON in case.reasons for case in outside.store.cases.opened(app))


def judged_pairs(
    outside: Outside, old: Bundle, new: Bundle, trace_ids: Sequence[str], evaluation: Evaluation
) -> list[Pair]:
    """Every sampled trace under both releases. Where they differ, a verdict says which is right; a trace that
    differs without a verdict on what is right is left out."""
    traces = outside.store.traces.many(trace_ids)
    verdicts = outside.store.cases.verdicts_on(trace_ids)
    cases = [_judged(traces[key], verdicts.get(key), old) for key in trace_ids if key in traces]
    pairs = evaluation.pairs(old, new, cases)
    return [pair for pair in pairs if not pair.changed or _is_known(verdicts.get(pair.case.origin))]


def _is_known(verdict: Verdict | None) -> bool:
    return verdict is not None and bool(not verdict.erred or verdict.answer or verdict.passage_id)


def _judged(trace: Trace, verdict: Verdict | None, bundle: Bundle) -> SuiteCase:
    case = _unjudged(trace)
    if verdict is None:
        return case
    if verdict.erred:
        return _with_truth(case, verdict.answer, verdict.passage_id, verdict.id)
    if trace.passage_id and bundle.app.kind != "classify":
        return _with_truth(case, "", trace.passage_id, verdict.id)
    return _with_truth(case, trace.output, "", verdict.id)


def _unjudged(trace: Trace) -> SuiteCase:
    return SuiteCase(
        id=trace.id,
        app=trace.app,
        suite="anchor",
        question=trace.input,
        answer="",
        at=trace.at,
        group=text_hash(trace.input),
        origin=trace.id,
        segment=trace.context.segment,
    )


def _with_truth(case: SuiteCase, answer: str, passage_id: str, verdict_id: str) -> SuiteCase:
    return SuiteCase(
        # Another id than the unjudged case: the two must not share a remembered outcome.
        id=f"{case.id}|{verdict_id}",
        app=case.app,
        suite=case.suite,
        question=case.question,
        answer=answer,
        passage_id=passage_id,
        at=case.at,
        group=case.group,
        origin=case.origin,
        segment=case.segment,
    )
