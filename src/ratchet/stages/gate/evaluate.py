"""Answers cases with the release in force and with the candidate, and notes what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ratchet.interfaces import Vector
from ratchet.layers.layer import Answer, Bundle, Request, answer
from ratchet.records.canonical import normalised
from ratchet.records.gate import Flip
from ratchet.records.lesson import Lesson
from ratchet.records.suite import SuiteCase
from ratchet.records.trace import Context

Progress = Callable[[int], None]
MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case under one release: what it answered, whether that is right, the lessons that shaped it, and the
    passage or label that it is about."""

    text: str
    right: bool
    lessons: tuple[str, ...]
    about: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case under both releases."""

    case: SuiteCase
    old: Outcome
    new: Outcome

    @property
    def changed(self) -> bool:
        """Whether the answer differs."""
        return self.old.text != self.new.text


class Evaluation:
    """Runs suites through releases; the answers of a release in force are remembered between turns."""

    def __init__(self, embed: Callable[[Sequence[str]], Vector]) -> None:
        self._embed = embed
        self._remembered: dict[tuple[str, int, frozenset[str]], dict[str, Outcome]] = {}

    def pairs(
        self, old: Bundle, new: Bundle, cases: Sequence[SuiteCase], progress: Progress | None = None
    ) -> list[Pair]:
        """Every case under both releases, in order."""
        vectors = self._embed([case.question for case in cases])
        before = self._remembered.setdefault((old.app.name, old.number, old.lesson_ids), {})
        pairs: list[Pair] = []
        for done, (case, vector) in enumerate(zip(cases, vectors, strict=True), start=1):
            if case.id not in before:
                before[case.id] = outcome(old, case, vector)
            pairs.append(Pair(case, before[case.id], outcome(new, case, vector)))
            if progress is not None:
                progress(done)
        return pairs

    def forget(self, app: str) -> None:
        """Forget all answers of the app: its base or its knowledge changed."""
        self._remembered = {key: value for key, value in self._remembered.items() if key[0] != app}

    def now_in_force(self, app: str, number: int) -> None:
        """Forget the answers of every other release of the app."""
        self._remembered = {key: value for key, value in self._remembered.items() if key[0] != app or key[1] == number}


def outcome(bundle: Bundle, case: SuiteCase, vector: Vector) -> Outcome:
    """What the release answers to the case."""
    context = Context(segment=case.segment)
    reply, _ = answer(bundle, Request(bundle.app, case.question, vector, context))
    lessons = tuple(influence.id for influence in reply.influences if influence.kind == "lesson")
    about = reply.text if bundle.app.kind == "classify" else reply.passage_id
    return Outcome(_compared(bundle, reply), is_right(case, reply), lessons, about)


def is_right(case: SuiteCase, reply: Answer) -> bool:
    """Whether the answer rests on the right passage and says the right thing, as far as the case tells."""
    if case.passage_id and reply.passage_id != case.passage_id:
        return False
    return not case.answer or normalised(case.answer) in normalised(reply.text)


def _compared(bundle: Bundle, reply: Answer) -> str:
    """What counts as the answer: the label, or the text with the passage it rests on."""
    return reply.text if bundle.app.kind == "classify" else f"{reply.passage_id}\n{reply.text}"


def flips(pairs: Sequence[Pair], added: Sequence[Lesson], otherwise: str) -> list[Flip]:
    """Every changed answer with the new lessons that explain it: those that shaped the new answer, else those about
    the same passage or label as the new or the old one. ``otherwise`` names what explains the rest (``removed``
    lessons, new ``knowledge``), and is empty where nothing does."""
    new = {lesson.id for lesson in added}
    about: dict[str, list[str]] = defaultdict(list)
    for lesson in added:
        about[lesson.passage_id or lesson.answer].append(lesson.id)
    found: list[Flip] = []
    for pair in pairs:
        if not pair.changed:
            continue
        shaped = tuple(lesson for lesson in pair.new.lessons if lesson in new)
        near = tuple(about[pair.new.about] or about[pair.old.about])[:MOST_REASONS]
        found.append(
            Flip(
                case_id=pair.case.id,
                suite=pair.case.suite,
                old_answer=pair.old.text,
                new_answer=pair.new.text,
                old_right=pair.old.right,
                new_right=pair.new.right,
                because=shaped or near or ((otherwise,) if otherwise else ()),
            )
        )
    return found
