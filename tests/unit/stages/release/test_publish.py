"""A passed candidate becomes a release, in one transaction, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.errors import Conflict
from ratchet.layers.layer import Bundle
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.candidate import Candidate
from ratchet.records.gate import Check, Decision, GateReport
from ratchet.stages.learn.propose import file_candidate, propose
from ratchet.stages.release.publish import next_number, publish, record_decision, republish
from ratchet.stages.release.rollback import rollback
from ratchet.wiring import House
from tests.conftest import correct
from tests.scenes import actions


def filed(house: House, app: App) -> tuple[Candidate, Bundle]:
    active = house.store.releases.active(app.name)
    draft = propose(
        house.outside,
        app,
        parent=active,
        current=house.bundles.bank(app.name, active),
        knowledge=house.bundles.knowledge(app.name, active),
    )
    assert draft is not None
    candidate = replace(draft, status="evaluating")
    file_candidate(house.outside, candidate)
    return candidate, house.bundles.of_candidate(app, candidate, next_number(house.outside, app.name))[0]


def report_on(candidate: Candidate, decision: Decision = "pass") -> GateReport:
    check = Check(name="target", outcome="passed", cases=1, value=1.0, limit=0.0, message="fine")
    return GateReport(
        id=f"gate_{candidate.id}_{decision}", app=candidate.app, candidate_id=candidate.id, gate="evaluate", at=1.0,
        decision=decision, reason="because", checks=(check,), suites=(("target", "f" * 64),),
    )  # fmt: skip


@pytest.fixture
def candidate(house: House, classify: App) -> tuple[Candidate, Bundle]:
    correct(house, classify, "my parcel is late", answer="refund")
    return filed(house, classify)


def test_a_passed_candidate_goes_live_as_a_whole(house: House, candidate: tuple[Candidate, Bundle]) -> None:
    proposal, bundle = candidate
    release = publish(house.outside, proposal, report_on(proposal), bundle, knowledge=0, actor="ana")
    assert house.store.releases.active("triage") == release.number == 1
    assert house.store.releases.get("triage", 1) == release
    assert (release.status, release.lessons, release.id) == ("live", 1, release.manifest.id)
    assert {lesson.id for lesson in house.store.lessons.bank("triage", 1)} == bundle.lesson_ids
    stored = house.store.releases.candidate(proposal.id)
    assert stored is not None
    assert (stored.status, stored.reason) == ("released", "because")
    (entry,) = actions(house, "release.promoted")
    assert (entry.actor, entry.subject, entry.details["id"]) == ("ana", "release 1", release.id)


def test_numbers_go_up_and_the_parent_retires(
    house: House, classify: App, candidate: tuple[Candidate, Bundle], clock: ReplayClock
) -> None:
    assert next_number(house.outside, "triage") == 1
    publish(house.outside, candidate[0], report_on(candidate[0]), candidate[1], knowledge=0)
    clock.advance(60)
    correct(house, classify, "no money back yet", answer="account")
    proposal, bundle = filed(house, classify)
    assert publish(house.outside, proposal, report_on(proposal), bundle, knowledge=0).number == 2
    assert [release.status for release in house.store.releases.all("triage")] == ["retired", "live"]
    assert next_number(house.outside, "triage") == 3


@pytest.mark.parametrize("decision", ["reject", "hold"])
def test_a_candidate_that_did_not_pass_is_refused(
    house: House, candidate: tuple[Candidate, Bundle], decision: Decision
) -> None:
    with pytest.raises(Conflict, match="has not passed its gate"):
        publish(house.outside, candidate[0], report_on(candidate[0], decision), candidate[1], knowledge=0)
    assert house.store.releases.all("triage") == []


def test_the_report_of_another_candidate_is_refused(house: House, candidate: tuple[Candidate, Bundle]) -> None:
    other = replace(report_on(candidate[0]), candidate_id="cand_other")
    with pytest.raises(Conflict, match="has not passed its gate"):
        publish(house.outside, candidate[0], other, candidate[1], knowledge=0)


def test_nothing_is_kept_when_another_release_went_live_meanwhile(
    house: House, candidate: tuple[Candidate, Bundle]
) -> None:
    proposal, bundle = candidate
    publish(house.outside, proposal, report_on(proposal), bundle, knowledge=0)
    before = house.store.audit.entries()
    late = replace(proposal, id="cand_late", bank_version=2)
    file_candidate(house.outside, late)
    with pytest.raises(Conflict, match="Release 0 is no longer in force; release 1 is"):
        publish(house.outside, late, report_on(late), replace(bundle, number=2), knowledge=0)
    assert [release.number for release in house.store.releases.all("triage")] == [1]
    assert [entry.action for entry in house.store.audit.entries()[len(before) :]] == ["candidate.drafted"]


def test_a_number_that_is_taken_is_refused(house: House, candidate: tuple[Candidate, Bundle]) -> None:
    proposal, bundle = candidate
    publish(house.outside, proposal, report_on(proposal), bundle, knowledge=0)
    again = replace(proposal, id="cand_again", parent=1, bank_version=2)
    with pytest.raises(Conflict, match="Release 1 exists already"):
        publish(house.outside, again, report_on(again), bundle, knowledge=0)
    assert house.store.releases.active("triage") == 1


def test_after_a_rollback_the_next_release_holds_exactly_its_own_lessons(
    house: House, classify: App, clock: ReplayClock
) -> None:
    for question, answer in (("my parcel is late", "refund"), ("secret word forgotten", "account")):
        correct(house, classify, question, answer=answer)
        clock.advance(60)
        assert house.loop.turn("triage").release is not None
    rollback(house.outside, "triage", actor="ana", reason="try again")
    kept = house.store.lessons.bank("triage", 2)
    correct(house, classify, "something about bananas", answer="delivery")
    release = house.loop.turn("triage").release
    assert release is not None
    bank = house.store.lessons.bank("triage", release.bank_version)
    assert sorted(lesson.question for lesson in bank) == [
        "my parcel is late",
        "secret word forgotten",
        "something about bananas",
    ]
    assert house.store.lessons.bank("triage", 2) == kept
    house.bundles.forget("triage")
    assert house.bundles.of_release(classify, 2).lesson_ids == {lesson.id for lesson in kept}
    assert house.bundles.active(classify).number == 3


def test_after_a_rollback_what_was_superseded_does_not_come_back(
    house: House, classify: App, clock: ReplayClock
) -> None:
    for question, answer in (("my parcel is late", "refund"), ("secret word forgotten", "account")):
        correct(house, classify, question, answer=answer)
        clock.advance(60)
        assert house.loop.turn("triage").release is not None
    rollback(house.outside, "triage", actor="ana", reason="try again")
    newest = correct(house, classify, "secret word forgotten", answer="delivery").lesson
    assert newest is not None
    release = house.loop.turn("triage").release
    assert release is not None
    bank = house.store.lessons.bank("triage", release.bank_version)
    assert {lesson.answer for lesson in bank} == {"refund", "delivery"}
    house.bundles.forget("triage")
    assert newest.id in house.bundles.active(classify).lesson_ids


@pytest.mark.parametrize(("decision", "status"), [("reject", "rejected"), ("hold", "held"), ("pass", "evaluating")])
def test_a_decision_is_stored_with_its_report_and_status(
    house: House, candidate: tuple[Candidate, Bundle], decision: Decision, status: str
) -> None:
    report = report_on(candidate[0], decision)
    record_decision(house.outside, candidate[0], report)
    stored = house.store.releases.candidate(candidate[0].id)
    assert stored is not None
    assert stored.status == status
    assert house.store.releases.reports(candidate[0].id) == [report]
    (entry,) = actions(house, "gate.decided")
    assert entry.details == {"decision": decision, "report": report.id, "checks": {"target": "passed"}}


def test_a_release_on_other_vectors_keeps_its_lessons_and_says_so(
    house: House, classify: App, candidate: tuple[Candidate, Bundle]
) -> None:
    publish(house.outside, candidate[0], report_on(candidate[0]), candidate[1], knowledge=0)
    moved = replace(candidate[0], id="cand_moved", parent=1, bank_version=2, added=())
    bundle, _ = house.bundles.of_candidate(classify, moved, 2)
    assert republish(house.outside, moved, bundle, 0).lessons == 1
    assert house.bundles.active(classify).lesson_ids == candidate[1].lesson_ids
    assert [entry.subject for entry in actions(house, "release.reembedded")] == ["release 2"]
