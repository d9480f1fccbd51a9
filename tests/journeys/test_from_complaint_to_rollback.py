"""The main journey, through the public interface alone: a complaint becomes a better answer, and can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import Ratchet

SHOP = """# Delivery
A parcel takes 2 to 4 working days.
# Refunds
We pay refunds within 5 working days after the return arrived.
# Workshop
Book a service for your bicycle in our workshop.
"""
QUESTION = "When will your service bring my bicycle?"


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ratchet]:
    monkeypatch.setenv("RATCHET_EMBEDDER", "lexical")
    with Ratchet(tmp_path / "ratchet.db") as ratchet:
        yield ratchet


@pytest.fixture
def knowledge(tmp_path: Path) -> Path:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "shop.md").write_text(SHOP)
    return folder


def test_from_complaint_to_rollback(loop: Ratchet, knowledge: Path) -> None:
    ask = loop.offline("support", knowledge=knowledge)

    before = ask(QUESTION, user="kim")
    assert before == "Book a service for your bicycle in our workshop."
    assert (before.release, before.source, [item.kind for item in before.influences]) == (0, "base", ["passage"])

    given = loop.feedback(before.id, user="kim", thumb="down", comment="I asked about my parcel", event_id="e1")
    assert (given.accepted, given.duplicate) == (True, False)
    again = loop.feedback(before.id, user="kim", thumb="down", comment="I asked about my parcel", event_id="e1")
    assert again.duplicate

    (case,) = loop.cases("support")
    assert (case.trace_id, case.status, case.reporter) == (before.id, "open", "kim")
    assert "thumb: down" in case.reasons

    delivery = "shop#1-delivery"
    decided = loop.decide(case.id, reviewer="ines", erred=True, passage_id=delivery, failure_mode="missed_context")
    lesson = decided.lesson
    assert lesson is not None
    assert (lesson.question, lesson.passage_id, lesson.reviewer) == (QUESTION, delivery, "ines")
    assert loop.cases("support") == []
    assert ask(QUESTION) == before, "a verdict alone changes nothing"

    turn = loop.learn("support")
    assert turn.release is not None, turn.summary()
    assert turn.gate is not None
    assert turn.gate.decision == "pass"
    assert [release.number for release in loop.releases("support")] == [1]

    after = ask("when will your service bring my bicycle", user="lee")
    assert after == "A parcel takes 2 to 4 working days."
    assert (after.release, after.passage_id) == (1, delivery)
    assert lesson.id in {influence.id for influence in after.influences}
    untouched = ask("do you pay refunds after the return")
    assert untouched == "We pay refunds within 5 working days after the return arrived."

    assert loop.rollback("support", actor="ines", reason="Checking something.") == 0
    old = ask(QUESTION)
    assert (old, old.release, old.passage_id) == (before, 0, before.passage_id)

    assert loop.promote("support", 1, actor="ines", reason="It was fine.") == 1
    again = ask("when will your service bring my bicycle", user="lee")
    assert (again, again.release, again.influences) == (after, 1, after.influences)

    loop.flush()
    loop.close()  # the next use opens the store anew: all of this is on disk
    reopened = ask("when will your service bring my bicycle", user="lee")
    assert (reopened, reopened.release, reopened.influences) == (after, 1, after.influences)

    story = [
        (entry.actor, entry.action, entry.subject)
        for entry in loop.house.store.audit.entries("support")
        if not entry.action.startswith(("app.", "knowledge."))
    ]
    assert [action for _, action, _ in story] == [
        "case.opened",
        "lesson.learned",
        "verdict.given",
        "candidate.drafted",
        "gate.decided",
        "release.promoted",
        "release.rolled_back",
        "release.promoted",
    ]
    assert ("ratchet", "case.opened", case.id) in story
    assert ("ines", "lesson.learned", lesson.id) in story
    assert [actor for actor, action, _ in story if action == "release.promoted"] == ["ratchet", "ines"]
    assert {actor for actor, action, _ in story if action == "release.rolled_back"} == {"ines"}
    entries = loop.house.store.audit.entries()
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert all(
        entry.is_intact(previous.hash if previous else "0" * 64)
        for previous, entry in zip([None, *entries], entries, strict=False)
    )


def test_a_lesson_that_proves_wrong_is_gone_at_once_and_from_every_release(loop: Ratchet, knowledge: Path) -> None:
    ask = loop.offline("support", knowledge=knowledge)
    before = ask(QUESTION, user="kim")
    loop.feedback(before.id, user="kim", thumb="down")
    (case,) = loop.cases("support")
    wrong = loop.decide(case.id, reviewer="theo", erred=True, answer="Bicycles never come.").lesson
    assert wrong is not None
    assert loop.learn("support").release is not None
    assert ask(QUESTION) == "Bicycles never come."

    loop.revoke(wrong.id, actor="ines", reason="Theo was joking.")
    assert ask(QUESTION) == before
    loop.rollback("support", actor="ines", reason="Away from the release that said it.")
    loop.promote("support", 1, actor="ines", reason="And back: even this release must not say it any more.")
    assert ask(QUESTION) == before
