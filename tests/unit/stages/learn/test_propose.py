"""What the layers would learn from the lessons since the release in force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.errors import LeakageError
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.candidate import Candidate
from ratchet.records.passage import Passage
from ratchet.stages.learn.propose import file_candidate, propose, refuse_leak
from ratchet.stages.release.revoke import revoke
from ratchet.wiring import House
from tests.conftest import correct
from tests.scenes import actions, edit, held_out, lesson, ten_lessons


def proposed(house: House, app: App) -> Candidate | None:
    active = house.store.releases.active(app.name)
    return propose(
        house.outside,
        app,
        parent=active,
        current=house.bundles.bank(app.name, active),
        knowledge=house.bundles.knowledge(app.name, active),
    )


def test_nothing_to_learn_gives_no_candidate(house: House, classify: App) -> None:
    assert proposed(house, classify) is None


def test_a_label_teaches_the_examples_of_a_classify_app(house: House, classify: App) -> None:
    learned = correct(house, classify, "my parcel is late", answer="refund").lesson
    candidate = proposed(house, classify)
    assert learned is not None
    assert candidate is not None
    assert (candidate.layers, candidate.added, candidate.removed) == (("examples",), (learned.id,), ())
    assert (candidate.parent, candidate.bank_version, candidate.status) == (0, 1, "draft")
    assert house.store.releases.candidates("triage") == []


def test_an_answer_teaches_retrieval_and_examples(house: House, support: App) -> None:
    correct(house, support, "do you sell kites", answer="No.")
    candidate = proposed(house, support)
    assert candidate is not None
    assert candidate.layers == ("retrieval", "examples")


def test_a_passage_alone_teaches_retrieval_only(house: House, support: App) -> None:
    correct(house, support, "do you sell kites", passage_id="delivery")
    candidate = proposed(house, support)
    assert candidate is not None
    assert candidate.layers == ("retrieval",)


def test_what_is_held_out_is_left_out(house: House, classify: App) -> None:
    ten_lessons(house, classify)
    kept_back = correct(house, classify, held_out("my parcel is late"), answer="account").lesson
    candidate = proposed(house, classify)
    assert kept_back is not None
    assert candidate is not None
    assert kept_back.split == "held_out"
    assert len(candidate.added) == 10
    assert kept_back.id not in candidate.added


def test_the_lessons_of_the_release_in_force_are_not_added_again(
    house: House, classify: App, clock: ReplayClock
) -> None:
    correct(house, classify, "my parcel is late", answer="refund")
    assert house.loop.turn("triage").release is not None
    assert proposed(house, classify) is None
    clock.advance(60)
    second = correct(house, classify, "no money back yet", answer="account").lesson
    candidate = proposed(house, classify)
    assert second is not None
    assert candidate is not None
    assert (candidate.parent, candidate.added) == (1, (second.id,))


def test_a_superseded_lesson_leaves_with_the_one_that_replaces_it(
    house: House, classify: App, clock: ReplayClock
) -> None:
    first = correct(house, classify, "my parcel is late", answer="refund").lesson
    assert house.loop.turn("triage").release is not None
    clock.advance(60)
    second = correct(house, classify, "my parcel is late", answer="account").lesson
    candidate = proposed(house, classify)
    assert first is not None
    assert second is not None
    assert candidate is not None
    assert (candidate.added, candidate.removed) == ((second.id,), (first.id,))


def test_a_revocation_alone_makes_a_candidate_that_only_removes(house: House, classify: App) -> None:
    first = correct(house, classify, "my parcel is late", answer="refund").lesson
    assert first is not None
    assert house.loop.turn("triage").release is not None
    revoke(house.outside, first.id, actor="ana", reason="wrong")
    candidate = proposed(house, classify)
    assert candidate is not None
    assert (candidate.added, candidate.removed, candidate.layers) == ((), (first.id,), ("examples",))


def test_a_lesson_whose_time_is_over_leaves(house: House, classify: App, clock: ReplayClock) -> None:
    first = correct(house, classify, "my parcel is late", answer="refund").lesson
    assert first is not None
    edit(house, "UPDATE lessons SET valid_until = ? WHERE id = ?", clock.now() + 100, first.id)
    assert house.loop.turn("triage").release is not None
    assert proposed(house, classify) is None
    clock.advance(101)
    candidate = proposed(house, classify)
    assert candidate is not None
    assert candidate.removed == (first.id,)


def test_new_knowledge_alone_makes_a_candidate_on_top_of_a_release(house: House, support: App) -> None:
    correct(house, support, "do you sell kites", answer="No.")
    assert house.loop.turn("support").release is not None
    assert proposed(house, support) is None
    version = house.know("support", [Passage(id="w", app="support", title="Warranty", text="Two years.")])
    candidate = proposed(house, support)
    assert candidate is not None
    assert (candidate.added, candidate.removed, candidate.knowledge) == ((), (), version)


def test_filing_stores_the_candidate_as_evaluating_with_one_audit_entry(house: House, classify: App) -> None:
    correct(house, classify, "my parcel is late", answer="refund")
    draft = proposed(house, classify)
    assert draft is not None
    file_candidate(house.outside, draft)
    assert house.store.releases.candidate(draft.id) == replace(draft, status="evaluating")
    (entry,) = actions(house, "candidate.drafted")
    assert entry.subject == draft.id
    assert entry.details == {"added": 1, "removed": 0, "layers": ["examples"], "parent": 0}


@pytest.mark.parametrize("split", ["held_out", "set_aside"])
def test_a_lesson_that_may_not_teach_is_refused(split: str) -> None:
    with pytest.raises(LeakageError, match=f"ls_7 is {split.replace('_', ' ')}"):
        refuse_leak([lesson("fine"), lesson("leaks", number=7, split=split)])
    refuse_leak([lesson("fine")])
