"""Whatever is taught, in whatever order: what is held out never teaches, and no lesson ever changes sides."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import ReplayClock, SeededIds
from ratchet.records.canonical import text_hash
from ratchet.records.plan import ChangePlan
from ratchet.settings import Settings
from ratchet.wiring import House, open_house
from tests.conftest import LABELS, correct
from tests.scenes import ten_lessons

STEMS = ("where is my parcel", "I want my money back", "the password is refused", "nobody answers my call")
ENDINGS = ("", " today", " now please", "!!", " 7", " 8", " in Oslo", " in Lima")

corrections = st.tuples(
    st.sampled_from(STEMS), st.sampled_from(ENDINGS), st.sampled_from(sorted(LABELS)), st.booleans(), st.booleans()
)


def open_at(folder: Path) -> House:
    house = open_house(
        Settings(store=folder / "ratchet.db", cache=folder),
        embedder=LexicalEmbedder(),
        clock=ReplayClock(1_790_000_000.0),
        ids=SeededIds(1),
    )
    # Every candidate is contained, so that as many releases as possible come to be.
    house.loop.plan = ChangePlan(contained_share=1.0)
    return house


def taught_by(house: House) -> list[tuple[str, str]]:
    """Question and group of every lesson that any version of the bank ever held."""
    banks = [house.store.lessons.bank("triage", release.bank_version) for release in house.store.releases.all("triage")]
    return [(lesson.question, lesson.group) for bank in banks for lesson in bank]


@settings(max_examples=5, deadline=None)
@given(st.lists(corrections, min_size=3, max_size=9))
def test_no_held_out_text_or_group_is_ever_in_a_bank_and_no_split_changes(
    arriving: list[tuple[str, str, str, bool, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = open_at(Path(folder))
        try:
            app = house.declare("triage", "classify", labels=LABELS)
            ten_lessons(house, app)
            assert house.loop.turn("triage").release is not None
            sides: dict[str, tuple[str, str]] = {}
            for stem, ending, label, loud, turn in arriving:
                question = f"{stem.upper() if loud else stem}{ending}"
                house.outside.clock.advance(1)  # type: ignore[attr-defined]
                correct(house, app, question, answer=label)
                if turn:
                    house.loop.turn("triage")
                now = {lesson.id: (lesson.split, lesson.group) for lesson in house.store.lessons.all("triage")}
                assert {key: now[key] for key in sides} == sides
                sides = now
            house.loop.turn("triage", now=True)
            lessons = house.store.lessons.all("triage")
            kept_back = [lesson for lesson in lessons if lesson.split == "held_out"]
            taught = taught_by(house)
            assert len(taught) >= 10
            assert not {text_hash(text) for text, _ in taught} & {text_hash(lesson.question) for lesson in kept_back}
            assert not {group for _, group in taught} & {lesson.group for lesson in kept_back}
            judged = {case.origin for case in house.store.suites.cases("triage") if case.origin.startswith("ls_")}
            assert judged <= {lesson.id for lesson in kept_back}
        finally:
            house.close()


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(STEMS), st.lists(st.sampled_from(["", "!", "?", "  ", ".", " ,"]), min_size=2, max_size=5))
def test_rewordings_that_a_reader_calls_the_same_share_a_split(stem: str, marks: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = open_at(Path(folder))
        try:
            app = house.declare("triage", "classify", labels=LABELS)
            ten_lessons(house, app)
            for number, mark in enumerate(marks):
                house.outside.clock.advance(1)  # type: ignore[attr-defined]
                correct(house, app, f"{stem}{mark}", answer=sorted(LABELS)[number % 3])
            alike = [lesson for lesson in house.store.lessons.all("triage") if lesson.question.startswith(stem)]
            assert len(alike) >= 2
            assert len({(lesson.group, lesson.split) for lesson in alike}) == 1
        finally:
            house.close()
