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
from ratchet.stages.gate.traffic import judged_pairs

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
    cases = without_leaks(outside, outside.store.suites.cases(contest.old.app.name), contest.bank)
    held_out = evaluation.pairs(contest.old, contest.new, cases, progress)
    traffic = judged_pairs(outside, contest.old, contest.new, contest.candidate.sampled, evaluation)
    added = frozenset(lesson.id for lesson in contest.added)
    changed = flips([*traffic, *held_out], added, contest.otherwise)
    found = _checks(held_out, traffic, changed, plan)
    if _undecided(found) and plan.contained_releases:
        found.append(_contained(outside, contest, plan, evaluation, held_out))
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
        suites=_suite_hashes(cases),
    )


def _checks(
    held_out: Sequence[Pair], traffic: Sequence[Pair], changed: Sequence[Flip], plan: ChangePlan
) -> list[Check]:
    return [
        checks.target([pair for pair in held_out if pair.case.suite == "target"], traffic, plan),
        checks.anchor(traffic, plan),
        checks.kept([pair for pair in held_out if pair.case.suite == "anchor"], plan),
        checks.segments(traffic, plan),
        checks.safety([pair for pair in held_out if pair.case.suite == "safety"]),
        checks.negative_flips(traffic, plan),
        checks.unexplained_flips([*traffic, *held_out], changed, plan),
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


def is_contained(outside: Outside, contest: Contest, plan: ChangePlan, evaluation: Evaluation) -> bool:
    """Whether the change is small, explained and harmless enough to need no reviewer's comparison."""
    if not plan.contained_releases:
        return False
    cases = without_leaks(outside, outside.store.suites.cases(contest.old.app.name), contest.bank)
    pairs = evaluation.pairs(contest.old, contest.new, cases)
    return _contained(outside, contest, plan, evaluation, pairs).outcome == "passed"


def _contained(
    outside: Outside, contest: Contest, plan: ChangePlan, evaluation: Evaluation, pairs: Sequence[Pair]
) -> Check:
    """Whether a change that the suites are too small to judge is small itself, explained, and does what it is for."""
    added = frozenset(lesson.id for lesson in contest.added)
    recent = [_as_case(trace.id, trace.app, trace.input, trace.context.segment)
              for trace in outside.store.traces.recent(contest.old.app.name, REPLAYED)]  # fmt: skip
    replay = evaluation.pairs(contest.old, contest.new, recent)
    changed = flips(replay, added, contest.otherwise)
    unexplained = sum(not flip.because for flip in changed)
    lost = checks.paired(pairs).lost
    recalled = _recall(contest, evaluation)
    small = len(changed) <= max(ALWAYS_CONTAINED, plan.contained_share * len(replay))
    fine = small and not unexplained and not lost and recalled >= TAUGHT_RECALL
    return Check(
        name="contained",
        outcome="passed" if fine else "failed",
        cases=len(replay),
        value=len(changed) / len(replay) if replay else 0.0,
        limit=plan.contained_share,
        message=f"{len(changed)} of {len(replay)} recent answers would change, {unexplained} of them unexplained;"
        f" {lost} held-out cases lost; {recalled:.0%} of the new lessons' own questions answered right.",
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
