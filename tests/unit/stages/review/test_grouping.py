"""Near-duplicate groups and the split, on the real embedder and its vectors."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.records.app import App
from ratchet.records.canonical import text_hash
from ratchet.records.lesson import Lesson
from ratchet.stages.review.grouping import FIRST_LESSONS_TEACH, place, split_of
from ratchet.wiring import House
from tests.conftest import correct
from tests.scenes import held_out, lesson, teaching

ENOUGH = tuple(lesson(f"{word} {word}", number=n) for n, word in enumerate("abcdefghijklm"))
FULL_WIDTH = {ord(letter): ord(letter) + 0xFEE0 for letter in "abcdefghijklmnopqrstuvwxyz"}


def test_the_first_ten_lessons_of_an_app_teach_whatever_their_hash(house: House, classify: App) -> None:
    stems = ("parcel", "invoice", "password", "kettle", "guitar", "sofa", "tent", "camera", "lamp", "radio")
    learned = [correct(house, classify, held_out(stem), answer="refund").lesson for stem in stems]
    assert len(learned) == FIRST_LESSONS_TEACH
    assert {item.split for item in learned if item} == {"teach"}
    eleventh = correct(house, classify, held_out("bicycle"), answer="refund").lesson
    assert eleventh is not None
    assert eleventh.split == "held_out"


def test_a_new_question_founds_a_group_and_its_hash_decides(house: House) -> None:
    out, inside = held_out("parcel lost"), teaching("parcel lost")
    assert place(out, ENOUGH, house.vectors) == (text_hash(out), "held_out")
    assert place(inside, ENOUGH, house.vectors) == (text_hash(inside), "teach")


def test_a_near_duplicate_joins_its_neighbours_group_and_split(house: House) -> None:
    standing = lesson("where is my parcel, please tell me now", group="g", split="held_out")
    assert place("where is my parcel please tell me now!!", [*ENOUGH, standing], house.vectors) == ("g", "held_out")


def test_the_nearest_of_several_near_duplicates_names_the_group(house: House) -> None:
    exact = lesson("Where is my parcel", group="exact", number=1)
    near = lesson("where are my parcel", group="near", number=2)
    assert place("where is my parcel?", [*ENOUGH, near, exact], house.vectors) == ("exact", "teach")


def test_neighbours_on_both_sides_set_the_question_aside(house: House) -> None:
    question = "where is my parcel"
    sides = [lesson(question, group="a", split="teach"), lesson(question, group="b", split="held_out", number=1)]
    assert place(question, sides, house.vectors)[1] == "set_aside"


def test_a_neighbour_that_was_set_aside_sets_the_question_aside_too(house: House) -> None:
    standing = lesson("where is my parcel", group="g", split="set_aside")
    assert place("where is my parcel", [standing], house.vectors) == ("g", "set_aside")


def test_the_same_words_in_other_letters_are_one_group_though_their_vectors_differ(house: House) -> None:
    question = held_out("refund")
    wide = question.translate(FULL_WIDTH)
    assert float(house.vectors.embed([question])[0] @ house.vectors.embed([wide])[0]) < 0.5
    early = lesson(question, group=text_hash(question), split="teach")
    assert place(wide, [*ENOUGH, early], house.vectors) == (text_hash(question), "teach")


def test_a_fifth_of_the_groups_is_held_out() -> None:
    share = sum(split_of(f"group {number}") == "held_out" for number in range(5000)) / 5000
    assert share == pytest.approx(0.2, abs=0.02)


@given(st.text(max_size=60))
def test_the_split_of_a_group_never_changes(group: str) -> None:
    assert split_of(group) == split_of(group)
    assert split_of(group) in ("teach", "held_out")


words = st.lists(st.sampled_from(("where", "is", "my", "parcel", "refund", "money", "now")), min_size=1, max_size=8)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(words, min_size=1, max_size=25))
def test_no_lesson_that_teaches_is_a_near_duplicate_of_a_held_out_one(house: House, asked: list[list[str]]) -> None:
    standing: list[Lesson] = list(ENOUGH)
    for number, some in enumerate(asked):
        question = " ".join(some)
        group, split = place(question, standing, house.vectors)
        standing.append(lesson(question, number=100 + number, group=group, split=split))
    taught = [item for item in standing if item.split == "teach"]
    kept_back = [item for item in standing if item.split == "held_out"]
    if kept_back:
        cosines = (
            house.vectors.embed([i.question for i in taught]) @ house.vectors.embed([i.question for i in kept_back]).T
        )
        assert cosines.max() < 0.95
        assert not {item.group for item in taught} & {item.group for item in kept_back}
