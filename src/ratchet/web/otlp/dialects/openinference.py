"""OpenInference: numbered message attributes, and the input and output of a step as text or JSON."""

from __future__ import annotations

from typing import Any

from ratchet.web.otlp.messages import Exchange, Message, canonical_role, numbered, read_value, text_of
from ratchet.web.otlp.payload import Attributes

_INPUTS = ("input.value", "langfuse.observation.input", "langfuse.trace.input", "traceloop.entity.input")
_OUTPUTS = ("output.value", "langfuse.observation.output", "langfuse.trace.output", "traceloop.entity.output")


def read_messages(attributes: Attributes) -> Exchange:
    """The messages of a model call: ``llm.input_messages.N...``, or the prompts and choices of a completion."""
    asked = _messages(attributes, "llm.input_messages.", "user") or _texts(attributes, "llm.prompts.", "prompt.text")
    answered = _messages(attributes, "llm.output_messages.", "assistant") or _texts(
        attributes, "llm.choices.", "completion.text"
    )
    return Exchange(asked, answered)


def read_values(attributes: Attributes) -> Exchange:
    """What went into a step and came out of it: ``input.value`` and ``output.value``, or what others call these."""
    return Exchange(
        read_value(next((attributes[name] for name in _INPUTS if name in attributes), None), answer=False),
        read_value(next((attributes[name] for name in _OUTPUTS if name in attributes), None), answer=True),
    )


def _messages(attributes: Attributes, prefix: str, role: str) -> tuple[Message, ...]:
    return tuple(_message(fields, role) for fields in numbered(attributes, prefix))


def _message(fields: dict[str, Any], role: str) -> Message:
    text = text_of(fields.get("message.content")) or "\n".join(
        part["message_content.text"]
        for part in numbered(fields, "message.contents.")
        if isinstance(part.get("message_content.text"), str)
    )
    calls = any(name.startswith(("message.tool_calls.", "message.function_call_name")) for name in fields)
    named = fields.get("message.role")
    return Message(canonical_role(named) if isinstance(named, str) and named else role, text, calls)


def _texts(attributes: Attributes, prefix: str, name: str) -> tuple[Message, ...]:
    role = "user" if name.startswith("prompt") else "assistant"
    return tuple(Message(role, text_of(fields.get(name))) for fields in numbered(attributes, prefix))
