"""Takes traces and feedback in: validated, deduplicated, counted, and durable once acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ratchet.errors import Conflict, InvalidInput
from ratchet.records.feedback import SIGNALS, THUMBS, Feedback, Score, Value
from ratchet.records.trace import Trace
from ratchet.stages.capture.validate import usable_id, usable_text

if TYPE_CHECKING:  # an application that only sends feedback checks it with this, and needs no numpy for that
    from ratchet.interfaces import Outside

MOST_SCORES = 50
CONTEXT = ("user", "role", "task_type", "session", "environment", "segment")
RESERVED = ("thumb", "stars", "correction", "comment")
Outcome = Literal["stored", "duplicate"]


def record_trace(outside: Outside, trace: Trace) -> Outcome:
    """Store a trace; the same id again changes nothing. Raises ``InvalidInput``."""
    checked_trace(trace)
    with outside.store.transaction():
        return _counted(outside, trace.app, outside.store.traces.add(trace))


def checked_trace(trace: Trace) -> Trace:
    """The trace, if every text in it can be stored. Raises ``InvalidInput``."""
    usable_id("trace id", trace.id)
    usable_text("input", trace.input)
    usable_text("output", trace.output, may_be_empty=True)
    for name in CONTEXT:
        if text := getattr(trace.context, name):
            usable_text(name, text, may_be_empty=True)
    for tag in trace.context.tags:
        usable_text("tag", tag)
    for turn in trace.history:
        usable_text("role of a turn", turn.role)
        usable_text("text of a turn", turn.text, may_be_empty=True)
    for name in ("passage_id", "model"):
        usable_text(name, getattr(trace, name), may_be_empty=True)
    for influence in trace.influences:
        usable_text("influence", influence.id)
    return trace


def read_feedback(
    outside: Outside,
    app: str,
    trace_id: str,
    *,
    event_id: str = "",
    user: str = "",
    scores: Mapping[str, object] | None = None,
    thumb: str = "",
    stars: object = None,
    flags: Iterable[str] = (),
    correction: str = "",
    comment: str = "",
    signals: Mapping[str, object] | None = None,
) -> Feedback:
    """The feedback in one message, checked. Raises ``InvalidInput`` when any part is unusable, ``UnknownName`` for an
    app that was never declared; nothing is stored then."""
    outside.store.apps.get(app)
    _refuse_other_app(outside, app, trace_id)
    return checked_feedback(
        outside, app, trace_id, event_id=event_id, user=user, scores=scores, thumb=thumb, stars=stars, flags=flags,
        correction=correction, comment=comment, signals=signals,
    )  # fmt: skip


def checked_feedback(
    outside: Outside,
    app: str,
    trace_id: str,
    *,
    event_id: str = "",
    at: float | None = None,
    user: str = "",
    scores: Mapping[str, object] | None = None,
    thumb: object = "",
    stars: object = None,
    flags: Iterable[str] = (),
    correction: str = "",
    comment: str = "",
    signals: Mapping[str, object] | None = None,
) -> Feedback:
    """The feedback, if every part of it is usable by itself; what it is about is not looked at."""
    feedback = Feedback(
        id=usable_id("event id", event_id) if event_id else outside.ids.new("fb"),
        app=app,
        trace_id=usable_id("trace id", trace_id),
        at=outside.clock.now() if at is None else at,
        user=_words("user", user),
        scores=_scores(scores) if scores else (),
        thumb=_thumb(thumb),
        stars=_stars(stars),
        flags=_flags(flags) if flags else (),
        correction=_words("correction", correction),
        comment=_words("comment", comment),
        signals=_signals(signals) if signals else {},
    )
    if not feedback.says_something:
        raise InvalidInput("The feedback says nothing.", "Send a score, thumb, stars, flag, correction or comment.")
    return feedback


def _refuse_other_app(outside: Outside, app: str, trace_id: str) -> None:
    trace = outside.store.traces.get(usable_id("trace id", trace_id))
    if trace is not None and trace.app != app:
        raise InvalidInput(f"The trace {trace_id} belongs to {trace.app}, not to {app}.", f"Send it for {trace.app}.")


def record_feedback(outside: Outside, feedback: Feedback) -> Outcome:
    """Store checked feedback; it may come before its trace, and the same event id again changes nothing.

    Raises ``Conflict`` when that event id was used for other feedback before.
    """
    with outside.store.transaction():
        (arrival,) = outside.store.feedback.add_many([feedback])
        if arrival == "other":
            raise other_feedback(feedback)
        return _counted(outside, feedback.app, arrival == "new")


def other_feedback(feedback: Feedback) -> Conflict:
    """The error for an event id that already stands for something else."""
    return Conflict(
        f"The event id {feedback.id!r} was used for other feedback before.", "Give every event an id of its own."
    )


def count_rejected(outside: Outside, app: str) -> None:
    """Count something that arrived and was refused."""
    with outside.store.transaction():
        outside.store.feedback.tally(app, "received")
        outside.store.feedback.tally(app, "rejected")


def _counted(outside: Outside, app: str, new: bool) -> Outcome:
    outcome: Outcome = "stored" if new else "duplicate"
    outside.store.feedback.tally(app, "received")
    outside.store.feedback.tally(app, outcome)
    return outcome


def _words(name: str, text: str) -> str:
    return usable_text(name, text, may_be_empty=True) if text != "" else ""


def _scores(values: Mapping[str, object]) -> tuple[Score, ...]:
    if len(values) > MOST_SCORES:
        raise InvalidInput(f"The feedback has {len(values)} scores.", f"Send at most {MOST_SCORES} at once.")
    for name in values:
        if usable_text("score name", name) in RESERVED or name.startswith(("flag:", "signal:")):
            raise InvalidInput(f"The score name {name!r} has a meaning of its own.", "Send it in its own field.")
    return tuple(_score(name, value) for name, value in values.items())


def _score(name: str, value: object) -> Score:
    score = Score.infer(name, value)
    if isinstance(value, str):
        usable_text(name, value, may_be_empty=True)
    return score


def _flags(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise InvalidInput(f"The flags are the text {values!r:.60}.", "Send a list of flags.")
    return tuple(usable_id("flag", flag) for flag in values)


def _thumb(value: object) -> Any:
    if value is None or value == "":
        return ""
    if value not in THUMBS:
        raise InvalidInput(f"The thumb is {value!r}.", "Send 'up' or 'down'.")
    return value


def _stars(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in (1, 2, 3, 4, 5):
        raise InvalidInput(f"The stars are {value!r}.", "Send a whole number from 1 to 5.")
    return int(value)


def _signals(values: Mapping[str, object]) -> dict[str, Value]:
    unknown = sorted(set(values) - SIGNALS)
    if unknown:
        raise InvalidInput(f"The signal {unknown[0]!r} is unknown.", f"Known are: {', '.join(sorted(SIGNALS))}.")
    return {name: _score(name, value).value for name, value in values.items()}
