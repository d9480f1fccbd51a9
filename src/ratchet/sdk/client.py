"""Ratchet: the one object an application needs, over a store of its own or over the service."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ratchet.errors import InvalidInput
from ratchet.sdk.address import service_url
from ratchet.sdk.app_function import AppFunction, Kind, Said, context_of
from ratchet.sdk.embedded import Embedded
from ratchet.sdk.messages import random_id, trace_row, turns
from ratchet.sdk.reply import Acknowledgement, Reply

if TYPE_CHECKING:
    from ratchet.interfaces import Clock, Ids
    from ratchet.layers.layer import Learned
    from ratchet.loop import TurnReport
    from ratchet.records.app import App
    from ratchet.records.case import Case
    from ratchet.records.lesson import Lesson
    from ratchet.records.release import Release
    from ratchet.sdk.api import Api
    from ratchet.sdk.remote import Remote
    from ratchet.stages.review.decide import Decided
    from ratchet.wire.feedback import BatchAck, FeedbackStatus
    from ratchet.wire.review import CaseDetail
    from ratchet.wire.traces import TraceBatchIn
    from ratchet.wiring import House

    OwnAnswer = Callable[[str, Learned], object]

__all__ = ["AppFunction", "Ratchet"]

C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])
logger = logging.getLogger("ratchet.sdk")
KEY = "RATCHET_API_KEY"
ACKNOWLEDGED_WITHIN_S = 0.2
FLUSH_S = 10.0


class Ratchet:
    """Answers through your function with what was learned, and takes feedback.

    ``store_or_url`` is a SQLite file (``./ratchet.db`` unless given or set by ``RATCHET_STORE``), which is opened in
    this process, or the URL of the service (``RATCHET_URL`` when nothing is given) with its ``key``
    (``RATCHET_API_KEY``). Nothing is opened and nothing heavy is imported before the first use. Answering never raises
    for learning reasons: when the store, the service or a learned layer fails, your function is called with what is
    known here, or with nothing learned, and the failure is logged. ``learned_timeout_s`` bounds the wait for the
    service before each answer. ``clock`` and ``ids`` are the real ones unless given, for replays and tests.
    """

    def __init__(
        self,
        store_or_url: str | Path | None = None,
        *,
        key: str | None = None,
        learned_timeout_s: float = 0.3,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._ids = ids
        self._declared: dict[str, AppFunction] = {}
        url = service_url(store_or_url, self._settings())
        self._store = None if url else store_or_url
        self._transport: Embedded | Remote
        if url:
            from ratchet.sdk.remote import Remote

            self._transport = Remote(
                url, key if key is not None else self._settings().get(KEY, ""), self._settings(), self._declared,
                learned_timeout_s=learned_timeout_s, now=self._now, new_id=self._new_id,
            )  # fmt: skip
        else:
            self._transport = Embedded(self._open_house, self._declared)

    @classmethod
    def over(cls, open_house: Callable[[], House]) -> Ratchet:
        """Over a store that ``open_house`` opens at the first use, for programs that put the house together."""
        made = cls(Path("ratchet.db"), environment={})
        made._transport = Embedded(open_house, made._declared)
        return made

    def app(
        self,
        name: str,
        *,
        kind: Kind = "answer",
        labels: Mapping[str, str] | Iterable[str] = (),
        knowledge: str | Path | None = None,
        prompt: str = "",
    ) -> Callable[[OwnAnswer], AppFunction]:
        """Declare an app around your own function, which receives the question and what was learned.

        ``labels`` (for ``classify``) are names, or names with descriptions. ``knowledge`` is a JSONL file or a folder.
        """

        def wrap(function: OwnAnswer) -> AppFunction:
            return self._declare(
                AppFunction(self._transport, name, kind, _described(labels), knowledge, prompt, function)
            )

        return wrap

    def offline(
        self,
        name: str,
        *,
        kind: Literal["answer", "classify"] = "answer",
        labels: Mapping[str, str] | Iterable[str] = (),
        knowledge: str | Path | None = None,
    ) -> AppFunction:
        """Declare an app that needs no language model: the best passage, or the label whose words are nearest."""
        self._refuse_remote(name)
        return self._declare(AppFunction(self._transport, name, kind, _described(labels), knowledge, "", None))

    def model(
        self,
        name: str,
        model: str,
        *,
        kind: Kind = "chat",
        labels: Mapping[str, str] | Iterable[str] = (),
        knowledge: str | Path | None = None,
        prompt: str = "",
    ) -> AppFunction:
        """Declare an app answered by a model behind an OpenAI-compatible endpoint (``OPENAI_BASE_URL``,
        ``OPENAI_API_KEY``), which is sent the prompt, what was learned, and the question."""
        self._refuse_remote(name)
        return self._declare(
            AppFunction(self._transport, name, kind, _described(labels), knowledge, prompt, None, model=model)
        )

    def answer(self, app: str, question: str, *, history: Iterable[Said] = (), **context: Any) -> Reply:
        """The answer of an app by name: one declared here, else one that the store or the service runs.

        ``context`` is what a declared app takes: ``user``, ``role``, ``session``, ``segment``... Raises
        ``InvalidInput`` for an unusable question and ``UnknownName`` for an unknown app; an app that the service runs
        also passes on ``Unavailable`` and ``ProviderError``, for there is no function here to fall back to.
        """
        from ratchet.stages.capture.validate import usable_text

        usable_text("question", question)
        return self._transport.answer(app, question, context_of(**context), history)

    def observe(
        self,
        app: str,
        *,
        input: Callable[..., object] | None = None,
        output: Callable[[Any], object] | None = None,
        context: Callable[..., Mapping[str, object]] | None = None,
    ) -> Callable[[F], F]:
        """A decorator that records a function's calls as traces of ``app``, and changes nothing else about it."""
        from ratchet.sdk.observe import observe

        recording: Any = self
        return observe(recording, app, input=input, output=output, context=context)

    def openai(self, client: C, app: str | None = None) -> C:
        """The OpenAI client with its calls recorded as traces of ``app``, or of an app named after the model."""
        from ratchet.sdk.openai_client import wrap

        recording: Any = self
        return wrap(recording, client, app)

    def record(
        self,
        app: str,
        input: str,
        output: str,
        *,
        user: str = "",
        role: str = "",
        task_type: str = "",
        session: str = "",
        environment: str = "",
        segment: str = "",
        tags: Iterable[str] = (),
        history: Iterable[Said] = (),
        trace_id: str = "",
        at: float | None = None,
        latency_ms: float | None = None,
        cost: float | None = None,
        model: str = "",
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> str:
        """Record a request that was answered elsewhere; the id to give feedback on. Never raises and never waits for
        the service: what fails is logged. ``at`` is in seconds since the epoch, now unless given."""
        identity = trace_id or random_id("tr")
        try:
            from ratchet.records.trace import Trace

            identity = trace_id or self._new_id("tr")
            context = context_of(
                user=user, role=role, task_type=task_type, session=session, environment=environment, segment=segment,
                tags=tags,
            )  # fmt: skip
            trace = Trace(
                id=identity, app=app, at=self._now() if at is None else at, input=input, output=output, context=context,
                history=turns(history), latency_ms=latency_ms, cost=cost, model=model, input_tokens=input_tokens,
                output_tokens=output_tokens,
            )  # fmt: skip
            self._transport.record(trace_row(trace))
        except Exception:
            logger.exception("A trace of %s was not recorded.", app)
        return identity

    def feedback(
        self,
        trace_id: str,
        *,
        app: str = "",
        user: str = "",
        scores: Mapping[str, object] | None = None,
        thumb: Literal["", "up", "down"] = "",
        stars: int | None = None,
        flags: Iterable[str] = (),
        correction: str = "",
        comment: str = "",
        signals: Mapping[str, object] | None = None,
        event_id: str = "",
        wait_s: float = ACKNOWLEDGED_WITHIN_S,
    ) -> Acknowledgement:
        """Say how an answer was. ``accepted`` means that it is on disk, at the service where there is one.

        Over HTTP this waits at most ``wait_s`` seconds for that; what was not acknowledged by then is kept here and
        delivered later, exactly once. Raises ``InvalidInput`` for values that cannot be stored. ``app`` is needed only
        where several apps are declared and the trace is not known yet. The same ``event_id`` twice is one event.
        """
        given: dict[str, Any] = {
            "event_id": event_id, "user": user, "scores": scores, "thumb": thumb, "stars": stars,
            "flags": flags if isinstance(flags, str) else tuple(flags), "correction": correction, "comment": comment,
            "signals": signals,
        }  # fmt: skip
        return self._transport.feedback(trace_id, app, given, wait_s)

    def deliver(self, batch: TraceBatchIn) -> BatchAck:
        """Store traces and feedback at once, and say what became of each row; raises when that cannot be done."""
        return self._transport.deliver(batch)

    def apps(self) -> list[App]:
        """The apps that the store or the service knows."""
        return self._transport.apps()

    def cases(self, app: str) -> list[Case]:
        """Cases that wait for a verdict, oldest first; complaints are turned into cases first."""
        return self._transport.cases(app)

    def queue(self, app: str, count: int = 20) -> list[Case]:
        """At most ``count`` cases, the ones whose verdict would teach most first."""
        return self._transport.queue(app, count)

    def case(self, case_id: str) -> CaseDetail:
        """A case with its trace and what people said of it."""
        return self._transport.case(case_id)

    def reserve(self, case_id: str, reviewer: str, seconds: float = 600.0) -> Case:
        """Hold a case for one reviewer; raises ``Conflict`` while somebody else holds it."""
        return self._transport.reserve(case_id, reviewer, seconds)

    def decide(
        self,
        case_id: str,
        *,
        reviewer: str,
        erred: bool,
        answer: str = "",
        passage_id: str = "",
        failure_mode: str = "",
        note: str = "",
    ) -> Decided:
        """Give a verdict on a case; with a right answer it becomes a lesson."""
        return self._transport.decide(
            case_id, reviewer=reviewer, erred=erred, answer=answer, passage_id=passage_id, failure_mode=failure_mode,
            note=note,
        )  # fmt: skip

    def learn(self, app: str, *, now: bool = False) -> TurnReport:
        """One turn of the loop: draft a candidate from the new lessons, gate it, release it if it passes."""
        return self._transport.learn(app, now=now)

    def releases(self, app: str) -> list[Release]:
        """All releases of the app, by number."""
        return self._transport.releases(app)

    def lessons(self, app: str) -> list[Lesson]:
        """All lessons of the app, oldest first."""
        return self._transport.lessons(app)

    def rollback(self, app: str, *, actor: str, reason: str, to: int | None = None) -> int:
        """Put the release before the present one (or release ``to``) in force again; its number."""
        return self._transport.rollback(app, actor=actor, reason=reason, to=to)

    def promote(self, app: str, number: int, *, actor: str, reason: str) -> int:
        """Put a release that was in force before in force again; its number."""
        return self._transport.promote(app, number, actor=actor, reason=reason)

    def revoke(self, lesson_id: str, *, actor: str, reason: str) -> Lesson:
        """Stop a lesson at once, in the present release and in every earlier one."""
        return self._transport.revoke(lesson_id, actor=actor, reason=reason)

    def feedback_token(self, trace_id: str, user: str = "") -> str:
        """A token with which a browser may give feedback on one answer; only the service gives them out."""
        return self._remote("Tokens are for browsers").feedback_token(trace_id, user)

    def status(self, feedback_id: str) -> FeedbackStatus:
        """What came of a report; only the service says."""
        return self._remote("The status of a report").status(feedback_id)

    def reembed(self) -> list[tuple[str, int, int]]:
        """Move every app to the configured embedder; for each, its name, how many texts were embedded, and the
        release now in force. Raises ``Conflict`` for an app whose function is not declared here."""
        return self._embedded("Embedding anew").reembed()

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until everything recorded so far is on disk, at the service where there is one; over HTTP at most
        ``timeout_s`` seconds. Whether it is."""
        return self._transport.flush(timeout_s)

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Send or write what waits and give everything up; it opens again at the next use."""
        self._transport.close(timeout_s)

    def __enter__(self) -> Ratchet:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def house(self) -> House:
        """Everything inside, opened at first use; raises ``StorageError`` when the store cannot be had, and
        ``InvalidInput`` over HTTP, where it is inside the service."""
        return self._embedded("The house").house

    @property
    def api(self) -> Api:
        """The typed client of the service, one method a route; raises ``InvalidInput`` for a store of one's own."""
        return self._remote("The typed client").api

    def _open_house(self) -> House:
        from ratchet.settings import Settings
        from ratchet.wiring import open_house

        return open_house(Settings.read(self._settings(), self._store), clock=self._clock, ids=self._ids)

    def _settings(self) -> Mapping[str, str]:
        return os.environ if self._environment is None else self._environment

    def _now(self) -> float:
        return time.time() if self._clock is None else self._clock.now()

    def _new_id(self, prefix: str) -> str:
        return random_id(prefix) if self._ids is None else self._ids.new(prefix)

    def _declare(self, declared: AppFunction) -> AppFunction:
        declared.check()
        self._declared[declared.name] = declared
        return declared

    def _embedded(self, what: str) -> Embedded:
        if not isinstance(self._transport, Embedded):
            raise InvalidInput(f"{what} is inside the service.", "Run `ratchet` on the service's machine for that.")
        return self._transport

    def _remote(self, what: str) -> Remote:
        if isinstance(self._transport, Embedded):
            raise InvalidInput(f"{what}: this needs the service.", "Start `ratchet serve`, and give Ratchet its URL.")
        return self._transport

    def _refuse_remote(self, name: str) -> None:
        if not isinstance(self._transport, Embedded):
            raise InvalidInput(
                f"The app {name} has no function of yours, so the service must run it.",
                f"Declare it in the service's ratchet.toml, and ask it with loop.answer({name!r}, question).",
            )


def _described(labels: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    return dict(labels) if isinstance(labels, Mapping) else {label: "" for label in labels}
