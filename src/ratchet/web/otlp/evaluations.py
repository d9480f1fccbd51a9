"""Turns ``gen_ai.evaluation.result`` events into feedback on the answer that was evaluated."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ratchet.records.feedback import LONGEST_CATEGORY, THUMBS
from ratchet.web.otlp.facts import OWN_ID, explicit_app, find
from ratchet.web.otlp.payload import Attributes, Event, Value, seconds
from ratchet.web.otlp.received import Call, Refused
from ratchet.web.otlp.storable import storable_text, storable_words
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.limits import LONGEST_ID

EVALUATION = "gen_ai.evaluation.result"
_NAME, _VALUE, _LABEL = "gen_ai.evaluation.name", "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"
_EXPLANATION, _RESPONSE = "gen_ai.evaluation.explanation", "gen_ai.response.id"
_CORRECTION = "ratchet.correction"
_USER = ("ratchet.user", "annotator.id", "annotator", "user.id", "enduser.id")
_STARS = (1, 2, 3, 4, 5)


@dataclass(slots=True)
class Known:
    """The calls in one request: what an evaluation in it may be about."""

    _calls: dict[tuple[str, str], str] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)
    _responses: dict[str, set[str]] = field(default_factory=dict)
    _apps: dict[str, str] = field(default_factory=dict)

    def awaits(self, call: Call) -> None:
        """Note a call whose messages are not in this request: they may come in another one."""
        self._calls[call.trace, call.span] = call.id
        response = call.attributes.get(_RESPONSE)
        if isinstance(response, str) and response:
            self._responses.setdefault(response, set()).add(call.id)

    def made(self, call: Call, app: str) -> None:
        """Note that the call became a trace of ``app``; calls come in the order in which they ended."""
        self.awaits(call)
        self._last[call.trace] = call.id
        self._apps[call.id] = app

    def app(self, id: str) -> str:
        """The app of a trace in this request, else nothing."""
        return self._apps.get(id, "")

    def answered(self, response: Value) -> str:
        """The one call that got the response of this id; empty if there is none, or several."""
        found = self._responses.get(response, set()) if isinstance(response, str) else set()
        return next(iter(found)) if len(found) == 1 else ""

    def of_span(self, trace: str, span: str) -> str:
        """The trace that stands for a span: its own, else the last of the whole, else the id it would have."""
        if not trace or not span:
            return ""
        return self._calls.get((trace, span)) or self._last.get(trace) or f"{trace}-{span}"


def read_feedback(events: Iterable[Event], known: Known, default_app: str) -> tuple[list[FeedbackIn], list[Refused]]:
    """The feedback in ``events``, and what was refused."""
    feedback: list[FeedbackIn] = []
    refused: list[Refused] = []
    for event in events:
        if event.name != EVALUATION:
            continue
        id = _subject(event, known)
        said = _said(event.attributes)
        if not id:
            reason = "The evaluation names no span, and no gen_ai.response.id of a call in this request."
            refused.append(Refused("", reason))
        elif len(id) > LONGEST_ID:
            refused.append(Refused(id[:LONGEST_ID], f"The attribute {OWN_ID} has more than {LONGEST_ID} characters."))
        elif isinstance(said, str):
            refused.append(Refused(id, said))
        else:
            feedback.append(_feedback(event, id, said, known.app(id) or default_app))
    return feedback, refused


def _subject(event: Event, known: Known) -> str:
    own = storable_text(event.attributes.get(OWN_ID)).strip()
    # An evaluator that runs by itself has a span of its own; the response's id then says what it evaluated.
    return own or known.answered(event.attributes.get(_RESPONSE)) or known.of_span(event.trace, event.span)


def _feedback(event: Event, id: str, said: dict[str, Any], app: str) -> FeedbackIn:
    attributes = event.attributes
    explanation = storable_text(attributes.get(_EXPLANATION))
    return FeedbackIn(
        id=id,
        app=explicit_app(attributes, event.resource) or app,
        event_id=_event_id(event, id),
        at=seconds(event.nanoseconds),
        user=storable_words(find((attributes,), _USER)),
        **{"comment": explanation, "correction": storable_text(attributes.get(_CORRECTION)), **said},
    )


def _event_id(event: Event, id: str) -> str:
    """The same for the same event however often it is sent, another for any other event."""
    said = [storable_text(event.attributes.get(name)) for name in (_NAME, _VALUE, _LABEL, _EXPLANATION, _CORRECTION)]
    user = storable_words(find((event.attributes,), _USER))
    text = json.dumps([id, event.nanoseconds, user, said])
    return f"otlp-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _said(attributes: Attributes) -> dict[str, Any] | str:
    """What the evaluation says, as fields of feedback; or why it cannot be used."""
    name = storable_text(attributes.get(_NAME)).strip()
    value, label = _number(attributes.get(_VALUE)), storable_text(attributes.get(_LABEL)).strip()
    if not name:
        return f"The evaluation has no {_NAME}."
    if len(name) > LONGEST_CATEGORY:
        return f"The name of the evaluation has more than {LONGEST_CATEGORY} characters."
    if name in ("thumb", "stars", "correction", "comment") or name.startswith(("flag:", "signal:")):
        return _reserved(name, value, label, storable_text(attributes.get(_EXPLANATION)))
    if value is None and not label:
        return f"The evaluation {name} has neither a finite {_VALUE} nor a {_LABEL}."
    if value is None or not label:
        return {"scores": {name: label if value is None else value}}
    labelled = f"{name}.label"
    return {"scores": {name: value, labelled: label} if len(labelled) <= LONGEST_CATEGORY else {name: value}}


def _reserved(name: str, value: float | None, label: str, explanation: str) -> dict[str, Any] | str:
    kind, _, rest = name.partition(":")
    if name == "thumb":
        thumb = (
            label
            if label in THUMBS
            else {1.0: "up", 0.0: "down", -1.0: "down"}.get(math.nan if value is None else value)
        )
        return {"thumb": thumb} if thumb else "The evaluation thumb is neither up (1) nor down (0 or -1)."
    if name == "stars":
        return {"stars": int(value)} if value in _STARS and value else "The evaluation stars is no number from 1 to 5."
    if name in ("correction", "comment"):
        text = label or explanation
        return {"comment": "", name: text} if text.strip() else f"The evaluation {name} has no text."
    if not rest.strip():
        return f"The evaluation {name} names nothing."
    if kind == "flag":
        return {"flags": [rest]} if value != 0 else f"The evaluation {name} has the value 0: a flag is only raised."
    said = label if value is None else value
    return {"signals": {rest: said}} if said != "" else f"The evaluation {name} has no value."


def _number(value: Value) -> float | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
