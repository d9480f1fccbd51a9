"""One turn of the loop, the stages in order: enrich, review, learn, gate, release.

Read this file first. Capture and serve run when a request arrives, review waits for people; what lies between runs
here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ratchet.errors import Conflict
from ratchet.interfaces import Outside
from ratchet.records.app import App
from ratchet.records.candidate import Candidate
from ratchet.records.case import Case
from ratchet.records.gate import GateReport
from ratchet.records.plan import ChangePlan
from ratchet.records.release import Release
from ratchet.stages.capture.batch import Intake, Prepared, Taken
from ratchet.stages.enrich.enrichment import Enriched, enrich, enrich_trace
from ratchet.stages.enrich.escalate import EscalationRules
from ratchet.stages.gate import suites, traffic
from ratchet.stages.gate.decide import Contest, evaluate, is_contained
from ratchet.stages.gate.evaluate import Evaluation, Progress
from ratchet.stages.learn.propose import file_candidate, propose, refuse_leak
from ratchet.stages.release.publish import next_number, publish, record_decision
from ratchet.stages.serve.bundles import Bundles


@dataclass(frozen=True, slots=True)
class TurnReport:
    """What one turn did. ``candidate``, ``gate`` and ``release`` are ``None`` when there was nothing to learn.

    ``waiting`` is how many verdicts the candidate's gate waits for; ``gathering`` how many new lessons wait for more
    before reviewers are asked to compare.
    """

    enriched: Enriched
    candidate: Candidate | None = None
    gate: GateReport | None = None
    release: Release | None = None
    waiting: int = 0
    gathering: int = 0

    def summary(self) -> str:
        """One sentence for people."""
        if self.candidate is None and self.gathering:
            return f"{_lessons(self.gathering, 'new ')} wait for more before reviewers are asked to compare releases."
        if self.candidate is None:
            return "Nothing new to learn."
        if self.gate is None:
            return (
                f"Candidate {self.candidate.id} waits for {self.waiting} verdicts: it answers these recent requests"
                " differently, and a person must say which answer is right (`ratchet review`)."
            )
        if self.release is not None:
            return f"Release {self.release.number} is live with {_lessons(self.release.lessons)}. {self.gate.reason}"
        return f"Candidate {self.candidate.id} was {self.candidate.status}. {self.gate.reason}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one captured row, and the case that it opened or joined."""

    taken: Taken
    case: Case | None


@dataclass(slots=True)
class Loop:
    """The loop of one store: what a turn needs, and what it remembers between turns."""

    outside: Outside
    bundles: Bundles
    plan: ChangePlan = field(default_factory=ChangePlan)
    rules: EscalationRules = field(default_factory=EscalationRules)
    plans: dict[str, ChangePlan] = field(default_factory=dict)
    rules_of_apps: dict[str, EscalationRules] = field(default_factory=dict)
    evaluation: Evaluation = field(init=False)
    intake: Intake = field(init=False)
    _loaded: tuple[str, Contest] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.evaluation = Evaluation(self.outside.vectors.embed)
        self.intake = Intake(self.outside)

    def plan_of(self, app: str) -> ChangePlan:
        """The change plan of an app: its own, or the one for all."""
        return self.plans.get(app, self.plan)

    def rules_of(self, app: str) -> EscalationRules:
        """The escalation rules of an app: its own, or those for all."""
        return self.rules_of_apps.get(app, self.rules)

    def take(self, waiting: list[Prepared]) -> list[list[Heard]]:
        """Store captured rows, and judge the traces that people just complained about in the same transaction, so
        that whoever complained learns at once whether a person will look."""
        with self.outside.store.transaction():
            return [[self._heard(row) for row in rows] for rows in self.intake.write(waiting)]

    def _heard(self, taken: Taken) -> Heard:
        feedback = taken.feedback
        if feedback is None or not feedback.is_negative or self.outside.store.traces.get(feedback.trace_id) is None:
            return Heard(taken, None)
        return Heard(
            taken, enrich_trace(self.outside, feedback.app, feedback.trace_id, self.rules_of(feedback.app)).case
        )

    def turn(self, app_name: str, progress: Progress | None = None, *, now: bool = False) -> TurnReport:
        """Enrich what came in, learn from what was reviewed, and release it if it passes.

        With ``now``, reviewers are asked to compare even when little is new.
        """
        app = self.outside.store.apps.get(app_name)
        enriched = enrich(self.outside, app.name, self.rules_of(app.name))
        active = self.outside.store.releases.active(app.name)
        suites.refresh(self.outside, app, active)
        candidate = self._waiting_candidate(app, active)
        if candidate is None:
            draft = self._draft(app, active)
            if draft is not None and self._judged_before(draft):
                return TurnReport(enriched)
            candidate = draft and self._admit(app, draft, now=now)
            if candidate is None:
                return TurnReport(enriched, gathering=len(draft.added) if draft else 0)
        waiting = traffic.waiting(self.outside, app.name, candidate.sampled)
        if waiting:
            self._loaded = None
            return TurnReport(enriched, candidate, waiting=waiting)
        gate, release = self.try_candidate(app, candidate, progress)
        return TurnReport(enriched, self.outside.store.releases.candidate(candidate.id), gate, release)

    def try_candidate(
        self, app: App, candidate: Candidate, progress: Progress | None = None
    ) -> tuple[GateReport, Release | None]:
        """Gate one candidate; release it if it passes. Raises ``Conflict`` when its parent is no longer in force."""
        outside = self.outside
        if candidate.parent != outside.store.releases.active(app.name):
            raise Conflict(
                f"Candidate {candidate.id} was built on release {candidate.parent}, which is no longer in force.",
                "Run a turn: it drafts a new one.",
            )
        contest = self._loaded_contest(app, candidate)
        report = evaluate(outside, contest, self.plan_of(app.name), self.evaluation, progress)
        record_decision(outside, candidate, report)
        if report.decision != "pass":
            return report, None
        release = publish(outside, candidate, report, contest.new, knowledge=candidate.knowledge)
        self.evaluation.now_in_force(app.name, release.number)
        return report, release

    def _loaded_contest(self, app: App, candidate: Candidate) -> Contest:
        """The contest as admitted in this very turn, else loaded anew: lessons may have been revoked meanwhile."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None and loaded[0] == candidate.id:
            return replace(loaded[1], candidate=candidate)
        return self._contest(app, candidate)

    def _waiting_candidate(self, app: App, active: int) -> Candidate | None:
        """The candidate that waits for reviewers, if it still builds on the release in force."""
        candidates = self.outside.store.releases.candidates(app.name)
        newest = candidates[-1] if candidates else None
        return newest if newest and newest.status == "evaluating" and newest.parent == active else None

    def _draft(self, app: App, active: int) -> Candidate | None:
        bank, knowledge = self.bundles.bank(app.name, active), self.bundles.knowledge(app.name, active)
        return propose(self.outside, app, parent=active, current=bank, knowledge=knowledge)

    def _judged_before(self, draft: Candidate) -> bool:
        """Whether the very same change was stopped already. Trying it again on another sample until one lets it pass
        would make the gate's error rate meaningless; one that was held may return once the traffic is new."""
        candidates = self.outside.store.releases.candidates(draft.app)
        if not candidates:
            return False
        last = candidates[-1]
        if _content(last) != _content(draft) or last.status not in ("rejected", "held"):
            return False
        sampled = self.plan_of(draft.app).anchor_sample
        recent = self.outside.store.traces.recent(draft.app, sampled)
        renewed = len(recent) == sampled and recent[-1].at > last.at
        return last.status == "rejected" or not renewed

    def _admit(self, app: App, draft: Candidate, *, now: bool) -> Candidate | None:
        """Begin the evaluation of a draft: choose the recent requests to compare on, and ask reviewers about those
        whose answers differ. A contained change needs no reviewers; any other waits until there is enough that is
        new to be worth their time (``None``)."""
        contest, plan = self._contest(app, draft), self.plan_of(app.name)
        sample = traffic.draw(self.outside, contest.old, contest.new, contest.bank, self.evaluation, plan, draft.id)
        ask = bool(sample.to_review) and not is_contained(self.outside, contest, sample, plan, self.evaluation)
        if ask and not now and not self._worth_asking(app, len(contest.bank)):
            return None
        candidate = replace(draft, sampled=sample.trace_ids, status="evaluating")
        with self.outside.store.transaction():
            file_candidate(self.outside, candidate)
            if ask:
                traffic.ask(self.outside, sample)
        self._loaded = candidate.id, contest
        return candidate

    def _worth_asking(self, app: App, lessons: int) -> bool:
        """Whether the lessons grew enough since reviewers were last asked to compare."""
        candidates = self.outside.store.releases.candidates(app.name)
        then = 0
        if candidates:
            last = candidates[-1]
            then = len(self.bundles.bank(app.name, last.parent)) + len(last.added) - len(last.removed)
        plan = self.plan_of(app.name)
        return abs(lessons - then) >= max(plan.review_minimum, plan.review_growth * then)

    def _contest(self, app: App, candidate: Candidate) -> Contest:
        old = self.bundles.of_release(app, candidate.parent)
        new, bank = self.bundles.of_candidate(app, candidate, next_number(self.outside, app.name))
        refuse_leak(bank)
        added = frozenset(candidate.added)
        before = self.bundles.knowledge(app.name, candidate.parent)
        return Contest(
            candidate,
            old,
            new,
            tuple(lesson for lesson in bank if lesson.id in added),
            tuple(bank),
            new_knowledge=before is not None and before != candidate.knowledge,
        )


def _lessons(count: int, kind: str = "") -> str:
    return f"{count} {kind}lesson{'' if count == 1 else 's'}"


def _content(candidate: Candidate) -> tuple[int, frozenset[str], frozenset[str], int]:
    """What a candidate would change, apart from its identity."""
    return candidate.parent, frozenset(candidate.added), frozenset(candidate.removed), candidate.knowledge
