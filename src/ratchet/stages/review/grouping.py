"""Near-duplicate groups, and the side of the split that each falls on: what is held out never teaches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ratchet.interfaces import VectorBank
from ratchet.records.canonical import text_hash
from ratchet.records.lesson import Lesson, Split

NEAR_DUPLICATE = 0.95
HELD_OUT_PERCENT = 20
FIRST_LESSONS_TEACH = 10


def place(
    question: str, lessons: Sequence[Lesson], vectors: VectorBank, *, must_teach: bool = False
) -> tuple[str, Split]:
    """The group of a new question and the side it falls on.

    It joins the group of its nearest near-duplicate (cosine >= 0.95 or the same words). With near-duplicates on both
    sides it is set aside: teaching it would leak what is held out, and holding it out would test what was taught.
    """
    own = text_hash(question)
    near = _near_duplicates(question, own, lessons, vectors)
    if not near:
        # The first few lessons of an app all teach: a team's first correction must not vanish into a suite.
        # And a lesson that amends a passage is new knowledge: held out, the old text would go on being served.
        first = len(lessons) < FIRST_LESSONS_TEACH
        return own, "teach" if first or must_teach else split_of(own)
    sides = {lesson.split for lesson in near if lesson.split != "set_aside"}
    if len(sides) > 1:
        return near[0].group, "set_aside"
    return near[0].group, near[0].split


def split_of(group: str) -> Split:
    """The side of a group: a stable hash holds out one group in five."""
    digest = hashlib.sha256(f"split:{group}".encode()).digest()
    return "held_out" if int.from_bytes(digest[:4]) % 100 < HELD_OUT_PERCENT else "teach"


def _near_duplicates(question: str, own: str, lessons: Sequence[Lesson], vectors: VectorBank) -> list[Lesson]:
    """Nearest first."""
    if not lessons:
        return []
    cosines = vectors.keep([lesson.question for lesson in lessons]) @ vectors.keep([question])[0]
    scored = [
        (2.0 if text_hash(lesson.question) == own else float(cosine), lesson)
        for cosine, lesson in zip(cosines, lessons, strict=True)
    ]
    near = [(score, lesson) for score, lesson in scored if score >= NEAR_DUPLICATE]
    return [lesson for _, lesson in sorted(near, key=lambda item: -item[0])]
