"""A turn of the loop: from a first correction that goes live to a poisoned set that does not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ratchet.errors import Conflict, UnknownName
from ratchet.loop import Heard, TurnReport
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.audit import GENESIS
from ratchet.records.passage import Passage
from ratchet.records.plan import ChangePlan
from ratchet.records.trace import Trace
from ratchet.stages.enrich.escalate import EscalationRules
from ratchet.stages.release.rollback import rollback
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn
from ratchet.wiring import House
from tests import scenes
from tests.conftest import ask, complain, correct
from tests.scenes import actions, review_gate

NEXT = dict(zip(scenes.TOPICS, [*list(scenes.TOPICS)[1:], next(iter(scenes.TOPICS))], strict=True))


def questions_about(topic: str, count: int) -> list[str]:
    """Questions about one topic, alike but no near-duplicates."""
    asked = scenes.questions(600, seed=7)
    return [question for question in asked if scenes.truth(question) == topic][:count]


@pytest.fixture
def desk(house: House) -> App:
    return scenes.declare(house)


def intact(house: House) -> bool:
    previous = GENESIS
    for entry in house.store.audit.entries():
        if not entry.is_intact(previous):
            return False
        previous = entry.hash
    return True


class TestASmallChange:
    def test_a_single_correction_goes_live_within_one_turn(self, house: House, desk: App) -> None:
        question = scenes.questions(1, seed=1)[0]
        correct(house, desk, question, answer=scenes.truth(question))
        report = house.loop.turn("desk")
        assert report.release is not None
        assert report.summary().startswith("Release 1 is live with 1 lesson. contained: ")
        trace = ask(house, desk, question).trace
        assert (trace.output, trace.source, trace.release) == (scenes.truth(question), "reviewed", 1)
        assert intact(house)

    def test_with_nothing_new_nothing_happens(self, house: House, desk: App) -> None:
        report = house.loop.turn("desk")
        assert (report.candidate, report.gate, report.release) == (None, None, None)
        assert report.summary() == "Nothing new to learn."

    def test_complaints_are_turned_into_cases_on_the_way(self, house: House, desk: App) -> None:
        complain(house, ask(house, desk, "hello").trace)
        report = house.loop.turn("desk")
        assert (report.enriched.assessed, report.enriched.opened) == (1, 1)

    def test_an_unknown_app_is_refused(self, house: House) -> None:
        with pytest.raises(UnknownName):
            house.loop.turn("nope")

    def test_it_is_held_with_the_number_of_cases_that_are_missing(self, house: House, desk: App) -> None:
        house.loop.plan = ChangePlan(contained_releases=False)
        correct(house, desk, "hello invoice kettle", answer="billing")
        report = house.loop.turn("desk", now=True)
        assert report.gate is not None
        assert report.candidate is not None
        assert (report.gate.decision, report.candidate.status, report.release) == ("hold", "held", None)
        assert "about 2,474 more cases are needed to see a drop of 1.0%" in report.summary()
        assert report.summary().startswith(f"Candidate {report.candidate.id} was held.")
        assert house.store.releases.active("desk") == 0


class TestAChangeThatReviewersCompare:
    TOPIC = "login"

    @pytest.fixture
    def waiting(self, house: House, desk: App) -> list[Trace]:
        """Recent requests, and lessons about the same topic that change many of their answers."""
        asked = questions_about(self.TOPIC, 22)
        assert scenes.LABELS[self.TOPIC] == "castor"
        traces = [ask(house, desk, question).trace for question in asked[:14]]
        scenes.teach(house, desk, asked[14:])
        return traces

    def test_waits_until_there_is_enough_that_is_new(self, house: House, desk: App, waiting: list[Trace]) -> None:
        report = house.loop.turn("desk")
        assert (report.candidate, report.gathering) == (None, 8)
        assert report.summary().startswith("8 new lessons wait for more")
        assert house.store.releases.candidates("desk") == []
        house.loop.plan = ChangePlan(review_minimum=8)
        assert house.loop.turn("desk").waiting > 0

    def test_waits_for_verdicts_and_passes_when_they_are_for_it(
        self, house: House, desk: App, waiting: list[Trace]
    ) -> None:
        first = house.loop.turn("desk", now=True)
        assert first.candidate is not None
        assert first.candidate.status == "evaluating"
        assert f"waits for {first.waiting} verdicts" in first.summary()
        again = house.loop.turn("desk")
        assert (again.candidate, again.waiting, again.gate) == (first.candidate, first.waiting, None)
        assert review_gate(house, desk) == first.waiting
        last = house.loop.turn("desk")
        assert last.release is not None
        assert last.candidate is not None
        assert (last.candidate.id, last.candidate.status) == (first.candidate.id, "released")
        assert f"anchor: {first.waiting} gained, 0 lost" in last.summary()
        assert [entry.subject for entry in actions(house, "candidate.drafted")] == [first.candidate.id]
        assert len(actions(house, "release.promoted")) == len(actions(house, "gate.decided")) == 1
        assert intact(house)

    def test_waits_for_verdicts_and_is_rejected_when_they_are_against_it(
        self, house: House, desk: App, waiting: list[Trace]
    ) -> None:
        answered = {trace.input: trace.output for trace in waiting}
        first = house.loop.turn("desk", now=True)
        review_gate(house, desk, lambda question: answered[question])
        last = house.loop.turn("desk")
        assert last.gate is not None
        assert last.candidate is not None
        assert (last.gate.decision, last.candidate.status, last.release) == ("reject", "rejected", None)
        assert f"anchor: 0 gained, {first.waiting} lost" in last.summary()
        assert house.store.releases.active("desk") == 0
        assert actions(house, "release.promoted") == []

    def test_does_not_bother_reviewers_again_until_the_lessons_grew(
        self, house: House, desk: App, waiting: list[Trace], clock: ReplayClock
    ) -> None:
        assert house.loop.turn("desk", now=True).waiting
        review_gate(house, desk)
        assert house.loop.turn("desk").release is not None
        clock.advance(60)
        for question in questions_about("stock", 12)[4:]:
            ask(house, desk, question)
        scenes.teach(house, desk, questions_about("stock", 4))
        report = house.loop.turn("desk")
        assert (report.candidate, report.gathering > 0) == (None, True)
        house.loop.plan = ChangePlan(review_minimum=1, review_growth=0.0)
        assert house.loop.turn("desk").waiting

    def test_is_left_behind_when_another_release_came_into_force(
        self, house: House, desk: App, waiting: list[Trace], clock: ReplayClock
    ) -> None:
        house.loop.plan = ChangePlan(contained_share=1.0)
        contained = house.loop.turn("desk")
        assert contained.release is not None
        clock.advance(60)
        house.loop.plan = ChangePlan()
        scenes.teach(house, desk, questions_about("stock", 8))
        for question in questions_about("stock", 20)[8:]:
            ask(house, desk, question)
        stale = house.loop.turn("desk", now=True).candidate
        assert stale is not None
        assert stale.parent == 1
        rollback(house.outside, "desk", actor="ana", reason="x")
        with pytest.raises(Conflict, match="was built on release 1, which is no longer in force"):
            house.loop.try_candidate(desk, stale)
        fresh = house.loop.turn("desk", now=True).candidate
        assert fresh is not None
        assert (fresh.parent, fresh.id != stale.id) == (0, True)


def test_a_candidate_that_another_release_overtook_is_never_published(house: House, desk: App) -> None:
    correct(house, desk, "hello invoice kettle", answer="billing")
    report = house.loop.turn("desk")
    assert report.candidate is not None
    with pytest.raises(Conflict, match="no longer in force"):
        house.loop.try_candidate(desk, replace(report.candidate, id="cand_late"))
    assert [release.number for release in house.store.releases.all("desk")] == [1]


def test_after_a_rollback_the_next_turn_learns_again(house: House, desk: App, clock: ReplayClock) -> None:
    first, second, third = (questions_about(topic, 1)[0] for topic in ("login", "stock", "privacy"))
    for question in (first, second):
        correct(house, desk, question, answer=scenes.truth(question))
        clock.advance(60)
        assert house.loop.turn("desk").release is not None
    rollback(house.outside, "desk", actor="ana", reason="try again")
    correct(house, desk, third, answer=scenes.truth(third))
    release = house.loop.turn("desk").release
    assert release is not None
    assert (release.number, release.manifest.content["parent"], release.lessons) == (3, 1, 3)
    house.bundles.forget("desk")
    traces = [ask(house, desk, question).trace for question in (first, second, third)]
    assert [(trace.output, trace.release) for trace in traces] == [("login", 3), ("stock", 3), ("privacy", 3)]


class TestPoison:
    @pytest.fixture
    def good(self, house: House, desk: App) -> list[str]:
        """An established release that users praise, and what it answers right."""
        scenes.established(house, desk, traffic=60)
        fresh = scenes.questions(60, seed=9)
        return [question for question in fresh if ask(house, desk, question).trace.output == scenes.truth(question)]

    def test_a_set_with_half_its_labels_wrong_is_rejected_by_a_named_check(
        self, house: House, desk: App, good: list[str]
    ) -> None:
        bad = ("billing", "login", "stock")

        def poisoned(question: str) -> str:
            return NEXT[scenes.truth(question)] if scenes.truth(question) in bad else scenes.truth(question)

        taught = scenes.questions(72, seed=4)
        assert sum(poisoned(question) != scenes.truth(question) for question in taught) == 36
        scenes.teach(house, desk, taught, poisoned)
        report = scenes.learn(house, desk)
        assert report.gate is not None
        assert report.candidate is not None
        assert (report.gate.decision, report.candidate.status) == ("reject", "rejected")
        failed = [check.name for check in report.gate.checks if check.outcome == "failed"]
        assert failed
        assert all(f"{name}: " in report.gate.reason for name in failed)
        assert report.candidate.reason == report.gate.reason
        assert house.store.releases.active("desk") == 1
        house.bundles.forget("desk")
        assert all(ask(house, desk, question).trace.output == scenes.truth(question) for question in good)

    def test_labels_wrong_at_random_make_no_release_that_is_worse(
        self, house: House, desk: App, good: list[str]
    ) -> None:
        chance = random.Random(3)

        def poisoned(question: str) -> str:
            others = [name for name in scenes.TOPICS if name != scenes.truth(question)]
            return chance.choice(others) if chance.random() < 0.5 else scenes.truth(question)

        scenes.teach(house, desk, scenes.questions(60, seed=4), poisoned)
        scenes.learn(house, desk)
        house.bundles.forget("desk")
        fresh = scenes.questions(60, seed=9)
        right = sum(ask(house, desk, question).trace.output == scenes.truth(question) for question in fresh)
        assert right >= len(good) - 2


class TestTheSameChangeAgain:
    @pytest.fixture
    def stopped(self, house: House, desk: App) -> TurnReport:
        """A change that reviewers were against."""
        asked = questions_about("login", 22)
        answered = {question: ask(house, desk, question).trace.output for question in asked[:14]}
        scenes.teach(house, desk, asked[14:])
        assert house.loop.turn("desk", now=True).waiting
        review_gate(house, desk, lambda question: answered[question])
        return house.loop.turn("desk")

    def test_is_not_tried_on_another_sample_until_it_passes(self, house: House, desk: App, stopped: TurnReport) -> None:
        assert stopped.candidate is not None
        assert stopped.candidate.status == "rejected"
        for lesson in house.store.lessons.all("desk"):
            if lesson.id not in stopped.candidate.added:
                house.store.lessons.retire(lesson.id, "superseded")
        for _ in range(3):
            assert house.loop.turn("desk", now=True).candidate is None
        assert len(house.store.releases.candidates("desk")) == 1

    def test_that_was_held_may_return_once_the_traffic_is_new(
        self, house: House, desk: App, clock: ReplayClock
    ) -> None:
        house.loop.plan = ChangePlan(contained_releases=False, anchor_sample=4)
        correct(house, desk, "hello invoice kettle", answer="billing")
        held = house.loop.turn("desk", now=True)
        assert held.gate is not None
        assert held.gate.decision == "hold"
        assert house.loop.turn("desk", now=True).candidate is None
        clock.advance(60)
        for question in questions_about("privacy", 4):
            ask(house, desk, question)
        again = house.loop.turn("desk", now=True).candidate
        assert again is not None
        assert held.candidate is not None
        assert (again.added, again.id != held.candidate.id) == (held.candidate.added, True)


def test_new_knowledge_goes_live_with_a_turn_though_nothing_was_corrected(
    house: House, support: App, clock: ReplayClock
) -> None:
    correct(house, support, "do you sell kites", answer="No.")
    assert house.loop.turn("support").release is not None
    clock.advance(60)
    assert ask(house, support, "zebra stripes").answer.source == "abstained"
    known = house.store.knowledge.passages("support", 1)
    zebra = Passage(id="w", app="support", title="Zebra", text="Zebra stripes cost extra.")
    house.know("support", [*known, zebra])
    assert ask(house, support, "zebra stripes").answer.source == "abstained"
    release = house.loop.turn("support").release
    assert release is not None
    trace = ask(house, support, "zebra stripes").trace
    assert (trace.passage_id, trace.release) == ("w", 2)


class TestTaking:
    """Loop.take: rows are stored, and whoever complains learns at once whether a person will look."""

    def take(self, house: House, traces: list[TraceIn], feedback: list[FeedbackIn]) -> list[Heard]:
        return house.loop.take([house.loop.intake.prepare(traces, feedback)])[0]

    def test_a_complaint_is_judged_in_the_same_transaction(self, house: House, support: App) -> None:
        rows = [TraceIn(app="support", id="t1", input="hello")]
        stored, praised, complained, repeated = self.take(house, rows, [
            FeedbackIn(id="t1", event_id="f1", thumb="up", user="ada"),
            FeedbackIn(id="t1", event_id="f2", thumb="down", user="kim"),
            FeedbackIn(id="t1", event_id="f2", thumb="down", user="kim"),
        ])  # fmt: skip
        assert (stored.case, praised.case) == (None, None)
        assert complained.case is not None
        assert complained.case == house.store.cases.of_trace("t1")
        assert complained.case.reasons[0] == "thumb: down"
        assert repeated.taken.outcome == "duplicate"
        assert repeated.case is not None
        assert repeated.case.id == complained.case.id
        assert house.store.feedback.unassessed("support", 9) == []
        assert len(actions(house, "case.opened")) == 1

    def test_the_rules_of_the_app_say_what_needs_a_person(self, house: House, support: App) -> None:
        house.loop.rules_of_apps["support"] = EscalationRules(thumb_down=False, p_bad_above=1.0)
        row, flag = TraceIn(app="support", id="t1", input="hello"), FeedbackIn(id="t1", flags=["unsafe"])
        _, complained = self.take(house, [row], [FeedbackIn(id="t1", thumb="down")])
        assert complained.case is None
        assert house.store.traces.assessment("t1") is not None, "it is judged all the same"
        (flagged,) = self.take(house, [], [flag])
        assert flagged.case is not None

    def test_a_complaint_before_its_trace_is_kept_for_later(self, house: House, support: App) -> None:
        (early,) = self.take(house, [], [FeedbackIn(id="late", app="support", thumb="down")])
        assert (early.taken.outcome, early.case) == ("stored", None)
        self.take(house, [TraceIn(app="support", id="late", input="hello")], [])
        assert house.loop.turn("support").enriched.opened == 1

    def test_refused_rows_are_heard_too_and_open_nothing(self, house: House, support: App) -> None:
        (refused,) = self.take(house, [], [FeedbackIn(id="t1", app="nowhere", thumb="down")])
        assert (refused.taken.outcome, refused.case) == ("rejected", None)

    def test_what_cannot_be_judged_is_not_stored_either(
        self, house: House, support: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise Conflict("odd", "try again")

        monkeypatch.setattr("ratchet.loop.enrich_trace", fail)
        rows = [TraceIn(app="support", id="t1", input="hello")]
        with pytest.raises(Conflict, match="odd"):
            self.take(house, rows, [FeedbackIn(id="t1", thumb="down")])
        assert house.store.traces.get("t1") is None
        assert house.store.feedback.tallies("support") == {}
