"""Ratchet: the one object an application needs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ratchet.errors import InvalidInput, RatchetError
from ratchet.sdk.reply import Acknowledgement, Reply

if TYPE_CHECKING:
    from ratchet.interfaces import Clock, Ids
    from ratchet.layers.layer import Answerer, Learned
    from ratchet.loop import TurnReport
    from ratchet.records.app import App
    from ratchet.records.case import Case
    from ratchet.records.release import Release
    from ratchet.stages.review.decide import Decided
    from ratchet.wiring import House

logger = logging.getLogger("ratchet.sdk")
OwnAnswer = Callable[[str, "Learned"], object]


class Ratchet:
    """Opens (or makes) a store, answers through your function with what was learned, and takes feedback.

    ``store`` is a SQLite file, ``./ratchet.db`` unless given or set by ``RATCHET_STORE``. Nothing is opened and
    nothing heavy is imported before the first use. Answering never raises for learning reasons: when the store or a
    learned layer fails, your function is called with nothing learned, and the failure is logged. ``clock`` and ``ids``
    are the real ones unless given, for replays and tests.
    """

    def __init__(
        self,
        store: str | Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._environment = environment
        self._house: House | None = None
        self._lock = threading.RLock()
        self._declared: dict[str, AppFunction] = {}

    def app(
        self,
        name: str,
        *,
        kind: Literal["answer", "classify", "chat"] = "answer",
        labels: Mapping[str, str] | Iterable[str] = (),
        knowledge: str | Path | None = None,
        prompt: str = "",
    ) -> Callable[[OwnAnswer], AppFunction]:
        """Declare an app around your own function, which receives the question and what was learned.

        ``labels`` (for ``classify``) are names, or names with descriptions. ``knowledge`` is a JSONL file or a folder.
        """

        def wrap(function: OwnAnswer) -> AppFunction:
            return self._declare(AppFunction(self, name, kind, _described(labels), knowledge, prompt, function))

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
        return self._declare(AppFunction(self, name, kind, _described(labels), knowledge, "", None))

    def model(
        self,
        name: str,
        model: str,
        *,
        kind: Literal["answer", "classify", "chat"] = "chat",
        labels: Mapping[str, str] | Iterable[str] = (),
        knowledge: str | Path | None = None,
        prompt: str = "",
    ) -> AppFunction:
        """Declare an app answered by a model behind an OpenAI-compatible endpoint (``OPENAI_BASE_URL``,
        ``OPENAI_API_KEY``), which is sent the prompt, what was learned, and the question."""
        declared = AppFunction(self, name, kind, _described(labels), knowledge, prompt, None, model=model)
        return self._declare(declared)

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
    ) -> Acknowledgement:
        """Say how an answer was. Once it returns ``accepted``, it is on disk.

        Raises ``InvalidInput`` for values that cannot be stored. ``app`` is needed only where several apps are
        declared and the trace is not in this store yet. The same ``event_id`` twice is one event.
        """
        from ratchet.stages.capture.intake import count_rejected, read_feedback, record_feedback

        given: dict[str, Any] = {
            "event_id": event_id, "user": user, "scores": scores, "thumb": thumb, "stars": stars, "flags": tuple(flags),
            "correction": correction, "comment": comment, "signals": signals,
        }  # fmt: skip
        try:
            house = self.house
            for declared in self._declared.values():
                declared.prepare(house)
        except RatchetError as error:
            return _not_accepted(event_id, error)
        name = app or self._app_of(trace_id)
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

    def cases(self, app: str) -> list[Case]:
        """Cases that wait for a verdict, oldest first; complaints are turned into cases first."""
        from ratchet.stages.enrich.enrichment import enrich

        self.flush()
        enrich(self.house.outside, app, self.house.loop.rules)
        return self.house.store.cases.opened(app)

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
        from ratchet.stages.review.decide import decide

        return decide(
            self.house.outside, case_id, reviewer=reviewer, erred=erred, answer=answer, passage_id=passage_id,
            failure_mode=failure_mode, note=note,
        )  # fmt: skip

    def learn(self, app: str, *, now: bool = False) -> TurnReport:
        """One turn of the loop: draft a candidate from the new lessons, gate it, release it if it passes."""
        self.flush()
        self._ready(app)
        return self.house.loop.turn(app, now=now)

    def releases(self, app: str) -> list[Release]:
        """All releases of the app, by number."""
        return self.house.store.releases.all(app)

    def rollback(self, app: str, *, actor: str, reason: str, to: int | None = None) -> int:
        """Put the release before the present one (or release ``to``) in force again; its number."""
        from ratchet.stages.release.rollback import rollback

        return rollback(self.house.outside, app, actor=actor, reason=reason, to=to)

    def promote(self, app: str, number: int, *, actor: str, reason: str) -> int:
        """Put a release that was in force before in force again; its number."""
        from ratchet.stages.release.rollback import promote

        return promote(self.house.outside, app, number, actor=actor, reason=reason)

    def revoke(self, lesson_id: str, *, actor: str, reason: str) -> None:
        """Stop a lesson at once, in the present release and in every earlier one."""
        from ratchet.stages.release.revoke import revoke

        lesson = revoke(self.house.outside, lesson_id, actor=actor, reason=reason)
        self.house.bundles.forget(lesson.app)

    def reembed(self) -> list[tuple[str, int, int]]:
        """Move every app to the configured embedder; for each, its name, how many texts were embedded, and the
        release now in force. Raises ``Conflict`` for an app whose function is not declared here."""
        from ratchet.reembedding import reembed

        for declared in self._declared.values():
            declared.base_into(self.house)
        return reembed(self.house, lambda what, done, total: None)

    def flush(self) -> None:
        """Wait until everything recorded so far is on disk."""
        self.house.store.submit(lambda: None).result()

    def close(self) -> None:
        """Write what waits and give the store up; it opens again at the next use."""
        with self._lock:
            if self._house is not None:
                self._house.close()
                self._house = None
                for declared in self._declared.values():
                    declared.ready = False

    def __enter__(self) -> Ratchet:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def house(self) -> House:
        """Everything inside, opened at first use; raises ``StorageError`` when the store cannot be had."""
        with self._lock:
            if self._house is None:
                from ratchet.settings import Settings
                from ratchet.wiring import open_house

                environment = os.environ if self._environment is None else self._environment
                settings = Settings.read(environment, self._store)
                self._house = open_house(settings, clock=self._clock, ids=self._ids)
            return self._house

    def _declare(self, declared: AppFunction) -> AppFunction:
        declared.check()
        self._declared[declared.name] = declared
        return declared

    def _ready(self, name: str) -> None:
        if name in self._declared:
            self._declared[name].prepare(self.house)
        else:
            self.house.reopen(name)

    def _app_of(self, trace_id: str) -> str:
        if len(self._declared) == 1:
            return next(iter(self._declared))
        self.flush()
        trace = self.house.store.traces.get(str(trace_id))
        if trace is None:
            raise InvalidInput(f"The trace {trace_id!r} is not known yet.", "Say which app it belongs to: app=...")
        return trace.app


class AppFunction:
    """An app, callable: your function (or the built-in one) behind the release in force."""

    def __init__(
        self,
        ratchet: Ratchet,
        name: str,
        kind: Literal["answer", "classify", "chat"],
        labels: Mapping[str, str],
        knowledge: str | Path | None,
        prompt: str,
        function: OwnAnswer | None,
        *,
        model: str = "",
    ) -> None:
        self.name = name
        self._model = model
        self.ready = False
        self._ratchet = ratchet
        self._kind = kind
        self._labels = labels
        self._knowledge = knowledge
        self._prompt = prompt
        self._function = function

    def __call__(
        self,
        question: str,
        *,
        user: str = "",
        role: str = "",
        task_type: str = "",
        session: str = "",
        environment: str = "",
        segment: str = "",
        tags: Iterable[str] = (),
    ) -> Reply:
        """The answer of the release in force. Your own function's errors pass through unchanged.

        Raises ``InvalidInput`` for an empty question or one of more than 100,000 characters.
        """
        from ratchet.records.trace import Context
        from ratchet.stages.capture.validate import usable_text

        usable_text("question", question)
        context = Context(
            user=user, role=role, task_type=task_type, session=session, environment=environment, segment=segment,
            tags=tuple(tags),
        )  # fmt: skip
        try:
            house = self._ratchet.house
            self.prepare(house)
            app = house.store.apps.get(self.name)
        except Exception:
            logger.exception("Ratchet cannot be used for %s; answering with nothing learned.", self.name)
            return self._without_ratchet(question)
        return self._recorded(house, app, question, context)

    def check(self) -> None:
        """Raise ``InvalidInput`` at once for knowledge that is not there: the program would start half blind."""
        if self._knowledge is not None and not Path(self._knowledge).exists():
            raise InvalidInput(
                f"The knowledge of {self.name} is not at {self._knowledge}.",
                "Name a JSONL file or a folder of .md and .txt files.",
            )

    def prepare(self, house: House) -> None:
        """Declare the app in the store, once per opening."""
        if self.ready:
            return
        from ratchet.providers.knowledge_files import read_knowledge

        passages = None if self._knowledge is None else read_knowledge(Path(self._knowledge), self.name)
        house.declare(self.name, self._kind, self._base(), self._labels, self._prompt)
        if passages is not None:
            house.know(self.name, passages)
        self.ready = True

    def base_into(self, house: House) -> None:
        """Make the base known, with nothing declared in the store yet."""
        base = self._base()
        if base is not None:
            house.bases[self.name] = base

    def _base(self) -> Answerer | None:
        if self._model:
            from ratchet.wiring import chat_model

            return chat_model(self._model)
        if self._function is None:
            return None
        from ratchet.providers.answerers import OwnFunction

        return OwnFunction(getattr(self._function, "__name__", "function"), self._function)

    def _recorded(self, house: House, app: App, question: str, context: Any) -> Reply:
        from ratchet.stages.capture.intake import record_trace
        from ratchet.stages.serve.respond import respond

        served = respond(house.outside, house.bundles, app, house.bases[self.name], question, context)
        try:
            writing = house.store.submit(lambda: record_trace(house.outside, served.trace))
            writing.add_done_callback(_log_failure)
        except RatchetError:
            logger.exception("The trace %s was not recorded.", served.trace.id)
        return Reply.of(served.trace)

    def _without_ratchet(self, question: str) -> Reply:
        from ratchet.layers.layer import Learned
        from ratchet.records.trace import Trace

        if self._function is None:
            raise InvalidInput(
                f"The offline app {self.name} has no store to answer from.", "See the log for what is wrong with it."
            )
        output = str(self._function(question, Learned(prompt=self._prompt)))
        return Reply.of(Trace(id="", app=self.name, at=0.0, input=question, output=output, source="fallback"))


def _described(labels: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    return dict(labels) if isinstance(labels, Mapping) else {label: "" for label in labels}


def _not_accepted(feedback_id: str, error: RatchetError) -> Acknowledgement:
    logger.error("Feedback was not stored: %s", error)
    return Acknowledgement(feedback_id, accepted=False, reason=str(error))


def _log_failure(writing: Any) -> None:
    if writing.exception() is not None:
        logger.error("A trace was not recorded: %s", writing.exception())
