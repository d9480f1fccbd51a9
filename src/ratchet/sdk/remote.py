"""Everything an application asks for, over the service, without ever waiting long for it."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ratchet.sdk.address import checked_key, checked_url, state_folder
from ratchet.sdk.messages import context_row, feedback_row, kind_of, trace_row, turns
from ratchet.sdk.reply import Acknowledgement, Reply

if TYPE_CHECKING:
    from ratchet.loop import TurnReport
    from ratchet.records.app import App
    from ratchet.records.case import Case
    from ratchet.records.lesson import Lesson
    from ratchet.records.release import Release
    from ratchet.records.trace import Context, Turn
    from ratchet.sdk.api import Api
    from ratchet.sdk.app_function import AppFunction, Said
    from ratchet.sdk.aside import Aside
    from ratchet.sdk.keeper import Keeper, Watched
    from ratchet.sdk.knowing import Knowing
    from ratchet.sdk.recorder import Recorder
    from ratchet.sdk.sender import Sender
    from ratchet.stages.review.decide import Decided
    from ratchet.wire.apps import AskIn
    from ratchet.wire.feedback import BatchAck, FeedbackStatus
    from ratchet.wire.review import CaseDetail
    from ratchet.wire.traces import TraceBatchIn

logger = logging.getLogger("ratchet.sdk")
REMEMBERED = 10_000
MOST_IN_QUEUE = 500


@dataclass(frozen=True, slots=True)
class Line:
    """The open connection to the service, with everything that works behind it; of one process."""

    process: int
    api: Api
    aside: Aside
    keeper: Keeper
    knowing: Knowing
    sender: Sender
    recorder: Recorder


class Remote:
    """The loop inside the service at ``url``. ``declared`` are the apps whose functions are here; ``now`` and
    ``new_id`` give time and ids. Nothing is opened before the first use."""

    def __init__(
        self,
        url: str,
        key: str,
        environment: Mapping[str, str],
        declared: Mapping[str, AppFunction],
        *,
        learned_timeout_s: float,
        now: Callable[[], float],
        new_id: Callable[[str], str],
    ) -> None:
        self._url = checked_url(url)
        self._key = checked_key(key)
        self._environment = environment
        self._declared = declared
        self._budget_s = learned_timeout_s
        self._now = now
        self._new_id = new_id
        self._lock = threading.RLock()
        self._line: Line | None = None
        self._apps_of: OrderedDict[str, str] = OrderedDict()

    @property
    def api(self) -> Api:
        """The typed client, one method a route."""
        return self.line.api

    @property
    def line(self) -> Line:
        """The connection, opened at first use and once more in a forked child."""
        line = self._line
        if line is None or line.process != os.getpid():
            with self._lock:
                line = self._line
                if line is None or line.process != os.getpid():
                    line = self._line = self._open()
        return line

    def ask(self, declared: AppFunction, question: str, context: Context, history: Iterable[Said]) -> Reply:
        """Your function's answer with what is known in time, recorded in the background."""
        from ratchet.sdk.knowing import answered, request

        before, started = turns(history), self._now()
        try:
            line = self.line
            watched = line.keeper.watch(declared)
            known = self._known(line, watched, question, context, before)
        except Exception:
            logger.exception("Ratchet cannot be used for %s; answering with nothing learned.", declared.name)
            return _without_ratchet(declared, question)
        given, number = answered(known, request(watched, question, context, before))
        from ratchet.records.trace import Trace

        trace = Trace(
            id=known.trace_id or self._new_id("tr"),
            app=declared.name,
            at=started,
            input=question,
            output=given.text,
            context=context,
            release=number,
            source=given.source,
            confidence=given.confidence,
            passage_id=given.passage_id,
            influences=given.influences,
            latency_ms=(self._now() - started) * 1000,
            history=before,
        )
        self.record(trace_row(trace))
        return Reply.of(trace, known.token)

    def answer(self, name: str, question: str, context: Context, history: Iterable[Said]) -> Reply:
        """The answer of an app declared here, else of one that the service runs."""
        if name in self._declared:
            return self.ask(self._declared[name], question, context, history)
        from ratchet.records.trace import Trace

        out = self.api.answer(name, _ask_in(question, context, turns(history)))
        self._remember(out.id, name)
        trace = Trace(
            id=out.id, app=out.app, at=self._now(), input=question, output=out.output, context=context,
            release=out.release, source=out.source, confidence=out.confidence, passage_id=out.passage_id,
            influences=tuple(out.influences),
        )  # fmt: skip
        return Reply.of(trace, out.feedback_token)

    def record(self, row: dict[str, Any]) -> None:
        """Have a trace recorded soon; never waits for the service."""
        line = self.line
        if row["app"] in self._declared:
            line.keeper.watch(self._declared[row["app"]])
        self._remember(row["id"], row["app"])
        line.recorder.put("trace", row)

    def feedback(self, trace_id: str, app: str, given: dict[str, Any], wait_s: float) -> Acknowledgement:
        """Have feedback delivered; ``accepted`` when the service acknowledged it within ``wait_s`` seconds."""
        event_id = given["event_id"] or self._new_id("fb")
        row = feedback_row(self._app_of(app, str(trace_id)), trace_id, given, event_id=event_id, at=self._now())
        line = self.line
        receipt = line.sender.expect(event_id)
        line.recorder.put(kind_of(row), row)
        if wait_s > 0 and not line.sender.away:
            line.recorder.flush(0)  # send now, and do not wait for others to come along
            receipt.wait(wait_s)
        line.sender.forget(event_id)
        if receipt.result is None:
            why = receipt.reason or line.sender.away or f"not acknowledged within {wait_s:g} s"
            return Acknowledgement(event_id, accepted=False, reason=f"Kept here, to be delivered later: {why}")
        if receipt.result.outcome == "rejected":
            return Acknowledgement(event_id, accepted=False, reason=f"{receipt.result.error} {receipt.result.fix}")
        return Acknowledgement(event_id, accepted=True, duplicate=receipt.result.outcome == "duplicate")

    def deliver(self, batch: TraceBatchIn) -> BatchAck:
        """Store many rows at once."""
        return self.api.send_traces(batch)

    def apps(self) -> list[App]:
        """The apps that the service knows."""
        return [found.app for found in self.api.apps()]

    def cases(self, app: str) -> list[Case]:
        """Cases that wait, oldest first."""
        self.flush()
        found = self.api.queue(app, count=MOST_IN_QUEUE, sample=False).cases
        return sorted((detail.case for detail in found), key=lambda case: (case.at, case.id))

    def queue(self, app: str, count: int) -> list[Case]:
        """At most ``count`` cases, most instructive first."""
        return [detail.case for detail in self.api.queue(app, count=count).cases]

    def case(self, case_id: str) -> CaseDetail:
        """A case with its trace and what people said of it."""
        return self.api.case(case_id)

    def reserve(self, case_id: str, reviewer: str, seconds: float) -> Case:
        """Hold a case for one reviewer."""
        from ratchet.wire.review import ReserveIn

        return self.api.reserve(case_id, ReserveIn(reviewer=reviewer, seconds=seconds))

    def decide(self, case_id: str, **verdict: Any) -> Decided:
        """Give a verdict; with a right answer it becomes a lesson."""
        from ratchet.stages.review.decide import Decided
        from ratchet.wire.review import VerdictIn

        out = self.api.decide(case_id, VerdictIn(**verdict))
        return Decided(out.verdict, out.lesson)

    def learn(self, app: str, *, now: bool) -> TurnReport:
        """One turn of the loop."""
        from ratchet.sdk.told_turn import told_turn

        self.flush()
        report = told_turn(self.api, app, self.api.learn(app, now=now), self._now())
        self.line.keeper.wake()
        return report

    def releases(self, app: str) -> list[Release]:
        """All releases, by number."""
        from ratchet.sdk.told_turn import release_of

        return [release_of(found) for found in self.api.releases(app).releases]

    def lessons(self, app: str) -> list[Lesson]:
        """All lessons, oldest first."""
        return self.api.lessons(app).lessons

    def rollback(self, app: str, *, actor: str, reason: str, to: int | None) -> int:
        """Put the release before, or release ``to``, in force again."""
        from ratchet.wire.releases import MoveIn

        moved = self.api.rollback(app, MoveIn(actor=actor, reason=reason, number=to))
        self.line.keeper.wake()
        return moved.release

    def promote(self, app: str, number: int, *, actor: str, reason: str) -> int:
        """Put a release that was in force before in force again."""
        from ratchet.wire.releases import MoveIn

        moved = self.api.promote(app, MoveIn(actor=actor, reason=reason, number=number))
        self.line.keeper.wake()
        return moved.release

    def revoke(self, lesson_id: str, *, actor: str, reason: str) -> Lesson:
        """Stop a lesson at once, in every release."""
        from ratchet.wire.releases import RevokeIn

        lesson = self.api.revoke_lesson(lesson_id, RevokeIn(actor=actor, reason=reason))
        self.line.keeper.wake()
        return lesson

    def feedback_token(self, trace_id: str, user: str) -> str:
        """A token with which a browser may give feedback on one answer."""
        from ratchet.wire.feedback import TokenIn

        app = self._app_of("", trace_id)
        return self.api.feedback_token(TokenIn(trace_id=trace_id, app=app, user=user)).token

    def status(self, feedback_id: str) -> FeedbackStatus:
        """What came of a report."""
        return self.api.feedback_status(feedback_id)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the service has everything recorded so far; whether it has."""
        return self._line is None or self.line.recorder.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Send what waits, or leave it on disk, and give everything up; it opens again at the next use."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None and line.process == os.getpid():
            line.recorder.close(timeout_s)
            line.keeper.close()
            line.aside.close()
            line.api.close()

    def _open(self) -> Line:
        from ratchet.sdk.api import Api
        from ratchet.sdk.aside import Aside
        from ratchet.sdk.breaker import Breaker
        from ratchet.sdk.keeper import Keeper
        from ratchet.sdk.knowing import Embedders, Knowing
        from ratchet.sdk.recorder import Recorder
        from ratchet.sdk.sender import Sender
        from ratchet.sdk.spool import Spool

        folder = state_folder(self._url, self._environment)
        api, aside, breaker = Api(self._url, self._key), Aside(), Breaker()
        keeper = Keeper(api, breaker, folder / "releases", Embedders(self._environment).choose)
        sender = Sender(api, breaker, keeper.declare)
        recorder = Recorder(sender.send, sender.send_gap, lambda: Spool(folder / "spool"))
        knowing = Knowing(api, aside, breaker, keeper, self._budget_s)
        return Line(os.getpid(), api, aside, keeper, knowing, sender, recorder)

    def _known(self, line: Line, watched: Watched, question: str, context: Context, before: tuple[Turn, ...]) -> Any:
        base = watched.function.base()
        assert base is not None, "only the service runs apps without a function"
        return line.knowing.about(watched, base, _ask_in(question, context, before))

    def _remember(self, trace_id: str, app: str) -> None:
        with self._lock:
            self._apps_of[trace_id] = app
            while len(self._apps_of) > REMEMBERED:
                self._apps_of.popitem(last=False)

    def _app_of(self, app: str, trace_id: str) -> str:
        only = next(iter(self._declared)) if len(self._declared) == 1 else ""
        return app or self._apps_of.get(trace_id, "") or only


def _ask_in(question: str, context: Context, before: tuple[Turn, ...]) -> AskIn:
    from ratchet.wire.apps import AskIn

    return AskIn(input=question, history=list(before), **context_row(context))


def _without_ratchet(declared: AppFunction, question: str) -> Reply:
    from ratchet.layers.layer import Learned
    from ratchet.records.trace import Trace

    assert declared.function is not None, "only the service runs apps without a function"
    output = str(declared.function(question, Learned(prompt=declared.prompt)))
    return Reply.of(Trace(id="", app=declared.name, at=0.0, input=question, output=output, source="fallback"))
