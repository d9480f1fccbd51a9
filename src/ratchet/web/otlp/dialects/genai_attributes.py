"""The GenAI conventions with messages in attributes: lists of parts, and the older numbered ones."""

from __future__ import annotations

from typing import Any

from ratchet.web.otlp.messages import Exchange, Message, decoded, messages_of, numbered, text_of
from ratchet.web.otlp.payload import Attributes


def read_messages(attributes: Attributes) -> Exchange:
    """The messages in ``gen_ai.input.messages`` and ``gen_ai.output.messages``, with the instructions before them."""
    instructions = _instructions(attributes.get("gen_ai.system_instructions"))
    asked = messages_of(attributes.get("gen_ai.input.messages"), "user")
    answered = messages_of(attributes.get("gen_ai.output.messages"), "assistant")
    return Exchange(instructions + asked, answered)


def read_numbered(attributes: Attributes) -> Exchange:
    """The messages in ``gen_ai.prompt.N.content`` and ``gen_ai.completion.N.content``."""
    return Exchange(
        _numbered(attributes, "gen_ai.prompt.", "user"), _numbered(attributes, "gen_ai.completion.", "assistant")
    )


def _instructions(value: object) -> tuple[Message, ...]:
    # A list of parts, not of messages: together they are one.
    text = "\n".join(message.text for message in messages_of(_as_messages(value), "system") if message.text)
    return (Message("system", text),) if text else ()


def _as_messages(value: object) -> object:
    found = decoded(value)
    return {"content": found} if isinstance(found, list) else found


def _numbered(attributes: Attributes, prefix: str, role: str) -> tuple[Message, ...]:
    return tuple(_message(fields, role) for fields in numbered(attributes, prefix))


def _message(fields: dict[str, Any], role: str) -> Message:
    calls = any(name.startswith(("tool_calls.", "function_call")) for name in fields)
    (message,) = messages_of({"role": fields.get("role") or role, "content": _content(fields.get("content"))}, role)
    return Message(message.role, message.text, calls)


def _content(value: object) -> object:
    # Several parts are written as the JSON of a list; JSON that is not one is what was said.
    found = decoded(value)
    return found if isinstance(found, list) and text_of(found) else value
