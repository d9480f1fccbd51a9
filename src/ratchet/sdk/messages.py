"""What an application says, checked and put into rows that can wait and travel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ratchet.records.trace import Context, Trace, Turn

LONGEST_TEXT = 100_000
LONGEST_WORD = 1000
MOST_TAGS = 50


def random_id(prefix: str) -> str:
    """An identifier nobody can guess."""
    return f"{prefix}_{os.urandom(12).hex()}"


def turns(history: Iterable[Mapping[str, str]]) -> tuple[Turn, ...]:
    """The turns of a conversation from chat messages (``role`` with ``content`` or ``text``)."""
    from ratchet.records.trace import Turn

    return tuple(
        Turn(str(message.get("role") or "user"), str(message.get("content") or message.get("text") or ""))
        for message in history
    )


def trace_row(trace: Trace) -> dict[str, Any]:
    """A trace as the service takes it. Texts are made storable: what is too long is cut, what is broken replaced."""
    context = trace.context
    return {
        "id": trace.id,
        "app": trace.app,
        "at": trace.at,
        "input": storable(trace.input),
        "output": storable(trace.output),
        "context": context_row(context),
        "history": [{"role": storable(turn.role), "text": storable(turn.text)} for turn in trace.history],
        "release": trace.release,
        "source": trace.source,
        "confidence": None if trace.confidence is None else min(1.0, max(0.0, trace.confidence)),
        "passage_id": storable(trace.passage_id, LONGEST_WORD),
        "influences": [{"kind": item.kind, "id": item.id, "weight": item.weight} for item in trace.influences],
        "model": storable(trace.model, LONGEST_WORD),
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
        "latency_ms": None if trace.latency_ms is None else max(0.0, trace.latency_ms),
        "cost": trace.cost,
    }


def context_row(context: Context) -> dict[str, Any]:
    """Who asked, as the service takes it."""
    names = ("user", "role", "task_type", "session", "environment", "segment")
    row: dict[str, Any] = {name: storable(getattr(context, name), LONGEST_WORD) for name in names}
    row["tags"] = [storable(tag, LONGEST_WORD) for tag in context.tags[:MOST_TAGS] if str(tag).strip()]
    return row


def storable(text: object, longest: int = LONGEST_TEXT) -> str:
    """``text`` without NUL characters and half surrogate pairs, at most ``longest`` characters of it."""
    kept = str(text)[:longest].replace("\x00", "\ufffd")
    return kept.encode("utf-8", "replace").decode()


def feedback_row(app: str, trace_id: object, given: Mapping[str, Any], *, event_id: str, at: float) -> dict[str, Any]:
    """Feedback as the service takes it; raises ``InvalidInput`` at once for what could never be stored."""
    from ratchet.stages.capture.intake import checked_feedback

    # With an id and a time of its own, the check looks at nothing outside.
    nothing: Any = None
    said = checked_feedback(nothing, app, str(trace_id), **{**given, "event_id": event_id, "at": at})
    row: dict[str, Any] = {
        "id": said.trace_id,
        "event_id": said.id,
        "at": said.at,
        "app": said.app,
        "user": storable(said.user, LONGEST_WORD),
        "scores": {score.name: score.value for score in said.scores},
        "thumb": said.thumb,
        "stars": said.stars,
        "flags": list(said.flags),
        "correction": said.correction,
        "comment": said.comment,
        "signals": dict(said.signals),
    }
    return {name: value for name, value in row.items() if value not in ("", None, {}, [])}


def kind_of(row: Mapping[str, Any]) -> Literal["correction", "rating", "implicit"]:
    """How dear the feedback is when not everything can be kept: a correction most, what was only observed least."""
    if row.get("correction") or row.get("comment"):
        return "correction"
    return "rating" if {"scores", "thumb", "stars", "flags"} & set(row) else "implicit"
