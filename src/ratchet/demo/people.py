"""The people of the demo: customers who ask and react, a reviewer, and a careless temp."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ratchet.layers.layer import Answer, Request, answer
from ratchet.records.case import Case
from ratchet.records.trace import Trace
from ratchet.sdk.client import AppFunction, Ratchet
from ratchet.sdk.reply import Reply

REPORTED = 0.8
PRAISED = 0.6


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, who asked it, and what is right: the passage that answers it, or the label."""

    text: str
    truth: str
    user: str
    role: str = ""
    segment: str = ""


@dataclass(slots=True)
class People:
    """Everybody around one app; ``right_field`` is what a verdict fills in: ``passage_id``, or ``answer`` (a label)."""

    loop: Ratchet
    app: AppFunction
    right_field: str
    chance: random.Random
    asked: dict[str, Asked] = field(default_factory=dict)

    def ask(self, questions: Sequence[Asked]) -> list[Reply]:
        """Customers ask; most of those who get a wrong answer report it, many of the others say thanks."""
        return [self._react(question, self._ask_one(question)) for question in questions]

    def peek(self, text: str) -> Answer:
        """What the release in force would answer; nothing is recorded, for it is no customer's question."""
        house = self.loop.house
        self.app.prepare(house)
        app = house.store.apps.get(self.app.name)
        request = Request(app, text, house.vectors.embed([text])[0])
        return answer(house.bundles.active(app), request)[0]

    def score(self, questions: Sequence[Asked]) -> float:
        """Share of the questions that the release in force answers right."""
        return sum(is_right(question, self.peek(question.text)) for question in questions) / len(questions)

    def review(self, cases: Sequence[Case], reviewer: str = "Ines") -> int:
        """Ines decides each case by what the shop really does; how many were mistakes."""
        traces = self.loop.house.store.traces.many(case.trace_id for case in cases)
        mistakes = 0
        for case in cases:
            truth = self.asked[case.trace_id].truth
            erred = self._given(traces[case.trace_id]) != truth
            mistakes += erred
            self.loop.decide(case.id, reviewer=reviewer, erred=erred, **{self.right_field: truth if erred else ""})
        return mistakes

    def misjudge(self, cases: Sequence[Case], answers: Sequence[str], reviewer: str) -> None:
        """A temp who ticks boxes: every second verdict is whatever comes to hand."""
        for place, case in enumerate(cases):
            truth = self.asked[case.trace_id].truth
            wrong = self.chance.choice([answer for answer in answers if answer != truth])
            said = wrong if place % 2 == 0 else truth
            self.loop.decide(case.id, reviewer=reviewer, erred=True, **{self.right_field: said})

    def _given(self, trace: Trace) -> str:
        return trace.passage_id if self.right_field == "passage_id" else trace.output

    def _ask_one(self, question: Asked) -> Reply:
        reply = self.app(question.text, user=question.user, role=question.role, segment=question.segment)
        self.asked[reply.id] = question
        return reply

    def _react(self, question: Asked, reply: Reply) -> Reply:
        if not is_right(question, reply):
            if self.chance.random() < REPORTED:
                self.loop.feedback(reply.id, app=self.app.name, user=question.user, thumb="down")
        elif self.chance.random() < PRAISED:
            self.loop.feedback(reply.id, app=self.app.name, user=question.user, thumb="up")
        return reply


def is_right(question: Asked, reply: Answer | Reply) -> bool:
    """Whether the answer rests on the right passage, or is the right label."""
    return question.truth in (reply.passage_id, reply.text if isinstance(reply, Answer) else str(reply))
