"""The evaluate gate: answers every held-out case twice, runs the checks, and passes, rejects or holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.interfaces import Outside
from ratchet.layers.layer import Bundle
from ratchet.records.candidate import Candidate
from ratchet.records.canonical import text_hash
from ratchet.records.gate import Check, Decision, Flip, GateReport
from ratchet.records.lesson import Lesson
from ratchet.records.plan import ChangePlan
from ratchet.records.suite import SuiteCase, suite_hash
from ratchet.stages.gate import checks
from ratchet.stages.gate.evaluate import Evaluation, Pair, Progress, flips
from ratchet.stages.gate.suites import without_leaks
from ratchet.stages.gate.traffic import Sample, judged_pairs

REPLAYED = 500
ALWAYS_CONTAINED = 3
TAUGHT_RECALL = 0.9


@dataclass(frozen=True, slots=True)
class Contest:
    """A candidate, loaded, beside the release in force; ``added`` and ``bank`` are lessons.

    ``new_knowledge`` says that the two read different versions of the team's knowledge.
    """

    candidate: Candidate
    old: Bundle
    new: Bundle
    added: tuple[Lesson, ...]
    bank: tuple[Lesson, ...]
    new_knowledge: bool = False

    @property
    def otherwise(self) -> str:
        """What explains a changed answer that no new lesson took part in."""
        return "removed" if self.candidate.removed else "knowledge" if self.new_knowledge else ""


def evaluate(
    outside: Outside, contest: Contest, plan: ChangePlan, evaluation: Evaluation, progress: Progress | None = None
) -> GateReport:
    """Measure the candidate and decide; storing the report is the release stage's part."""
    evidence = _gather(outside, contest, evaluation, progress)
    changed = flips([*evidence.traffic, *evidence.held_out], contest.added, contest.otherwise)
    found = _checks(evidence, changed, plan)
    if _undecided(found) and plan.contained_releases:
        found.append(_contained(outside, contest, plan, evaluation, evidence))
    decision, reason = _decision(found)
    return GateReport(
        id=outside.ids.new("gate"),
        app=contest.candidate.app,
        candidate_id=contest.candidate.id,
        gate="evaluate",
        at=outside.clock.now(),
        decision=decision,
        reason=reason,
        checks=tuple(found),
        flips=tuple(changed),
        suites=_suite_hashes([pair.case for pair in evidence.held_out]),
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Held-out cases; apart from them, those that the new lessons give away; and judged recent requests."""

    held_out: list[Pair]
    given_away: list[Pair]
    traffic: list[Pair]

    def of(self, suite: str) -> list[Pair]:
        return [pair for pair in self.held_out if pair.case.suite == suite]


def _gather(outside: Outside, contest: Contest, evaluation: Evaluation, progress: Progress | None = None) -> _Evidence:
    cases = outside.store.suites.cases(contest.old.app.name)
    clean = without_leaks(outside, cases, contest.bank)
    untouched = {case.id for case in without_leaks(outside, cases, contest.added)}
    leaked = [case for case in cases if case.id not in untouched]
    return _Evidence(
        evaluation.pairs(contest.old, contest.new, clean, progress),
        evaluation.pairs(contest.old, contest.new, leaked),
        judged_pairs(outside, contest.old, contest.new, contest.candidate.sampled, evaluation),
    )


def _checks(evidence: _Evidence, changed: Sequence[Flip], plan: ChangePlan) -> list[Check]:
    return [
        checks.target(evidence.of("target"), evidence.traffic, plan),
        checks.anchor(evidence.traffic, plan),
        checks.kept(evidence.of("anchor"), plan),
        checks.contradicted([pair for pair in evidence.given_away if pair.case.suite == "anchor"], plan),
        checks.segments(evidence.traffic, plan),
        checks.safety([pair for pair in (*evidence.held_out, *evidence.given_away) if pair.case.suite == "safety"]),
        checks.negative_flips(evidence.traffic, plan),
        checks.unexplained_flips([*evidence.traffic, *evidence.held_out], changed, plan),
    ]


def _undecided(found: Sequence[Check]) -> bool:
    outcomes = {check.outcome for check in found}
    return "failed" not in outcomes and "too_little_data" in outcomes


def _decision(found: Sequence[Check]) -> tuple[Decision, str]:
    failed = [check for check in found if check.outcome == "failed" and check.name != "contained"]
    if failed:
        return "reject", " ".join(f"{check.name}: {check.message}" for check in failed)
    open_questions = [check for check in found if check.outcome == "too_little_data"]
    if not open_questions:
        return "pass", " ".join(
            f"{check.name}: {check.message}" for check in found if check.name in ("target", "anchor")
        )
    doubt = " ".join(f"{check.name}: {check.message}" for check in open_questions)
    contained = next((check for check in found if check.name == "contained"), None)
    if contained is not None and contained.outcome == "passed":
        return "pass", f"contained: {contained.message} Not shown by the suites: {doubt}"
    return "hold", f"{doubt} {'contained: ' + contained.message if contained else ''}".strip()


def is_contained(outside: Outside, contest: Contest, sample: Sample, plan: ChangePlan, evaluation: Evaluation) -> bool:
    """Whether the change is small, explained and harmless enough to need no reviewer's comparison.

    The sample that was drawn for reviewers already tells most changes that are not small, at no further cost.
    """
    if not plan.contained_releases or sample.differing > _most_contained(plan, len(sample.trace_ids)):
        return False
    return _contained(outside, contest, plan, evaluation, _gather(outside, contest, evaluation)).outcome == "passed"


def _most_contained(plan: ChangePlan, compared: int) -> float:
    return max(ALWAYS_CONTAINED, plan.contained_share * compared)


def _contained(
    outside: Outside, contest: Contest, plan: ChangePlan, evaluation: Evaluation, evidence: _Evidence
) -> Check:
    """Whether a change that the suites are too small to judge is small itself, explained, and does what it is for.

    Recent requests that the lessons themselves are about are set aside: those are meant to change.
    """
    recent = [_as_case(trace.id, trace.app, trace.input, trace.context.segment)
              for trace in outside.store.traces.recent(contest.old.app.name, REPLAYED)]  # fmt: skip
    others = without_leaks(outside, recent, contest.bank)
    replay = evaluation.pairs(contest.old, contest.new, others)
    changed = flips(replay, contest.added, contest.otherwise)
    unexplained = sum(not flip.because for flip in changed)
    lost = checks.paired([*evidence.held_out, *evidence.traffic]).lost
    recalled = _recall(contest, evaluation)
    small = len(changed) <= _most_contained(plan, len(replay))
    fine = small and not unexplained and not lost and recalled >= TAUGHT_RECALL
    return Check(
        name="contained",
        outcome="passed" if fine else "failed",
        cases=len(replay),
        value=len(changed) / len(replay) if replay else 0.0,
        limit=plan.contained_share,
        message=f"{recalled:.0%} of the new lessons' own questions are answered right; of {len(replay)} other recent"
        f" answers {len(changed)} change, {unexplained} of them unexplained; {lost} known right answers are lost.",
    )


def _recall(contest: Contest, evaluation: Evaluation) -> float:
    cases = [
        _as_case(lesson.id, lesson.app, lesson.question, lesson.segment, lesson.answer, lesson.passage_id)
        for lesson in contest.added
    ]
    pairs = evaluation.pairs(contest.old, contest.new, cases)
    return sum(pair.new.right for pair in pairs) / len(pairs) if pairs else 1.0


def _as_case(identity: str, app: str, question: str, segment: str, answer: str = "", passage_id: str = "") -> SuiteCase:
    return SuiteCase(
        id=identity,
        app=app,
        suite="anchor",
        question=question,
        answer=answer,
        passage_id=passage_id,
        at=0.0,
        group=text_hash(question),
        segment=segment,
    )


def _suite_hashes(cases: Sequence[SuiteCase]) -> tuple[tuple[str, str], ...]:
    names = sorted({case.suite for case in cases})
    return tuple((name, suite_hash([case for case in cases if case.suite == name])) for name in names)
