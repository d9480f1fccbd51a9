"""Longer scenes for tests: an invented task with six kinds of message, its truth, and reviewers who know it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from typing import Any

from ratchet.loop import TurnReport
from ratchet.records.app import App
from ratchet.records.audit import AuditEntry
from ratchet.records.canonical import text_hash
from ratchet.records.lesson import Lesson
from ratchet.records.release import Release
from ratchet.stages.review.decide import Decided, decide
from ratchet.stages.review.grouping import split_of
from ratchet.wiring import House
from tests.conftest import ask, correct, praise

TOPICS = {
    "billing": ("invoice", "receipt", "surcharge"),
    "shipping": ("parcel", "courier", "tracking"),
    "login": ("password", "username", "passcode"),
    "warranty": ("guarantee", "repair", "defect"),
    "stock": ("availability", "restock", "backorder"),
    "privacy": ("consent", "erasure", "newsletter"),
}
# The words say nothing about the topics, so that the bare base is no better than chance.
LABELS = dict(zip(TOPICS, ("alpha", "bravo", "castor", "dorado", "echo", "foxtrot"), strict=True))
OPENERS = ("hello", "urgent", "help", "hi there", "again", "good morning", "excuse me")
PLACES = ("Berlin", "Oslo", "Lima", "Cairo", "Quito", "Porto", "Dublin", "Kyoto", "Accra", "Hanoi", "Malmo")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
THINGS = ("bicycle", "kettle", "jacket", "lamp", "radio", "tent", "guitar", "blender", "camera", "sofa", "carpet")

FLOWERS = ("zinnia", "yarrow", "xenia", "willow", "violet", "thistle", "salvia", "rosehip", "quince", "peony")


def questions(count: int, seed: int) -> list[str]:
    """Different questions, the topics in turn."""
    chance = random.Random(f"questions:{seed}")
    topics = itertools.cycle(TOPICS.values())
    return [
        f"{chance.choice(OPENERS)} {' '.join(chance.sample(next(topics), 2))} {chance.choice(THINGS)}"
        f" {chance.choice(PLACES)} {chance.choice(DAYS)} {seed * 1000 + number}"
        for number in range(count)
    ]


def truth(question: str) -> str:
    """The right label of one of those questions."""
    return next(label for label, words in TOPICS.items() if any(word in question for word in words))


def wrong(question: str) -> str:
    """A label that is not the right one; the same for all questions of a topic."""
    names = list(TOPICS)
    return names[(names.index(truth(question)) + 1) % len(names)]


def teach(house: House, app: App, asked: Iterable[str], label: Callable[[str], str] = truth) -> list[Decided]:
    """A reviewed correction for every question."""
    return [correct(house, app, question, answer=label(question)) for question in asked]


def review_gate(house: House, app: App, label: Callable[[str], str] = truth) -> int:
    """Answer every case that a candidate's gate waits for; how many there were."""
    waiting = [case for case in house.store.cases.opened(app.name) if "gate" in case.reasons]
    traces = house.store.traces.many(case.trace_id for case in waiting)
    for case in waiting:
        trace = traces[case.trace_id]
        right = label(trace.input)
        erred = trace.output != right
        decide(house.outside, case.id, reviewer="bea", erred=erred, answer=right if erred else "")
    return len(waiting)


def learn(house: House, app: App) -> TurnReport:
    """A turn, with truthful reviewers at the gate."""
    report = house.loop.turn(app.name, now=True)
    if report.waiting:
        review_gate(house, app)
        report = house.loop.turn(app.name)
    return report


def declare(house: House) -> App:
    """The app of this task."""
    return house.declare("desk", "classify", labels=LABELS)


def established(house: House, app: App, *, lessons: int = 60, traffic: int = 90) -> Release:
    """A good release in force, with traffic of many users that praise what is right."""
    for number, question in enumerate(questions(traffic, seed=1)):
        ask(house, app, question, user=f"user{number % 30}")
    teach(house, app, questions(lessons, seed=2))
    report = learn(house, app)
    assert report.release is not None, report.summary()
    for number, question in enumerate(questions(traffic, seed=3)):
        served = ask(house, app, question, user=f"user{number % 30}")
        if served.trace.output == truth(question):
            praise(house, served.trace, user=f"user{number % 30}")
    return report.release


def lesson(question: str, answer: str = "", *, number: int = 0, **fields: Any) -> Lesson:
    """A lesson that no store holds, for functions that take records."""
    given: dict[str, Any] = {
        "id": f"ls_{number}", "app": "triage", "case_id": "c", "verdict_id": "v", "at": float(number),
        "group": text_hash(question), "split": "teach", "reviewer": "ana",
    }  # fmt: skip
    return Lesson(question=question, answer=answer, **{**given, **fields})


def ten_lessons(house: House, app: App, answer: str = "refund") -> None:
    """The first ten lessons of an app, which all teach; their words occur in no other test question."""
    for number, word in enumerate(FLOWERS):
        correct(house, app, f"{word} {word}{number}", answer=answer)


def held_out(stem: str) -> str:
    """A question about ``stem`` whose group is held out."""
    return next(text for n in range(1000) if split_of(text_hash(text := f"{stem} {n}")) == "held_out")


def teaching(stem: str) -> str:
    """A question about ``stem`` whose group teaches."""
    return next(text for n in range(1000) if split_of(text_hash(text := f"{stem} {n}")) == "teach")


def edit(house: House, statement: str, *values: object) -> None:
    """Change the database behind the program's back."""
    with house.store._database.transaction() as connection:
        assert connection.exec_driver_sql(statement, values).rowcount > 0


def actions(house: House, action: str) -> list[AuditEntry]:
    """The audit entries of one kind."""
    return [entry for entry in house.store.audit.entries() if entry.action == action]
