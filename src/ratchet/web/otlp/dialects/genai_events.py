"""The GenAI conventions with messages in events: events of a span, or log records that name one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ratchet.web.otlp.dialects import genai_attributes
from ratchet.web.otlp.messages import Exchange, Message, decoded, messages_of
from ratchet.web.otlp.payload import Event

DETAILS = "gen_ai.client.inference.operation.details"
_SAID = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"
_PROMPT, _COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"
NAMES = frozenset({DETAILS, _CHOICE, _PROMPT, _COMPLETION, *_SAID})


def read_events(events: Iterable[Event]) -> Exchange:
    """The messages in the events of one span; an event with the details of the whole call is enough by itself."""
    ordered = sorted(events, key=lambda event: event.nanoseconds)
    whole = Exchange()
    for event in ordered:
        if event.name == DETAILS:
            fields = {**event.attributes, **event.body} if isinstance(event.body, Mapping) else event.attributes
            whole = whole.filled_from(genai_attributes.read_messages(fields))
    return whole.filled_from(_one_by_one(ordered))


def _one_by_one(events: Iterable[Event]) -> Exchange:
    asked: list[Message] = []
    choices: list[tuple[int, tuple[Message, ...]]] = []
    for event in events:
        if event.name in _SAID:
            asked += messages_of(_fields(event), _SAID[event.name])
        elif event.name == _CHOICE:
            fields = _fields(event)
            index = fields.get("index")
            said = decoded(fields.get("message", fields.get("content")))
            choices.append((index if isinstance(index, int) else 0, messages_of(said, "assistant")))
        elif event.name == _PROMPT:
            asked += messages_of(event.attributes.get("gen_ai.prompt"), "user")
        elif event.name == _COMPLETION:
            choices.append((0, messages_of(event.attributes.get("gen_ai.completion"), "assistant")))
    choices.sort(key=lambda choice: choice[0])
    return Exchange(tuple(asked), tuple(message for _, said in choices for message in said))


def _fields(event: Event) -> Mapping[Any, Any]:
    """The event's fields: the body of a log record, or in a span's event the attributes or one of them, as JSON."""
    for place in (event.body, event.attributes.get("gen_ai.event.content")):
        found = decoded(place)
        if isinstance(found, Mapping):
            return found
        if isinstance(found, str):
            return {"content": found}
    return event.attributes
