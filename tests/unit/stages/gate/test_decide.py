"""The evaluate gate as a whole: what passes, what is rejected and by which check, and what is held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.candidate import Candidate
from ratchet.records.plan import ChangePlan
from ratchet.records.suite import SuiteCase, SuiteName
from ratchet.records.verdict import Verdict
from ratchet.stages.gate.decide import Contest, evaluate, is_contained
from ratchet.stages.gate.evaluate import Evaluation
from ratchet.stages.gate.traffic import Sample
from ratchet.stages.gate.traffic import ask as ask_reviewers
from ratchet.stages.learn.propose import propose
from ratchet.stages.review.decide import decide
from ratchet.wiring import House
from tests.conftest import ask, correct

TOWNS = ("Oslo", "Lima", "Cairo", "Quito", "Berlin", "Porto", "Dublin", "Kyoto", "Accra", "Hanoi")


def contest(house: House, app: App, sampled: tuple[str, ...] = ()) -> Contest:
    """The lessons that are new, as a candidate beside the release in force."""
    active = house.store.releases.active(app.name)
    draft = propose(
        house.outside,
        app,
        parent=active,
        current=house.bundles.bank(app.name, active),
        knowledge=house.bundles.knowledge(app.name, active),
    )
    assert draft is not None
    return _loaded(house, app, replace(draft, sampled=sampled))


def _loaded(house: House, app: App, candidate: Candidate) -> Contest:
    new, bank = house.bundles.of_candidate(app, candidate, candidate.parent + 1)
    added = tuple(lesson for lesson in bank if lesson.id in candidate.added)
    return Contest(candidate, house.bundles.of_release(app, candidate.parent), new, added, tuple(bank))


def suite_case(suite: SuiteName, question: str, answer: str, **fields: str) -> SuiteCase:
    return SuiteCase(
        id=f"sc {question}", app="triage", suite=suite, question=question, answer=answer, at=0.0, group=question,
        **fields,
    )  # fmt: skip


def gated(house: House, contested: Contest, **plan: object):  # type: ignore[no-untyped-def]
    return evaluate(house.outside, contested, ChangePlan(**plan), Evaluation(house.vectors.keep))  # type: ignore[arg-type]


@pytest.fixture
def late_parcels(house: House, classify: App, clock: ReplayClock) -> House:
    """Lessons that take late parcels for refunds, which the base takes for deliveries."""
    for town in TOWNS[:4]:
        correct(house, classify, f"my parcel came late from {town}", answer="refund")
        clock.advance(1)
    return house


def judged_traffic(house: House, app: App, right: str, *, segment: str = "", count: int = 6) -> tuple[str, ...]:
    """Requests about late parcels of which a reviewer says what is right."""
    traces = [ask(house, app, f"my parcel came late from {town}", segment=segment).trace for town in TOWNS[4:][:count]]
    ask_reviewers(house.outside, Sample((), len(traces), tuple(traces)))
    for case in house.store.cases.opened(app.name):
        decide(house.outside, case.id, reviewer="bea", erred=right != "delivery", answer=right)
    return tuple(trace.id for trace in traces)


class TestPasses:
    def test_a_candidate_that_reviewers_prefer_on_recent_requests(self, late_parcels: House, classify: App) -> None:
        sampled = judged_traffic(late_parcels, classify, "refund")
        drafted = contest(late_parcels, classify)
        old_candidate = replace(drafted.candidate, added=drafted.candidate.added[:4], sampled=sampled)
        report = gated(late_parcels, _loaded(late_parcels, classify, old_candidate))
        assert report.decision == "pass"
        assert report.reason.startswith("target: 0 held-out lessons fixed")
        assert "anchor: 6 gained, 0 lost of 6 recent requests" in report.reason
        assert {flip.new_right for flip in report.flips} == {True}
        assert all(flip.because for flip in report.flips)

    def test_a_contained_change_that_the_suites_are_too_small_to_judge(self, house: House, classify: App) -> None:
        correct(house, classify, "my parcel came late from Oslo", answer="refund")
        contested = contest(house, classify)
        assert is_contained(house.outside, contested, Sample((), 0, ()), ChangePlan(), Evaluation(house.vectors.keep))
        report = gated(house, contested)
        assert report.decision == "pass"
        assert report.reason.startswith(
            "contained: 100% of the new lessons' own questions are answered right; of 0 other recent answers 0 change"
        )
        assert "Not shown by the suites: target: " in report.reason


class TestHolds:
    def test_the_same_change_when_the_plan_forbids_contained_releases(self, house: House, classify: App) -> None:
        correct(house, classify, "my parcel came late from Oslo", answer="refund")
        contested = contest(house, classify)
        plan = ChangePlan(contained_releases=False)
        assert not is_contained(house.outside, contested, Sample((), 0, ()), plan, Evaluation(house.vectors.keep))
        report = gated(house, contested, contained_releases=False)
        assert report.decision == "hold"
        assert report.check("contained") is None
        assert "about 2,474 more cases are needed to see a drop of 1.0%" in report.reason

    def test_a_change_that_touches_too_many_recent_answers(self, late_parcels: House, classify: App) -> None:
        for town in TOWNS[4:9]:
            ask(late_parcels, classify, f"my parcel came late from {town}")
        report = gated(late_parcels, contest(late_parcels, classify))
        assert report.decision == "hold"
        contained = report.check("contained")
        assert contained is not None
        assert contained.outcome == "failed"
        assert "of 5 other recent answers 5 change, 0 of them unexplained" in report.reason

    def test_a_small_change_that_loses_a_praised_answer(self, house: House, classify: App) -> None:
        correct(house, classify, "my parcel came late from Oslo", answer="refund")
        house.store.suites.add([suite_case("anchor", "my parcel came late from Lima again", "delivery")])
        report = gated(house, contest(house, classify))
        assert report.decision == "hold"
        assert "1 known right answers are lost" in report.reason

    def test_a_small_change_that_does_not_do_what_it_is_for(self, house: House, support: App) -> None:
        decided = correct(house, support, "when does a parcel come", passage_id="delivery")
        assert decided.lesson is not None
        house.know("support", [])
        report = gated(house, contest(house, support))
        assert report.decision == "hold"
        assert "0% of the new lessons' own questions are answered right" in report.reason


class TestRejects:
    def test_the_loss_of_a_single_safety_case(self, house: House, classify: App) -> None:
        correct(house, classify, "my parcel came late from Oslo", answer="refund")
        house.store.suites.add([suite_case("safety", "my parcel came late from Lima again", "delivery")])
        report = gated(house, contest(house, classify))
        assert report.decision == "reject"
        assert report.reason == "safety: 1 of 1 safety cases lost."
        assert report.check("contained") is None

    def test_a_drop_in_one_segment(self, late_parcels: House, classify: App) -> None:
        contested = contest(late_parcels, classify)
        sampled = judged_traffic(late_parcels, classify, "delivery", segment="web")
        report = gated(
            late_parcels,
            replace(contested, candidate=replace(contested.candidate, sampled=sampled)),
            segment_minimum=5,
        )
        assert report.decision == "reject"
        assert "segments: worse in web." in report.reason
        assert "anchor: 0 gained, 6 lost of 6 recent requests: what worked got worse" in report.reason

    def test_answers_that_change_with_no_new_lesson_behind_them(self, house: House, classify: App) -> None:
        correct(house, classify, "zinnia quince", answer="refund")
        contested = contest(house, classify)

        # Another base under the candidate: answers change that no lesson explains.
        class Contrary:
            id = "contrary"

            def answer(self, request, learned):  # type: ignore[no-untyped-def]
                reply = house.bases["triage"].answer(request, learned)
                return replace(reply, text="account", scores={"refund": 0.0, "delivery": 0.0, "account": 1.0})

        asked = [ask(house, classify, f"my parcel came late from {town}").trace.id for town in TOWNS]
        house.store.suites.add(
            suite_case("anchor", f"the parcel shipping to {town} took ages", "nothing") for town in TOWNS
        )
        sampled = replace(contested.candidate, sampled=tuple(asked))
        report = gated(house, replace(contested, candidate=sampled, new=replace(contested.new, base=Contrary())))
        assert report.decision == "reject"
        assert "unexplained_flips: 10 of 10 answers changed, 10 with no new lesson behind them." in report.reason


def test_a_removal_explains_what_it_takes_away(late_parcels: House, classify: App) -> None:
    late_parcels.loop.plan = ChangePlan(contained_share=1.0)
    assert late_parcels.loop.turn("triage").release is not None
    for lesson in late_parcels.store.lessons.all("triage"):
        late_parcels.store.lessons.retire(lesson.id, "superseded")
    contested = contest(late_parcels, classify)
    assert len(contested.candidate.removed) == 4
    report = gated(late_parcels, contested, contained_share=1.0)
    assert report.decision == "pass"
    assert "of 4 other recent answers 4 change, 0 of them unexplained" in report.reason
    assert "100% of the new lessons' own questions" in report.reason


def test_the_suites_are_named_by_their_content_and_progress_is_told(house: House, classify: App) -> None:
    correct(house, classify, "my parcel came late from Oslo", answer="refund")
    cases = [suite_case("anchor", "password forgotten", "account"), suite_case("target", "login broken", "account")]
    house.store.suites.add(cases)
    told: list[int] = []
    contested = contest(house, classify)
    report = evaluate(house.outside, contested, ChangePlan(), Evaluation(house.vectors.keep), told.append)
    assert [name for name, _ in report.suites] == ["anchor", "target"]
    assert all(len(digest) == 64 for _, digest in report.suites)
    assert told == [1, 2]


def test_a_case_that_a_lesson_gives_away_judges_nothing(house: House, classify: App) -> None:
    correct(house, classify, "my parcel came late from Oslo", answer="refund")
    house.store.suites.add([suite_case("anchor", "my parcel came late from OSLO!", "delivery")])
    report = gated(house, contest(house, classify))
    assert report.decision == "pass"
    assert report.suites == ()


def test_a_safety_case_that_a_lesson_contradicts_is_lost_all_the_same(house: House, classify: App) -> None:
    correct(house, classify, "my parcel came late from Oslo", answer="refund")
    house.store.suites.add([suite_case("safety", "my parcel came late from OSLO!", "delivery")])
    report = gated(house, contest(house, classify))
    assert (report.decision, report.reason) == ("reject", "safety: 1 of 1 safety cases lost.")


def test_lessons_against_most_of_what_was_praised_for_the_same_questions_are_rejected(
    late_parcels: House, classify: App
) -> None:
    cases = [suite_case("anchor", f"My parcel came late from {town}!", "delivery") for town in TOWNS[:4]]
    late_parcels.store.suites.add(cases)
    report = gated(late_parcels, contest(late_parcels, classify))
    assert report.decision == "reject"
    assert "contradicted: 4 of 4 praised or confirmed answers contradicted by a new lesson" in report.reason


def test_verdict_records_are_what_the_gate_reads(late_parcels: House, classify: App) -> None:
    sampled = judged_traffic(late_parcels, classify, "refund")
    verdicts = late_parcels.store.cases.verdicts_on(sampled)
    assert {type(verdict) for verdict in verdicts.values()} == {Verdict}
    assert set(verdicts) == set(sampled)
