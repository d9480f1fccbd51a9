"""Longer scenes for tests: an invented task with six kinds of message, its truth, and reviewers who know it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable

from ratchet.loop import TurnReport
from ratchet.records.app import App
from ratchet.records.release import Release
from ratchet.stages.review.decide import Decided, decide
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
