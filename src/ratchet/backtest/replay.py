"""Replays a history, test-then-train, through the real capture, review, learning, gate and release."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ratchet.backtest.crowd import Crowd, CrowdRates
from ratchet.backtest.measure import Forgetting, HeldOutScores, Prequential, RepeatMistakes, on_held_out, served
from ratchet.backtest.stream import APP, History, Row
from ratchet.interfaces import Vector
from ratchet.layers.assemble import assemble
from ratchet.layers.layer import Bundle, Request, answer
from ratchet.loop import TurnReport
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.records.trace import Context
from ratchet.stages.capture.intake import read_feedback, record_feedback, record_trace
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review import queue
from ratchet.stages.review.decide import Decided, decide
from ratchet.stages.serve.respond import respond
from ratchet.wiring import House

BUDGET_SHARE = 0.08
TURNS = 50
FEWEST_ROWS_A_TURN = 20
REVIEWER = "backtest-reviewer"
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Point:
    """The state after one turn."""

    seen: int
    corrections: int
    reviews: int
    releases: int
    prequential: float
    heldout: float


@dataclass(slots=True)
class Played:
    """All that a replay measured."""

    base: HeldOutScores
    final: HeldOutScores
    ceiling: HeldOutScores
    curve: list[Point] = field(default_factory=list)
    turns: list[TurnReport] = field(default_factory=list)
    reviews: int = 0
    corrections: int = 0
    repeats: RepeatMistakes = field(default_factory=RepeatMistakes)
    backward_transfer: float | None = None
    coverage: float | None = None
    poison: dict[str, Any] = field(default_factory=dict)


class Replay:
    """One history through one house."""

    def __init__(
        self, house: House, history: History, rates: CrowdRates, *, budget: int | None, seed: int, report: Report
    ) -> None:
        self._house = house
        self._history = history
        self._budget = round(BUDGET_SHARE * len(history.streamed)) if budget is None else budget
        self._report = report
        answers = history.labels or [passage.id for passage in history.passages]
        self._crowd = Crowd(rates, answers, seed)
        self._rates = rates
        self._chance = random.Random(f"queue:{seed}")
        self._rows: dict[str, Row] = {}
        self._malicious_cases = 0
        self._wrong_lessons = 0
        self._prequential = Prequential()
        self._repeats = RepeatMistakes()

    def run(self) -> Played:
        """Replay everything; the figures. Nothing of the held-out rows is stored, learned or tuned on."""
        app = self._declare()
        held_out = self._vectors("embedding held-out rows", [row.text for row in self._history.held_out])
        bare = self._house.bundles.of_release(app, 0)
        base = on_held_out(bare, self._history.held_out, held_out)
        played = Played(base, base, base, repeats=self._repeats)
        forgetting = Forgetting(self._history.held_out)
        size = max(FEWEST_ROWS_A_TURN, len(self._history.streamed) // TURNS)
        streamed = self._history.streamed
        for start in range(0, len(streamed), size):
            self._serve(app, bare, streamed[start : start + size])
            last = start + size >= len(streamed)
            if not last:
                # Learned from earlier reviews, judged on the requests that have just come, then new reviews.
                turn = self._turn(app, played, now=False)
            self._review(app, played, min(start + size, len(streamed)))
            if last:
                turn = self._turn(app, played, now=True)
            played.turns.append(turn)
            if turn.release is not None:
                played.final = on_held_out(self._house.bundles.active(app), self._history.held_out, held_out)
                forgetting.released(turn.release.number, self._taught(app, turn), played.final)
            played.curve.append(self._point(played, min(start + size, len(streamed))))
            self._report("replaying", min(start + size, len(streamed)), len(streamed))
        played.backward_transfer = forgetting.backward_transfer(played.final)
        played.ceiling = self._ceiling(app, held_out)
        played.coverage = self._coverage(app, held_out)
        played.poison = self._poison()
        return played

    def _turn(self, app: App, played: Played, *, now: bool) -> TurnReport:
        """One turn; reviewers answer a gate's questions before anything else, ahead of the budget's pace."""
        turn = self._house.loop.turn(app.name, now=now)
        if turn.waiting and played.reviews + turn.waiting <= self._budget:
            self._decide_cases(app, played, turn.waiting)
            turn = self._house.loop.turn(app.name)
        return turn

    def _declare(self) -> App:
        kind = self._history.kind
        words = {label: label.replace("_", " ").replace("-", " ") for label in self._history.labels}
        app = self._house.declare(APP, kind, labels=words)
        if self._history.passages:
            self._house.store.knowledge.replace(APP, self._history.passages)
            self._vectors("embedding passages", [passage.words() for passage in self._history.passages])
        return app

    def _vectors(self, what: str, texts: list[str]) -> Vector:
        return self._house.vectors.embed(texts, lambda done: self._report(what, done, len(texts)))

    def _serve(self, app: App, bare: Bundle, rows: list[Row]) -> None:
        """Answer a stretch of the stream; nothing is learned until it is over."""
        vectors = self._house.vectors.embed([row.text for row in rows])
        likeness = self._likeness_to_corrections(app, vectors)
        writing: list[Future[Any]] = []
        for row, vector, like in zip(rows, vectors, likeness, strict=True):
            context = Context(user=row.user, segment=row.segment)
            base = self._house.bases[app.name]
            reply = respond(self._house.outside, self._house.bundles, app, base, row.text, context)
            outside, trace = self._house.outside, reply.trace
            writing.append(self._house.store.submit(partial(record_trace, outside, trace)))
            self._rows[trace.id] = row
            right = served(reply.answer, app.kind) == row.truth
            self._prequential.add(right)
            bare_reply, _ = answer(bare, Request(app, row.text, vector, context))
            self._repeats.add(like, served(bare_reply, app.kind) == row.truth, right)
            reaction = self._crowd.react(row, right)
            if reaction.thumb:
                given = read_feedback(
                    outside, app.name, trace.id, user=row.user, thumb=reaction.thumb, correction=reaction.correction
                )
                writing.append(self._house.store.submit(partial(record_feedback, outside, given)))
        for done in writing:
            done.result()

    def _review(self, app: App, played: Played, seen: int) -> None:
        """The reviewer works off what the loop escalates, as far as the budget for this part of the stream goes."""
        outside = self._house.outside
        enrich(outside, app.name, self._house.loop.rules)
        # What the last gate may ask is kept back, so that the last lessons can still be released.
        reserve = min(self._house.loop.plan.flip_reviews, self._budget // 4)
        due = round((self._budget - reserve) * seen / len(self._history.streamed)) - played.reviews
        self._decide_cases(app, played, due)

    def _decide_cases(self, app: App, played: Played, due: int) -> None:
        outside = self._house.outside
        for case in queue.fill(outside, app.name, due, self._chance):
            row = self._rows[case.trace_id]
            trace = outside.store.traces.get(case.trace_id)
            if trace is None:
                continue
            said = trace.output if app.kind == "classify" else trace.passage_id
            erred, truth = self._crowd.review(row, trace, said)
            decided = decide(
                outside,
                case.id,
                reviewer=REVIEWER,
                erred=erred,
                answer=truth if app.kind == "classify" else "",
                passage_id=truth if app.kind == "answer" else "",
            )
            played.reviews += 1
            played.corrections += decided.lesson is not None
            self._watch_poison(row, decided)

    def _watch_poison(self, row: Row, decided: Decided) -> None:
        self._malicious_cases += self._crowd.is_malicious(row.user)
        if decided.lesson is not None:
            self._wrong_lessons += row.truth not in (decided.lesson.answer, decided.lesson.passage_id)

    def _likeness_to_corrections(self, app: App, vectors: Vector) -> list[float]:
        """For each text, its cosine to the nearest correction that is live."""
        active = self._house.store.releases.active(app.name)
        mended = [lesson.question for lesson in self._house.bundles.bank(app.name, active) if lesson.erred]
        if not mended:
            return [0.0] * len(vectors)
        return [float(value) for value in (vectors @ self._house.vectors.keep(mended).T).max(axis=1)]

    def _taught(self, app: App, turn: TurnReport) -> set[str]:
        added = set(turn.candidate.added) if turn.candidate else set()
        lessons = [lesson for lesson in self._house.store.lessons.all(app.name) if lesson.id in added]
        return {lesson.answer if app.kind == "classify" else lesson.passage_id for lesson in lessons}

    def _point(self, played: Played, seen: int) -> Point:
        return Point(
            seen=seen,
            corrections=played.corrections,
            reviews=played.reviews,
            releases=sum(turn.release is not None for turn in played.turns),
            prequential=round(self._prequential.accuracy, 6),
            heldout=round(played.final.accuracy, 6),
        )

    def _ceiling(self, app: App, held_out: Vector) -> HeldOutScores:
        """What the same layers reach when every streamed row is a lesson."""
        self._report("measuring the ceiling", 0, 1)
        lessons = [self._as_lesson(app, row) for row in self._history.streamed]
        base = self._house.bases[app.name]
        whole = assemble(app, 0, base, self._history.passages, lessons, self._house.vectors.embed)
        return on_held_out(whole, self._history.held_out, held_out)

    def _as_lesson(self, app: App, row: Row) -> Lesson:
        is_label = app.kind == "classify"
        return Lesson(
            id=row.id, app=app.name, case_id="", verdict_id="", at=0.0, question=row.text,
            answer=row.truth if is_label else "", passage_id="" if is_label else row.truth,
            group="", split="teach", reviewer=REVIEWER,
        )  # fmt: skip

    def _coverage(self, app: App, held_out: Vector) -> float | None:
        """Share of held-out requests that ask about a passage somebody was corrected on."""
        if app.kind != "answer":
            return None
        active = self._house.store.releases.active(app.name)
        taught = {lesson.passage_id for lesson in self._house.bundles.bank(app.name, active)}
        return round(sum(row.truth in taught for row in self._history.held_out) / len(self._history.held_out), 6)

    def _poison(self) -> dict[str, Any]:
        users = {row.user for row in self._history.streamed}
        return {
            "share": self._rates.poison,
            "malicious_users": sum(self._crowd.is_malicious(user) for user in users),
            "cases_from_malicious_users": self._malicious_cases,
            "wrong_lessons": self._wrong_lessons,
            "reviewer_error": self._rates.reviewer_error,
        }
