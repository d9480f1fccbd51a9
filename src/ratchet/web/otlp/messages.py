"""What was asked and answered, as messages, from the many shapes in which they are written down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ratchet.web.otlp.payload import Attributes

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system", "function": "tool"}
# A tuple, not a set: a type may be anything that JSON can hold, which no set can be asked for.
_TEXT_PARTS = ("text", "input_text", "output_text", "")
_ONE_TEXT = (
    "input", "question", "query", "prompt", "text", "message", "content",
    "output", "answer", "response", "result",
)  # fmt: skip
_INDEX = re.compile(r"(\d{1,5})\.(.+)", re.ASCII | re.DOTALL)
_FIELDS = frozenset({"role", "content", "parts", "message", "kwargs", "tool_calls", "function_call"})
_KNOWN_ROLES = frozenset({"user", "system", "assistant", "tool"})


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``calls`` tells that the model asked for a tool in it."""

    role: str
    text: str
    calls: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """The messages that a model was given, and the choices that it answered with."""

    asked: tuple[Message, ...] = ()
    answered: tuple[Message, ...] = ()

    def filled_from(self, other: Exchange) -> Exchange:
        """This exchange, with the half that it lacks from ``other``."""
        return Exchange(
            self.asked if _says(self.asked) else other.asked,
            self.answered if _says(self.answered) else other.answered,
        )

    @property
    def is_whole(self) -> bool:
        """Whether both halves say something."""
        return _says(self.asked) and _says(self.answered)

    @property
    def is_empty(self) -> bool:
        """Whether neither half says anything: the instrumentation left the content out, or sends it elsewhere."""
        return not _says(self.asked) and not _says(self.answered)


def _says(messages: Iterable[Message]) -> bool:
    return any(message.calls or message.text.strip() for message in messages)


def decoded(value: object) -> object:
    """``value``, or what it means if it is the text of a JSON object or list."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    for read in (msgspec.json.decode, json.loads):  # the second reads halves of characters too
        try:
            return read(value)
        except (ValueError, RecursionError):
            continue
    return value


def messages_of(value: object, role: str) -> tuple[Message, ...]:
    """The messages in ``value``: a list, one message, JSON text of these, or plain text.

    ``role`` is whose they are where they do not say it.
    """
    found = decoded(value)
    items = found if isinstance(found, list) else [found]
    if len(items) == 1 and isinstance(items[0], list):
        items = items[0]  # LangChain wraps the messages of a call in a list of calls
    if isinstance(value, str) and not any(isinstance(item, Mapping) and _FIELDS & item.keys() for item in items):
        return (Message(role, value),)  # whoever asked about some JSON did not send messages
    return tuple(_message(item, role) for item in items if isinstance(item, Mapping))


def text_of(content: object) -> str:
    """The text in a message's content: the content itself, or the texts among its parts, a line each."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return ""
    return "\n".join(filter(None, map(_part_text, content)))


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type", "") not in _TEXT_PARTS:
        return ""
    return _first_text(part, ("text", "content"))


def _first_text(values: Mapping[Any, Any], names: Sequence[str]) -> str:
    texts = (values.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _message(item: Mapping[Any, Any], role: str) -> Message:
    for wrapper in ("message", "kwargs"):
        if isinstance(item.get(wrapper), Mapping):
            item = item[wrapper]
    parts = item.get("parts")
    text = text_of(parts) if parts is not None else text_of(item.get("content"))
    return Message(_role(item) or role, text or _tool_result(parts), _has_calls(item, parts))


def _role(item: Mapping[Any, Any]) -> str:
    named, kind = item.get("role"), item.get("type")
    if isinstance(named, str) and named:
        return canonical_role(named)
    kind = canonical_role(kind) if isinstance(kind, str) else ""
    return kind if kind in _KNOWN_ROLES else ""


def canonical_role(name: str) -> str:
    """``user``, ``system``, ``assistant`` or ``tool`` for what the frameworks call these; any other name as it is."""
    return _ROLES.get(name.lower(), name.lower())


def _has_calls(item: Mapping[Any, Any], parts: object) -> bool:
    return bool(item.get("tool_calls") or item.get("function_call")) or "tool_call" in _types(parts)


def _types(parts: object) -> list[object]:
    return [part.get("type") for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def _tool_result(parts: object) -> str:
    if not isinstance(parts, list):
        return ""
    results = [part for part in parts if isinstance(part, Mapping) and part.get("type") == "tool_call_response"]
    return "\n".join(filter(None, (_first_text(part, ("response", "result")) for part in results)))


def numbered(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """The attributes ``<prefix>N.<name>`` by N: one dict of names and values for each N, in order."""
    found: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix) and (match := _INDEX.fullmatch(key, len(prefix))):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[index] for index in sorted(found)]


def read_value(value: object, *, answer: bool) -> tuple[Message, ...]:
    """The messages in the input or output of a whole step, whatever the framework puts there.

    That is text, or JSON: a request or an answer of a chat endpoint, or an object whose text has a usual name. Of an
    output that repeats the conversation, only its last answer is taken.
    """
    role = "assistant" if answer else "user"
    found = decoded(value)
    if isinstance(found, Mapping):
        found = _listed(found) or _only_text(found) or value
    elif isinstance(found, list) and not all(isinstance(item, Mapping | list) for item in found):
        found = value
    messages = (Message(role, found),) if isinstance(found, str) else messages_of(found, role)
    if not answer:
        return messages
    return tuple(message for message in messages if message.role == role)[-1:]


def _listed(values: Mapping[Any, Any]) -> list[Any]:
    lists = (values.get(name) for name in ("messages", "choices", "generations", "input", "output"))
    return next((found for found in lists if isinstance(found, list)), [])


def _only_text(values: Mapping[Any, Any]) -> str:
    named = _first_text(values, _ONE_TEXT)
    if named:
        return named
    texts = [value for value in values.values() if isinstance(value, str) and value.strip()]
    return texts[0] if len(texts) == 1 else ""


def question_of(asked: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """What came before the question, and the question: the last message of a user, or without one the last instruction.

    The question is empty where that message has no text: an older one was not what was answered.
    """
    for role in ("user", "system"):
        at = next((at for at in reversed(range(len(asked))) if asked[at].role == role), None)
        if at is not None:
            return tuple(asked[:at]), asked[at].text
    return tuple(asked), ""


def answer_of(answered: Iterable[Message]) -> str:
    """The text of the first choice that has one."""
    return next((message.text for message in answered if message.text.strip()), "")
