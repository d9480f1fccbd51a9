"""Everything an application asks for, over a store in its own process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ratchet.errors import Conflict, InvalidInput, RatchetError, UnknownName
from ratchet.sdk.messages import turns
from ratchet.sdk.reply import Acknowledgement, Reply

if TYPE_CHECKING:
    from ratchet.loop import TurnReport
    from ratchet.records.app import App
    from ratchet.records.case import Case
    from ratchet.records.lesson import Lesson
    from ratchet.records.release import Release
    from ratchet.records.trace import Context
    from ratchet.sdk.app_function import AppFunction, Said
    from ratchet.stages.review.decide import Decided
    from ratchet.wire.feedback import BatchAck
    from ratchet.wire.review import CaseDetail
    from ratchet.wire.traces import TraceBatchIn
    from ratchet.wiring import House

logger = logging.getLogger("ratchet.sdk")


class Embedded:
    """The loop inside this process. ``open_house`` opens the store at the first use; ``declared`` are the apps whose
    functions are here."""

    def __init__(self, open_house: Callable[[], House], declared: Mapping[str, AppFunction]) -> None:
        self._open = open_house
        self._declared = declared
        self._house: House | None = None
        self._lock = threading.RLock()

    @property
    def house(self) -> House:
        """Everything inside, opened at first use; raises ``StorageError`` when the store cannot be had."""
        with self._lock:
            if self._house is None:
                self._house = self._open()
            return self._house

    def ask(self, declared: AppFunction, question: str, context: Context, history: Iterable[Said]) -> Reply:
        """The answer of the release in force, recorded; when the store or a layer fails, the bare function's."""
        try:
            house = self.house
            declared.prepare(house)
            app = house.store.apps.get(declared.name)
        except Exception:
            logger.exception("Ratchet cannot be used for %s; answering with nothing learned.", declared.name)
            return _without_ratchet(declared, question)
        return self._recorded(house, app, question, context, history)

    def answer(self, name: str, question: str, context: Context, history: Iterable[Said]) -> Reply:
        """The answer of an app that was declared here or in the store."""
        if name in self._declared:
            return self.ask(self._declared[name], question, context, history)
        return self._recorded(self.house, self.house.reopen(name), question, context, history)

    def feedback(self, trace_id: str, app: str, given: dict[str, Any], wait_s: float) -> Acknowledgement:
        """Store feedback; once this returns ``accepted``, it is on disk."""
        from ratchet.stages.capture.intake import count_rejected, read_feedback, record_feedback

        try:
            house = self.house
            for declared in self._declared.values():
                declared.prepare(house)
        except RatchetError as error:
            return _not_accepted(given["event_id"], error)
        name = app or self._app_of(trace_id)
        if name not in self._declared:
            self.flush()  # an app that is only recorded is known once its first trace is on disk
        try:
            feedback = read_feedback(house.outside, name, trace_id, **given)
        except InvalidInput:
            count_rejected(house.outside, name)
            raise
        try:
            outcome = house.store.submit(lambda: record_feedback(house.outside, feedback)).result()
        except RatchetError as error:
            return _not_accepted(feedback.id, error)
        return Acknowledgement(feedback.id, accepted=True, duplicate=outcome == "duplicate")

    def record(self, row: dict[str, Any]) -> None:
        """Store a trace that was made elsewhere, soon."""
        import msgspec

        from ratchet.wire.traces import TraceIn

        house = self.house
        if row["app"] in self._declared:
            self._declared[row["app"]].prepare(house)
        intake = house.loop.intake
        prepared = intake.prepare([msgspec.convert(row, TraceIn)])
        house.store.submit_each(intake.write, prepared).add_done_callback(_log_refusal)

    def deliver(self, batch: TraceBatchIn) -> BatchAck:
        """Store many traces and feedback; each row is accepted or refused by itself."""
        from ratchet.stages.capture.batch import take_batch

        return take_batch(self.house.outside, batch)

    def apps(self) -> list[App]:
        """The apps in the store."""
        return self.house.store.apps.all()

    def cases(self, app: str) -> list[Case]:
        """Cases that wait, oldest first; complaints are turned into cases first."""
        self._enrich(app)
        return self.house.store.cases.opened(app)

    def queue(self, app: str, count: int) -> list[Case]:
        """At most ``count`` cases, most instructive first."""
        import random

        from ratchet.stages.review import queue

        self._enrich(app)
        return queue.fill(self.house.outside, app, count, random.Random())

    def case(self, case_id: str) -> CaseDetail:
        """A case with its trace and what people said of it."""
        from ratchet.wire.review import CaseDetail

        store, case = self.house.store, self._case(case_id)
        return CaseDetail(
            case=case, trace=store.traces.get(case.trace_id), feedback=list(store.feedback.history(case.trace_id))
        )

    def reserve(self, case_id: str, reviewer: str, seconds: float) -> Case:
        """Hold a case for one reviewer."""
        self._case(case_id)
        now = self.house.outside.clock.now()
        if not self.house.store.cases.reserve(case_id, reviewer, now, now + seconds):
            raise Conflict(f"Somebody else holds the case {case_id}, or it is decided.", "Take another one.")
        return self._case(case_id)

    def decide(self, case_id: str, **verdict: Any) -> Decided:
        """Give a verdict; with a right answer it becomes a lesson."""
        from ratchet.stages.review.decide import decide

        return decide(self.house.outside, case_id, **verdict)

    def learn(self, app: str, *, now: bool) -> TurnReport:
        """One turn of the loop."""
        self.flush()
        if app in self._declared:
            self._declared[app].prepare(self.house)
        else:
            self.house.reopen(app)
        return self.house.loop.turn(app, now=now)

    def releases(self, app: str) -> list[Release]:
        """All releases, by number."""
        return self.house.store.releases.all(app)

    def lessons(self, app: str) -> list[Lesson]:
        """All lessons, oldest first."""
        return self.house.store.lessons.all(self.house.store.apps.get(app).name)

    def rollback(self, app: str, *, actor: str, reason: str, to: int | None) -> int:
        """Put the release before, or release ``to``, in force again."""
        from ratchet.stages.release.rollback import rollback

        return rollback(self.house.outside, app, actor=actor, reason=reason, to=to)

    def promote(self, app: str, number: int, *, actor: str, reason: str) -> int:
        """Put a release that was in force before in force again."""
        from ratchet.stages.release.rollback import promote

        return promote(self.house.outside, app, number, actor=actor, reason=reason)

    def revoke(self, lesson_id: str, *, actor: str, reason: str) -> Lesson:
        """Stop a lesson at once, in every release."""
        from ratchet.stages.release.revoke import revoke

        lesson = revoke(self.house.outside, lesson_id, actor=actor, reason=reason)
        self.house.bundles.forget(lesson.app)
        return lesson

    def reembed(self) -> list[tuple[str, int, int]]:
        """Move every app to the configured embedder."""
        from ratchet.reembedding import reembed

        for declared in self._declared.values():
            declared.base_into(self.house)
        return reembed(self.house, lambda what, done, total: None)

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything recorded so far is on disk."""
        self.house.store.submit(lambda: None).result(timeout_s)
        return True

    def close(self, timeout_s: float | None = None) -> None:
        """Write what waits and give the store up; it opens again at the next use."""
        with self._lock:
            if self._house is not None:
                self._house.close()
                self._house = None
                for declared in self._declared.values():
                    declared.ready = False

    def _enrich(self, app: str) -> None:
        from ratchet.stages.enrich.enrichment import enrich

        self.flush()
        enrich(self.house.outside, app, self.house.loop.rules)

    def _case(self, case_id: str) -> Case:
        case = self.house.store.cases.get(case_id)
        if case is None:
            raise UnknownName(f"There is no case {case_id!r}.", "List the open ones with `ratchet review --list`.")
        return case

    def _app_of(self, trace_id: str) -> str:
        if len(self._declared) == 1:
            return next(iter(self._declared))
        self.flush()
        trace = self.house.store.traces.get(str(trace_id))
        if trace is None:
            raise InvalidInput(f"The trace {trace_id!r} is not known yet.", "Say which app it belongs to: app=...")
        return trace.app

    def _recorded(self, house: House, app: App, question: str, context: Context, history: Iterable[Said]) -> Reply:
        from ratchet.stages.capture.intake import record_trace
        from ratchet.stages.serve.respond import respond

        before = turns(history)
        served = respond(house.outside, house.bundles, app, house.bases[app.name], question, context, before)
        trace = served.trace
        try:
            house.store.submit(lambda: record_trace(house.outside, trace)).add_done_callback(_log_failure)
        except RatchetError:
            logger.exception("The trace %s was not recorded.", trace.id)
        return Reply.of(trace)


def _without_ratchet(declared: AppFunction, question: str) -> Reply:
    from ratchet.layers.layer import Learned
    from ratchet.records.trace import Trace

    if declared.function is None:
        raise InvalidInput(
            f"The offline app {declared.name} has no store to answer from.", "See the log for what is wrong with it."
        )
    output = str(declared.function(question, Learned(prompt=declared.prompt)))
    return Reply.of(Trace(id="", app=declared.name, at=0.0, input=question, output=output, source="fallback"))


def _not_accepted(feedback_id: str, error: RatchetError) -> Acknowledgement:
    logger.error("Feedback was not stored: %s", error)
    return Acknowledgement(feedback_id, accepted=False, reason=str(error))


def _log_failure(writing: Any) -> None:
    if writing.exception() is not None:
        logger.error("A trace was not recorded: %s", writing.exception())


def _log_refusal(writing: Any) -> None:
    _log_failure(writing)
    if writing.exception() is None:
        for row in writing.result():
            if row.error is not None:
                logger.error("A trace was not recorded: %s", row.error)
